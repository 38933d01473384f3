//! CloudEvents 1.0 over HTTP: binary, structured and batched; the handshake
//! before the first one.
//!
//! An event's `source` and `id` name its delivery: the same one sent again
//! changes nothing. Its `data` becomes an alert as any JSON does. A mapping's
//! pointers begin at the event in its structured form: `/data/host`, `/type`.

use crate::answer::Reply;
use crate::draft::{Draft, EVENTS_MAX, required, text, time_at};
use crate::generic::{self, Event, Known};
use crate::tree::{Node, parse, parse_text};
use crate::{Answer, Decoded, Fault, Format, Mapping, Post, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Longest value of `id`, `source` or `type`.
const ATTRIBUTE_BYTES_MAX: usize = 4096;
/// Attributes that an event must have.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
const JSON: &str = "application/json";

/// Whether a request carries events, by its headers.
pub(crate) fn is_event(post: &Post<'_>) -> bool {
    starts_with(post.media_type(), "application/cloudevents") || is_binary(post)
}

fn is_binary(post: &Post<'_>) -> bool {
    REQUIRED.iter().all(|name| post.header(&format!("ce-{name}")).is_some())
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Consents to events of `origin`, at the rate that it asks for. Its callback
/// is left alone: we call no address that a stranger gives.
#[must_use]
pub fn handshake(origin: Option<&str>, rate: Option<&str>) -> Answer {
    let answer = Answer::empty(204).with_header("allow", "POST, OPTIONS");
    let is_name = |text: &&str| {
        !text.is_empty()
            && text.len() <= 255
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
    };
    let Some(origin) = origin.filter(is_name) else { return answer };
    let is_number =
        |text: &&str| matches!(text.len(), 1..=9) && text.bytes().all(|byte| byte.is_ascii_digit());
    answer
        .with_header("webhook-allowed-origin", origin)
        .with_header("webhook-allowed-rate", rate.filter(is_number).unwrap_or("*"))
}

/// Reads a request.
pub(crate) fn decode(post: &Post<'_>, mapping: &Mapping) -> Result<Decoded, Refusal> {
    let refused = |fault| Refusal::new(Format::CloudEvents, 400, fault);
    let media_type = post.media_type();
    if starts_with(media_type, "application/cloudevents-batch") {
        return batch(&parse(post.body).map_err(refused)?, mapping);
    }
    if starts_with(media_type, "application/cloudevents") || !is_binary(post) {
        check_structured(post, media_type)?;
        let event = parse(post.body).map_err(refused)?;
        return match &event {
            Node::Array(_) => batch(&event, mapping),
            _ => one(&event, mapping),
        };
    }
    let data = binary_data(post).map_err(refused)?;
    one(&from_headers(post, data).map_err(refused)?, mapping)
}

/// Without a type for events, the body must be one all the same.
fn check_structured(post: &Post<'_>, media_type: &str) -> Result<(), Refusal> {
    let is_json = media_type.is_empty() || is_json(media_type);
    if starts_with(media_type, "application/cloudevents") && !is_json {
        let detail = "is in a form that is not read: send `application/cloudevents+json`";
        return Err(Refusal::new(Format::CloudEvents, 415, Fault::new("", detail)));
    }
    let missing = REQUIRED.iter().find(|name| post.header(&format!("ce-{name}")).is_none());
    let some = REQUIRED.iter().any(|name| post.header(&format!("ce-{name}")).is_some());
    match missing {
        Some(name) if some => {
            let detail = "is missing: a binary event has a header for it";
            Err(Refusal::new(Format::CloudEvents, 400, Fault::new(format!("/ce-{name}"), detail)))
        }
        _ => Ok(()),
    }
}

fn is_json(media_type: &str) -> bool {
    let lower = media_type.to_ascii_lowercase();
    lower == JSON || lower == "text/json" || lower.ends_with("+json")
}

/// Data by its type; an event without a type is JSON if it can be.
fn binary_data<'r>(post: &Post<'r>) -> Result<Option<Node<'r>>, Fault> {
    let media_type = post.media_type();
    if post.body.is_empty() {
        return Ok(None);
    }
    if is_json(media_type) {
        return parse(post.body).map(Some);
    }
    let text = String::from_utf8_lossy(post.body);
    Ok(Some(match parse(post.body) {
        Ok(node) if media_type.is_empty() => node,
        _ => Node::Text(text),
    }))
}

