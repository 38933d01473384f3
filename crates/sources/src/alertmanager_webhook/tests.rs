use crate::testing::{NOW, check, check_all, post};
use crate::{Format, alertmanager};
use insta::assert_snapshot;
use openclaw_alert::{Timestamp, Zoned};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

const NOTIFICATION: &str = r#"{
  "receiver": "openclaw", "status": "firing", "version": "4", "truncatedAlerts": 0,
  "groupKey": "{}/{service=~\"mysql|pg\"}:{alertname=\"Down\"}", "groupLabels": {"alertname": "Down"},
  "commonLabels": {"alertname": "Down"}, "commonAnnotations": {}, "externalURL": "http://am:9093",
  "notification_reason": "new alerts added",
  "alerts": [
    {"status": "firing", "labels": {"alertname": "Down", "instance": "db-1", "severity": "critical", "tenant": "globex", "none": ""},
     "annotations": {"summary": "db-1 is down"}, "startsAt": "2026-03-01T12:30:56.123456789Z",
     "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prom:9090/graph?g0.expr=up", "fingerprint": "1"},
    {"status": "resolved", "labels": {"alertname": "Down", "instance": "db-2"}, "annotations": {},
     "startsAt": "2026-03-01T12:00:00Z", "endsAt": "2026-03-01T12:10:00Z", "generatorURL": "", "fingerprint": "2"},
    {"status": "resolved", "labels": {"alertname": "ClockAhead"}, "startsAt": "2026-03-02T00:00:00Z", "endsAt": "2026-03-02T00:10:00Z"}
  ]}"#;

#[test]
fn notifications() {
    assert_snapshot!(check_all(
        Format::Alertmanager,
        &[
            ("firing, resolved, and a clock that is ahead", NOTIFICATION),
            ("no alerts", r#"{"version":"4","groupKey":"{}","alerts":[]}"#),
            (
                "some are good",
                r#"{"alerts":[
            {"status":"firing","labels":{"alertname":"A"}},
            {"status":"firing"}, {"status":"firing","labels":{}}, {"status":"burning","labels":{"a":"b"}},
            {"labels":{"a":"b"}}, {"status":"firing","labels":{"a":["b"]}}, {"status":"firing","labels":{"":"b"}},
            {"status":"firing","labels":{"a":"b"},"startsAt":"soon"}, 7]}"#
            ),
            ("all are bad", r#"{"alerts":[{"status":"firing"}]}"#),
            ("a template of its own", r#"{"name":"Disk","labels":{"host":"a"}}"#),
            ("no JSON", "{"),
            (
                "alerts as they are posted to API v2",
                r#"[{"labels":{"alertname":"A"},"endsAt":"2026-03-01T13:00:00Z"},{"labels":{}}]"#
            ),
            ("not even these", r#"[{"labels":5}]"#),
            ("without labels", r#"[{}]"#),
        ]
    ));
}

#[test]
fn bounds_of_an_alert_are_api_v2s() {
    let alert = |labels: serde_json::Value| {
        let body = json!({"alerts": [{"status": "firing", "labels": labels}]}).to_string();
        check(Format::Alertmanager, &post(body.as_bytes()), None)
    };
    let many = |count: usize| -> serde_json::Value {
        (0..count).map(|n| (format!("l{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into()
    };
    assert!(alert(many(alertmanager::PAIRS_MAX)).contains("-> 202"));
    let refused = [
        alert(many(alertmanager::PAIRS_MAX + 1)),
        alert(json!({"a".repeat(alertmanager::NAME_BYTES_MAX + 1): "v"})),
        alert(json!({"a": "v".repeat(alertmanager::VALUE_BYTES_MAX + 1)})),
    ];
    assert_snapshot!(refused.concat());
    assert!(
        alert(json!({"a".repeat(alertmanager::NAME_BYTES_MAX): "v".repeat(alertmanager::VALUE_BYTES_MAX)}))
            .contains("-> 202")
    );
}

#[test]
fn too_many_alerts_are_refused_whole() {
    let body = format!(r#"{{"alerts":[{}0]}}"#, "0,".repeat(crate::draft::EVENTS_MAX));
    assert!(
        check(Format::Alertmanager, &post(body.as_bytes()), None)
            .starts_with(r#"-> 413 {"code":413,"message":"`alerts` has 20001 alerts"#)
    );
}

proptest! {
    /// The same alert by this way and by API v2 is one alert.
    #[test]
    fn labels_are_those_of_api_v2(labels in proptest::collection::btree_map("[a-zé]{1,6}", "[ -~é]{0,9}", 1..6), start in 0_i64..NOW.secs()) {
        let starts_at = Timestamp::from_secs(start).to_string();
        let kept: BTreeMap<_, _> = labels.iter().filter(|(_, value)| !value.is_empty()).collect();
        prop_assume!(!kept.is_empty());
        let webhook = json!({"alerts": [{"status": "firing", "labels": labels, "startsAt": starts_at}]}).to_string();
        let api = json!([{"labels": labels, "startsAt": starts_at}]).to_string();
        let webhook = super::decode(&post(webhook.as_bytes())).unwrap();
        let api = alertmanager::decode(api.as_bytes()).unwrap();
        let (left, right) = (webhook.batch.iter().next().unwrap(), api.batch.iter().next().unwrap());
        prop_assert_eq!(left.content, right.content);
        prop_assert_eq!(left.starts_at, right.starts_at);
        prop_assert_eq!(left.starts_at, Some(Zoned::utc(Timestamp::from_secs(start))));
    }
}
