//! Any JSON: its fields become an alert's by a [`Mapping`], or by the names
//! that most tools use.

use crate::answer::Reply;
use crate::draft::{Draft, EVENTS_MAX, Said, State, clipped, time};
use crate::mapping::{Expression, Mapping};
use crate::tree::{Node, parse, step};
use crate::{Decoded, Fault, Format, Post, Refusal};
use openclaw_alert::{Batch, Labels, Zoned};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Longest key of an alert.
pub(crate) const KEY_BYTES_MAX: usize = 1024;
/// Longest key that is put together from labels rather than from their hash.
const DERIVED_KEY_BYTES_MAX: usize = 255;
const BY_CHARS_MAX: usize = 128;
const NOTE_CHARS_MAX: usize = 4000;

const ALERTNAME: &[&str] = &["alertname", "name", "title", "event", "rule"];
const SEVERITY: &[&str] = &["severity", "priority", "level"];
const STATE: &[&str] = &["status", "state"];
/// `id` last: in many tools it names the event, not the alert.
const KEY: &[&str] = &["dedup_key", "alias", "key", "fingerprint", "id"];
const SUMMARY: &[&str] = &["summary", "message", "text", "description"];
const STARTS_AT: &[&str] = &["starts_at", "startsAt", "started_at", "timestamp", "time"];
const URL: &[&str] = &["url", "link", "html_url", "generatorURL"];
const BY: &[&str] = &["acknowledged_by", "by", "user"];
const NOTE: &[&str] = &["note", "comment"];
/// Fields that most tools route by; each becomes a label of its name.
const ROUTING: &[&str] = &[
    "source",
    "service",
    "host",
    "instance",
    "component",
    "job",
    "team",
    "environment",
    "cluster",
    "namespace",
    "region",
];
const RESOLVED: &[&str] = &[
    "resolved",
    "resolve",
    "ok",
    "closed",
    "close",
    "recovered",
    "recovery",
    "clear",
    "cleared",
    "normal",
    "healthy",
    "up",
    "success",
    "succeeded",
    "inactive",
    "ended",
    "fixed",
];
const ACKNOWLEDGED: &[&str] = &["acknowledged", "acknowledge", "acked", "ack"];

/// An event to be read.
pub(crate) struct Event<'e, 'b> {
    /// Where a mapping's pointers begin.
    pub(crate) whole: &'e Node<'b>,
    /// Where the usual names are looked for.
    pub(crate) data: &'e Node<'b>,
    /// JSON pointer to `data`, for errors.
    pub(crate) base: &'e str,
    /// What the format knows of it besides.
    pub(crate) known: &'e Known<'e>,
}

/// What a format knows of an event where the event itself doesn't say.
#[derive(Default)]
pub(crate) struct Known<'k> {
    pub(crate) alertname: Option<&'k str>,
    pub(crate) labels: Vec<(&'k str, &'k str)>,
    pub(crate) starts_at: Option<Zoned>,
}

/// Reads a body of JSON.
pub(crate) fn decode(format: Format, post: &Post<'_>, mapping: &Mapping) -> Result<Decoded, Refusal> {
    let body = parse(post.body).map_err(|fault| Refusal::new(format, 400, fault))?;
    let mut decoded = Decoded::new(format, Reply::Ours);
    if let Some(name) = ["webhook-id", "idempotency-key"].iter().find_map(|name| post.header(name)) {
        // With the body, since two senders may count their requests alike.
        decoded.batch.set_delivery(&["json", name, &hashed(&[&String::from_utf8_lossy(post.body)])]);
    }
    let listed = events(&body, mapping).map_err(|fault| Refusal::new(format, 400, fault))?;
    let count = listed.events.len();
    if count > EVENTS_MAX {
        let detail = format!("has {count} events, at most {EVENTS_MAX} are taken: send fewer a request");
        return Err(Refusal::new(format, 413, Fault::new(listed.base, detail)));
    }
    let (mut draft, known) = (Draft::default(), Known::default());
    for (index, node) in listed.events.iter().enumerate() {
        let base = if listed.is_list { format!("{}/{index}", listed.base) } else { String::new() };
        let event = Event { whole: node, data: node, base: &base, known: &known };
        if let Err(fault) = read(&mut draft, &mut decoded.batch, &event, mapping) {
            decoded.reject(index, fault);
        }
    }
    Ok(decoded)
}

