//! Requests to Opsgenie, within its limits: what is longer than it takes would
//! cost the whole alert.

use super::settings::{Responder, Settings};
use crate::group::common;
use crate::plain::{description, headline, lines, one_line};
use crate::situation::Situation;
use crate::template::Template;
use crate::wording::Wording;
use crate::words::Words;
use http::Method;
use openclaw_alert::{Acted, Labels, Notification, Reason};
use serde_json::{Map, Value, json};

const MESSAGE_UNITS_MAX: usize = 130;
const DESCRIPTION_UNITS_MAX: usize = 15_000;
const ENTITY_UNITS_MAX: usize = 512;
const SOURCE_UNITS_MAX: usize = 100;
const USER_UNITS_MAX: usize = 100;
const NOTE_UNITS_MAX: usize = 25_000;
const TAGS_MAX: usize = 20;
const TAG_UNITS_MAX: usize = 50;
const ACTIONS_MAX: usize = 10;
const ACTION_UNITS_MAX: usize = 50;
const RESPONDERS_MAX: usize = 50;
const NAME_UNITS_MAX: usize = 250;
/// Of all names and values of the details.
const DETAILS_UNITS_MAX: usize = 8000;
const DETAIL_UNITS_MAX: usize = 1000;
const OUR_NAME: &str = "OpenClaw Rating";

/// One request about the alert of a group.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) method: Method,
    /// Below the alert; `None` for all alerts.
    pub(super) part: Option<&'static str>,
    pub(super) body: String,
}

#[cfg(test)]
impl Request {
    /// What is asked, for people.
    pub(crate) fn shown(&self) -> (String, &str) {
        (format!("{} {}", self.method, self.part.unwrap_or("alerts")), &self.body)
    }
}

/// The requests to make, in this order.
pub(crate) fn requests(settings: &Settings, notification: &Notification, words: &Words<'_>) -> Vec<Request> {
    let wording = Wording::new(notification, words);
    let act = |part, acted| Request::new(Method::POST, Some(part), &action(settings, &wording, words, acted));
    match Situation::of(notification) {
        Situation::Open => told(settings, notification, words, &wording),
        // The alert is there, and a create more would only be counted.
        Situation::Taken(acted) if notification.receipt.is_some() && notification.reason == Reason::Acted => {
            vec![act("acknowledge", Some(acted))]
        }
        Situation::Taken(acted) => {
            let mut requests = told(settings, notification, words, &wording);
            requests.push(act("acknowledge", Some(acted)));
            requests
        }
        Situation::Over(acted) => vec![act("close", acted)],
    }
}

fn told(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
    wording: &Wording<'_>,
) -> Vec<Request> {
    let alert = alert(settings, notification, words, wording);
    let mut requests = vec![Request::new(Method::POST, None, &alert)];
    if settings.update_alerts {
        let parts = [("message", &alert["message"]), ("description", &alert["description"])];
        let put = |(part, text): (&'static str, &Value)| {
            Request::new(Method::PUT, Some(part), &json!({ part: text }))
        };
        requests.extend(parts.into_iter().map(put));
    }
    requests
}

fn action(settings: &Settings, wording: &Wording<'_>, words: &Words<'_>, acted: Option<&Acted>) -> Value {
    let mut out = json!({ "source": source(settings, wording, words) });
    if let Some(acted) = acted {
        out["user"] = json!(one_line(&acted.by, USER_UNITS_MAX));
        out["note"] = json!(format!(
            "{} by {}",
            crate::headline::done(acted.action),
            one_line(&acted.by, USER_UNITS_MAX)
        ));
    }
    out
}

fn alert(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
    wording: &Wording<'_>,
) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    let line = |key, template: &Option<Template>, units_max| {
        wording.text(key, template.as_ref()).map(|text| one_line(&text, units_max))
    };
    put("alias", json!(notification.dedup_key));
    let message = line("message", &settings.message, MESSAGE_UNITS_MAX);
    put("message", json!(message.unwrap_or_else(|| headline(notification, MESSAGE_UNITS_MAX))));
    put("source", json!(source(settings, wording, words)));
    put("priority", json!(priority(settings, notification, wording)));
    put("details", Value::Object(details(settings, notification, wording)));
    let responders: Vec<Value> = settings.responders.iter().flat_map(|it| responder(it, wording)).collect();
    put_list(&mut put, "responders", responders, RESPONDERS_MAX);
    let listed = |key, template: &Option<Template>, units_max| -> Vec<Value> {
        let text = wording.text(key, template.as_ref()).unwrap_or_default();
        split(&text).map(|word| json!(one_line(word, units_max))).collect()
    };
    put_list(&mut put, "tags", listed("tags", &settings.tags, TAG_UNITS_MAX), TAGS_MAX);
    put_list(&mut put, "actions", listed("actions", &settings.actions, ACTION_UNITS_MAX), ACTIONS_MAX);
    if let Some(entity) = line("entity", &settings.entity, ENTITY_UNITS_MAX) {
        put("entity", json!(entity));
    }
    if let Some(note) = wording.text("note", settings.note.as_ref()) {
        put("note", json!(lines(&note, NOTE_UNITS_MAX)));
    }
    // Last, so that it can say which template failed.
    put("description", json!(text(settings, notification, words, wording)));
    Value::Object(out)
}

