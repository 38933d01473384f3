//! An Adaptive Card.
//!
//! Texts of strangers stand in runs, which Teams shows as they are; only the
//! owner's own text is Markdown. Teams refuses a card over 28 KB as it has
//! unfolded it, which is some 21 KB as it was sent.

use super::settings::Settings;
use crate::group::{View, by_urgency};
use crate::headline::{deeds, past, push_score, push_subject, state, top};
use crate::stage::Stage;
use crate::template::{RenderError, Rendering, Template};
use crate::text::{as_it_is, is_web, push_clipped, push_clipped_lines, units};
use crate::words::Words;
use openclaw_alert::{Labels, Notification, NotificationKind, Status, Zoned};
use serde_json::{Value, json};

const BYTES_MAX: usize = 20_000;
const ALERTS_MAX: usize = 20;
const NAME_UNITS_MAX: usize = 120;
const SUMMARY_UNITS_MAX: usize = 500;
const LABELS_MAX: usize = 8;
const LABEL_UNITS_MAX: usize = 100;
const URL_UNITS_MAX: usize = 400;
const TITLE_UNITS_MAX: usize = 500;
const NOTE_UNITS_MAX: usize = 300;

/// The body, as it is sent. Where the owner's templates fail, ours is sent in
/// their place, with a note: words may be lost, the alert may not.
pub(super) fn body(settings: &Settings, notification: &Notification, words: &Words<'_>) -> Vec<u8> {
    let parts = [&settings.title, &settings.summary, &settings.text];
    let message = if parts.iter().all(|part| part.is_none()) {
        ours(notification, words.external_url, None, None)
    } else {
        let rendering = words.rendering(notification);
        own(settings, notification, words, &rendering).unwrap_or_else(|fault| {
            let note = words.note(notification, "msteamsv2_configs", &fault);
            ours(notification, words.external_url, None, Some(&note))
        })
    };
    message.to_string().into_bytes()
}

/// The owner's words, in the card that is theirs or beside ours.
fn own(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
    rendering: &Rendering,
) -> Result<Value, String> {
    let told = |error: RenderError| error.to_string();
    let summary = settings.summary.as_ref().map(|template| rendering.render(template));
    let summary = summary.transpose().map_err(told)?.map(|text| cut(&text, TITLE_UNITS_MAX));
    if settings.title.is_none() && settings.text.is_none() {
        return Ok(ours(notification, words.external_url, summary.as_deref(), None));
    }
    let title =
        part(settings, rendering, settings.title.as_ref(), "msteamsv2.default.title").map_err(told)?;
    let text = part(settings, rendering, settings.text.as_ref(), "msteamsv2.default.text").map_err(told)?;
    let title = cut(title.trim(), TITLE_UNITS_MAX);
    if title.is_empty() && text.trim().is_empty() {
        return Err("the templates give no text".to_owned());
    }
    let mut head =
        json!({ "type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": true });
    head["style"] = json!("heading");
    head["color"] = json!(colour(notification));
    let mut card = vec![head];
    let around = message(&card, words.external_url, summary.as_deref()).to_string().len();
    // The text's own frame.
    let text = fitting(text.trim(), BYTES_MAX.saturating_sub(around + 64));
    card.push(json!({ "type": "TextBlock", "text": text, "wrap": true }));
    card.retain(|block| block["text"] != "");
    Ok(message(&card, words.external_url, summary.as_deref()))
}

fn part(
    settings: &Settings,
    rendering: &Rendering,
    template: Option<&Template>,
    unset: &str,
) -> Result<String, RenderError> {
    match template {
        Some(template) => rendering.render(template),
        None => {
            let own = settings.title.as_ref().or(settings.text.as_ref());
            let set = own.map(|own| own.set().clone()).unwrap_or_default();
            rendering.render_part(&set, unset)
        }
    }
}

fn cut(text: &str, units_max: usize) -> String {
    let mut out = String::new();
    push_clipped_lines(&mut out, text, units_max);
    out
}

/// As much of the text as JSON writes in so many bytes.
fn fitting(text: &str, bytes_max: usize) -> String {
    let mut left = bytes_max.saturating_sub('…'.len_utf8());
    for (at, char) in text.char_indices() {
        let bytes = match char {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            '\0'..='\u{1f}' => 6,
            char => char.len_utf8(),
        };
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return format!("{}…", &text[..at]),
        }
    }
    text.to_owned()
}

fn ours(notification: &Notification, external_url: &str, summary: Option<&str>, note: Option<&str>) -> Value {
    let views = by_urgency(notification);
    let group = Labels::from_encoded(&notification.group_labels);
    let mut card = head(notification);
    let did = did(notification);
    let around: Vec<_> =
        card.iter().chain(&did).cloned().chain([foot(notification, views.len(), note)]).collect();
    let mut bytes_left = BYTES_MAX.saturating_sub(message(&around, external_url, summary).to_string().len());
    let mut shown = 0;
    for view in views.iter().take(ALERTS_MAX) {
        let section = section(view, group);
        let Some(rest) = bytes_left.checked_sub(section.to_string().len() + 1) else { break };
        bytes_left = rest;
        shown += 1;
        card.push(section);
    }
    card.extend(did);
    card.push(foot(notification, views.len() - shown, note));
    message(&card, external_url, summary)
}

