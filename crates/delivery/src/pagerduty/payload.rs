//! Events for PagerDuty.
//!
//! PagerDuty takes 512,000 bytes: of many alerts the most urgent are shown,
//! and where not even one has room, a note stands in place of the details.

use super::settings::{Detail, Image, Link, Settings};
use crate::group::View;
use crate::group::open_first;
use crate::headline::{deeds, past, top};
use crate::plain::{headline, one_line, told_deeds};
use crate::severity::Severity;
use crate::situation::Situation;
use crate::text::{is_web, units};
use crate::wording::Wording;
use crate::words::Words;
use openclaw_alert::{Labels, Notification, Status};
use serde_json::{Map, Value, json};

const EVENT_BYTES_MAX: usize = 512_000;
const SUMMARY_UNITS_MAX: usize = 1024;
const FIELD_UNITS_MAX: usize = 1000;
const URL_UNITS_MAX: usize = 2000;
const ALERTS_MAX: usize = 100;
const OUR_NAME: &str = "OpenClaw Rating";

/// The bodies to post, in this order.
pub(crate) fn events(settings: &Settings, notification: &Notification, words: &Words<'_>) -> Vec<String> {
    let event = |action| event(settings, notification, action);
    match Situation::of(notification) {
        Situation::Open => vec![trigger(settings, notification, words)],
        // Who has been told hears of a trigger in vain: it would only add to the incident's log.
        Situation::Taken(_) if is_told_of_action(notification) => vec![text(event("acknowledge"))],
        Situation::Taken(_) => vec![trigger(settings, notification, words), text(event("acknowledge"))],
        Situation::Over(_) => vec![text(event("resolve"))],
    }
}

fn is_told_of_action(notification: &Notification) -> bool {
    notification.receipt.is_some() && notification.reason == openclaw_alert::Reason::Acted
}

fn text(event: Map<String, Value>) -> String {
    Value::Object(event).to_string()
}

fn event(settings: &Settings, notification: &Notification, action: &str) -> Map<String, Value> {
    let parts = [
        ("routing_key", settings.routing_key.expose()),
        ("event_action", action),
        ("dedup_key", &notification.dedup_key),
    ];
    parts.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect()
}

fn trigger(settings: &Settings, notification: &Notification, words: &Words<'_>) -> String {
    let wording = Wording::new(notification, words);
    let mut event = event(settings, notification, "trigger");
    event.extend(client(settings, words, &wording));
    put_list(&mut event, "images", settings.images.iter().filter_map(|it| image(it, &wording)).collect());
    put_list(&mut event, "links", settings.links.iter().filter_map(|it| link(it, &wording)).collect());
    let mut payload = payload(settings, notification, &wording);
    let own = own_details(&settings.details, &wording);
    let mut shown = ALERTS_MAX;
    loop {
        let mut details = details(notification, shown);
        details.extend(own.clone());
        details
            .extend(wording.note().map(|note| ("note".to_owned(), json!(one_line(&note, FIELD_UNITS_MAX)))));
        payload.insert("custom_details".to_owned(), Value::Object(details));
        event.insert("payload".to_owned(), Value::Object(payload.clone()));
        let text = text(event.clone());
        if text.len() <= EVENT_BYTES_MAX {
            return text;
        }
        if shown == 0 {
            break;
        }
        shown /= 4;
    }
    let note =
        format!("The details were left out: with them the event has more than {EVENT_BYTES_MAX} bytes");
    payload.insert("custom_details".to_owned(), json!({ "error": note }));
    event.insert("payload".to_owned(), Value::Object(payload));
    text(event)
}

fn client(settings: &Settings, words: &Words<'_>, wording: &Wording<'_>) -> Vec<(String, Value)> {
    let name = wording.text("client", settings.client.as_ref());
    let name = one_line(name.as_deref().unwrap_or(OUR_NAME), FIELD_UNITS_MAX);
    let url = wording.text("client_url", settings.client_url.as_ref());
    let url =
        url.or_else(|| (!words.external_url.is_empty()).then(|| format!("{}/console", words.external_url)));
    let url = url.and_then(|url| web(&url, &["https://", "http://"]));
    let parts = [("client", Some(name)), ("client_url", url)];
    parts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?)))).collect()
}

fn payload(settings: &Settings, notification: &Notification, wording: &Wording<'_>) -> Map<String, Value> {
    let description = wording.text("description", settings.description.as_ref());
    let summary = match description {
        Some(text) => one_line(&text, SUMMARY_UNITS_MAX),
        None => headline(notification, SUMMARY_UNITS_MAX),
    };
    let source = wording.text("source", settings.source.as_ref());
    let source = source.unwrap_or_else(|| source_of(notification));
    let mut out = Map::new();
    out.insert("summary".to_owned(), json!(summary));
    out.insert("source".to_owned(), json!(one_line(&source, FIELD_UNITS_MAX)));
    out.insert("severity".to_owned(), json!(severity(settings, notification, wording)));
    let rest = [("class", &settings.class), ("component", &settings.component), ("group", &settings.group)];
    for (key, template) in rest {
        if let Some(text) = wording.text(key, template.as_ref()) {
            out.insert(key.to_owned(), json!(one_line(&text, FIELD_UNITS_MAX)));
        }
    }
    if let Some(first) = notification.alerts.iter().map(|alert| alert.starts_at.at).min() {
        out.insert("timestamp".to_owned(), json!(first.to_string()));
    }
    out
}

