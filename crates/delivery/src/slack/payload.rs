//! A message for Slack's incoming webhooks.
//!
//! One line of text that also serves as the notification on a phone, then an
//! attachment: colour at its side (which only repeats what the text says), a
//! section an alert, what was left out, where it came from. Slack refuses a
//! section over 3000 units and, undocumented, blocks over some 13,000 in all.

use super::Settings;
use super::attachment::{attachment, envelope};
use super::lines::{escape, footer, section, title};
use crate::group::by_urgency;
use crate::template::{RenderError, Rendering};
use crate::text::{push_clipped, units};
use crate::words::Words;
use openclaw_alert::{Labels, Notification, NotificationKind, Status};
use serde_json::{Map, Value, json};

const ALERTS_MAX: usize = 10;
const BLOCKS_UNITS_MAX: usize = 11_000;
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

pub(super) fn colour(notification: &Notification) -> &'static str {
    match (notification.kind, notification.status()) {
        (NotificationKind::Digest, _) => GREY,
        (NotificationKind::Page, Status::Firing) => RED,
        (NotificationKind::Page, Status::Resolved) => GREEN,
    }
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
    let footer = footer(notification, views.len() - blocks.len(), external_url);
    blocks.push(context(&footer, note));
    blocks
}

/// The last line, with a word of what went wrong.
pub(super) fn context(footer: &str, note: Option<&str>) -> Value {
    let mut text = footer.to_owned();
    if let Some(note) = note {
        text.push_str(" · ");
        push_clipped(&mut text, note, NOTE_UNITS_MAX, escape);
    }
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": text }] })
}

#[cfg(test)]
mod tests {
    use super::super::lines::{LABELS_MAX, SUMMARY_UNITS_MAX, URL_UNITS_MAX};
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
}
