//! How the fields of any JSON become an alert's: the settings of a source.

use crate::alertmanager::VALUE_BYTES_MAX;
use crate::severity;
use crate::tree::Node;
use std::borrow::Cow;
use std::collections::BTreeMap;
use thiserror::Error;

/// Longest expression.
const EXPRESSION_BYTES_MAX: usize = 1024;
/// Most pieces of an expression, alternatives together.
const PIECES_MAX: usize = 32;
/// Most labels that a mapping makes; as many annotations.
const FIELDS_MAX: usize = 64;
/// Most words in a list or table of a mapping.
const WORDS_MAX: usize = 256;

/// Which field of an event means what. Each is an expression: a JSON pointer
/// (`/host/name`), text with pointers in braces (`disk {/host}:{/mount}`), or
/// several of these with ` || ` between them, of which the first with a value
/// counts. What is absent is found by the names that most tools use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingSettings {
    /// JSON pointer to an array of events; without it the body is one event,
    /// or an array of them.
    pub each: Option<String>,
    /// The kind of problem.
    pub alertname: Option<String>,
    /// The sender's word for how bad it is.
    pub severity: Option<String>,
    /// The sender's word for whether it goes on.
    pub state: Option<String>,
    /// What the alert is known by for its whole life.
    pub key: Option<String>,
    /// When it began: RFC 3339, or Unix seconds or milliseconds.
    pub starts_at: Option<String>,
    /// Link to where it comes from.
    pub url: Option<String>,
    /// Who acknowledged it.
    pub by: Option<String>,
    /// What they said.
    pub note: Option<String>,
    /// The sender's words for severities, with ours.
    pub severities: BTreeMap<String, String>,
    /// States that mean that it has ended.
    pub resolved: Vec<String>,
    /// States that mean that somebody has taken it on.
    pub acknowledged: Vec<String>,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// Annotations by name.
    pub annotations: BTreeMap<String, String>,
}

/// A mapping that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}` {detail}")]
pub struct MappingError {
    /// Which setting: `labels.host`.
    pub field: String,
    /// What is wrong with it and what would be right; follows its name in a
    /// sentence.
    pub detail: String,
}

/// [`MappingSettings`], read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    pub(crate) each: Option<Vec<String>>,
    pub(crate) alertname: Option<Expression>,
    pub(crate) severity: Option<Expression>,
    pub(crate) state: Option<Expression>,
    pub(crate) key: Option<Expression>,
    pub(crate) starts_at: Option<Expression>,
    pub(crate) url: Option<Expression>,
    pub(crate) by: Option<Expression>,
    pub(crate) note: Option<Expression>,
    pub(crate) severities: BTreeMap<String, &'static str>,
    pub(crate) resolved: Vec<String>,
    pub(crate) acknowledged: Vec<String>,
    pub(crate) labels: Vec<(String, Expression)>,
    pub(crate) annotations: Vec<(String, Expression)>,
}

impl Mapping {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`MappingError`] names the first that can't be used.
    pub fn new(settings: &MappingSettings) -> Result<Self, MappingError> {
        let each = settings.each.as_deref().map(pointer).transpose();
        Ok(Self {
            each: each.map_err(|detail| fault("each", detail))?,
            alertname: expression("alertname", settings.alertname.as_deref())?,
            severity: expression("severity", settings.severity.as_deref())?,
            state: expression("state", settings.state.as_deref())?,
            key: expression("key", settings.key.as_deref())?,
            starts_at: expression("starts_at", settings.starts_at.as_deref())?,
            url: expression("url", settings.url.as_deref())?,
            by: expression("by", settings.by.as_deref())?,
            note: expression("note", settings.note.as_deref())?,
            severities: severities(&settings.severities)?,
            resolved: words("resolved", &settings.resolved)?,
            acknowledged: words("acknowledged", &settings.acknowledged)?,
            labels: named("labels", &settings.labels)?,
            annotations: named("annotations", &settings.annotations)?,
        })
    }
}

