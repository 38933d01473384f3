//! What tools that keep incidents are sent, in every state of a group.

use crate::fixture::{NOW, acted_at, alert, encoded, latency, page, resolved};
use crate::template::{Template, TemplateSet};
use crate::words::Words;
use crate::{HttpConfig, Secret, Target, opsgenie, pagerduty, servicenow, servicenow_em};
use openclaw_alert::{Feedback, Notification, Past, Reason};
use serde_json::Value;

const EXTERNAL_URL: &str = "https://openclaw.example";
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// Fails on every notification, which no check can know before.
const FAILS: &str = "{{ Alerts | toJson }}";

fn target() -> Target {
    Target::parse(&Secret::new("https://tool.example")).unwrap()
}

fn template(text: &str) -> Option<Template> {
    Some(TemplateSet::default().template(text).unwrap())
}

/// By name, with what the tool was told before.
fn states() -> Vec<(&'static str, Notification)> {
    let mut new = page(vec![latency("a:9090")]);
    new.alerts[0].past = Past { episodes: 14, judged: 5, needed: 3, response_minutes: Some(7.0) };
    new.on_call = Some("Ada".into());
    let mut grown = page(vec![latency("a:9090"), latency("b:9090")]);
    (grown.reason, grown.receipt) = (Reason::NewAlerts, Some("told".into()));
    let mut taken = grown.clone();
    taken.reason = Reason::Acted;
    taken.alerts.iter_mut().for_each(|one| *one = acted_at(one.clone(), Feedback::Ack, "ann in Slack", NOW));
    let mut taken_untold = taken.clone();
    (taken_untold.reason, taken_untold.receipt) = (Reason::First, None);
    let mut over = grown.clone();
    over.reason = Reason::AllResolved;
    over.alerts = over.alerts.into_iter().map(resolved).collect();
    let mut dismissed = grown.clone();
    dismissed.reason = Reason::Acted;
    let dismiss =
        |one: &mut _| *one = acted_at(Clone::clone(one), Feedback::Dismiss, "bob in ServiceNow", NOW);
    dismissed.alerts.iter_mut().for_each(dismiss);
    let mut mixed = page(vec![resolved(latency("a:9090")), latency("b:9090")]);
    (mixed.reason, mixed.receipt) = (Reason::SomeResolved, Some("told".into()));
    vec![
        ("new", new),
        ("grown", grown),
        ("acknowledged", taken),
        ("acknowledged_before_told", taken_untold),
        ("resolved", over),
        ("dismissed", dismissed),
        ("mixed", mixed),
        ("odd", odd()),
        ("empty", page(Vec::new())),
    ]
}

fn odd() -> Notification {
    let name = "A & B \"quoted\" \\\n\u{202e}next\u{0}";
    let labels = [("alertname", name), ("über", "a|b"), ("empty", ""), ("emoji", "😀"), ("severity", "P1")];
    let mut odd = page(vec![alert(&labels, &[("summary", "<script>alert(1)</script>\u{7}")])]);
    odd.group_labels = encoded(&[("alertname", name), ("über", "a|b")]);
    odd.alerts[0].score = crate::fixture::score([f32::NAN; 7]);
    odd
}

