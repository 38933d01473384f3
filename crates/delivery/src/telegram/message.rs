//! A message for Telegram.

use super::settings::{ParseMode, Settings};
use super::text::{Text, UNITS_MAX};
use crate::group::{View, by_urgency};
use crate::headline::{deeds, past, push_score, push_subject, state, top};
use crate::stage::Stage;
use crate::text::{is_web, push_clipped, push_clipped_lines, units};
use crate::words::Words;
use openclaw_alert::{Labels, Notification, Zoned};
use serde_json::{Map, Value, json};

const ALERTS_MAX: usize = 20;
const NAME_UNITS_MAX: usize = 120;
const SUMMARY_UNITS_MAX: usize = 500;
const LABELS_MAX: usize = 8;
const LABEL_UNITS_MAX: usize = 100;
const URL_UNITS_MAX: usize = 1000;
const NOTE_UNITS_MAX: usize = 300;

/// What one message says.
#[derive(Debug, Clone)]
pub(super) struct Message {
    text: String,
    marks: Vec<Value>,
    parse_mode: Option<&'static str>,
    /// Whether it is the owner's, which Telegram may not be able to read.
    pub(super) is_own: bool,
}

impl Message {
    /// Where the owner's template fails, ours is sent in its place, with a
    /// note: words may be lost, the alert may not.
    pub(super) fn of(settings: &Settings, notification: &Notification, words: &Words<'_>) -> Self {
        match own(settings, notification, words) {
            None => Self::ours(notification, words, None),
            Some(Ok(message)) => message,
            Some(Err(fault)) => Self::noted(notification, words, &fault),
        }
    }

    /// Ours, with a word of what is wrong with the owner's.
    pub(super) fn noted(notification: &Notification, words: &Words<'_>, fault: &str) -> Self {
        let note = words.note(notification, "telegram_configs", &fault);
        Self::ours(notification, words, Some(&note))
    }

    fn ours(notification: &Notification, words: &Words<'_>, note: Option<&str>) -> Self {
        let (text, marks) = ours(notification, words.external_url, note).into_parts();
        Self { text, marks, parse_mode: None, is_own: false }
    }

    /// A word below the standing message. The owner's message is repeated: what
    /// it says to whom is heard only when it is new.
    pub(super) fn reply(&self, notification: &Notification) -> Self {
        if self.is_own {
            return self.clone();
        }
        let mut text = head(notification);
        text.push(notification.reason.text());
        let (text, marks) = text.into_parts();
        Self { text, marks, parse_mode: None, is_own: false }
    }

    pub(super) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("text".to_owned(), json!(self.text));
        if let Some(mode) = self.parse_mode {
            body.insert("parse_mode".to_owned(), json!(mode));
        }
        if !self.marks.is_empty() {
            body.insert("entities".to_owned(), json!(self.marks));
        }
        body.insert("link_preview_options".to_owned(), json!({ "is_disabled": true }));
        body
    }
}

/// The owner's text, or what is wrong with it; `None` where there is none.
fn own(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
) -> Option<Result<Message, String>> {
    let template = settings.message.as_ref()?;
    let rendering = words.rendering(notification);
    let text = match settings.parse_mode {
        ParseMode::Html => rendering.render_html(template),
        _ => rendering.render(template),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => return Some(Err(error.to_string())),
    };
    let fault = match (text.trim(), settings.parse_mode) {
        ("", _) => "its text is empty".to_owned(),
        // Markup that is cut is no markup.
        (text, mode) if mode != ParseMode::Plain && units(text) > UNITS_MAX => {
            format!("its text is longer than {UNITS_MAX} characters: show fewer alerts or labels")
        }
        (text, mode) => {
            let mut cut = String::new();
            push_clipped_lines(&mut cut, text, UNITS_MAX);
            let message = Message { text: cut, marks: Vec::new(), parse_mode: mode.name(), is_own: true };
            return Some(Ok(message));
        }
    };
    Some(Err(fault))
}

