//! Events: one record an alert, all values text, within the lengths of the
//! event table's columns.

use super::settings::{Settings, Severity};
use crate::group::View;
use crate::group::open_first;
use crate::headline::past;
use crate::plain::{lines, one_line, second};
use crate::severity;
use crate::situation::is_over;
use crate::text::units;
use openclaw_alert::{Labels, Notification, NotifiedAlert, Reason, Status};
use serde_json::{Map, Value, json};

const SHORT_UNITS_MAX: usize = 100;
const KEY_UNITS_MAX: usize = 1024;
const DESCRIPTION_UNITS_MAX: usize = 4000;
/// Of all names and values of the additional information, before they are put
/// into JSON twice.
const INFO_UNITS_MAX: usize = 3000;
const INFO_VALUE_UNITS_MAX: usize = 500;
const RECORDS_MAX: usize = 200;
const CLEAR: &str = "0";

/// The alerts to tell of, a call's worth at a time. Ends come first: where time
/// runs out, what was opened there has been cleared.
pub(crate) fn calls(notification: &Notification) -> Vec<Vec<View<'_>>> {
    let mut views = open_first(notification);
    views.retain(|view| is_news(notification, view.alert));
    views.sort_by_key(|view| !is_over(view.alert));
    views.chunks(RECORDS_MAX).map(<[_]>::to_vec).collect()
}

/// Where people have acted, what they left alone is known there already, unless
/// the message that should have told of it gave way to this one.
fn is_news(notification: &Notification, alert: &NotifiedAlert) -> bool {
    let is_known = || notification.receipt.as_deref().and_then(latest_told) >= Some(alert.id.offset);
    notification.reason != Reason::Acted || alert.acted.is_some() || is_over(alert) || !is_known()
}

/// What is remembered of a group: the latest episode that was told of.
pub(super) fn receipt(notification: &Notification) -> Option<Box<str>> {
    let now = notification.alerts.iter().map(|alert| alert.id.offset).max();
    let before = notification.receipt.as_deref().and_then(latest_told);
    now.max(before).map(|latest| latest.to_string().into())
}

fn latest_told(receipt: &str) -> Option<u64> {
    receipt.parse().ok()
}

pub(crate) fn body(settings: &Settings, notification: &Notification, views: &[View<'_>]) -> Vec<u8> {
    let records: Vec<Value> = views.iter().map(|view| record(settings, notification, view)).collect();
    json!({ "records": records }).to_string().into_bytes()
}

fn record(settings: &Settings, notification: &Notification, view: &View<'_>) -> Value {
    let labels = view.content.labels;
    let short = |text: &str| one_line(text, SHORT_UNITS_MAX);
    let class = settings.event_class.as_deref().unwrap_or(notification.tenant.as_str());
    let is_clear = is_over(view.alert);
    json!({
        "source": short(&settings.source),
        "event_class": short(class),
        "node": short(machine(first(labels, &settings.node_labels))),
        "resource": short(first(labels, &settings.resource_labels)),
        "type": short(view.name()),
        "metric_name": short(view.name()),
        "message_key": message_key(notification, view.alert),
        "severity": severity(settings, view),
        "description": description(view),
        "time_of_event": second(at(view.alert)),
        "resolution_state": if is_clear { "Closing" } else { "New" },
        "additional_info": additional_info(notification, view),
    })
}

/// Names the alert at this integration for as long as its episode lasts.
fn message_key(notification: &Notification, alert: &NotifiedAlert) -> String {
    let Notification { tenant, integration, receiver, .. } = notification;
    one_line(&format!("openclaw/{tenant}/{}/{integration}/{receiver}", alert.id), KEY_UNITS_MAX)
}

fn first<'n>(labels: Labels<'n>, names: &[String]) -> &'n str {
    let values = names.iter().map(|name| labels.get(name));
    values.into_iter().find(|value| !value.is_empty()).unwrap_or_default()
}

