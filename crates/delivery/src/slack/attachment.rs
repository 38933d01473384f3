//! Alertmanager's attachment, in its owner's words.
//!
//! The marks `&`, `<`, `>` stay as the templates write them: owners write
//! Slack's markup. What is longer than Slack takes is cut.

use super::settings::{Action, Confirm, Field, Settings, Way};
use crate::template::{RenderError, Rendering, Template, TemplateSet};
use crate::text::push_clipped_lines;
use serde_json::{Map, Value, json};

/// As Alertmanager cuts it.
const TITLE_UNITS_MAX: usize = 1024;
/// Of an attachment and its parts; Slack cuts a message at 40,000.
const TEXT_UNITS_MAX: usize = 8000;
const SHORT_UNITS_MAX: usize = 2000;
const URL_UNITS_MAX: usize = 3000;
const FIELDS_MAX: usize = 40;
const ACTIONS_MAX: usize = 25;
const MARKUP_IN: [&str; 3] = ["fallback", "pretext", "text"];

/// Part of the message in Alertmanager's names, with what stands for it where
/// it is unset.
type Part<'s> = (&'static str, &'s Option<Template>, Option<&'static str>, usize);

/// The attachment, or the first template that failed.
pub(super) fn attachment(settings: &Settings, rendering: &Rendering) -> Result<Value, RenderError> {
    let parts: [Part<'_>; 10] = [
        ("color", &settings.color, Some("slack.default.color"), SHORT_UNITS_MAX),
        ("title", &settings.title, Some("slack.default.title"), TITLE_UNITS_MAX),
        ("title_link", &settings.title_link, Some("slack.default.titlelink"), URL_UNITS_MAX),
        ("pretext", &settings.pretext, Some("slack.default.pretext"), TEXT_UNITS_MAX),
        ("text", &settings.text, Some("slack.default.text"), TEXT_UNITS_MAX),
        ("fallback", &settings.fallback, Some("slack.default.fallback"), TEXT_UNITS_MAX),
        ("callback_id", &settings.callback_id, Some("slack.default.callbackid"), SHORT_UNITS_MAX),
        ("footer", &settings.footer, Some("slack.default.footer"), SHORT_UNITS_MAX),
        ("image_url", &settings.image_url, None, URL_UNITS_MAX),
        ("thumb_url", &settings.thumb_url, None, URL_UNITS_MAX),
    ];
    let mut out = Map::new();
    for (name, template, unset, units_max) in parts {
        put(&mut out, name, part(rendering, settings, template.as_ref(), unset, units_max)?);
    }
    let fields = settings.fields.iter().take(FIELDS_MAX);
    let fields = fields.map(|cell| field(rendering, cell, settings.short_fields));
    put_list(&mut out, "fields", fields.collect::<Result<_, _>>()?);
    let actions = settings.actions.iter().take(ACTIONS_MAX).map(|button| action(rendering, button));
    put_list(&mut out, "actions", actions.collect::<Result<_, _>>()?);
    out.insert("mrkdwn_in".to_owned(), markup_in(settings));
    Ok(Value::Object(out))
}

/// Who speaks, to whom, and the text above the attachment. An app's channel is
/// no part of the words.
pub(super) fn envelope(
    settings: &Settings,
    rendering: &Rendering,
) -> Result<Map<String, Value>, RenderError> {
    let channel = match &settings.way {
        Way::Webhook(webhook) => &webhook.channel,
        Way::App(_) => &None,
    };
    let parts = [
        ("channel", channel),
        ("username", &settings.username),
        ("icon_emoji", &settings.icon_emoji),
        ("icon_url", &settings.icon_url),
        ("text", &settings.message_text),
    ];
    let mut out = Map::new();
    for (name, template) in parts {
        put(&mut out, name, part(rendering, settings, template.as_ref(), None, TEXT_UNITS_MAX)?);
    }
    if settings.link_names {
        out.insert("link_names".to_owned(), json!(true));
    }
    Ok(out)
}

fn part(
    rendering: &Rendering,
    settings: &Settings,
    template: Option<&Template>,
    unset: Option<&str>,
    units_max: usize,
) -> Result<String, RenderError> {
    match (template, unset) {
        (Some(template), _) => clipped(rendering, template, units_max),
        (None, Some(name)) => {
            rendering.render_part(&parts_of(settings), name).map(|text| cut(&text, units_max))
        }
        (None, None) => Ok(String::new()),
    }
}

/// The tenant's named parts, which any of its templates knows.
fn parts_of(settings: &Settings) -> TemplateSet {
    let templates = [&settings.title, &settings.text, &settings.pretext, &settings.fallback, &settings.color];
    let set = templates.into_iter().flatten().map(Template::set).find(|set| *set != &TemplateSet::default());
    set.cloned().unwrap_or_default()
}

fn field(rendering: &Rendering, field: &Field, short: bool) -> Result<Value, RenderError> {
    Ok(json!({
        "title": clipped(rendering, &field.title, SHORT_UNITS_MAX)?,
        "value": clipped(rendering, &field.value, SHORT_UNITS_MAX)?,
        "short": field.short.unwrap_or(short),
    }))
}

fn action(rendering: &Rendering, action: &Action) -> Result<Value, RenderError> {
    let mut out = Map::new();
    put(&mut out, "type", clipped(rendering, &action.kind, SHORT_UNITS_MAX)?);
    put(&mut out, "text", clipped(rendering, &action.text, SHORT_UNITS_MAX)?);
    put_all(
        &mut out,
        rendering,
        [("url", &action.url), ("style", &action.style), ("name", &action.name), ("value", &action.value)],
    )?;
    if let Some(asked) = &action.confirm {
        out.insert("confirm".to_owned(), confirm(rendering, asked)?);
    }
    Ok(Value::Object(out))
}

fn confirm(rendering: &Rendering, confirm: &Confirm) -> Result<Value, RenderError> {
    let mut out = Map::new();
    put(&mut out, "text", clipped(rendering, &confirm.text, SHORT_UNITS_MAX)?);
    put_all(
        &mut out,
        rendering,
        [("title", &confirm.title), ("ok_text", &confirm.ok_text), ("dismiss_text", &confirm.dismiss_text)],
    )?;
    Ok(Value::Object(out))
}

fn put_all<const N: usize>(
    out: &mut Map<String, Value>,
    rendering: &Rendering,
    parts: [(&'static str, &Option<Template>); N],
) -> Result<(), RenderError> {
    for (name, template) in parts {
        if let Some(template) = template {
            put(out, name, clipped(rendering, template, URL_UNITS_MAX)?);
        }
    }
    Ok(())
}

/// Empty parts stay out, as in Alertmanager's messages.
fn put(out: &mut Map<String, Value>, name: &str, text: String) {
    if !text.is_empty() {
        out.insert(name.to_owned(), Value::String(text));
    }
}

fn put_list(out: &mut Map<String, Value>, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        out.insert(name.to_owned(), Value::Array(items));
    }
}

fn markup_in(settings: &Settings) -> Value {
    if settings.mrkdwn_in.is_empty() { json!(MARKUP_IN) } else { json!(settings.mrkdwn_in) }
}

fn clipped(rendering: &Rendering, template: &Template, units_max: usize) -> Result<String, RenderError> {
    rendering.render(template).map(|text| cut(&text, units_max))
}

fn cut(text: &str, units_max: usize) -> String {
    let mut out = String::new();
    push_clipped_lines(&mut out, text, units_max);
    out
}
