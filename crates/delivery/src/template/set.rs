//! A tenant's templates: checked when they are set, rendered with bounds.

use super::data::{Data, root_names};
use super::functions;
use super::sections::{line_of, sections};
use super::value::push_text;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use openclaw_alert::{Notification, Timestamp};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

/// Steps of one rendering, in which output and copies count too (64 bytes one
/// step): some 10 ms of work, and at most 20 MB.
const FUEL: u64 = 300_000;
/// A part that uses itself ends here; each level costs ten.
const DEPTH: usize = 200;
/// Longest text of a rendering.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Longest file of templates.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Parts of all files of a tenant.
const SECTIONS_MAX: usize = 2000;
/// What the service brings along, under Alertmanager's names.
const DEFAULTS: &str = include_str!("defaults.tmpl");

/// A file of named parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it comes from, for messages.
    pub name: String,
    /// The parts, each `{% define "name" %} … {% enddefine %}`.
    pub text: String,
}

/// A template that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// Name of the [`Source`]; empty for the text of a field.
    pub place: String,
    /// Line in it, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub detail: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "line {} of the template: {}", self.line, self.detail),
            place => write!(f, "{place}:{}: {}", self.line, self.detail),
        }
    }
}

/// The named parts that a tenant's templates may use. Cheap to clone.
#[derive(Clone)]
pub struct TemplateSet(Arc<Parts>);

struct Parts {
    environment: Environment<'static>,
    /// The same parts, for text in which a value must not be markup.
    html: OnceLock<Environment<'static>>,
    sources: Vec<Source>,
}

static BUILT_IN: LazyLock<TemplateSet> = LazyLock::new(|| {
    let mut environment = environment();
    // Read by every test of a set: faults can't reach a user.
    let _ = add_source(&mut environment, &Source { name: String::new(), text: DEFAULTS.to_owned() });
    TemplateSet(Arc::new(Parts { environment, html: OnceLock::new(), sources: Vec::new() }))
});

/// Only what the service brings along.
impl Default for TemplateSet {
    fn default() -> Self {
        BUILT_IN.clone()
    }
}

impl PartialEq for TemplateSet {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.sources == other.0.sources
    }
}

impl Eq for TemplateSet {}

impl fmt::Debug for TemplateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.sources.iter().map(|source| &source.name)).finish()
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // The text between the marks is the owner's, to the last line break.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.unwrap_or_default());
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.remove_global("debug");
    environment.set_formatter(|out, state, value| {
        let is_markup = *state.auto_escape() == AutoEscape::None || value.is_safe();
        if is_markup && value.kind() == ValueKind::String {
            return out.write_str(value.as_str().unwrap_or_default()).map_err(Into::into);
        }
        let mut text = String::new();
        push_text(&mut text, value, 0);
        let text = if is_markup { text } else { functions::html_escaped(&text) };
        out.write_str(&text).map_err(Into::into)
    });
    functions::add(&mut environment);
    environment
}

impl Parts {
    /// How text is escaped is settled when a part is read, so they are read anew.
    fn html(&self) -> &Environment<'static> {
        self.html.get_or_init(|| {
            let mut environment = environment();
            environment.set_auto_escape_callback(|_| AutoEscape::Html);
            let built_in = Source { name: String::new(), text: DEFAULTS.to_owned() };
            for source in [&built_in].into_iter().chain(&self.sources) {
                // All of them were read once before.
                let _ = add_source(&mut environment, source);
            }
            environment
        })
    }
}

impl TemplateSet {
    /// Reads files; a part of a later one takes the place of an earlier one
    /// of the same name, also of those that the service brings along.
    ///
    /// # Errors
    /// All faults of all files.
    pub fn new(sources: &[Source]) -> Result<Self, Vec<TemplateError>> {
        let mut environment = BUILT_IN.0.environment.clone();
        let (mut names, mut faults) = (Vec::new(), Vec::new());
        for source in sources {
            match add_source(&mut environment, source) {
                Ok(added) => names.extend(added),
                Err(found) => faults.extend(found),
            }
        }
        if names.len() > SECTIONS_MAX {
            let detail = format!("more than {SECTIONS_MAX} parts in all files: leave some out");
            faults.push(TemplateError { place: String::new(), line: 1, detail });
        }
        let set = Self(Arc::new(Parts { environment, html: OnceLock::new(), sources: sources.to_vec() }));
        if faults.is_empty() {
            faults.extend(names.iter().flat_map(|part| set.faults_of(part)));
        }
        if faults.is_empty() { Ok(set) } else { Err(faults) }
    }