fn fault(field: &str, detail: impl Into<String>) -> MappingError {
    MappingError { field: field.to_owned(), detail: detail.into() }
}

fn expression(field: &str, text: Option<&str>) -> Result<Option<Expression>, MappingError> {
    text.map(Expression::parse).transpose().map_err(|detail| fault(field, detail))
}

fn named(
    field: &str,
    settings: &BTreeMap<String, String>,
) -> Result<Vec<(String, Expression)>, MappingError> {
    if settings.len() > FIELDS_MAX {
        return Err(fault(field, format!("has more than {FIELDS_MAX} names: leave some out")));
    }
    let one = |(name, text): (&String, &String)| {
        let place = format!("{field}.{name}");
        if name.is_empty() || name.len() > 255 {
            return Err(fault(&place, "should have a name of 1 to 255 bytes"));
        }
        Ok((name.clone(), Expression::parse(text).map_err(|detail| fault(&place, detail))?))
    };
    settings.iter().map(one).collect()
}

fn severities(settings: &BTreeMap<String, String>) -> Result<BTreeMap<String, &'static str>, MappingError> {
    if settings.len() > WORDS_MAX {
        return Err(fault("severities", format!("has more than {WORDS_MAX} words: leave some out")));
    }
    let one = |(theirs, word): (&String, &String)| {
        let ours = severity::WORDS.iter().find(|known| *known == word);
        let wanted = "should be `critical`, `error`, `warning` or `info`";
        let ours = ours.ok_or_else(|| fault(&format!("severities.{theirs}"), wanted))?;
        Ok((theirs.to_lowercase(), *ours))
    };
    settings.iter().map(one).collect()
}

fn words(field: &str, settings: &[String]) -> Result<Vec<String>, MappingError> {
    if settings.len() > WORDS_MAX {
        return Err(fault(field, format!("has more than {WORDS_MAX} words: leave some out")));
    }
    Ok(settings.iter().map(|word| word.to_lowercase()).collect())
}

/// Alternatives, of which the first with a value counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression(Vec<Vec<Piece>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Pointer(Vec<String>),
}

impl Expression {
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("is empty: give a JSON pointer such as `/host`, or leave it out".to_owned());
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(format!("is longer than {EXPRESSION_BYTES_MAX} bytes: shorten it"));
        }
        let alternatives: Vec<_> =
            text.split("||").map(|one| alternative(one.trim())).collect::<Result<_, _>>()?;
        if alternatives.iter().map(Vec::len).sum::<usize>() > PIECES_MAX {
            return Err(format!("has more than {PIECES_MAX} pointers and texts: leave some out"));
        }
        Ok(Self(alternatives))
    }

    /// Its text for an event; `None` without a value.
    pub(crate) fn text<'e>(&'e self, event: &'e Node<'_>) -> Option<Cow<'e, str>> {
        self.0.iter().find_map(|pieces| joined(pieces, event)).filter(|text| !text.is_empty())
    }

    /// The value that it leads to, where it is a lone pointer.
    pub(crate) fn node<'e, 'b>(&self, event: &'e Node<'b>) -> Option<&'e Node<'b>> {
        self.0.iter().find_map(|pieces| match &pieces[..] {
            [Piece::Pointer(steps)] => event.at(steps),
            _ => None,
        })
    }
}

/// Without a value where a pointer of it has none.
fn joined<'e>(pieces: &'e [Piece], event: &'e Node<'_>) -> Option<Cow<'e, str>> {
    if let [piece] = pieces {
        return piece.text(event);
    }
    // Looked for before anything is written: alternatives cost no more than
    // the one that counts.
    if !pieces.iter().all(|piece| piece.has_text(event)) {
        return None;
    }
    let mut whole = String::new();
    for piece in pieces.iter() {
        if whole.len() > VALUE_BYTES_MAX {
            break;
        }
        whole += &piece.text(event)?;
    }
    Some(Cow::Owned(whole))
}

