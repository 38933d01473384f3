//! One alert being put together from a sender's fields.

use crate::Fault;
use crate::alertmanager::{
    BODY_BYTES_MAX, GENERATOR_URL_BYTES_MAX, NAME_BYTES_MAX, PAIRS_MAX, VALUE_BYTES_MAX, parse_time,
};
use crate::severity;
use crate::tree::{Node, step};
use openclaw_alert::{Batch, Feedback, LabelsBuilder, Signal, SignalKind, Timestamp, Zoned};
use std::borrow::Cow;

/// Most alerts in one request.
pub(crate) const EVENTS_MAX: usize = 20_000;
/// Longest text for people, in characters.
pub(crate) const TEXT_CHARS_MAX: usize = 16_000;
/// Annotation with the sender's own word for the severity.
const SENDER_SEVERITY: &str = "sender_severity";

/// An alert's state as its sender says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Firing,
    Acknowledged,
    /// Has ended, now: a sender's clock that is behind or ahead must not keep
    /// an alert open.
    Resolved,
}

/// What an alert is known by, and what is said of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'k> {
    pub(crate) key: &'k str,
    pub(crate) state: State,
    pub(crate) starts_at: Option<Zoned>,
    pub(crate) by: &'k str,
    pub(crate) note: &'k str,
}

/// The alert being put together. Keeps the first fault; what comes behind it
/// is not kept.
#[derive(Default)]
pub(crate) struct Draft {
    labels: LabelsBuilder,
    annotations: LabelsBuilder,
    url: String,
    fault: Option<Fault>,
}