struct Listed<'e, 'b> {
    base: String,
    events: &'e [Node<'b>],
    is_list: bool,
}

fn events<'e, 'b>(body: &'e Node<'b>, mapping: &Mapping) -> Result<Listed<'e, 'b>, Fault> {
    let Some(each) = &mapping.each else {
        return Ok(match body {
            Node::Array(events) => Listed { base: String::new(), events, is_list: true },
            one => Listed { base: String::new(), events: std::slice::from_ref(one), is_list: false },
        });
    };
    let base: String = each.iter().map(|name| format!("/{}", step(name))).collect();
    match body.at(each).map(|found| (found, found.as_array())) {
        Some((_, Some(events))) => Ok(Listed { base, events, is_list: true }),
        Some((other, None)) => {
            let detail = format!("is {}, should be an array: `each` in the settings says so", other.kind());
            Err(Fault::new(base, detail))
        }
        None => Err(Fault::new(base, "is missing: `each` in the settings says that the events are there")),
    }
}

/// Reads one event into the batch.
pub(crate) fn read(
    draft: &mut Draft,
    batch: &mut Batch,
    event: &Event<'_, '_>,
    mapping: &Mapping,
) -> Result<(), Fault> {
    if !event.whole.is_object() {
        let detail = format!("is {}, should be an object", event.whole.kind());
        return Err(Fault::new(event.base, detail));
    }
    draft.clear();
    let state = state(event, mapping);
    let key = match given_key(event, mapping)? {
        // Nothing else counts of an alert that is only named.
        Some(key) if state != State::Firing => key,
        given => {
            label(draft, event, mapping)?;
            match given {
                Some(key) => key,
                None => Cow::Owned(derived_key(&draft.labels_so_far()?)),
            }
        }
    };
    // Behind the key: an alert whose severity changes is the same one.
    severity(draft, event, mapping);
    annotate(draft, event, mapping);
    if let Some(url) = event.find(mapping.url.as_ref(), URL) {
        draft.url(&url);
    }
    let by = event.find(mapping.by.as_ref(), BY).unwrap_or_default();
    let note = event.find(mapping.note.as_ref(), NOTE).unwrap_or_default();
    let said = Said {
        key: &key,
        state,
        starts_at: if state == State::Firing { starts_at(event, mapping)? } else { None },
        by: &clipped(&by, BY_CHARS_MAX),
        note: &clipped(&note, NOTE_CHARS_MAX),
    };
    draft.push(batch, said)
}

impl<'e> Event<'e, '_> {
    /// What the mapping says, else the first of the usual names that has a
    /// value.
    fn find(&self, mapped: Option<&'e Expression>, usual: &[&str]) -> Option<Cow<'e, str>> {
        match mapped {
            Some(expression) => expression.text(self.whole),
            None => self.usual(usual).map(|(_, text)| text),
        }
    }

    fn usual<'n>(&self, names: &[&'n str]) -> Option<(&'n str, Cow<'e, str>)> {
        names.iter().find_map(|name| {
            let text = self.data.get(name)?.scalar().filter(|text| !text.trim().is_empty())?;
            Some((*name, text))
        })
    }

    fn in_labels(&self, name: &str) -> Option<Cow<'e, str>> {
        self.data.get("labels")?.get(name)?.scalar().filter(|text| !text.is_empty())
    }
}

fn label(draft: &mut Draft, event: &Event<'_, '_>, mapping: &Mapping) -> Result<(), Fault> {
    for (name, value) in &event.known.labels {
        draft.label(name, value, event.base);
    }
    if mapping.labels.is_empty() {
        usual_labels(draft, event);
    }
    for (name, expression) in &mapping.labels {
        let value = expression.text(event.whole).unwrap_or_default();
        draft.label(name, &value, &format!("{}/labels/{}", event.base, step(name)));
    }
    draft.label("alertname", &alertname(event, mapping)?, &format!("{}/alertname", event.base));
    Ok(())
}

fn usual_labels(draft: &mut Draft, event: &Event<'_, '_>) {
    for name in ROUTING {
        if let Some(value) = event.data.get(name).and_then(Node::scalar) {
            draft.label(name, &value, &format!("{}/{name}", event.base));
        }
    }
    for name in ["tags", "labels"] {
        if let Some(node) = event.data.get(name) {
            draft.labels_from(node, &format!("{}/{name}", event.base));
        }
    }
}