/// What is affected: the instance that all alerts share, or their tenant.
fn source_of(notification: &Notification) -> String {
    let shared = crate::group::common(notification.alerts.iter().map(|alert| alert.view().labels));
    let shared = Labels::from_encoded(&shared);
    let named = ["instance", "host", "service", "job"].map(|name| shared.get(name));
    let found = named.into_iter().find(|value| !value.trim().is_empty());
    found.unwrap_or(notification.tenant.as_str()).to_owned()
}

fn severity(settings: &Settings, notification: &Notification, wording: &Wording<'_>) -> &'static str {
    let own = wording.text("severity", settings.severity.as_ref());
    // A word that PagerDuty doesn't know would cost the whole event.
    let own = own.and_then(|word| Severity::of_word(&word));
    let of_top = || open_first(notification).first().map_or(Severity::Error, Severity::of);
    match own.unwrap_or_else(of_top) {
        Severity::Critical => "critical",
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// Named as in Alertmanager's, so that rules over there keep working.
fn details(notification: &Notification, alerts_max: usize) -> Map<String, Value> {
    let views = open_first(notification);
    let shown = &views[..views.len().min(alerts_max)];
    let count = |status| views.iter().filter(|view| view.alert.status == status).count();
    let list = |status| -> Vec<Value> {
        shown.iter().filter(|view| view.alert.status == status).map(alert).collect()
    };
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    put("firing", json!(list(Status::Firing)));
    put("resolved", json!(list(Status::Resolved)));
    put("num_firing", json!(count(Status::Firing)));
    put("num_resolved", json!(count(Status::Resolved)));
    if shown.len() < views.len() {
        put("not_shown", json!(views.len() - shown.len()));
    }
    if let Some(top) = top(notification) {
        put("score", rounded(top.score.value()));
        put("score_factors", json!(top.score.main_factors()));
        if let Some(past) = past(&top.past) {
            put("past", json!(past));
        }
    }
    if let Some(person) = notification.on_call.as_deref() {
        put("on_call", json!(one_line(person, FIELD_UNITS_MAX)));
    }
    let acted = told_deeds(&deeds(notification), notification.alerts.len());
    if !acted.is_empty() {
        put("acted", json!(acted));
    }
    out
}

fn alert(view: &View<'_>) -> Value {
    let ends_at = (view.alert.status == Status::Resolved).then(|| view.alert.ends_at.at.to_string());
    json!({
        "id": view.alert.id.to_string(),
        "status": view.alert.status.name(),
        "labels": pairs(view.content.labels),
        "annotations": pairs(view.content.annotations),
        "startsAt": view.alert.starts_at.at.to_string(),
        "endsAt": ends_at,
        "generatorURL": one_line(view.content.generator_url, URL_UNITS_MAX),
        "score": rounded(view.alert.score.value()),
    })
}

fn pairs(labels: Labels<'_>) -> Value {
    let pair = |(name, value): (&str, &str)| (name.to_owned(), json!(one_line(value, FIELD_UNITS_MAX)));
    Value::Object(labels.iter().map(pair).collect())
}

/// Two digits: the rest is noise to people.
fn rounded(score: f32) -> Value {
    json!((f64::from(score) * 100.0).round() / 100.0)
}

fn own_details(details: &[(String, Detail)], wording: &Wording<'_>) -> Map<String, Value> {
    details.iter().map(|(name, detail)| (name.clone(), rendered(detail, wording))).collect()
}

fn rendered(detail: &Detail, wording: &Wording<'_>) -> Value {
    match detail {
        Detail::Text(template) => {
            let text = wording.text("details", Some(template)).unwrap_or_default();
            let parsed = serde_json::from_str(&text).ok();
            parsed
                .filter(|value: &Value| value.is_array() || value.is_object())
                .unwrap_or(Value::String(text))
        }
        Detail::Value(value) => value.clone(),
        Detail::List(items) => items.iter().map(|item| rendered(item, wording)).collect(),
        Detail::Section(entries) => Value::Object(own_details(entries, wording)),
    }
}

fn image(image: &Image, wording: &Wording<'_>) -> Option<Value> {
    let src = web(&wording.text("images", Some(&image.src))?, &["https://"])?;
    let mut out = json!({ "src": src });
    if let Some(alt) = wording.text("images", image.alt.as_ref()) {
        out["alt"] = json!(one_line(&alt, FIELD_UNITS_MAX));
    }
    let href = wording.text("images", image.href.as_ref());
    if let Some(href) = href.and_then(|href| web(&href, &["https://", "http://"])) {
        out["href"] = json!(href);
    }
    Some(out)
}

fn link(link: &Link, wording: &Wording<'_>) -> Option<Value> {
    let href = web(&wording.text("links", Some(&link.href))?, &["https://", "http://"])?;
    let mut out = json!({ "href": href });
    if let Some(text) = wording.text("links", link.text.as_ref()) {
        out["text"] = json!(one_line(&text, FIELD_UNITS_MAX));
    }
    Some(out)
}

/// What is no address would cost the whole event.
fn web(url: &str, schemes: &[&str]) -> Option<String> {
    let url = url.trim();
    let has_scheme = schemes.iter().any(|scheme| url.starts_with(scheme));
    (has_scheme && is_web(url) && units(url) <= URL_UNITS_MAX).then(|| url.to_owned())
}

fn put_list(out: &mut Map<String, Value>, key: &str, items: Vec<Value>) {
    if !items.is_empty() {
        out.insert(key.to_owned(), Value::Array(items));
    }
}
