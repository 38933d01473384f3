//! Messages in their owners' words.

use super::*;
use crate::fixture::{alert, latency, page, resolved};
use crate::template::{Source, Template, TemplateSet, sample_groups};
use crate::words::Words;
use crate::{Secret, Target};
use proptest::prelude::*;
use serde_json::Value;

fn settings() -> Settings {
    Settings::new(Target::parse(&Secret::new("https://hooks.slack.example/services/x")).unwrap())
}

fn template(text: &str) -> Template {
    TemplateSet::default().template(text).unwrap()
}

fn message(settings: &Settings, notification: &Notification) -> Value {
    serde_json::from_slice(&body(settings, notification, &Words::sample("https://openclaw.example"))).unwrap()
}

/// Everything that can be set.
fn whole() -> Settings {
    let some = |text: &str| Some(template(text));
    let confirm =
        Confirm { text: template("Sure?"), title: None, ok_text: some("Yes"), dismiss_text: some("No") };
    let action = Action {
        kind: template("button"),
        text: template("Runbook"),
        url: some("{{ CommonAnnotations.runbook_url }}"),
        style: some("{% if Status == 'firing' %}danger{% else %}primary{% endif %}"),
        name: None,
        value: None,
        confirm: Some(confirm),
    };
    let field =
        |title: &str, value: &str, short| Field { title: template(title), value: template(value), short };
    let api_url = Target::parse(&Secret::new("https://hooks.slack.example/services/x")).unwrap();
    let channel = some("#ops-{{ CommonLabels.cluster }}");
    Settings {
        way: Way::Webhook(Webhook { api_url, channel }),
        username: some("{{ Tenant }}"),
        icon_emoji: some(":fire:"),
        link_names: true,
        message_text: some("{{ OnCall | default('nobody') }}"),
        title: some("{{ Status }}: {{ GroupLabels.alertname }}"),
        text: some(
            "{% for alert in Alerts %}{{ alert.Labels.instance }} <{{ alert.GeneratorURL }}|graph>\n{% endfor %}",
        ),
        footer: some("score {{ Score }}"),
        fields: vec![
            field("Severity", "{{ CommonLabels.severity }}", None),
            field("Job", "api", Some(false)),
        ],
        short_fields: true,
        actions: vec![action],
        mrkdwn_in: vec!["text".to_owned()],
        ..settings()
    }
}

#[test]
fn in_every_state() {
    for group in sample_groups() {
        let message = message(&whole(), &group.notification);
        insta::assert_snapshot!(format!("own_{}", group.name), format!("{message:#}"));
    }
}

#[test]
fn what_is_unset_comes_from_the_tenants_parts() {
    let file = "{% define \"slack.default.text\" %}of the tenant{% enddefine %}";
    let set = TemplateSet::new(&[Source { name: "x".to_owned(), text: file.to_owned() }]).unwrap();
    let own = Settings { title: Some(set.template("{{ Status }}").unwrap()), ..settings() };
    let message = message(&own, &page(vec![latency("a")]));
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["text"], "of the tenant");
    assert_eq!(attachment["color"], "danger");
    assert_eq!(attachment["mrkdwn_in"], serde_json::json!(["fallback", "pretext", "text"]));
}

#[test]
fn words_around_our_message_leave_it_ours() {
    let own = Settings { username: Some(template("{{ Receiver }}")), ..settings() };
    let notification = page(vec![latency("a")]);
    let mut around = message(&own, &notification);
    assert_eq!(around.as_object_mut().unwrap().remove("username").unwrap(), "ops");
    assert_eq!(around, message(&settings(), &notification));
}

#[test]
fn a_template_that_fails_loses_its_words_and_not_the_alert() {
    for failing in ["{{ Status | date('x') }}", "{% for a in range(90000) %}{{ a }}xxxxxxxx{% endfor %}"] {
        let own = Settings { text: Some(template(failing)), ..settings() };
        let notification = page(vec![latency("a")]);
        let words = Words::sample("https://openclaw.example");
        let before = words.faults.get();
        let message: Value = serde_json::from_slice(&body(&own, &notification, &words)).unwrap();
        assert!(words.faults.get() > before);
        let text = message.to_string();
        assert!(
            text.contains("HighLatency") && text.contains("the template in slack_configs failed"),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn own_words_stay_within_slacks_limits(
        text in prop_oneof![any::<String>(), "[<&a😀]{1,9}".prop_map(|text| text.repeat(2000))],
        ended: bool,
    ) {
        let told = alert(&[("alertname", &text)], &[("summary", &text)]);
        let all = "{{ Alerts[0].Labels.alertname }}{{ CommonAnnotations.summary }}";
        let cell = Field { title: template(all), value: template(all), short: None };
        let own = Settings {
            title: Some(template(all)),
            text: Some(template(all)),
            fields: vec![cell; 60],
            ..settings()
        };
        let message = message(&own, &page(vec![if ended { resolved(told) } else { told }]));
        let attachment = &message["attachments"][0];
        let units = |value: &Value| value.as_str().unwrap_or_default().encode_utf16().count();
        prop_assert!(units(&attachment["title"]) <= 1024);
        prop_assert!(units(&attachment["text"]) <= 8000);
        prop_assert!(attachment["fields"].as_array().unwrap().iter().all(|cell| units(&cell["value"]) <= 2000));
        prop_assert!(attachment["fields"].as_array().unwrap().len() <= 40);
    }
}