/// A binary event in its structured form.
fn from_headers<'r>(post: &Post<'r>, data: Option<Node<'r>>) -> Result<Node<'r>, Fault> {
    let mut fields = Vec::new();
    for (name, value) in post.headers {
        let Some(name) = name.strip_prefix("ce-").filter(|name| !["data", "data_base64"].contains(name))
        else {
            continue;
        };
        let value = header_text(value).ok_or_else(|| {
            Fault::new(format!("/ce-{name}"), "is not UTF-8 once its percent-encoding is undone")
        })?;
        fields.push((Cow::Borrowed(name), Node::Text(value)));
    }
    fields.extend(data.map(|data| (Cow::Borrowed("data"), data)));
    Ok(Node::Object(fields))
}

/// Undoes quotes and backslashes, then one round of percent-encoding.
fn header_text(value: &str) -> Option<Cow<'_, str>> {
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(quoted) = quoted else { return percent_decode_str(value).decode_utf8().ok() };
    let mut plain = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        plain.push(if letter == '\\' { letters.next()? } else { letter });
    }
    let decoded = percent_decode_str(&plain).decode_utf8().ok()?.into_owned();
    Some(Cow::Owned(decoded))
}

fn one(event: &Node<'_>, mapping: &Mapping) -> Result<Decoded, Refusal> {
    let refused = |fault| Refusal::new(Format::CloudEvents, 400, fault);
    let mut decoded = Decoded::new(Format::CloudEvents, Reply::Ours);
    let attributes = Attributes::of(event, "").map_err(refused)?;
    match read(&mut Draft::default(), &mut decoded, event, "", &attributes, mapping) {
        Ok(()) => decoded.batch.set_delivery(&["cloudevents", &attributes.source, &attributes.id]),
        Err(fault) => decoded.reject(0, fault),
    }
    Ok(decoded)
}

/// A batch is named by all of its events: sent again whole, it changes
/// nothing.
fn batch(body: &Node<'_>, mapping: &Mapping) -> Result<Decoded, Refusal> {
    let refused = |status, fault| Refusal::new(Format::CloudEvents, status, fault);
    let wrong = || refused(400, Fault::new("", format!("is {}, should be an array of events", body.kind())));
    let events = body.as_array().ok_or_else(wrong)?;
    if events.len() > EVENTS_MAX {
        let detail = format!("has {} events, at most {EVENTS_MAX} are taken: send fewer", events.len());
        return Err(refused(413, Fault::new("", detail)));
    }
    let mut decoded = Decoded::new(Format::CloudEvents, Reply::Ours);
    let (mut draft, mut names) = (Draft::default(), Vec::with_capacity(2 * events.len() + 1));
    for (index, event) in events.iter().enumerate() {
        let base = format!("/{index}");
        let kept = Attributes::of(event, &base).and_then(|attributes| {
            read(&mut draft, &mut decoded, event, &base, &attributes, mapping)?;
            names.extend([attributes.source.into_owned(), attributes.id.into_owned()]);
            Ok(())
        });
        if let Err(fault) = kept {
            decoded.reject(index, fault);
        }
    }
    if !names.is_empty() {
        let names: Vec<&str> =
            std::iter::once("cloudevents").chain(names.iter().map(|name| &name[..])).collect();
        decoded.batch.set_delivery(&names);
    }
    Ok(decoded)
}