/// A card in its envelope.
fn message(card: &[Value], external_url: &str, summary: Option<&str>) -> Value {
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": card,
        "msteams": { "width": "full" },
    });
    if is_link(external_url) {
        let open = json!({ "type": "Action.OpenUrl", "title": "Open OpenClaw", "url": external_url });
        content["actions"] = json!([open]);
    }
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": content,
    });
    let mut message = json!({ "type": "message", "attachments": [attachment] });
    if let Some(summary) = summary {
        message["summary"] = json!(summary);
    }
    message
}

fn is_link(url: &str) -> bool {
    is_web(url) && units(url) <= URL_UNITS_MAX
}

fn colour(notification: &Notification) -> &'static str {
    match (notification.kind, notification.status()) {
        (NotificationKind::Digest, _) => "Default",
        (NotificationKind::Page, Status::Firing) => "Attention",
        (NotificationKind::Page, Status::Resolved) => "Good",
    }
}

/// Text that is never markup.
fn run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": text })
}

fn line(runs: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs })
}

fn clipped(text: &str, units_max: usize) -> String {
    let mut out = String::new();
    push_clipped(&mut out, text, units_max, as_it_is);
    out
}

fn head(notification: &Notification) -> Vec<Value> {
    let mut text = format!("{} {} ", Stage::of(notification).mark(), state(notification));
    push_subject(&mut text, notification, as_it_is);
    let mut title = run(&text);
    title["weight"] = json!("Bolder");
    title["size"] = json!("Medium");
    title["color"] = json!(colour(notification));
    let mut score = String::new();
    push_score(&mut score, notification);
    let mut lines = vec![line(&[title]), line(&[run(&score)])];
    if let Some(person) = &notification.on_call {
        let person = format!("On call: {}", clipped(person, NAME_UNITS_MAX));
        lines.push(line(&[run(&person)]));
    }
    if let Some(past) = top(notification).and_then(|alert| past(&alert.past)) {
        lines.push(line(&[run(&format!("This kind: {past}"))]));
    }
    lines
}

fn section(view: &View<'_>, group: Labels<'_>) -> Value {
    let (state, since) = view.state();
    let mut name = run(&clipped(view.name(), NAME_UNITS_MAX));
    name["weight"] = json!("Bolder");
    let rest = format!(" · score {:.2} · since {}", view.alert.score.value(), date(since));
    let mut lines = vec![line(&[run(&format!("{state}: ")), name, run(&rest)])];
    if let Some(told) = view.told() {
        lines.push(line(&[run(&clipped(told, SUMMARY_UNITS_MAX))]));
    }
    let labels = view.own_labels(group).take(LABELS_MAX);
    let labels: Vec<_> =
        labels.map(|(name, value)| clipped(&format!("{name}={value}"), LABEL_UNITS_MAX)).collect();
    if !labels.is_empty() {
        let mut labels = run(&labels.join("  "));
        labels["fontType"] = json!("Monospace");
        lines.push(line(&[labels]));
    }
    let links: Vec<_> = view.links().filter(|(url, _)| is_link(url)).flat_map(link).collect();
    if !links.is_empty() {
        lines.push(line(&links));
    }
    json!({ "type": "Container", "separator": true, "items": lines })
}

/// A link with the space after it.
fn link((url, name): (&str, &str)) -> [Value; 2] {
    let mut link = run(name);
    link["color"] = json!("Accent");
    link["selectAction"] = json!({ "type": "Action.OpenUrl", "url": url });
    [link, run("  ")]
}

fn date(time: Zoned) -> String {
    let mut text = Vec::new();
    Zoned::utc(time.at).write_rfc3339(&mut text, 0);
    String::from_utf8_lossy(&text).replace('T', " ").replace('Z', " UTC")
}

fn did(notification: &Notification) -> Vec<Value> {
    let told = deeds(notification).into_iter().map(|deed| {
        let mut text = String::new();
        deed.push(&mut text, notification.alerts.len(), as_it_is);
        line(&[run(&format!("{text} · {}", date(Zoned::utc(deed.acted.at))))])
    });
    told.collect()
}

fn foot(notification: &Notification, left_out: usize, note: Option<&str>) -> Value {
    let mut text = match left_out {
        0 => String::new(),
        more => format!("{more} more not shown · "),
    };
    text.push_str(&format!("{} · {}", notification.tenant, notification.reason.text()));
    if let Some(note) = note {
        text.push_str(" · ");
        push_clipped(&mut text, note, NOTE_UNITS_MAX, as_it_is);
    }
    let mut foot = run(&text);
    foot["isSubtle"] = json!(true);
    foot["size"] = json!("Small");
    line(&[foot])
}