fn alertname<'e>(event: &Event<'e, '_>, mapping: &'e Mapping) -> Result<Cow<'e, str>, Fault> {
    let place = format!("{}/alertname", event.base);
    if let Some(expression) = &mapping.alertname {
        let detail = "is empty here: the pointer that the settings have for it leads to nothing";
        return expression.text(event.whole).ok_or_else(|| Fault::new(place, detail));
    }
    let found = event.in_labels("alertname").or_else(|| event.usual(ALERTNAME).map(|(_, text)| text));
    found.or(event.known.alertname.map(Cow::Borrowed)).ok_or_else(|| {
        let detail = "is missing: send it (or `name`, `title`, `event`, `rule`), or map a field to it in the settings of the source";
        Fault::new(place, detail)
    })
}

fn given_key<'e>(event: &Event<'e, '_>, mapping: &'e Mapping) -> Result<Option<Cow<'e, str>>, Fault> {
    let key = event.find(mapping.key.as_ref(), KEY);
    if let Some(key) = key.as_ref().filter(|key| key.len() > KEY_BYTES_MAX) {
        let detail = format!("has {} bytes, at most {KEY_BYTES_MAX} are taken: shorten it", key.len());
        return Err(Fault::new(format!("{}/key", event.base), detail));
    }
    Ok(key)
}

/// A key made of the labels, so that the alert is the same when it ends.
/// Readable where it is short: `DiskFull host=web-1`.
fn derived_key(labels: &[u8]) -> String {
    let labels = Labels::from_encoded(labels);
    let mut key = labels.get("alertname").to_owned();
    for (name, value) in labels.iter().filter(|(name, _)| !["alertname", "severity"].contains(name)) {
        key += &format!(" {name}={value}");
    }
    if key.len() > DERIVED_KEY_BYTES_MAX { hashed(&[&key]) } else { key }
}

/// 32 hexadecimal digits that stand for the texts.
pub(crate) fn hashed(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn severity(draft: &mut Draft, event: &Event<'_, '_>, mapping: &Mapping) {
    let theirs = match &mapping.severity {
        Some(expression) => expression.text(event.whole),
        None => event.in_labels("severity").or_else(|| event.usual(SEVERITY).map(|(_, text)| text)),
    };
    if let Some(theirs) = theirs {
        let ours = mapping.severities.get(&theirs.trim().to_lowercase()).copied();
        draft.severity(theirs.trim(), ours, &format!("{}/severity", event.base));
    }
}

fn state(event: &Event<'_, '_>, mapping: &Mapping) -> State {
    let Some(word) = event.find(mapping.state.as_ref(), STATE) else { return State::Firing };
    let word = word.trim().to_lowercase();
    let is_one_of = |mapped: &[String], usual: &[&str]| match mapped {
        [] => usual.contains(&&word[..]),
        mapped => mapped.contains(&word),
    };
    if is_one_of(&mapping.resolved, RESOLVED) {
        State::Resolved
    } else if is_one_of(&mapping.acknowledged, ACKNOWLEDGED) {
        State::Acknowledged
    } else {
        State::Firing
    }
}

/// A time that the settings point at must be one; of the usual names one that
/// can't be read is no time.
fn starts_at(event: &Event<'_, '_>, mapping: &Mapping) -> Result<Option<Zoned>, Fault> {
    let Some(expression) = &mapping.starts_at else {
        let usual = STARTS_AT.iter().find_map(|name| time(event.data.get(name)?).ok().flatten());
        return Ok(usual.or(event.known.starts_at));
    };
    match expression.node(event.whole).map(time) {
        Some(Err(wanted)) => Err(Fault::new(format!("{}/starts_at", event.base), wanted)),
        Some(Ok(found)) => Ok(found),
        None => Ok(event.known.starts_at),
    }
}

fn annotate(draft: &mut Draft, event: &Event<'_, '_>, mapping: &Mapping) {
    if let Some((name, summary)) = event.usual(SUMMARY) {
        draft.annotation("summary", &summary);
        if let Some((_, description)) = event.usual(&["description"]).filter(|_| name != "description") {
            draft.annotation("description", &description);
        }
    }
    if let Some(node) = event.data.get("annotations") {
        draft.annotations_from(node, "annotations");
    }
    for (name, expression) in &mapping.annotations {
        if let Some(text) = expression.text(event.whole) {
            draft.annotation(name, &text);
        }
    }
}

#[cfg(test)]
mod tests;