struct Attributes<'e> {
    id: Cow<'e, str>,
    source: Cow<'e, str>,
    kind: Cow<'e, str>,
    subject: Cow<'e, str>,
}

impl<'e> Attributes<'e> {
    fn of(event: &'e Node<'_>, base: &str) -> Result<Self, Fault> {
        if !event.is_object() {
            return Err(Fault::new(base, format!("is {}, should be an event", event.kind())));
        }
        let version = required(event, base, "specversion", "send `1.0`")?;
        if version != "1.0" {
            return Err(Fault::new(
                format!("{base}/specversion"),
                "is a version that is not read: send `1.0`",
            ));
        }
        let attribute = |name: &str| {
            let value = required(event, base, name, "an event of CloudEvents has one")?;
            if value.len() > ATTRIBUTE_BYTES_MAX {
                let detail = format!("has {} bytes, at most {ATTRIBUTE_BYTES_MAX} are taken", value.len());
                return Err(Fault::new(format!("{base}/{name}"), detail));
            }
            Ok(value)
        };
        Ok(Self {
            id: attribute("id")?,
            source: attribute("source")?,
            kind: attribute("type")?,
            subject: text(event, base, "subject")?.unwrap_or_default(),
        })
    }
}

fn read(
    draft: &mut Draft,
    decoded: &mut Decoded,
    event: &Node<'_>,
    base: &str,
    attributes: &Attributes<'_>,
    mapping: &Mapping,
) -> Result<(), Fault> {
    let known = Known {
        alertname: Some(&attributes.kind),
        labels: vec![
            ("source", &attributes.source),
            ("subject", &attributes.subject),
            ("type", &attributes.kind),
        ],
        starts_at: time_at(event, base, "time")?,
    };
    let unpacked = unpacked(event, base)?;
    let none = Node::Null;
    let event = unpacked.as_ref().unwrap_or(event);
    let data = event.get("data").unwrap_or(&none);
    // Data that is no object still says something to people.
    let summary = Node::Object(vec![(Cow::Borrowed("summary"), Node::Text(data.shown()))]);
    let data = if data.is_object() || *data == Node::Null { data } else { &summary };
    let place = format!("{base}/data");
    let event = Event { whole: event, data, base: &place, known: &known };
    generic::read(draft, &mut decoded.batch, &event, mapping)
}

/// The event with its `data_base64` as `data`; `None` where it has none.
fn unpacked<'b>(event: &Node<'b>, base: &str) -> Result<Option<Node<'b>>, Fault> {
    let Some(encoded) = event.get("data_base64") else { return Ok(None) };
    let place = || format!("{base}/data_base64");
    if event.get("data").is_some() {
        return Err(Fault::new(place(), "comes beside `data`: send one of them"));
    }
    let bytes = encoded.as_text().and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.ok_or_else(|| Fault::new(place(), "is not base64"))?;
    let text = String::from_utf8_lossy(&bytes);
    let media_type = event.get("datacontenttype").and_then(Node::as_text).unwrap_or(JSON);
    let is_json = is_json(media_type.split(';').next().unwrap_or_default().trim());
    let data = match parse_text(&text) {
        Ok(node) if is_json => owned(node),
        _ => Node::Text(Cow::Owned(text.into_owned())),
    };
    let Node::Object(fields) = event else { return Ok(None) };
    let mut fields = fields.clone();
    fields.push((Cow::Borrowed("data"), data));
    Ok(Some(Node::Object(fields)))
}

fn owned(node: Node<'_>) -> Node<'static> {
    match node {
        Node::Null => Node::Null,
        Node::Bool(value) => Node::Bool(value),
        Node::Number(number) => Node::Number(number),
        Node::Text(text) => Node::Text(Cow::Owned(text.into_owned())),
        Node::Array(items) => Node::Array(items.into_iter().map(owned).collect()),
        Node::Object(fields) => Node::Object(
            fields.into_iter().map(|(name, value)| (Cow::Owned(name.into_owned()), owned(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests;