    /// A template that may use the named parts.
    ///
    /// # Errors
    /// For text that is no template, or uses what doesn't exist.
    pub fn template(&self, text: &str) -> Result<Template, TemplateError> {
        let plain = is_plain(text);
        let template = Template(Arc::new(Checked { set: self.clone(), text: text.into(), plain }));
        if plain {
            return Ok(template);
        }
        let fault = |line, detail| TemplateError { place: String::new(), line, detail };
        if text.len() > SOURCE_BYTES_MAX {
            return Err(fault(1, format!("longer than {SOURCE_BYTES_MAX} bytes: use named parts")));
        }
        if let Some(at) = text.find("{% define").or_else(|| text.find("{%- define")) {
            let detail = "`{% define %}` belongs in a file of templates".to_owned();
            return Err(fault(line_of(text, at), detail));
        }
        let compiled = self.0.environment.template_from_str(text);
        let compiled = compiled.map_err(|error| fault(error.line().unwrap_or(1), told(&error)))?;
        match self.faults_in(&compiled.undeclared_variables(false), text).into_iter().next() {
            Some((line, detail)) => Err(fault(line, detail)),
            None => Ok(template),
        }
    }

    /// Names of the parts that the files define, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let sources = self.0.sources.iter();
        sources.flat_map(|source| sections(&source.text).unwrap_or_default()).map(|section| section.name)
    }

    /// A template that shows a named part.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn part(&self, name: &str) -> Result<Template, TemplateError> {
        self.template(&format!("{{% include {} %}}", serde_json::Value::from(name)))
    }

    fn faults_of(&self, part: &Part) -> Vec<TemplateError> {
        let Ok(compiled) = self.0.environment.get_template(&part.name) else { return Vec::new() };
        let faults = self.faults_in(&compiled.undeclared_variables(false), compiled.source());
        let fault =
            |(line, detail)| TemplateError { place: part.place.clone(), line: part.line + line - 1, detail };
        faults.into_iter().map(fault).collect()
    }

    /// Unknown names and unknown parts, with their lines.
    fn faults_in(&self, names: &std::collections::HashSet<String>, text: &str) -> Vec<(usize, String)> {
        let globals: BTreeSet<&str> = self.0.environment.globals().map(|(name, _)| name).collect();
        let known: Vec<_> = root_names().collect();
        let is_known = |name: &str| known.contains(&name) || globals.contains(name) || name == "caller";
        let mut unknown: Vec<&String> = names.iter().filter(|name| !is_known(name)).collect();
        unknown.sort();
        let unknown = unknown.into_iter().map(|name| {
            let detail =
                format!("unknown name `{name}`: known are {}, and what the template sets", known.join(", "));
            (line_of(text, word_at(text, name)), detail)
        });
        let missing =
            included(text).into_iter().filter(|(_, name)| self.0.environment.get_template(name).is_err());
        let missing = missing.map(|(at, name)| {
            let detail =
                format!("unknown part `{}`: define it in a file of `templates`", name.escape_debug());
            (line_of(text, at), detail)
        });
        unknown.chain(missing).chain(self.unknown_filters(text)).collect()
    }

    /// The engine looks filters up when it comes to them, which is too late.
    fn unknown_filters(&self, text: &str) -> Vec<(usize, String)> {
        let mut state = self.0.environment.empty_state();
        let mut is_unknown = |name: &str| {
            let found = state.apply_filter(name, &[]);
            found.is_err_and(|error| error.kind() == ErrorKind::UnknownFilter)
        };
        let unknown = filters(text).into_iter().filter(|(_, name)| is_unknown(name));
        let told = unknown.map(|(at, name)| (line_of(text, at), format!("unknown filter `{name}`")));
        told.collect()
    }
}

/// A part that was read, for the checks that need them all.
struct Part {
    name: String,
    place: String,
    line: usize,
}

fn add_source(
    environment: &mut Environment<'static>,
    source: &Source,
) -> Result<Vec<Part>, Vec<TemplateError>> {
    let fault = |line, detail| TemplateError { place: source.name.clone(), line, detail };
    if source.text.len() > SOURCE_BYTES_MAX {
        return Err(vec![fault(1, format!("longer than {SOURCE_BYTES_MAX} bytes: split the file"))]);
    }
    let found = sections(&source.text).map_err(|error| vec![fault(error.line, error.detail)])?;
    let (mut parts, mut faults) = (Vec::new(), Vec::new());
    for section in found {
        match environment.add_template_owned(section.name.to_owned(), section.text.to_owned()) {
            Ok(()) => parts.push(Part {
                name: section.name.to_owned(),
                place: source.name.clone(),
                line: section.line,
            }),
            Err(error) => {
                let line = section.line + error.line().unwrap_or(1) - 1;
                faults.push(fault(line, told(&error)));
            }
        }
    }
    if faults.is_empty() { Ok(parts) } else { Err(faults) }
}

/// Innermost words of an error, without the engine's places.
fn told(error: &minijinja::Error) -> String {
    let mut inner = error;
    while let Some(source) = std::error::Error::source(inner).and_then(|source| source.downcast_ref()) {
        inner = source;
    }
    match (inner.kind(), inner.detail()) {
        (ErrorKind::OutOfFuel, _) => {
            "the template does too much work: show fewer alerts or labels".to_owned()
        }
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    }
}

