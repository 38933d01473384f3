//! Cards in each state, and their size.

use super::*;
use crate::fixture::{acted, alert, latency, page, resolved};
use crate::template::{Template, TemplateSet};
use crate::words::Words;
use crate::{Secret, Target};
use openclaw_alert::{Feedback, NotifiedAlert, Past, Reason};
use proptest::prelude::*;
use serde_json::Value;

fn settings() -> Settings {
    let url = "https://x.logic.azure.example/workflows/a/triggers/manual?sig=hunter2";
    Settings::new(Target::parse(&Secret::new(url)).unwrap())
}

fn template(text: &str) -> Template {
    TemplateSet::default().template(text).unwrap()
}

fn card(settings: &Settings, notification: &Notification) -> Value {
    let body = card::body(settings, notification, &Words::sample("https://openclaw.example"));
    assert!(body.len() <= 20_000, "{}", body.len());
    serde_json::from_slice(&body).unwrap()
}

fn own() -> Settings {
    Settings { title: Some(template("{{ Status }}: {{ GroupLabels.alertname }}")), ..settings() }
}

#[test]
fn in_every_state() {
    let past = Past { episodes: 14, judged: 5, needed: 3, response_minutes: Some(7.0) };
    let mut new = page(vec![NotifiedAlert { past, ..latency("a:9090") }]);
    new.on_call = Some("Ada **Lovelace**".into());
    let grown =
        Notification { reason: Reason::NewAlerts, ..page(vec![latency("a:9090"), latency("b:9090")]) };
    let taken = page(vec![acted(latency("a:9090"), Feedback::Ack, "ann in Slack")]);
    let over = Notification { reason: Reason::AllResolved, ..page(vec![resolved(latency("a:9090"))]) };
    let many = page(vec![latency("a:9090"); 40]);
    let summed = Settings { summary: Some(template("{{ Status }}")), ..settings() };
    let failing = Settings { text: Some(template("{{ Status | date('x') }}")), ..settings() };
    for (name, settings, notification) in [
        ("new", settings(), new.clone()),
        ("grown", settings(), grown),
        ("acknowledged", settings(), taken),
        ("resolved", summed, over),
        ("truncated", settings(), many),
        ("own", own(), new.clone()),
        ("failing", failing, new),
    ] {
        insta::assert_snapshot!(name, format!("{:#}", card(&settings, &notification)));
    }
}

#[test]
fn a_storm_and_a_novel_fit() {
    let novel = "\"\u{1}x\n".repeat(25_000);
    let long =
        acted(alert(&[("alertname", &novel), ("l", &novel)], &[("summary", &novel)]), Feedback::Ack, &novel);
    let all = "{{ Alerts[0].Labels.alertname }}";
    let all = Settings {
        title: Some(template(all)),
        text: Some(template(all)),
        summary: Some(template(all)),
        ..settings()
    };
    for alerts in [vec![latency("a"); 10_000], vec![long; 3]] {
        let shown = card(&settings(), &page(alerts.clone()));
        assert!(shown.to_string().contains("\"Container\""), "at least one alert is shown");
        card(&all, &page(alerts));
    }
}

proptest! {
    #[test]
    fn stays_within_teams_limit_and_is_no_markup(
        texts in prop::collection::vec((any::<String>(), "[\"\\\\\u{1}😀*_a]{0,700}", any::<bool>()), 1..30),
    ) {
        let alerts = texts.iter().map(|(a, b, ended)| {
            let alert = alert(&[("alertname", a.as_str()), ("x", b), (b, a)], &[("summary", b)]);
            if *ended { resolved(alert) } else { alert }
        });
        let notification = page(alerts.collect());
        let body = &card(&settings(), &notification)["attachments"][0]["content"]["body"];
        prop_assert!(!body.to_string().contains("\"TextBlock\""));
        let shown = body.as_array().unwrap().iter().filter(|block| block["type"] == "Container").count();
        let left_out = format!("{} more not shown", notification.alerts.len() - shown);
        prop_assert_eq!(body.to_string().contains(&left_out), shown < notification.alerts.len());
    }
}
