//! A message for Slack's incoming webhooks.
//!
//! One line of text that also serves as the notification on a phone, then an
//! attachment: colour at its side (which only repeats what the text says), a
//! section an alert, what was left out, where it came from. Slack refuses a
//! section over 3000 units and, undocumented, blocks over some 13,000 in all.

use super::Settings;
use super::attachment::{attachment, envelope};
use crate::group::{View, ordered};
use crate::headline::{push_score, push_subject, state};
use crate::template::{RenderError, Rendering};
use crate::text::{push_clipped, units};
use crate::words::Words;
use openclaw_alert::{Labels, Notification, NotificationKind, Status, Zoned};
use serde_json::{Map, Value, json};

const ALERTS_MAX: usize = 10;
const BLOCKS_UNITS_MAX: usize = 11_000;
const SUMMARY_UNITS_MAX: usize = 500;
const NAME_UNITS_MAX: usize = 120;
const LABELS_MAX: usize = 8;
const LABEL_UNITS_MAX: usize = 100;
const URL_UNITS_MAX: usize = 400;
const NOTE_UNITS_MAX: usize = 300;

const RED: &str = "#c4302b";
const GREEN: &str = "#2e8b57";
const GREY: &str = "#7a7f87";

/// The body, as it is sent. Where the owner's templates fail, ours is sent in
/// their place, with a note: words may be lost, the alert may not.
pub(crate) fn body(settings: &Settings, notification: &Notification, words: &Words<'_>) -> Vec<u8> {
    let message = if settings.has_words() {
        let rendering = words.rendering(notification);
        own(settings, notification, words, &rendering).unwrap_or_else(|error| {
            let note = words.note(notification, "slack_configs", &error);
            ours(notification, words.external_url, Some(&note))
        })
    } else {
        ours(notification, words.external_url, None)
    };
    Value::Object(message).to_string().into_bytes()
}

/// The owner's words, in the message that is theirs or around ours.
fn own(
    settings: &Settings,
    notification: &Notification,
    words: &Words<'_>,
    rendering: &Rendering,
) -> Result<Map<String, Value>, RenderError> {
    let mut envelope = envelope(settings, rendering)?;
    if settings.has_own_message() {
        envelope.insert("attachments".to_owned(), json!([attachment(settings, rendering)?]));
        return Ok(envelope);
    }
    let mut message = ours(notification, words.external_url, None);
    message.append(&mut envelope);
    Ok(message)
}

fn ours(notification: &Notification, external_url: &str, note: Option<&str>) -> Map<String, Value> {
    let text = title(notification);
    let blocks = blocks(notification, external_url, note);
    let attachment = json!({ "color": colour(notification), "fallback": text, "blocks": blocks });
    let parts = [("text", json!(text)), ("attachments", json!([attachment]))];
    parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn colour(notification: &Notification) -> &'static str {
    match (notification.kind, notification.status()) {
        (NotificationKind::Digest, _) => GREY,
        (NotificationKind::Page, Status::Firing) => RED,
        (NotificationKind::Page, Status::Resolved) => GREEN,
    }
}

fn title(notification: &Notification) -> String {
    let mut out = format!("*{}* ", state(notification));
    push_subject(&mut out, notification, escape);
    out.push_str(" · ");
    push_score(&mut out, notification);
    if let Some(person) = &notification.on_call {
        out.push_str("\nOn call: ");
        push_clipped(&mut out, person, NAME_UNITS_MAX, escape);
    }
    out
}

fn blocks(notification: &Notification, external_url: &str, note: Option<&str>) -> Vec<Value> {
    let views = by_urgency(notification);
    let group = Labels::from_encoded(&notification.group_labels);
    let mut blocks = Vec::new();
    let mut units_left = BLOCKS_UNITS_MAX;
    for view in views.iter().take(ALERTS_MAX) {
        let text = section(view, group);
        let Some(rest) = units_left.checked_sub(units(&text)) else { break };
        units_left = rest;
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } }));
    }
    let mut footer = footer(notification, views.len() - blocks.len(), external_url);
    if let Some(note) = note {
        footer.push_str(" · ");
        push_clipped(&mut footer, note, NOTE_UNITS_MAX, escape);
    }
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": footer }] }));
    blocks
}

/// Firing first, then the higher score; people read from the top.
fn by_urgency(notification: &Notification) -> Vec<View<'_>> {
    let mut views = ordered(notification);
    views.sort_by(|a, b| {
        let resolved = |view: &View<'_>| view.alert.status == Status::Resolved;
        let by_score = b.alert.score.value().total_cmp(&a.alert.score.value());
        resolved(a).cmp(&resolved(b)).then(by_score)
    });
    views
}

