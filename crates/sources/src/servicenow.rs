//! ServiceNow Event Management: `jsonv2`, and `em_event.do` beside it.
//!
//! A record's `message_key` is the alert's name; without one it is made of
//! `source`, `node`, `type`, `resource` and `metric_name`, as ServiceNow makes
//! it. Severity 0 and the state `Closing` end the alert.

use crate::answer::Reply;
use crate::draft::{Draft, EVENTS_MAX, Said, State, text};
use crate::generic::{KEY_BYTES_MAX, hashed};
use crate::tree::{Node, parse, parse_text};
use crate::{Decoded, Fault, Format, Post, Refusal};
use openclaw_alert::{Batch, Zoned};

const DESCRIPTION_CHARS_MAX: usize = 4000;
/// Columns that people route by; each becomes a label of its name.
const ROUTING: [&str; 6] = ["source", "event_class", "node", "resource", "type", "metric_name"];
/// What an alert is called: the first with a value.
const NAMES: [&str; 6] = ["metric_name", "type", "event_class", "resource", "source", "node"];
/// What makes the key.
const KEY: [&str; 5] = ["source", "node", "type", "resource", "metric_name"];
/// Columns that have a place of their own.
const KNOWN: [&str; 7] = [
    "message_key",
    "severity",
    "description",
    "additional_info",
    "time_of_event",
    "resolution_state",
    "ci_identifier",
];
/// Numbers of severities with our words.
const SEVERITIES: [(&str, &str); 5] =
    [("1", "critical"), ("2", "error"), ("3", "warning"), ("4", "warning"), ("5", "info")];

/// Reads a request.
pub(crate) fn decode(post: &Post<'_>) -> Result<Decoded, Refusal> {
    let refused = |status, fault| Refusal::new(Format::ServiceNow, status, fault);
    let body = parse(post.body).map_err(|fault| refused(400, fault))?;
    let (records, place) = match (body.get("records"), &body) {
        (Some(Node::Array(records)), _) => (&records[..], "/records"),
        (Some(other), _) => {
            let detail = format!("is {}, should be an array of records", other.kind());
            return Err(refused(400, Fault::new("/records", detail)));
        }
        (None, Node::Array(records)) => (&records[..], ""),
        (None, one @ Node::Object(fields)) if !fields.is_empty() => (std::slice::from_ref(one), ""),
        _ => return Err(refused(400, Fault::new("/records", "is missing: send an array of events there"))),
    };
    if records.len() > EVENTS_MAX {
        let detail = format!("has {} records, at most {EVENTS_MAX} are taken: send fewer", records.len());
        return Err(refused(413, Fault::new(place, detail)));
    }
    let is_table = post.path.ends_with("em_event.do");
    let reply = if is_table { Reply::ServiceNowTable { records: records.len() } } else { Reply::ServiceNow };
    let mut decoded = Decoded::new(Format::ServiceNow, reply);
    let mut draft = Draft::default();
    for (index, record) in records.iter().enumerate() {
        let base = format!("{place}/{index}");
        if let Err(fault) = read(&mut draft, &mut decoded.batch, record, &base) {
            decoded.reject(index, fault);
        }
    }
    Ok(decoded)
}

fn read(draft: &mut Draft, batch: &mut Batch, record: &Node<'_>, base: &str) -> Result<(), Fault> {
    if !record.is_object() {
        return Err(Fault::new(base, format!("is {}, should be a record", record.kind())));
    }
    draft.clear();
    let (state, key) = (state(record, base)?, key(record, base)?);
    if state == State::Firing {
        describe(draft, record, base)?;
    }
    let time = record.get("time_of_event").and_then(Node::scalar).unwrap_or_default();
    let starts_at = Zoned::parse(&format!("{time}Z")).ok();
    draft.push(batch, Said { key: &key, state, starts_at, by: "", note: "" })
}

fn describe(draft: &mut Draft, record: &Node<'_>, base: &str) -> Result<(), Fault> {
    let column = |name| record.get(name).and_then(Node::scalar).unwrap_or_default();
    if column("node").is_empty() && column("event_class").is_empty() {
        let detail = "is missing, and `event_class` too: name the host, or the instance that says so";
        return Err(Fault::new(format!("{base}/node"), detail));
    }
    for name in ROUTING {
        let value = text(record, base, name)?.unwrap_or_default();
        draft.label(name, &value, &format!("{base}/{name}"));
    }
    let name = NAMES.iter().map(|name| column(name)).find(|name| !name.is_empty()).unwrap_or_default();
    draft.label("alertname", &name, &format!("{base}/metric_name"));
    let theirs = column("severity");
    let ours = SEVERITIES.iter().find(|(number, _)| *number == theirs).map(|(_, word)| *word);
    draft.severity(&theirs, ours, &format!("{base}/severity"));
    annotate(draft, record, base)
}

fn state(record: &Node<'_>, base: &str) -> Result<State, Fault> {
    let column = |name| record.get(name).and_then(Node::scalar).unwrap_or_default();
    if column("resolution_state").eq_ignore_ascii_case("Closing") {
        return Ok(State::Resolved);
    }
    match &column("severity")[..] {
        "0" => Ok(State::Resolved),
        "1" | "2" | "3" | "4" | "5" => Ok(State::Firing),
        _ => {
            let detail = "should be `1` Critical, `2` Major, `3` Minor, `4` Warning, `5` OK or `0` Clear";
            Err(Fault::new(format!("{base}/severity"), detail))
        }
    }
}

fn key(record: &Node<'_>, base: &str) -> Result<String, Fault> {
    let given = text(record, base, "message_key")?.unwrap_or_default();
    if given.len() > KEY_BYTES_MAX {
        let detail = format!("has {} bytes, at most {KEY_BYTES_MAX} are taken: shorten it", given.len());
        return Err(Fault::new(format!("{base}/message_key"), detail));
    }
    if !given.is_empty() {
        return Ok(given.into_owned());
    }
    let parts = KEY.map(|name| record.get(name).and_then(Node::scalar).unwrap_or_default());
    let key = parts.join("|");
    // Without any of these only the class is left to tell alerts apart.
    let class = record.get("event_class").and_then(Node::scalar).unwrap_or_default();
    match key.len() {
        4 if class.is_empty() => {
            let detail = "is missing, and all that it could be made of: send it, or `node`";
            Err(Fault::new(format!("{base}/message_key"), detail))
        }
        4 if class.len() <= KEY_BYTES_MAX => Ok(class.into_owned()),
        0..=KEY_BYTES_MAX => Ok(key),
        _ => Ok(hashed(&[&key, &class])),
    }
}

fn annotate(draft: &mut Draft, record: &Node<'_>, base: &str) -> Result<(), Fault> {
    for (name, value) in record.fields() {
        if !ROUTING.contains(&&name[..]) && !KNOWN.contains(&&name[..]) && *value != Node::Null {
            draft.annotation(name, &value.shown());
        }
    }
    match record.get("additional_info") {
        Some(Node::Text(json)) => match parse_text(json) {
            Ok(info @ Node::Object(_)) => draft.annotations_from(&info, "additional_info"),
            _ => draft.annotation("additional_info", json),
        },
        Some(info) => draft.annotations_from(info, "additional_info"),
        None => {}
    }
    let description = text(record, base, "description")?.unwrap_or_default();
    draft.annotation_of("summary", &description, DESCRIPTION_CHARS_MAX);
    Ok(())
}

#[cfg(test)]
mod tests;
