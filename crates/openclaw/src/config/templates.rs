//! The message templates of a tenant's file.

use super::fault::Place;
use super::problem::Problem;
use super::read::{At, Context, Field, Read, Scalar as _, section};
use super::values::{TemplateText, Text};
use super::yaml::{Node, Value};
use openclaw_delivery::template::{Source, Template, TemplateError, TemplateSet};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

const TEMPLATES_MAX: usize = 256;
const BYTES_MAX: usize = 1 << 20;

/// Templates in a file of their own, or here.
#[derive(Debug, Clone)]
pub(crate) enum TemplateSection {
    File(String),
    Inline { name: String, text: String, place: Place },
}

section! {
    /// Templates that stand here.
    InlineTemplates {
        /// For messages about them.
        name: Text,
        /// Jinja: `{% define "name" %} … {% enddefine %}`, used by `{% include "name" %}`.
        text: LongText,
    }
}

/// A whole file's worth of templates.
#[derive(Debug, Clone)]
pub(crate) struct LongText(String);

impl Read for LongText {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let Value::Text(text) = &node.value else {
            let problem = Problem::WrongType { expected: "text", found: node.value.kind() };
            cx.fault(&node.place, problem);
            return None;
        };
        if text.len() > BYTES_MAX {
            cx.fault(&node.place, Problem::TooLong { key: "text", most_bytes: BYTES_MAX });
            return None;
        }
        Some(Self(text.clone()))
    }
}

impl JsonSchema for LongText {
    fn schema_name() -> Cow<'static, str> {
        "LongText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "maxLength": BYTES_MAX })
    }
}

impl Read for TemplateSection {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) => cx.keep(&node.place, Text::parse(text)).map(|file| Self::File(file.0)),
            Value::Section(_) => {
                let section = InlineTemplates::read(node, cx)?;
                let name = section.name.required("name", &node.place, cx);
                let text = section.text.required("text", &node.place, cx);
                let (name, At { value: LongText(text), place }) = (name?, text?);
                Some(Self::Inline { name: name.value.0, text, place })
            }
            _ => {
                cx.fault(&node.place, Problem::TemplateForm);
                None
            }
        }
    }
}

impl JsonSchema for TemplateSection {
    fn schema_name() -> Cow<'static, str> {
        "Templates".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inline = generator.subschema_for::<InlineTemplates>();
        schemars::json_schema!({ "anyOf": [{ "type": "string", "minLength": 1, "maxLength": 1024 }, inline] })
    }
}

/// The templates that receivers may use.
#[derive(Debug)]
pub(super) struct Templates {
    /// `None` after a fault, which fields that use them need not repeat.
    set: Option<TemplateSet>,
}

/// Where a source stands, to place its faults.
struct Origin {
    name: String,
    place: Place,
    file: Option<Arc<Path>>,
}

pub(super) fn checked(field: Field<Vec<At<TemplateSection>>>, cx: &mut Context<'_>) -> Templates {
    let sections = match field {
        Field::Absent => return Templates { set: Some(TemplateSet::default()) },
        Field::Bad => return Templates { set: None },
        Field::Set(set) => set.value,
    };
    if let Some(beyond) = sections.get(TEMPLATES_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "templates", most: TEMPLATES_MAX });
    }
    let faults_before = cx.faults.len();
    let (mut sources, mut origins) = (Vec::new(), Vec::new());
    for section in sections.into_iter().take(TEMPLATES_MAX) {
        if let Some((source, origin)) = source(section, cx) {
            sources.push(source);
            origins.push(origin);
        }
    }
    let set = TemplateSet::new(&sources).map_err(|errors| place_faults(&errors, &origins, cx)).ok();
    Templates { set: set.filter(|_| cx.faults.len() == faults_before) }
}

fn source(section: At<TemplateSection>, cx: &mut Context<'_>) -> Option<(Source, Origin)> {
    match section.value {
        TemplateSection::Inline { name, text, place } => {
            Some((Source { name: name.clone(), text }, Origin { name, place, file: None }))
        }
        TemplateSection::File(name) => {
            let path = cx.folder.join(&name);
            let text = cx.reach.file(&path).and_then(|found| Ok(read_bounded(&found)?));
            let unreadable = |path, source| Problem::TemplateFile { path, source };
            let text =
                cx.keep(&section.place, text.map_err(|error| error.problem(path.clone(), unreadable)))?;
            let file = Some(Arc::from(path));
            Some((Source { name: name.clone(), text }, Origin { name, place: section.place, file }))
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if length > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    Ok(text)
}

fn place_faults(errors: &[TemplateError], origins: &[Origin], cx: &mut Context<'_>) {
    for error in errors {
        let Some(origin) = origins.iter().find(|origin| origin.name == error.place).or(origins.first())
        else {
            continue;
        };
        let line = error.line as u64;
        match &origin.file {
            Some(file) => {
                let place = Place::Line { file: file.clone(), line, column: 1 };
                cx.fault(&place, Problem::Template { detail: error.detail.clone() });
            }
            None => {
                let detail = format!("line {line} of `{}`: {}", origin.name.escape_debug(), error.detail);
                cx.fault(&origin.place, Problem::Template { detail });
            }
        }
    }
}

impl Templates {
    /// The template of a field.
    pub(super) fn required(&self, text: &At<TemplateText>, cx: &mut Context<'_>) -> Option<Template> {
        let Some(set) = &self.set else { return Some(Template::plain(&text.value.0)) };
        let template = set.template(&text.value.0);
        cx.keep(&text.place, template.map_err(|error| Problem::Template { detail: error.detail }))
    }

    /// The template of a field that may be left out.
    pub(super) fn optional(&self, field: Field<TemplateText>, cx: &mut Context<'_>) -> Option<Template> {
        field.into_set().and_then(|text| self.required(&text, cx))
    }
}