impl Draft {
    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.labels.clear();
        self.annotations.clear();
        self.url.clear();
        self.fault = None;
    }

    /// Notes the fault unless there is one already.
    pub(crate) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Adds a label that comes from the field at `pointer`; none without a
    /// value. A later one of the same name wins.
    pub(crate) fn label(&mut self, name: &str, value: &str, pointer: &str) {
        if value.is_empty() || self.fault.is_some() {
            return;
        }
        if let Err(detail) = check_pair(self.labels.len(), name, value) {
            return self.fail(Fault::new(pointer, detail));
        }
        self.labels.push(name, value);
    }

    /// Adds all fields of an object as labels, or the tags of an array:
    /// `name:value` and `name=value` are labels, the rest together one label
    /// `tags`.
    pub(crate) fn labels_from(&mut self, node: &Node<'_>, pointer: &str) {
        match node {
            Node::Array(items) => self.tags(items, pointer),
            Node::Text(text) => self.label("tags", text, pointer),
            Node::Object(fields) => {
                for (name, value) in fields {
                    self.label_from(name, value, || format!("{pointer}/{}", step(name)));
                }
            }
            _ => self.fail(Fault::new(pointer, format!("is {}, should be an object of text", node.kind()))),
        }
    }

    /// Adds one field as a label.
    fn label_from(&mut self, name: &str, value: &Node<'_>, pointer: impl Fn() -> String) {
        let Some(text) = value.scalar() else {
            if *value != Node::Null {
                let detail = format!("is {}, should be text: put it into the annotations", value.kind());
                self.fail(Fault::new(pointer(), detail));
            }
            return;
        };
        if name.is_empty() && !text.is_empty() {
            return self.fail(Fault::new(pointer(), "has no name: give the label one"));
        }
        // Made only where it is needed: most labels are right.
        match check_pair(self.labels.len(), name, &text) {
            Err(detail) => self.fail(Fault::new(pointer(), detail)),
            Ok(()) => self.label(name, &text, ""),
        }
    }

    fn tags(&mut self, items: &[Node<'_>], pointer: &str) {
        let mut plain: Vec<Cow<'_, str>> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(text) = item.scalar() else {
                let detail = format!("is {}, should be text", item.kind());
                return self.fail(Fault::new(format!("{pointer}/{index}"), detail));
            };
            match text.split_once([':', '=']) {
                Some((name, value)) if is_name(name) && !value.starts_with('/') => {
                    self.label(name, value, pointer);
                }
                _ => plain.push(text),
            }
        }
        // In an order of its own, so that the alert stays the same one.
        plain.sort();
        plain.dedup();
        self.label("tags", &plain.join(","), pointer);
    }

    /// The labels up to now, encoded. A fault among them is one here: what is
    /// left of them would be another alert's.
    pub(crate) fn labels_so_far(&mut self) -> Result<Vec<u8>, Fault> {
        self.fault.take().map_or(Ok(()), Err)?;
        let mut encoded = Vec::new();
        self.labels.write(&mut encoded, true);
        Ok(encoded)
    }

    /// Adds text for people, cut where it is too long; none without a value.
    pub(crate) fn annotation(&mut self, name: &str, text: &str) {
        self.annotation_of(name, text, TEXT_CHARS_MAX);
    }

    /// [`Draft::annotation`] with the format's own longest text.
    pub(crate) fn annotation_of(&mut self, name: &str, text: &str, chars_max: usize) {
        if text.is_empty() || self.annotations.len() == PAIRS_MAX {
            return;
        }
        self.annotations.push(&clipped(name, NAME_BYTES_MAX / 4), &clipped(text, chars_max));
    }

    /// Adds all fields of an object as annotations; anything else as one of
    /// the name `otherwise`.
    pub(crate) fn annotations_from(&mut self, node: &Node<'_>, otherwise: &str) {
        if !node.is_object() {
            return self.annotation(otherwise, &node.shown());
        }
        for (name, value) in node.fields() {
            if !name.is_empty() && *value != Node::Null {
                self.annotation(name, &value.shown());
            }
        }
    }

    /// Adds the severity in our words; the sender's own stays beside it.
    /// Words that nobody knows stay as they are.
    pub(crate) fn severity(&mut self, theirs: &str, ours: Option<&str>, pointer: &str) {
        let ours = ours.or_else(|| severity::ours(theirs));
        if ours.is_some_and(|ours| ours != theirs) {
            self.annotation(SENDER_SEVERITY, theirs);
        }
        self.label("severity", ours.unwrap_or(theirs), pointer);
    }

    /// Sets the link to where the alert comes from; left out where it is too
    /// long to be followed.
    pub(crate) fn url(&mut self, url: &str) {
        if url.len() <= GENERATOR_URL_BYTES_MAX {
            url.clone_into(&mut self.url);
        }
    }

    /// Puts the alert, or the word about it, into the batch.
    pub(crate) fn push(&mut self, batch: &mut Batch, said: Said<'_>) -> Result<(), Fault> {
        // Nothing but its key counts of an alert that is only named: the word
        // that it has ended must not be lost for a label too long.
        if said.state != State::Firing {
            self.fault = None;
        }
        self.check(batch)?;
        let signal = |kind| Signal { key: said.key, kind, by: said.by, note: said.note };
        match said.state {
            State::Firing => {
                let (labels, annotations) = (&mut self.labels, &mut self.annotations);
                batch.push_keyed(said.key, labels, annotations, &self.url, said.starts_at, None);
            }
            State::Acknowledged => batch.push_signal(signal(SignalKind::Acted(Feedback::Ack))),
            State::Resolved => batch.push_signal(signal(SignalKind::Ended(None))),
        }
        Ok(())
    }

    /// Puts an alert into the batch that is known by its labels alone.
    pub(crate) fn push_by_labels(
        &mut self,
        batch: &mut Batch,
        starts_at: Option<Zoned>,
        ends_at: Option<Zoned>,
    ) -> Result<(), Fault> {
        self.check(batch)?;
        if batch.push(&mut self.labels, &mut self.annotations, &self.url, starts_at, ends_at) {
            return Ok(());
        }
        Err(Fault::new("", "has no label with a value: give it one"))
    }

    fn check(&mut self, batch: &Batch) -> Result<(), Fault> {
        if batch.bytes() > BODY_BYTES_MAX {
            return Err(Fault::new("", "makes too much of its alerts: send fewer a request"));
        }
        self.fault.take().map_or(Ok(()), Err)
    }
}