/// 10,000 alerts, one of them with 100 KiB of text, all of it in every tool.
fn huge() -> Notification {
    let long = "é\"\\<".repeat(100 << 8);
    let mut alerts = vec![latency("a:9090"); 10_000];
    for (offset, alert) in alerts.iter_mut().enumerate() {
        alert.id.offset = offset as u64;
    }
    alerts[0] = alert(&[("alertname", &long), (&long, &long)], &[("summary", &long), ("description", &long)]);
    alerts[0].score = crate::fixture::score([9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    page(alerts)
}

fn pretty(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

fn pagerduty() -> pagerduty::Settings {
    pagerduty::Settings::new(target(), Secret::new(KEY))
}

fn opsgenie() -> opsgenie::Settings {
    opsgenie::Settings::new(target(), &Secret::new(KEY), HttpConfig::default()).unwrap()
}

fn servicenow_em() -> servicenow_em::Settings {
    servicenow_em::Settings::new(target(), HttpConfig::default())
}

fn em_bodies(notification: &Notification) -> Vec<Vec<u8>> {
    let body = |views: &Vec<_>| servicenow_em::body(&servicenow_em(), notification, views);
    servicenow_em::calls(notification).iter().map(body).collect()
}

fn servicenow() -> servicenow::Settings {
    servicenow::Settings::new(target(), HttpConfig::default())
}

fn told_pagerduty(settings: &pagerduty::Settings, notification: &Notification) -> String {
    let events = pagerduty::events(settings, notification, &Words::sample(EXTERNAL_URL));
    events.iter().map(|event| pretty(event)).collect::<Vec<_>>().join("\n")
}

fn told_opsgenie(settings: &opsgenie::Settings, notification: &Notification) -> String {
    let requests = opsgenie::requests(settings, notification, &Words::sample(EXTERNAL_URL));
    let shown = requests.iter().map(|request| {
        let (what, body) = request.shown();
        format!("{what}\n{}", pretty(body))
    });
    shown.collect::<Vec<_>>().join("\n")
}

fn created(settings: &servicenow::Settings, notification: &Notification) -> String {
    let fields = servicenow::created(settings, notification, &Words::sample(EXTERNAL_URL));
    pretty(&Value::Object(fields).to_string())
}

#[test]
fn pagerduty_events() {
    for (name, state) in states() {
        insta::assert_snapshot!(format!("pagerduty_{name}"), told_pagerduty(&pagerduty(), &state));
    }
}

#[test]
fn pagerduty_events_in_the_owners_words() {
    let mut settings = pagerduty();
    settings.description = template("{{ Status | toUpper }} in {{ CommonLabels.cluster }}");
    settings.severity = template("page");
    (settings.client, settings.client_url) =
        (template("Acme"), template("https://acme.example/{{ Tenant }}"));
    (settings.class, settings.component) = (template("latency"), template("{{ CommonLabels.job }}"));
    (settings.group, settings.source) = (template(" "), template("{{ CommonLabels.instance }}"));
    let text = |text: &str| pagerduty::Detail::Text(template(text).unwrap());
    settings.details = vec![
        ("cluster".to_owned(), text("{{ CommonLabels.cluster }}")),
        ("firing".to_owned(), text("{{ len(Alerts.Firing) }}")),
        ("inline".to_owned(), text("[1, {\"a\": \"{{ Status }}\"}]")),
        (
            "tree".to_owned(),
            pagerduty::Detail::Section(vec![(
                "list".to_owned(),
                pagerduty::Detail::List(vec![text("{{ Tenant }}"), pagerduty::Detail::Value(true.into())]),
            )]),
        ),
    ];
    let image =
        |src: &str| pagerduty::Image { src: template(src).unwrap(), alt: template("graph"), href: None };
    settings.images = vec![image("https://x.example/a.png"), image("http://x.example/a.png"), image("")];
    let link = |href: &str| pagerduty::Link { href: template(href).unwrap(), text: template("Runbook") };
    settings.links = vec![link("{{ CommonAnnotations.runbook_url }}"), link("javascript:alert(1)")];
    let state = page(vec![latency("a:9090")]);
    insta::assert_snapshot!("pagerduty_own", told_pagerduty(&settings, &state));
    settings.description = template(FAILS);
    settings.severity = template("{{ CommonLabels.nothing }}");
    settings.details = vec![("odd".to_owned(), text(FAILS))];
    insta::assert_snapshot!("pagerduty_own_wrong", told_pagerduty(&settings, &state));
}

#[test]
fn opsgenie_requests() {
    for (name, state) in states() {
        insta::assert_snapshot!(format!("opsgenie_{name}"), told_opsgenie(&opsgenie(), &state));
    }
}

#[test]
fn opsgenie_requests_in_the_owners_words() {
    let mut settings = opsgenie();
    settings.message = template("{{ Status | toUpper }}");
    settings.description = template("in {{ CommonLabels.cluster }}");
    settings.details = vec![("cluster".to_owned(), template("{{ CommonLabels.cluster }}-1").unwrap())];
    (settings.source, settings.entity) = (template("acme"), template("{{ CommonLabels.job }}"));
    (settings.tags, settings.actions) = (template("a, b,,{{ Tenant }}"), template("restart,ping"));
    (settings.note, settings.priority) = (template("noted"), template("p2"));
    let responder = |id: &str, name: &str, username: &str, kind: &str| opsgenie::Responder {
        id: template(id),
        name: template(name),
        username: template(username),
        kind: template(kind),
    };
    settings.responders = vec![
        responder("", "db", "", "team"),
        responder("", "a, b", "", "teams"),
        responder("", "", "ann@example.com", ""),
        responder("", "{{ CommonLabels.nothing }}", "", "team"),
        responder("4513b7ea", "", "", "escalation"),
    ];
    settings.update_alerts = true;
    let state = page(vec![latency("a:9090")]);
    insta::assert_snapshot!("opsgenie_own", told_opsgenie(&settings, &state));
    (settings.message, settings.description) = (template(FAILS), None);
    settings.priority = template("urgent");
    insta::assert_snapshot!("opsgenie_own_wrong", told_opsgenie(&settings, &state));
}

#[test]
fn servicenow_incidents() {
    for (name, state) in states().into_iter().filter(|(_, state)| state.receipt.is_none()) {
        insta::assert_snapshot!(format!("servicenow_{name}"), created(&servicenow(), &state));
    }
    let mut settings = servicenow();
    settings.short_description = template("{{ Status | toUpper }}");
    settings.description = template(FAILS);
    insta::assert_snapshot!("servicenow_own_wrong", created(&settings, &page(vec![latency("a:9090")])));
}

#[test]
fn servicenow_events() {
    for (name, state) in states() {
        let bodies = em_bodies(&state);
        let shown: Vec<_> = bodies.iter().map(|body| pretty(std::str::from_utf8(body).unwrap())).collect();
        insta::assert_snapshot!(format!("servicenow_em_{name}"), shown.join("\n"));
    }
}

#[test]
fn huge_groups_keep_every_limit() {
    let huge = huge();
    let words = Words::sample(EXTERNAL_URL);
    let events = pagerduty::events(&pagerduty(), &huge, &words);
    assert!((100_000..=512_000).contains(&events[0].len()), "{}", events[0].len());
    let event: Value = serde_json::from_str(&events[0]).unwrap();
    let details = &event["payload"]["custom_details"];
    let shown = details["firing"].as_array().unwrap();
    assert_eq!(shown[0]["score"], 1.0, "the most urgent is there");
    assert_eq!(details["not_shown"].as_u64().unwrap() as usize, 10_000 - shown.len());
    let requests = opsgenie::requests(&opsgenie(), &huge, &words);
    let (_, body) = requests[0].shown();
    let alert: Value = serde_json::from_str(body).unwrap();
    let units = |key: &str| crate::text::units(alert[key].as_str().unwrap());
    assert!(units("message") <= 130 && units("description") <= 15_000);
    assert!(alert["description"].as_str().unwrap().contains("more not shown"));
    let bodies = em_bodies(&huge);
    assert!(bodies.iter().all(|body| body.len() < 1 << 20));
}

#[test]
fn owners_details_that_are_too_long_give_way_to_a_note() {
    let mut settings = pagerduty();
    let long = "x".repeat(60_000);
    settings.details =
        (0..10).map(|n| (n.to_string(), pagerduty::Detail::Text(template(&long).unwrap()))).collect();
    let events = pagerduty::events(&settings, &page(vec![latency("a:9090")]), &Words::sample(""));
    let event: Value = serde_json::from_str(&events[0]).unwrap();
    let want = "The details were left out: with them the event has more than 512000 bytes";
    assert_eq!(event["payload"]["custom_details"], serde_json::json!({ "error": want }));
}
