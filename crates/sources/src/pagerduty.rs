//! PagerDuty Events API v2.
//!
//! A `dedup_key` is the alert's name for its whole life. A trigger without
//! one gets one made of its class, source, component, group and summary, so
//! that the same trigger sent again is the same alert. Change events are
//! taken note of and not kept: they page nobody.

use crate::answer::Reply;
use crate::draft::{Draft, Said, State, clipped, required, text, time};
use crate::generic::hashed;
use crate::severity;
use crate::tree::{Node, parse};
use crate::{Decoded, Fault, Format, Post, Refusal};
use serde::Deserialize;

/// Largest event, as PagerDuty takes it.
pub const BODY_BYTES_MAX: usize = 512_000;
const DEDUP_KEY_CHARS_MAX: usize = 255;
const SUMMARY_CHARS_MAX: usize = 1024;
/// An alert's name where the event has no class.
pub(crate) const NAME_CHARS_MAX: usize = 100;
/// Longer than any credential.
const ROUTING_KEY_BYTES_MAX: usize = 4096;
const LINKS_MAX: usize = 20;
/// Fields of the payload that tools route by; each becomes a label of its
/// name.
const ROUTING: [&str; 4] = ["source", "component", "group", "class"];

/// The event's credential, if it has one; reads no more than that.
#[must_use]
pub fn routing_key(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        routing_key: String,
    }
    let event: Event = serde_json::from_slice(body).ok()?;
    Some(event.routing_key).filter(|key| !key.is_empty() && key.len() <= ROUTING_KEY_BYTES_MAX)
}

/// Reads a request.
pub(crate) fn decode(post: &Post<'_>) -> Result<Decoded, Refusal> {
    let refused = |status, fault| Refusal::new(Format::PagerDuty, status, fault);
    if post.body.len() > BODY_BYTES_MAX {
        let detail = format!("is longer than {BODY_BYTES_MAX} bytes: shorten `payload.custom_details`");
        return Err(refused(413, Fault::new("", detail)));
    }
    let body = parse(post.body).map_err(|fault| refused(400, fault))?;
    if !body.is_object() {
        return Err(refused(400, Fault::new("", format!("is {}, should be an object", body.kind()))));
    }
    let read = if post.path.ends_with("change/enqueue") { change(&body) } else { event(&body) };
    read.map_err(|fault| refused(400, fault))
}

fn change(body: &Node<'_>) -> Result<Decoded, Fault> {
    payload_text(body, "summary", "say in a line what has changed")?;
    Ok(Decoded::new(Format::PagerDuty, Reply::PagerDutyChange))
}

fn event(body: &Node<'_>) -> Result<Decoded, Fault> {
    let state = match &required(body, "", "event_action", "send `trigger`, `acknowledge` or `resolve`")?[..] {
        "trigger" => State::Firing,
        "acknowledge" => State::Acknowledged,
        "resolve" => State::Resolved,
        _ => {
            let detail = "should be `trigger`, `acknowledge` or `resolve`";
            return Err(Fault::new("/event_action", detail));
        }
    };
    let mut draft = Draft::default();
    let given = dedup_key(body)?;
    let key = match state {
        State::Firing => trigger(&mut draft, body, given)?,
        _ => given.ok_or_else(|| {
            Fault::new("/dedup_key", "is missing: it says which alert is meant; a trigger's answer has it")
        })?,
    };
    let starts_at = body.get("payload").and_then(|payload| payload.get("timestamp"));
    let starts_at = starts_at.and_then(|at| time(at).ok().flatten());
    let mut decoded = Decoded::new(Format::PagerDuty, Reply::PagerDuty { dedup_key: key.clone() });
    draft.push(&mut decoded.batch, Said { key: &key, state, starts_at, by: "", note: "" })?;
    Ok(decoded)
}

fn dedup_key(body: &Node<'_>) -> Result<Option<String>, Fault> {
    let Some(key) = text(body, "", "dedup_key")?.filter(|key| !key.is_empty()) else { return Ok(None) };
    if key.chars().count() > DEDUP_KEY_CHARS_MAX {
        let detail = format!("is longer than {DEDUP_KEY_CHARS_MAX} characters: shorten it");
        return Err(Fault::new("/dedup_key", detail));
    }
    Ok(Some(key.into_owned()))
}

/// Gives the key.
fn trigger(draft: &mut Draft, body: &Node<'_>, key: Option<String>) -> Result<String, Fault> {
    let summary = payload_text(body, "summary", "say in a line what is wrong")?;
    payload_text(body, "source", "name the host or service that has the problem")?;
    let word = payload_text(body, "severity", "send `critical`, `error`, `warning` or `info`")?;
    if !severity::WORDS.contains(&&word[..]) {
        let detail = "should be `critical`, `error`, `warning` or `info`";
        return Err(Fault::new("/payload/severity", detail));
    }
    let none = Node::Null;
    let payload = body.get("payload").unwrap_or(&none);
    let routing = |name| payload.get(name).and_then(Node::scalar).unwrap_or_default();
    for name in ROUTING {
        draft.label(name, &routing(name), &format!("/payload/{name}"));
    }
    let class = routing("class");
    let name = if class.is_empty() { clipped(&summary, NAME_CHARS_MAX) } else { class };
    draft.label("alertname", &name, "/payload/class");
    draft.severity(&word, None, "/payload/severity");
    annotate(draft, body, payload, &summary);
    let [source, component, group, class] = ROUTING.map(routing);
    Ok(key.unwrap_or_else(|| hashed(&[&class, &source, &component, &group, &summary])))
}

fn payload_text(body: &Node<'_>, name: &str, why: &str) -> Result<String, Fault> {
    let payload = body.get("payload").filter(|payload| payload.is_object());
    let missing =
        || Fault::new("/payload", "is missing: send an object with `summary`, `source`, `severity`");
    required(payload.ok_or_else(missing)?, "/payload", name, why).map(String::from)
}

/// The summary last: no detail takes its place.
fn annotate(draft: &mut Draft, body: &Node<'_>, payload: &Node<'_>, summary: &str) {
    if let Some(details) = payload.get("custom_details") {
        draft.annotations_from(details, "custom_details");
    }
    for (field, annotation) in [("links", "links"), ("images", "images")] {
        draft.annotation(annotation, &links(body.get(field)));
    }
    if let Some(client) = body.get("client").and_then(Node::as_text) {
        draft.annotation("client", client);
    }
    if let Some(url) = body.get("client_url").and_then(Node::as_text) {
        draft.url(url);
    }
    draft.annotation_of("summary", summary, SUMMARY_CHARS_MAX);
}

/// A line each: `text href` or the image's address.
fn links(list: Option<&Node<'_>>) -> String {
    let list = list.and_then(Node::as_array).unwrap_or_default().iter().take(LINKS_MAX);
    let line = |link: &Node<'_>| {
        let text = |name| link.get(name).and_then(Node::as_text).unwrap_or_default();
        let address = if text("href").is_empty() { text("src") } else { text("href") };
        let words = if text("text").is_empty() { text("alt") } else { text("text") };
        if words.is_empty() { address.to_owned() } else { format!("{words} {address}") }
    };
    list.map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