fn section(view: &View<'_>, group: Labels<'_>) -> String {
    let mut out = heading(view);
    let annotations = view.content.annotations;
    let told = ["summary", "description", "message"].map(|name| annotations.get(name));
    if let Some(text) = told.into_iter().find(|text| !text.is_empty()) {
        out.push('\n');
        push_clipped(&mut out, text, SUMMARY_UNITS_MAX, escape);
    }
    push_labels(&mut out, view.content.labels, group);
    push_links(&mut out, view);
    out
}

fn heading(view: &View<'_>) -> String {
    let (state, since) = match view.alert.status {
        Status::Firing => ("Firing", view.alert.starts_at),
        Status::Resolved => ("Resolved", view.alert.ends_at),
    };
    let mut out = format!("{state}: *");
    let name = view.content.labels.get("alertname");
    push_clipped(&mut out, if name.is_empty() { "alert" } else { name }, NAME_UNITS_MAX, escape);
    out.push_str(&format!("* · score {:.2} · since {}", view.alert.score.value(), date(since)));
    out
}

/// Shown in each reader's own time zone.
fn date(time: Zoned) -> String {
    let mut fallback = Vec::new();
    Zoned::utc(time.at).write_rfc3339(&mut fallback, 0);
    let fallback = String::from_utf8_lossy(&fallback);
    format!("<!date^{}^{{date_short_pretty}} {{time_secs}}|{fallback}>", time.at.secs())
}

/// Those that the title doesn't say already.
fn push_labels(out: &mut String, labels: Labels<'_>, group: Labels<'_>) {
    let own = labels.iter().filter(|(name, value)| *name != "alertname" && group.get(name) != *value);
    for (index, (name, value)) in own.take(LABELS_MAX).enumerate() {
        out.push_str(if index == 0 { "\n`" } else { " `" });
        push_clipped(out, &format!("{name}={value}"), LABEL_UNITS_MAX, escape_code);
        out.push('`');
    }
}

fn push_links(out: &mut String, view: &View<'_>) {
    let links = [
        (view.content.generator_url, "Source"),
        (view.content.annotations.get("runbook_url"), "Runbook"),
        (view.content.annotations.get("dashboard_url"), "Dashboard"),
    ];
    let links: Vec<_> = links.into_iter().filter_map(|(url, name)| link(url, name)).collect();
    if !links.is_empty() {
        out.push('\n');
        out.push_str(&links.join(" · "));
    }
}

/// Only what is a web address; one that is too long is left out, since a part of it leads nowhere.
fn link(url: &str, name: &str) -> Option<String> {
    let is_web = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
    let is_plain = !url.contains(|char: char| char.is_whitespace() || char.is_control());
    let escaped = url.replace('&', "&amp;").replace('<', "%3C").replace('>', "%3E").replace('|', "%7C");
    (is_web && is_plain && units(&escaped) <= URL_UNITS_MAX).then(|| format!("<{escaped}|{name}>"))
}

fn footer(notification: &Notification, left_out: usize, external_url: &str) -> String {
    let mut out = match left_out {
        0 => String::new(),
        more => format!("{more} more not shown · "),
    };
    out.push_str(&format!("{} · {}", notification.tenant, notification.reason.text()));
    if let Some(link) = link(external_url, "OpenClaw") {
        out.push_str(" · ");
        out.push_str(&link);
    }
    out
}

