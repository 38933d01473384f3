//! An app's message in Block Kit.
//!
//! From the top: what it is about, the score with its reasons and the past of
//! its kind, a section an alert, what people did, buttons, what was left out.
//! Slack refuses a header over 150 units, a section over 3000 and,
//! undocumented, blocks over some 13,000 in all: here all of their JSON is
//! counted.

use super::attachment::{attachment, envelope};
use super::lines::{NAME_UNITS_MAX, date, escape, footer, section, title};
use super::payload::colour;
use super::settings::Settings;
use super::{buttons, payload};
use crate::group::by_urgency;
use crate::headline::{deeds, past, push_score, push_subject, state, top};
use crate::stage::Stage;
use crate::template::{RenderError, Rendering};
use crate::text::{as_it_is, push_clipped, units};
use crate::words::Words;
use openclaw_alert::{Labels, Notification, Zoned};
use serde_json::{Map, Value, json};

const ALERTS_MAX: usize = 10;
const BLOCKS_UNITS_MAX: usize = 11_500;
const HEADER_UNITS_MAX: usize = 150;

/// What is posted, what the edits show, and what stands below.
pub(super) struct Message {
    /// Who speaks.
    around: Map<String, Value>,
    text: String,
    blocks: Vec<Value>,
    attachments: Vec<Value>,
    reply: String,
    /// The owner's part of `attachments`, which a reply repeats: what it says
    /// to whom is heard only when it is new.
    own: Option<Value>,
}

impl Message {
    /// Where the owner's templates fail, ours is sent in their place, with a
    /// note: words may be lost, the alert may not.
    pub(super) fn of(settings: &Settings, notification: &Notification, words: &Words<'_>) -> Self {
        if !settings.has_words() {
            return Self::ours(settings, notification, words, None);
        }
        let rendering = words.rendering(notification);
        Self::own(settings, notification, words, &rendering).unwrap_or_else(|error| {
            let note = words.note(notification, "slack_configs", &error);
            Self::ours(settings, notification, words, Some(&note))
        })
    }

    fn ours(settings: &Settings, notification: &Notification, words: &Words<'_>, note: Option<&str>) -> Self {
        let text = title(notification);
        let reply = format!("{text}\n{}", notification.reason.text());
        let blocks = blocks(settings, notification, words.external_url, note);
        Self { around: Map::new(), text, blocks, attachments: Vec::new(), reply, own: None }
    }

    fn own(
        settings: &Settings,
        notification: &Notification,
        words: &Words<'_>,
        rendering: &Rendering,
    ) -> Result<Self, RenderError> {
        let mut around = envelope(settings, rendering)?;
        if !settings.has_own_message() {
            return Ok(Self { around, ..Self::ours(settings, notification, words, None) });
        }
        let text = around.remove("text").and_then(|text| text.as_str().map(str::to_owned));
        let text = text.unwrap_or_default();
        let own = attachment(settings, rendering)?;
        let mut attachments = vec![own.clone()];
        let below: Vec<_> = did(notification).into_iter().chain(row(settings, notification)).collect();
        if !below.is_empty() {
            attachments.push(json!({ "color": colour(notification), "blocks": below }));
        }
        Ok(Self { around, reply: text.clone(), text, blocks: Vec::new(), attachments, own: Some(own) })
    }

    /// For a message that isn't there yet.
    pub(super) fn posted(&self) -> Map<String, Value> {
        let mut body = self.around.clone();
        put(&mut body, "text", json!(self.text), self.text.is_empty());
        put(&mut body, "blocks", json!(self.blocks), self.blocks.is_empty());
        put(&mut body, "attachments", json!(self.attachments), self.attachments.is_empty());
        body
    }

    /// For one that is: what is not sent would stay as it was.
    pub(super) fn edited(&self) -> Map<String, Value> {
        let mut body = Map::new();
        put(&mut body, "text", json!(self.text), false);
        put(&mut body, "blocks", json!(self.blocks), false);
        put(&mut body, "attachments", json!(self.attachments), false);
        let names = self.around.get("link_names");
        body.extend(names.map(|flag| ("link_names".to_owned(), flag.clone())));
        body
    }

    /// For a word below it.
    pub(super) fn replied(&self) -> Map<String, Value> {
        let mut body = self.around.clone();
        put(&mut body, "text", json!(self.reply), self.reply.is_empty());
        put(&mut body, "attachments", json!([self.own]), self.own.is_none());
        body
    }
}

fn put(body: &mut Map<String, Value>, name: &str, value: Value, is_empty: bool) {
    if !is_empty {
        body.insert(name.to_owned(), value);
    }
}

fn blocks(
    settings: &Settings,
    notification: &Notification,
    external_url: &str,
    note: Option<&str>,
) -> Vec<Value> {
    let views = by_urgency(notification);
    let group = Labels::from_encoded(&notification.group_labels);
    let mut blocks = vec![header(notification), markup(&facts(notification))];
    let below: Vec<_> = did(notification).into_iter().chain(row(settings, notification)).collect();
    let last = |left_out| payload::context(&footer(notification, left_out, external_url), note);
    let around = blocks.iter().chain(&below).chain([&last(views.len())]).map(size).sum();
    let mut units_left = BLOCKS_UNITS_MAX.saturating_sub(around);
    let mut shown = 0;
    for view in views.iter().take(ALERTS_MAX) {
        let block = markup(&section(view, group));
        let Some(rest) = units_left.checked_sub(size(&block)) else { break };
        units_left = rest;
        shown += 1;
        blocks.push(block);
    }
    blocks.extend(below);
    blocks.push(last(views.len() - shown));
    blocks
}

/// As it travels, with a comma.
fn size(block: &Value) -> usize {
    units(&block.to_string()) + 1
}

fn header(notification: &Notification) -> Value {
    let mut line = format!("{} {} ", Stage::of(notification).mark(), state(notification));
    push_subject(&mut line, notification, as_it_is);
    let mut text = String::new();
    push_clipped(&mut text, &line, HEADER_UNITS_MAX, as_it_is);
    json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": false } })
}

/// Who is called, why, and what is known of the kind.
fn facts(notification: &Notification) -> String {
    let mut out = "*".to_owned();
    push_score(&mut out, notification);
    out.push('*');
    if let Some(person) = &notification.on_call {
        out.push_str("\nOn call: ");
        push_clipped(&mut out, person, NAME_UNITS_MAX, escape);
    }
    if let Some(past) = top(notification).and_then(|alert| past(&alert.past)) {
        out.push_str("\nThis kind: ");
        out.push_str(&past);
    }
    out
}

fn markup(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// What people did.
fn did(notification: &Notification) -> Option<Value> {
    let lines = deeds(notification).into_iter().map(|deed| {
        let mut line = String::new();
        deed.push(&mut line, notification.alerts.len(), escape);
        format!("{line} · {}", date(Zoned::utc(deed.acted.at)))
    });
    let lines: Vec<_> = lines.collect();
    (!lines.is_empty()).then(|| markup(&lines.join("\n")))
}

fn row(settings: &Settings, notification: &Notification) -> Option<Value> {
    settings.signing_secret().and_then(|_| buttons::row(notification))
}