/// `db-1:9100` and `https://db-1/x` are on the machine `db-1`.
fn machine(label: &str) -> &str {
    let host = label.split_once("://").map_or(label, |(_, rest)| rest.split('/').next().unwrap_or(rest));
    if let Some((v6, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return v6;
    }
    match host.split_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn severity(settings: &Settings, view: &View<'_>) -> String {
    if is_over(view.alert) {
        return CLEAR.to_owned();
    }
    let score_e4 = (view.alert.score.value().clamp(0.0, 1.0) * 10_000.0).round() as u16;
    let step = settings.severity.iter().find(|step| score_e4 >= step.min_score_e4);
    let own = || match severity::Severity::of(view) {
        severity::Severity::Critical => Severity::Critical,
        severity::Severity::Error => Severity::Major,
        severity::Severity::Warning => Severity::Warning,
        severity::Severity::Info => Severity::Info,
    };
    let severity = match step {
        Some(step) => step.severity,
        None if settings.severity.is_empty() => own(),
        None => Severity::Info,
    };
    (severity as u8).to_string()
}

fn description(view: &View<'_>) -> String {
    let text = match view.told() {
        Some(told) => format!("{}: {told}", view.name()),
        None => view.name().to_owned(),
    };
    lines(&text, DESCRIPTION_UNITS_MAX)
}

fn at(alert: &NotifiedAlert) -> openclaw_alert::Timestamp {
    match (alert.status, &alert.acted) {
        (Status::Resolved, _) => alert.ends_at.at,
        (Status::Firing, Some(acted)) if is_over(alert) => acted.at,
        (Status::Firing, _) => alert.starts_at.at,
    }
}

/// A JSON object as text, whose values are text too.
fn additional_info(notification: &Notification, view: &View<'_>) -> String {
    let mut out = Map::new();
    let mut units_left = INFO_UNITS_MAX;
    let mut put = |key: String, value: &str| {
        let value = one_line(value, INFO_VALUE_UNITS_MAX);
        let length = units(&key) + units(&value);
        if let Some(rest) = units_left.checked_sub(length).filter(|_| !value.is_empty()) {
            units_left = rest;
            out.insert(key, Value::String(value));
        }
    };
    put("openclaw_id".to_owned(), &view.alert.id.to_string());
    put("openclaw_group".to_owned(), &notification.dedup_key);
    put("score".to_owned(), &format!("{:.2}", view.alert.score.value()));
    put("score_factors".to_owned(), &view.alert.score.main_factors());
    put("past".to_owned(), &past(&view.alert.past).unwrap_or_default());
    if let Some(acted) = &view.alert.acted {
        put("acted".to_owned(), &format!("{} by {}", crate::headline::done(acted.action), acted.by));
    }
    put("on_call".to_owned(), notification.on_call.as_deref().unwrap_or_default());
    put("generator_url".to_owned(), view.content.generator_url);
    for (name, value) in view.content.labels.iter() {
        put(format!("label_{}", one_line(name, SHORT_UNITS_MAX)), value);
    }
    for (name, value) in view.content.annotations.iter() {
        put(format!("annotation_{}", one_line(name, SHORT_UNITS_MAX)), value);
    }
    Value::Object(out).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{acted, alert, latency, page, resolved};
    use crate::{HttpConfig, Secret, Target};
    use openclaw_alert::Feedback;
    use proptest::prelude::*;

    fn settings() -> Settings {
        let target = Target::parse(&Secret::new("https://x.example")).unwrap();
        Settings::new(target, HttpConfig::default())
    }

    fn bodies(notification: &Notification) -> Vec<Vec<u8>> {
        calls(notification).iter().map(|views| body(&settings(), notification, views)).collect()
    }

    fn records(notification: &Notification) -> Vec<Value> {
        let bodies = bodies(notification);
        let read = |body: &Vec<u8>| serde_json::from_slice::<Value>(body).unwrap()["records"].take();
        bodies.iter().flat_map(|body| read(body).as_array().unwrap().clone()).collect()
    }

    proptest! {
        #[test]
        fn every_column_keeps_its_length(
            texts in prop::collection::vec((any::<String>(), any::<String>(), 0_usize..3000, any::<bool>()), 1..5),
        ) {
            let alerts = texts.iter().map(|(a, b, longer, ended)| {
                let long = a.repeat(*longer);
                let labels = [("alertname", long.as_str()), ("instance", &long), ("job", b), (b, &long)];
                let alert = alert(&labels, &[("summary", &long), (a, &long)]);
                if *ended { resolved(alert) } else { alert }
            });
            for record in records(&page(alerts.collect())) {
                let record = record.as_object().unwrap();
                prop_assert_eq!(record.len(), 12);
                for (column, value) in record {
                    let most = match column.as_str() {
                        "description" => DESCRIPTION_UNITS_MAX,
                        "message_key" => KEY_UNITS_MAX,
                        "additional_info" => usize::MAX,
                        _ => SHORT_UNITS_MAX,
                    };
                    prop_assert!(units(value.as_str().unwrap()) <= most, "{column}");
                }
                let info: Map<String, Value> =
                    serde_json::from_str(record["additional_info"].as_str().unwrap()).unwrap();
                prop_assert!(info.values().all(Value::is_string));
            }
        }
    }

    #[test]
    fn nothing_is_left_out_of_many() {
        let mut group = page(vec![latency("a"); 10_000]);
        for (offset, alert) in group.alerts.iter_mut().enumerate() {
            alert.id.offset = offset as u64;
        }
        let keys: std::collections::BTreeSet<String> =
            records(&group).iter().map(|record| record["message_key"].to_string()).collect();
        assert_eq!(keys.len(), 10_000);
        assert!(bodies(&group).iter().all(|body| body.len() < 1 << 20));
    }

    fn numbered(count: u64) -> Vec<NotifiedAlert> {
        let numbered = |offset| {
            let mut alert = latency("a");
            alert.id.offset = offset;
            alert
        };
        (0..count).map(numbered).collect()
    }

    fn told_of(notification: &Notification) -> Vec<u64> {
        calls(notification).iter().flatten().map(|view| view.alert.id.offset).collect()
    }

    #[test]
    fn ends_come_first() {
        let mut group = page(numbered(500));
        for at in [7, 450] {
            group.alerts[at] = resolved(group.alerts[at].clone());
        }
        group.alerts[499] = acted(group.alerts[499].clone(), Feedback::Dismiss, "ann in Slack");
        let mut first = told_of(&group);
        first.truncate(3);
        first.sort();
        assert_eq!(first, [7, 450, 499]);
        assert_eq!(calls(&group).iter().map(Vec::len).collect::<Vec<_>>(), [200, 200, 100]);
    }

    #[test]
    fn what_nobody_touched_is_not_told_again() {
        let mut group = page(numbered(1000));
        let receipt = receipt(&group).unwrap();
        group.alerts.extend(numbered(1003).split_off(1000));
        group.alerts[3] = acted(group.alerts[3].clone(), Feedback::Ack, "ann in Slack");
        group.alerts[5] = resolved(group.alerts[5].clone());
        group.reason = Reason::Acted;
        assert_eq!(told_of(&group).len(), 1003, "nothing was told before");
        group.receipt = Some(receipt.into());
        let mut told = told_of(&group);
        told.sort();
        assert_eq!(told, [3, 5, 1000, 1001, 1002], "news that gave way to the deed are there");
        group.reason = Reason::Repeat;
        assert_eq!(told_of(&group).len(), 1003);
    }

    #[test]
    fn a_node_is_a_machine() {
        for (label, want) in [
            ("db-1:9100", "db-1"),
            ("db-1", "db-1"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("[::1]:9100", "::1"),
            ("fe80::1", "fe80::1"),
            ("https://x.example:443/y", "x.example"),
            ("http://[::1]/y", "::1"),
            (":80", ":80"),
            ("", ""),
        ] {
            assert_eq!(machine(label), want);
        }
    }

    #[test]
    fn a_table_from_score_to_severity_counts_before_labels() {
        let mut own = settings();
        let group = page(vec![latency("a")]);
        let severity = |settings: &Settings| severity(settings, &open_first(&group)[0]);
        assert_eq!(severity(&own), "1");
        own.severity = vec![super::super::Step { min_score_e4: 9000, severity: Severity::Critical }];
        assert_eq!(severity(&own), "5", "a score of 0.84 reaches no step");
        own.severity.push(super::super::Step { min_score_e4: 8000, severity: Severity::Minor });
        assert_eq!(severity(&own), "3");
    }
}