/// Slack's three control characters; mentions and links start with one of them.
fn escape(char: char) -> Option<&'static str> {
    match char {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// Inside of backticks, which have no escape.
fn escape_code(char: char) -> Option<&'static str> {
    if char == '`' { Some("'") } else { escape(char) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{alert, page, resolved};
    use crate::{Secret, Target};
    use proptest::prelude::*;

    fn message(notification: &Notification) -> Value {
        let url = Target::parse(&Secret::new("https://hooks.slack.example/services/x")).unwrap();
        let body = body(&Settings::new(url), notification, &Words::sample("https://openclaw.example"));
        serde_json::from_slice(&body).unwrap()
    }

    fn block_texts(message: &Value) -> Vec<&str> {
        let blocks = message["attachments"][0]["blocks"].as_array().unwrap();
        let text = |block: &'_ Value| block["text"]["text"].as_str().is_some();
        assert!(blocks.iter().rev().skip(1).all(text), "sections, then the footer");
        let footer = &blocks.last().unwrap()["elements"][0];
        let sections = blocks.iter().filter_map(|block| block["text"]["text"].as_str());
        sections.chain(footer["text"].as_str()).collect()
    }

    /// What starts with `<` is ours: a date or a link to the web.
    fn has_no_mention(text: &str) -> bool {
        let starts = text.split('<').skip(1);
        starts.into_iter().all(|rest| rest.starts_with("!date^") || rest.starts_with("http"))
    }

    fn long_text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[<>&`|!@*😀 a]{0,40}", "[<&a]{1,9}".prop_map(|text| text.repeat(400))]
    }

    proptest! {
        #[test]
        fn stays_within_slacks_limits(
            texts in prop::collection::vec((long_text(), long_text(), any::<bool>()), 1..14),
        ) {
            let alerts = texts.iter().map(|(a, b, ended)| {
                let labels = [("alertname", a.as_str()), ("x", b), (b, a), ("y", a), (a, "z")];
                let alert = alert(&labels, &[("summary", b), ("runbook_url", &format!("http://{a}"))]);
                if *ended { resolved(alert) } else { alert }
            });
            let message = message(&page(alerts.collect()));
            let blocks = block_texts(&message);
            prop_assert!(blocks.iter().all(|text| units(text) <= 3000));
            prop_assert!(blocks.iter().map(|text| units(text)).sum::<usize>() < 12_000);
            prop_assert!(blocks.len() > 1, "at least one alert is shown");
            let title = message["text"].as_str().unwrap();
            prop_assert!(units(title) < 1000 && has_no_mention(title));
            prop_assert!(blocks.into_iter().all(has_no_mention));
        }
    }

    #[test]
    fn what_still_fires_is_read_first() {
        let named = |name| alert(&[("alertname", name)], &[]);
        let mut low = named("low");
        low.score.contributions = [-3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let message = message(&page(vec![resolved(named("over")), low, named("high")]));
        let texts = block_texts(&message);
        for (text, name) in texts.iter().zip(["*high*", "*low*", "*over*"]) {
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let many = page(vec![alert(&[("alertname", "A")], &[]); ALERTS_MAX + 3]);
        let message = message(&many);
        let texts = block_texts(&message);
        assert_eq!(texts.len(), ALERTS_MAX + 1);
        assert!(texts[ALERTS_MAX].starts_with("3 more not shown"));
    }

    /// As long as a section gets: everything there is, each at its bound.
    fn longest() -> openclaw_alert::NotifiedAlert {
        let text = "x".repeat(SUMMARY_UNITS_MAX);
        let url = format!("http://{}", "x".repeat(URL_UNITS_MAX - 7));
        let names: Vec<_> = (0..LABELS_MAX).map(|index| format!("l{index}")).collect();
        let mut labels: Vec<_> = names.iter().map(|name| (name.as_str(), text.as_str())).collect();
        labels.push(("alertname", &text));
        let annotations = [("summary", text.as_str()), ("runbook_url", &url), ("dashboard_url", &url)];
        let mut alert = resolved(alert(&labels, &annotations));
        let content = openclaw_alert::Content { generator_url: &url, ..alert.view() };
        let mut bytes = Vec::new();
        content.write(&mut bytes);
        alert.content = bytes.into();
        alert
    }

    #[test]
    fn the_longest_messages_are_within_slacks_limits() {
        let mut short = resolved(alert(&[("alertname", "short")], &[]));
        short.score.contributions = [-9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let mut alerts = vec![longest(); 6];
        alerts.push(short);
        let message = message(&page(alerts));
        let texts = block_texts(&message);
        assert!((2500..=3000).contains(&units(texts[0])), "{}", units(texts[0]));
        let total: usize = texts.iter().map(|text| units(text)).sum();
        assert!((8000..12_000).contains(&total), "{total}");
        assert_eq!(texts.len(), 4, "what is less urgent doesn't take the place of what was left out");
        assert!(texts[3].starts_with("4 more not shown"));
    }

    #[test]
    fn only_web_addresses_become_links() {
        for bad in ["", "javascript:x", "http://a b", "http://a\n", &format!("http://{}", "x".repeat(400))] {
            assert_eq!(link(bad, "n"), None, "{bad}");
        }
        let odd = link("https://x/?a=<b>&c|d", "n").unwrap();
        assert_eq!(odd, "<https://x/?a=%3Cb%3E&amp;c%7Cd|n>");
    }
}