impl Piece {
    fn text<'e>(&'e self, event: &'e Node<'_>) -> Option<Cow<'e, str>> {
        match self {
            Piece::Text(text) => Some(Cow::Borrowed(text)),
            Piece::Pointer(steps) => event.at(steps).map(Node::shown).filter(|text| !text.is_empty()),
        }
    }

    fn has_text(&self, event: &Node<'_>) -> bool {
        match self {
            Piece::Text(_) => true,
            Piece::Pointer(steps) => event.at(steps).is_some_and(|node| node.as_text() != Some("")),
        }
    }
}

fn alternative(text: &str) -> Result<Vec<Piece>, String> {
    if text.is_empty() {
        return Err("has nothing on one side of `||`: give a pointer or text there".to_owned());
    }
    if text.starts_with('/') {
        return Ok(vec![Piece::Pointer(pointer(text)?)]);
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, behind)) = after.split_once('}') else {
            return Err("has `{` without `}`: write `{/pointer}`".to_owned());
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Pointer(pointer(inside.trim())?));
        rest = behind;
    }
    if rest.contains('}') {
        return Err("has `}` without `{`: write `{/pointer}`".to_owned());
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// RFC 6901.
fn pointer(text: &str) -> Result<Vec<String>, String> {
    let shown: String = text.chars().take(80).collect();
    let Some(path) = text.strip_prefix('/') else {
        return Err(format!(
            "has `{shown}`, which is no JSON pointer: begin it with `/`, as in `/host/name`"
        ));
    };
    path.split('/')
        .map(|step| {
            unescaped(step).ok_or_else(|| {
                format!("has `{shown}`, which is no JSON pointer: write `~0` for `~` and `~1` for `/`")
            })
        })
        .collect()
}

fn unescaped(step: &str) -> Option<String> {
    let mut out = String::with_capacity(step.len());
    let mut letters = step.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '~' => match letters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::parse;

    #[test]
    fn expressions() {
        let body = r#"{"host":"web","disk":{"mount":"/var","used":91.5},"a/b":"slash","none":null,"empty":"","list":[{"x":true}]}"#;
        let event = parse(body.as_bytes()).unwrap();
        for (text, want) in [
            ("/host", Some("web")),
            ("/disk/used", Some("91.5")),
            ("/a~1b", Some("slash")),
            ("/list/0/x", Some("true")),
            ("/disk", Some(r#"{"mount":"/var","used":91.5}"#)),
            ("/none", None),
            ("/empty", None),
            ("/missing || /empty || /host", Some("web")),
            ("/missing || fixed", Some("fixed")),
            ("fixed", Some("fixed")),
            ("disk {/host}:{ /disk/mount }!", Some("disk web:/var!")),
            ("disk {/missing}", None),
            ("disk {/missing} || {/host}", Some("web")),
        ] {
            let expression = Expression::parse(text).unwrap();
            assert_eq!(expression.text(&event).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn mappings_that_cannot_be_used_say_why() {
        let settings = |change: fn(&mut MappingSettings)| {
            let mut settings = MappingSettings::default();
            change(&mut settings);
            Mapping::new(&settings).unwrap_err().to_string()
        };
        let found = [
            settings(|it| it.each = Some("events".into())),
            settings(|it| it.alertname = Some(String::new())),
            settings(|it| it.key = Some("/a || ".into())),
            settings(|it| it.url = Some("{/a".into())),
            settings(|it| it.url = Some("x}".into())),
            settings(|it| it.url = Some("{a}".into())),
            settings(|it| it.url = Some("/a~2".into())),
            settings(|it| it.note = Some("x".repeat(1025))),
            settings(|it| it.note = Some("{/a}".repeat(33))),
            settings(|it| drop(it.severities.insert("red".into(), "bad".into()))),
            settings(|it| drop(it.labels.insert("host".into(), "{".into()))),
            settings(|it| drop(it.labels.insert(String::new(), "/x".into()))),
            settings(|it| it.labels = (0..65).map(|n| (n.to_string(), "/x".into())).collect()),
            settings(|it| it.resolved = vec!["x".into(); 257]),
        ];
        insta::assert_snapshot!(found.join("\n"));
    }
}