/// Where a name stands as a word of its own, or the start.
fn word_at(text: &str, name: &str) -> usize {
    let is_part = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    let mut found = text.match_indices(name).filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        !is_part(before) && before != Some('.') && !is_part(text[at + name.len()..].chars().next())
    });
    found.next().map_or(0, |(at, _)| at)
}

/// Names in `{% include "name" %}`, with their places.
fn included(text: &str) -> Vec<(usize, &str)> {
    let tags = text.match_indices("{%").filter_map(|(at, _)| {
        let rest = text[at + 2..].trim_start_matches(['-', '+']).trim_start().strip_prefix("include")?;
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|char| matches!(char, '"' | '\''))?;
        let (name, after) = rest[1..].split_once(quote)?;
        (!after.trim_start().starts_with("ignore")).then_some((at, name))
    });
    tags.collect()
}

/// Names after a `|` inside of tags, with their places.
fn filters(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut inside, mut quote) = (Vec::new(), false, None);
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match (inside, quote) {
            (false, _) => inside = char == '{' && matches!(next, Some('{' | '%')),
            (true, Some(open)) => match char {
                '\\' => drop(chars.next()),
                char if char == open => quote = None,
                _ => {}
            },
            (true, None) => match char {
                '"' | '\'' => quote = Some(char),
                '}' | '%' if next == Some('}') => inside = false,
                '|' => found.extend(word(text, at + 1)),
                _ => {}
            },
        }
    }
    found
}

fn word(text: &str, from: usize) -> Option<(usize, &str)> {
    let rest = text[from..].trim_start();
    let length = rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
    (length > 0).then(|| (text.len() - rest.len(), &rest[..length]))
}

fn is_plain(text: &str) -> bool {
    !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// A checked template. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Arc<Checked>);

#[derive(Debug, PartialEq, Eq)]
struct Checked {
    set: TemplateSet,
    text: Box<str>,
    plain: bool,
}

impl Template {
    /// Text that is taken as it is.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self(Arc::new(Checked { set: TemplateSet::default(), text: text.into(), plain: true }))
    }

    /// As it was set.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.text
    }

    /// The named parts that it may use.
    pub(crate) fn set(&self) -> &TemplateSet {
        &self.0.set
    }

    /// Whether it is only text.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.plain
    }
}

/// A template that failed on a notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A function's or the engine's refusal.
    #[error("line {line}: {detail}")]
    Failed {
        /// Line in the template or in the part that it uses.
        line: usize,
        /// What went wrong.
        detail: String,
    },
    /// More text than any receiver takes.
    #[error("more than {OUTPUT_BYTES_MAX} bytes of text: show fewer alerts or labels")]
    TooLong,
}

/// One notification, for all templates of a message.
pub struct Rendering {
    root: Value,
}

impl Rendering {
    /// `now` is the time that `since` counts to.
    #[must_use]
    pub fn new(notification: &Notification, external_url: &str, now: Timestamp) -> Self {
        Self { root: Value::from_object(Data::new(notification, external_url, now)) }
    }

    /// The text of a template.
    ///
    /// # Errors
    /// When it fails, works too long or gets too long.
    pub fn render(&self, template: &Template) -> Result<String, RenderError> {
        let Checked { set, text, plain } = &*template.0;
        if *plain {
            return Ok(text.as_ref().to_owned());
        }
        checked(set.0.environment.render_str(text, self.root.clone()))
    }

    /// The text of a template that writes HTML: values are escaped, as in Go's
    /// `html/template`; `safeHtml` keeps one as it is.
    ///
    /// # Errors
    /// As [`Rendering::render`].
    pub fn render_html(&self, template: &Template) -> Result<String, RenderError> {
        let Checked { set, text, plain } = &*template.0;
        if *plain {
            return Ok(text.as_ref().to_owned());
        }
        checked(set.0.html().render_str(text, self.root.clone()))
    }

    /// The text of a named part.
    ///
    /// # Errors
    /// As [`Rendering::render`], and when there is no such part.
    pub fn render_part(&self, set: &TemplateSet, name: &str) -> Result<String, RenderError> {
        let part = set.0.environment.get_template(name);
        checked(part.and_then(|part| part.render(self.root.clone())))
    }
}

fn checked(rendered: Result<String, minijinja::Error>) -> Result<String, RenderError> {
    let failed = |error: minijinja::Error| RenderError::Failed {
        line: error.line().unwrap_or(1),
        detail: told(&error),
    };
    let text = rendered.map_err(failed)?;
    if text.len() > OUTPUT_BYTES_MAX { Err(RenderError::TooLong) } else { Ok(text) }
}
