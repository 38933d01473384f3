//! The same notifications in every state, as each kind puts them.

use crate::fixture::{NOW, alert, encoded, latency, page, resolved, score};
use crate::template::Template;
use crate::words::Words;
use crate::{Secret, Target, slack, summary, webhook};
use openclaw_alert::{Notification, NotificationKind, Reason};

const EXTERNAL_URL: &str = "https://openclaw.example";

/// Every state a receiver can be told of, by name.
fn states() -> Vec<(&'static str, u32, Notification)> {
    let new = page(vec![latency("a:9090")]);
    let mut several = page(vec![latency("b:9090"), latency("a:9090")]);
    several.reason = Reason::NewAlerts;
    several.alerts[0].score = score([-1.0, 0.5, 0.0, 0.0, 0.0, -1.5, 0.0]);
    let mut all_resolved = page(vec![resolved(latency("a:9090"))]);
    all_resolved.reason = Reason::AllResolved;
    let mut mixed = page(vec![resolved(latency("a:9090")), latency("b:9090")]);
    mixed.reason = Reason::SomeResolved;
    mixed.attempt = 3;
    let mut truncated = page(["d", "c", "b", "a"].map(latency).into());
    truncated.alerts[3] = resolved(truncated.alerts[3].clone());
    vec![
        ("new", 0, new),
        ("several", 0, several),
        ("resolved", 0, all_resolved),
        ("mixed", 0, mixed),
        ("truncated", 1, truncated),
        ("digest", 0, digest()),
        ("on_call", 0, on_call()),
        ("odd", 0, odd()),
        ("empty", 0, page(Vec::new())),
    ]
}

fn digest() -> Notification {
    let quiet = alert(&[("alertname", "DiskFilling"), ("instance", "db-1")], &[("description", "80 % full")]);
    let names: Vec<_> = (0..12).map(|index| format!("node-{index:02}")).collect();
    let mut digest = page(names.iter().map(|name| latency(name)).chain([quiet]).collect());
    digest.kind = NotificationKind::Digest;
    digest.reason = Reason::Digest;
    digest.group_key = "{}:{}".to_owned();
    digest.group_labels = encoded(&[]);
    digest
}

fn on_call() -> Notification {
    let mut notification = page(vec![latency("a:9090")]);
    notification.on_call = Some("Ada <!channel> Lovelace".into());
    notification
}

fn odd() -> Notification {
    let name = "A & B <!channel> \"quoted\" \\ `code`\n\u{202e}next\u{0}";
    let hostile = alert(
        &[("alertname", name), ("über", "a|b"), ("empty", ""), ("emoji", "😀")],
        &[("summary", "<script>alert(1)</script>\u{7}"), ("runbook_url", "javascript:alert(1)")],
    );
    let mut odd = page(vec![hostile]);
    odd.group_labels = encoded(&[("alertname", name), ("über", "a|b")]);
    odd.group_key = format!("{{}}:{{alertname={name:?}}}");
    odd.alerts[0].score = score([f32::NAN; 7]);
    odd
}

fn pretty(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn webhook_bodies() {
    for (name, max_alerts, notification) in states() {
        let body = webhook::body(&notification, max_alerts, EXTERNAL_URL);
        insta::assert_snapshot!(format!("webhook_{name}"), pretty(&body));
    }
    let raw = webhook::body(&states()[0].2, 0, EXTERNAL_URL);
    insta::assert_snapshot!("webhook_new_as_sent", String::from_utf8(raw).unwrap());
}

#[test]
fn slack_bodies() {
    let url = Target::parse(&Secret::new("https://hooks.slack.example/services/T0/B0/x")).unwrap();
    let settings = slack::Settings::new(url.clone());
    for (name, _, notification) in states() {
        let body = slack::body(&settings, &notification, &Words::sample(EXTERNAL_URL));
        insta::assert_snapshot!(format!("slack_{name}"), pretty(&body));
    }
    let way = slack::Webhook { api_url: url, channel: Some(Template::plain("#ops")) };
    let settings = slack::Settings::by(slack::Way::Webhook(way));
    let body = slack::body(&settings, &page(vec![latency("a:9090")]), &Words::sample(""));
    insta::assert_snapshot!("slack_channel_without_links", pretty(&body));
}

#[test]
fn summaries() {
    let lines: Vec<_> =
        states().iter().map(|(name, _, state)| format!("{name}: {}", summary(state))).collect();
    insta::assert_snapshot!("summaries", lines.join("\n"));
}

#[test]
fn a_message_is_the_same_whenever_it_is_sent() {
    let mut later = page(vec![latency("a")]);
    later.decided_at = NOW.plus(std::time::Duration::from_secs(60));
    assert_eq!(
        webhook::body(&later, 0, EXTERNAL_URL),
        webhook::body(&page(vec![latency("a")]), 0, EXTERNAL_URL)
    );
}