fn text(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
    wording: &Wording<'_>,
) -> String {
    let own = wording.text("description", settings.description.as_ref());
    let note = wording.note();
    match (own, &note) {
        (Some(own), None) => lines(&own, DESCRIPTION_UNITS_MAX),
        (Some(own), Some(note)) => {
            lines(&format!("{}\n{own}", one_line(note, NAME_UNITS_MAX)), DESCRIPTION_UNITS_MAX)
        }
        (None, note) => description(notification, words.external_url, note.as_deref(), DESCRIPTION_UNITS_MAX),
    }
}

fn source(settings: &Settings, wording: &Wording<'_>, words: &Words<'_>) -> String {
    let own = wording.text("source", settings.source.as_ref());
    let ours = || if words.external_url.is_empty() { OUR_NAME } else { words.external_url }.to_owned();
    one_line(&own.unwrap_or_else(ours), SOURCE_UNITS_MAX)
}

fn priority(settings: &Settings, notification: &Notification, wording: &Wording<'_>) -> String {
    let own = wording.text("priority", settings.priority.as_ref()).map(|text| text.trim().to_uppercase());
    // What is none would cost the whole alert.
    let own = own.filter(|text| ["P1", "P2", "P3", "P4", "P5"].contains(&text.as_str()));
    own.unwrap_or_else(|| by_score(notification.top_score()).to_owned())
}

fn by_score(score: f32) -> &'static str {
    match score {
        0.9.. => "P1",
        0.75.. => "P2",
        0.5.. => "P3",
        0.2.. => "P4",
        _ => "P5",
    }
}

fn details(settings: &Settings, notification: &Notification, wording: &Wording<'_>) -> Map<String, Value> {
    let own = settings
        .details
        .iter()
        .map(|(name, template)| (name.clone(), wording.text("details", Some(template)).unwrap_or_default()));
    let own: Vec<(String, String)> = own.collect();
    let shared = common(notification.alerts.iter().map(|alert| alert.view().labels));
    let shared =
        Labels::from_encoded(&shared).iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let score = ("score".to_owned(), format!("{:.2}", notification.top_score()));
    let is_own = |name: &str| own.iter().any(|(known, _)| known == name);
    let others: Vec<_> = std::iter::once(score).chain(shared).filter(|(name, _)| !is_own(name)).collect();
    let mut units_left = DETAILS_UNITS_MAX;
    let mut out = Map::new();
    for (name, value) in own.into_iter().chain(others) {
        let value = one_line(&value, DETAIL_UNITS_MAX);
        let Some(rest) = units_left.checked_sub(crate::text::units(&name) + crate::text::units(&value))
        else {
            continue;
        };
        units_left = rest;
        out.insert(name, json!(value));
    }
    out
}

/// None for one that says nobody: names may depend on labels.
fn responder(responder: &Responder, wording: &Wording<'_>) -> Vec<Value> {
    let text = |template: &Option<Template>| {
        let text = wording.text("responders", template.as_ref())?;
        Some(one_line(text.trim(), NAME_UNITS_MAX))
    };
    let [id, name, username] = [&responder.id, &responder.name, &responder.username].map(text);
    let kind = text(&responder.kind).map(|kind| kind.to_lowercase());
    if kind.as_deref() == Some("teams") {
        let names = name.unwrap_or_default();
        return split(&names).map(|team| json!({ "name": team, "type": "team" })).collect();
    }
    let named = [("id", id), ("name", name), ("username", username)];
    let mut out: Map<String, Value> =
        named.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?)))).collect();
    if out.is_empty() {
        return Vec::new();
    }
    let of_user = if out.contains_key("username") { "user" } else { "team" };
    out.insert("type".to_owned(), json!(kind.as_deref().unwrap_or(of_user)));
    vec![Value::Object(out)]
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn put_list(put: &mut impl FnMut(&str, Value), key: &str, mut items: Vec<Value>, most: usize) {
    items.truncate(most);
    if !items.is_empty() {
        put(key, Value::Array(items));
    }
}