/// What it is about, the alerts, what people did, what was left out.
fn ours(notification: &Notification, external_url: &str, note: Option<&str>) -> Text {
    let mut text = head(notification);
    let views = by_urgency(notification);
    let group = Labels::from_encoded(&notification.group_labels);
    let did = did(notification);
    let longest = foot(notification, views.len(), external_url, note);
    let mut shown = 0;
    for view in views.iter().take(ALERTS_MAX) {
        let section = section(view, group);
        if !text.has_room_for(&[&section, &did, &longest]) {
            break;
        }
        text.append(section);
        shown += 1;
    }
    text.append(did);
    text.append(foot(notification, views.len() - shown, external_url, note));
    text
}

/// Appends on one line.
fn push_text(out: &mut Text, text: &str, units_max: usize) {
    out.push(&clipped(text, units_max));
}

fn clipped(text: &str, units_max: usize) -> String {
    let mut out = String::new();
    push_clipped(&mut out, text, units_max, hush);
    out
}

/// An `@name` in a stranger's text would call that person.
fn hush(char: char) -> Option<&'static str> {
    (char == '@').then_some("@\u{2060}")
}

fn head(notification: &Notification) -> Text {
    let mut out = Text::default();
    let mut line = format!("{} ", state(notification));
    push_subject(&mut line, notification, hush);
    out.push(Stage::of(notification).mark());
    out.push(" ");
    out.push_marked("bold", &line);
    let mut score = String::new();
    push_score(&mut score, notification);
    out.push(&format!("\n{score}\n"));
    if let Some(person) = &notification.on_call {
        out.push("On call: ");
        push_text(&mut out, person, NAME_UNITS_MAX);
        out.push("\n");
    }
    if let Some(past) = top(notification).and_then(|alert| past(&alert.past)) {
        out.push(&format!("This kind: {past}\n"));
    }
    out
}

fn section(view: &View<'_>, group: Labels<'_>) -> Text {
    let (state, since) = view.state();
    let mut out = Text::default();
    out.push(&format!("\n{state}: "));
    out.push_marked("bold", &clipped(view.name(), NAME_UNITS_MAX));
    out.push(&format!(" · score {:.2} · since {}\n", view.alert.score.value(), date(since)));
    if let Some(told) = view.told() {
        push_text(&mut out, told, SUMMARY_UNITS_MAX);
        out.push("\n");
    }
    let labels = view.own_labels(group).take(LABELS_MAX);
    let labels: Vec<_> =
        labels.map(|(name, value)| clipped(&format!("{name}={value}"), LABEL_UNITS_MAX)).collect();
    if !labels.is_empty() {
        out.push_marked("code", &labels.join(" "));
        out.push("\n");
    }
    let links = view.links().filter(|(url, _)| is_web(url) && units(url) <= URL_UNITS_MAX);
    for (index, (url, name)) in links.enumerate() {
        out.push(if index == 0 { "" } else { " · " });
        out.push_link(url, name);
    }
    if out.text.ends_with('\n') {
        return out;
    }
    out.push("\n");
    out
}

/// Telegram knows no time of the reader's own.
fn date(time: Zoned) -> String {
    let mut text = Vec::new();
    Zoned::utc(time.at).write_rfc3339(&mut text, 0);
    String::from_utf8_lossy(&text).replace('T', " ").replace('Z', " UTC")
}

fn did(notification: &Notification) -> Text {
    let mut out = Text::default();
    for deed in deeds(notification) {
        let mut line = String::new();
        deed.push(&mut line, notification.alerts.len(), hush);
        out.push(&format!("\n{line} · {}", date(Zoned::utc(deed.acted.at))));
    }
    if !out.text.is_empty() {
        out.push("\n");
    }
    out
}

fn foot(notification: &Notification, left_out: usize, external_url: &str, note: Option<&str>) -> Text {
    let mut out = Text::default();
    out.push("\n");
    if left_out > 0 {
        out.push(&format!("{left_out} more not shown · "));
    }
    out.push(&format!("{} · {}", notification.tenant, notification.reason.text()));
    if is_web(external_url) && units(external_url) <= URL_UNITS_MAX {
        out.push(" · ");
        out.push_link(external_url, "OpenClaw");
    }
    if let Some(note) = note {
        out.push(" · ");
        push_text(&mut out, note, NOTE_UNITS_MAX);
    }
    out
}
