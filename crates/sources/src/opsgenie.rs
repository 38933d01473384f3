//! Opsgenie's Alert API.
//!
//! An `alias` is the alert's name for its whole life; an alert without one
//! gets one made of its message, entity and source. What is asked of an alert
//! names it by alias or by id, which is the same here.

use crate::answer::Reply;
use crate::draft::{Draft, Said, State, clipped, required, text};
use crate::generic::hashed;
use crate::tree::{Node, parse};
use crate::{Decoded, Fault, Format, Post, Refusal};
use openclaw_alert::{Feedback, Signal, SignalKind};
use percent_encoding::percent_decode_str;

const MESSAGE_CHARS_MAX: usize = 130;
const ALIAS_CHARS_MAX: usize = 512;
const DESCRIPTION_CHARS_MAX: usize = 15_000;
const NOTE_CHARS_MAX: usize = 25_000;
const USER_CHARS_MAX: usize = 100;
const RESPONDERS_MAX: usize = 50;

/// What is asked of an alert. The last ones change nothing here: a text comes
/// with the next post of the alert.
const ASKED: [(&str, &str, Option<SignalKind>); 9] = [
    ("POST", "close", Some(SignalKind::Ended(None))),
    ("POST", "acknowledge", Some(SignalKind::Acted(Feedback::Ack))),
    ("POST", "escalate", Some(SignalKind::Acted(Feedback::Escalate))),
    ("DELETE", "", Some(SignalKind::Ended(None))),
    ("POST", "unacknowledge", None),
    ("POST", "notes", None),
    ("PUT", "message", None),
    ("PUT", "description", None),
    ("PUT", "priority", None),
];

/// Reads a request.
pub(crate) fn decode(post: &Post<'_>) -> Result<Decoded, Refusal> {
    let mut steps = post.path.split('/').filter(|step| !step.is_empty());
    let (first, second, rest) = (steps.next(), steps.next(), steps.next());
    match (post.method, first, second, rest) {
        ("POST", None, ..) => create(post),
        ("GET", Some("requests"), Some(id), None) => request(post, id),
        ("GET", ..) | (_, _, _, Some(_)) => Err(nothing()),
        (method, Some(alert), asked, None) => ask(post, method, alert, asked.unwrap_or_default()),
        _ => Err(nothing()),
    }
}

fn nothing() -> Refusal {
    let detail = "leads nowhere: create an alert by `POST /v2/alerts`; `close`, `acknowledge`, `unacknowledge`, `escalate` and `notes` come behind its alias";
    Refusal::new(Format::Opsgenie, 404, Fault::new("/path", detail))
}

fn unprocessable(fault: Fault) -> Refusal {
    Refusal::new(Format::Opsgenie, 422, fault)
}

/// Told apart from each other; the same for the same request at the same
/// time.
fn request_id(post: &Post<'_>) -> String {
    let body = String::from_utf8_lossy(post.body);
    let id = hashed(&[post.method, post.path, post.query, &body, &post.received_at.nanos().to_string()]);
    let groups = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]];
    groups.join("-")
}

/// A 202 was given once all was kept, so whatever is asked for is done.
fn request(post: &Post<'_>, id: &str) -> Result<Decoded, Refusal> {
    let is_id = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if !is_id {
        return Err(nothing());
    }
    let reply =
        Reply::OpsgenieRequest { request_id: id.to_owned(), processed_at: post.received_at.to_string() };
    Ok(Decoded::new(Format::Opsgenie, reply))
}

fn ask(post: &Post<'_>, method: &str, alert: &str, asked: &str) -> Result<Decoded, Refusal> {
    let known = ASKED.iter().find(|(by, what, _)| *by == method && *what == asked);
    let (_, _, kind) = known.ok_or_else(nothing)?;
    let key = percent_decode_str(alert).decode_utf8();
    let key = key.map_err(|_| unprocessable(Fault::new("/identifier", "is not UTF-8: encode it again")))?;
    check_alias(&key, "/identifier").map_err(unprocessable)?;
    if post.parameter("identifierType").as_deref() == Some("tiny") {
        let detail = "should be `alias` or `id`: tiny ids are not kept here";
        return Err(unprocessable(Fault::new("/identifierType", detail)));
    }
    let body = match post.body.trim_ascii() {
        b"" => Node::Null,
        body => parse(body).map_err(|fault| Refusal::new(Format::Opsgenie, 400, fault))?,
    };
    let by = text(&body, "", "user").map_err(unprocessable)?.unwrap_or_default();
    let note = text(&body, "", "note").map_err(unprocessable)?.unwrap_or_default();
    let mut decoded = Decoded::new(Format::Opsgenie, Reply::Opsgenie { request_id: request_id(post) });
    if let Some(kind) = *kind {
        let (by, note) = (clipped(&by, USER_CHARS_MAX), clipped(&note, NOTE_CHARS_MAX));
        decoded.batch.push_signal(Signal { key: &key, kind, by: &by, note: &note });
    }
    Ok(decoded)
}