fn check_pair(pairs: usize, name: &str, value: &str) -> Result<(), String> {
    if pairs >= PAIRS_MAX {
        return Err(format!("is one label too many, at most {PAIRS_MAX} are taken: leave some out"));
    }
    if name.len() > NAME_BYTES_MAX {
        let bytes = name.len();
        return Err(format!("has a name of {bytes} bytes, at most {NAME_BYTES_MAX} are taken: shorten it"));
    }
    if value.len() > VALUE_BYTES_MAX {
        let bytes = value.len();
        return Err(format!("has {bytes} bytes, at most {VALUE_BYTES_MAX} are taken: shorten it"));
    }
    Ok(())
}

/// Whether a tag's part before the colon can be the name of a label.
fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && text.len() <= 64
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter))
}

/// The text, or its beginning and `…` where it has more characters.
pub(crate) fn clipped(text: &str, chars_max: usize) -> Cow<'_, str> {
    if text.len() <= chars_max || text.chars().nth(chars_max).is_none() {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    Cow::Owned(kept + "…")
}

/// A time: RFC 3339, or a number of seconds, milli-, micro- or nanoseconds
/// since 1970, told apart by their size. Go's zero time is none.
pub(crate) fn time(node: &Node<'_>) -> Result<Option<Zoned>, &'static str> {
    const WANTED: &str =
        "should be an RFC 3339 date-time such as `2026-01-31T09:00:00Z`, or Unix seconds or milliseconds";
    let text = node.scalar().ok_or(WANTED)?;
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = text.parse::<f64>() {
        return Ok(Some(Zoned::utc(unix(number).ok_or(WANTED)?)));
    }
    let time = parse_time(&text).map_err(|_| WANTED)?;
    Ok((time.at != Timestamp::MIN).then_some(time))
}

fn unix(number: f64) -> Option<Timestamp> {
    let nanos_per_unit = match number.abs() {
        size if size < 1e11 => 1e9,
        size if size < 1e14 => 1e6,
        size if size < 1e17 => 1e3,
        size if size < 9e18 => 1.0,
        _ => return None,
    };
    // Whole units exactly: a double has no room for today's nanoseconds.
    let whole = number.trunc() as i64;
    let nanos = whole.checked_mul(nanos_per_unit as i64)?;
    Some(Timestamp::from_nanos(nanos.checked_add((number.fract() * nanos_per_unit) as i64)?))
}

/// Text at `name` of an object: `None` where absent, a fault for anything
/// that is no text, number or truth value.
pub(crate) fn text<'n>(node: &'n Node<'_>, base: &str, name: &str) -> Result<Option<Cow<'n, str>>, Fault> {
    let Some(value) = node.get(name) else { return Ok(None) };
    let wrong = || Fault::new(format!("{base}/{name}"), format!("is {}, should be text", value.kind()));
    value.scalar().map(Some).ok_or_else(wrong)
}

/// [`text`] that must be there and not be empty.
pub(crate) fn required<'n>(
    node: &'n Node<'_>,
    base: &str,
    name: &str,
    why: &str,
) -> Result<Cow<'n, str>, Fault> {
    let found = text(node, base, name)?.filter(|text| !text.trim().is_empty());
    found.ok_or_else(|| Fault::new(format!("{base}/{name}"), format!("is missing: {why}")))
}

/// A time at `name` of an object.
pub(crate) fn time_at(node: &Node<'_>, base: &str, name: &str) -> Result<Option<Zoned>, Fault> {
    let Some(value) = node.get(name) else { return Ok(None) };
    time(value).map_err(|wanted| Fault::new(format!("{base}/{name}"), wanted))
}