fn create(post: &Post<'_>) -> Result<Decoded, Refusal> {
    let body = parse(post.body).map_err(|fault| Refusal::new(Format::Opsgenie, 400, fault))?;
    if !body.is_object() {
        let fault = Fault::new("", format!("is {}, should be an object", body.kind()));
        return Err(Refusal::new(Format::Opsgenie, 400, fault));
    }
    let mut decoded = Decoded::new(Format::Opsgenie, Reply::Opsgenie { request_id: request_id(post) });
    let mut draft = Draft::default();
    let key = read(&mut draft, &body).map_err(unprocessable)?;
    let said = Said { key: &key, state: State::Firing, starts_at: None, by: "", note: "" };
    draft.push(&mut decoded.batch, said).map_err(unprocessable)?;
    Ok(decoded)
}

/// Gives the key.
fn read(draft: &mut Draft, body: &Node<'_>) -> Result<String, Fault> {
    let message = required(body, "", "message", "say in a line what is wrong")?;
    let column = |name| text(body, "", name).map(Option::unwrap_or_default);
    let (entity, source, alias) = (column("entity")?, column("source")?, column("alias")?);
    if !alias.is_empty() {
        check_alias(&alias, "/alias")?;
    }
    if let Some(tags) = body.get("tags") {
        draft.labels_from(tags, "/tags");
    }
    draft.label("entity", &entity, "/entity");
    draft.label("source", &source, "/source");
    draft.label("responders", &responders(body), "/responders");
    draft.label("alertname", &clipped(&message, MESSAGE_CHARS_MAX), "/message");
    match &column("priority")?[..] {
        // As Opsgenie takes one without.
        "" => draft.label("severity", "warning", "/priority"),
        priority @ ("P1" | "P2" | "P3" | "P4" | "P5") => draft.severity(priority, None, "/priority"),
        _ => return Err(Fault::new("/priority", "should be `P1`, `P2`, `P3`, `P4` or `P5`")),
    }
    annotate(draft, body, &message)?;
    Ok(if alias.is_empty() { hashed(&[&message, &entity, &source]) } else { alias.into_owned() })
}

fn check_alias(alias: &str, place: &str) -> Result<(), Fault> {
    if alias.chars().count() > ALIAS_CHARS_MAX {
        return Err(Fault::new(place, format!("is longer than {ALIAS_CHARS_MAX} characters: shorten it")));
    }
    Ok(())
}

/// Names of teams and people, in an order of their own.
fn responders(body: &Node<'_>) -> String {
    let list = body.get("responders").and_then(Node::as_array).unwrap_or_default();
    let name = |responder: &Node<'_>| {
        let found = ["name", "username", "id"].iter().find_map(|field| responder.get(field)?.scalar());
        found.map(String::from)
    };
    let mut names: Vec<String> = list.iter().take(RESPONDERS_MAX).filter_map(name).collect();
    names.sort();
    names.dedup();
    names.join(",")
}

/// The message last: no detail takes its place.
fn annotate(draft: &mut Draft, body: &Node<'_>, message: &str) -> Result<(), Fault> {
    if let Some(details) = body.get("details") {
        draft.annotations_from(details, "details");
    }
    for (name, chars_max) in
        [("description", DESCRIPTION_CHARS_MAX), ("note", NOTE_CHARS_MAX), ("user", USER_CHARS_MAX)]
    {
        draft.annotation_of(name, &text(body, "", name)?.unwrap_or_default(), chars_max);
    }
    draft.annotation_of("summary", message, MESSAGE_CHARS_MAX);
    Ok(())
}

#[cfg(test)]
mod tests;
