use super::*;
use crate::testing::{check, check_all, post};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

/// The documentation's example, shortened.
const TRIGGER: &str = r#"{
  "payload": {
    "summary": "DISK at 99% on machine prod-datapipe03.example.com",
    "timestamp": "2026-03-01T08:42:58.315+0000",
    "severity": "critical",
    "source": "prod-datapipe03.example.com",
    "component": "mysql",
    "group": "prod-datapipe",
    "class": "disk",
    "custom_details": {"free space": "1%", "ping time": 1500, "load": [0.75, 1], "summary": "not this"}
  },
  "routing_key": "samplekeyhere",
  "dedup_key": "samplekeyhere",
  "images": [{"src": "https://www.example.com/chart.png", "href": "https://example.com/", "alt": "Chart"}],
  "links": [{"href": "https://example.com/", "text": "Link text"}, {"href": "https://b"}, {}],
  "event_action": "trigger",
  "client": "Sample Monitoring Service",
  "client_url": "https://monitoring.example.com"
}"#;

#[test]
fn events() {
    assert_snapshot!(check_all(
        Format::PagerDuty,
        &[
            ("a trigger with everything", TRIGGER),
            (
                "the least, without a key",
                r#"{"event_action":"trigger","payload":{"summary":"S","source":"h","severity":"info"}}"#
            ),
            ("acknowledged", r#"{"event_action":"acknowledge","dedup_key":"k"}"#),
            ("resolved", r#"{"event_action":"resolve","dedup_key":"k","payload":{"summary":"S"}}"#),
        ]
    ));
}

#[test]
fn refusals() {
    let trigger = |payload: &str| format!(r#"{{"event_action":"trigger","payload":{payload}}}"#);
    let long = format!(r#"{{"event_action":"resolve","dedup_key":"{}"}}"#, "ü".repeat(256));
    assert_snapshot!(check_all(
        Format::PagerDuty,
        &[
            ("no JSON", "{"),
            ("an array", "[]"),
            ("nothing in it", "{}"),
            ("no such action", r#"{"event_action":"explode"}"#),
            ("an action of the wrong type", r#"{"event_action":{}}"#),
            ("which alert", r#"{"event_action":"resolve","dedup_key":""}"#),
            ("a key too long", &long),
            ("no payload", &trigger("null")),
            ("no summary", &trigger(r#"{"summary":" "}"#)),
            ("no source", &trigger(r#"{"summary":"S"}"#)),
            ("no severity", &trigger(r#"{"summary":"S","source":"h"}"#)),
            ("a severity of another tool", &trigger(r#"{"summary":"S","source":"h","severity":"P1"}"#)),
            ("a source of the wrong type", &trigger(r#"{"summary":"S","source":["h"],"severity":"info"}"#)),
        ]
    ));
}

#[test]
fn a_body_beyond_the_bound_is_refused() {
    let body = vec![b' '; BODY_BYTES_MAX + 1];
    assert!(
        check(Format::PagerDuty, &post(&body), None).starts_with(r#"-> 413 {"errors":["the body is longer"#)
    );
}

#[test]
fn change_events_are_answered_and_not_kept() {
    let body = br#"{"routing_key":"k","payload":{"summary":"Build 7 deployed","source":"ci"}}"#;
    let change = Post { path: "/change/enqueue", ..post(body) };
    assert_snapshot!(check(Format::PagerDuty, &change, None), @r#"
    lasts 168 h
    -> 202 {"message":"Change event taken note of: nobody is paged and it is not kept","status":"success"}
    "#);
    let empty = Post { body: b"{}", ..change };
    assert!(check(Format::PagerDuty, &empty, None).starts_with("-> 400 "));
}

#[test]
fn texts_are_cut_where_people_read_them_and_nowhere_else() {
    let body = json!({"event_action": "trigger", "dedup_key": "k".repeat(255), "payload": {
        "summary": "s".repeat(2000), "source": "h", "severity": "error"}});
    let shown = check(Format::PagerDuty, &post(body.to_string().as_bytes()), None);
    assert!(shown.contains(&format!("\"summary\": \"{}…\"", "s".repeat(1023))), "{shown}");
    assert!(shown.contains(&format!("\"alertname\": \"{}…\"", "s".repeat(99))), "{shown}");
    assert!(shown.contains(&format!("\"dedup_key\": \"{}\"", "k".repeat(255))), "{shown}");
}

#[test]
fn routing_keys() {
    assert_eq!(routing_key(TRIGGER.as_bytes()).as_deref(), Some("samplekeyhere"));
    let long = format!(r#"{{"routing_key":"{}"}}"#, "x".repeat(ROUTING_KEY_BYTES_MAX + 1));
    for none in
        ["", "{}", "[]", r#"{"routing_key":""}"#, r#"{"routing_key":7}"#, r#"{"routing_key":"k""#, &long]
    {
        assert_eq!(routing_key(none.as_bytes()), None, "{none}");
    }
}

proptest! {
    /// A sender that loses our answer sends again; it must be the same alert.
    #[test]
    fn a_key_of_ours_depends_on_what_the_alert_is(summary in "[a-c]{1,2}", source in "[a-c]{1,2}", class in "[a-c]{0,2}", load: u32) {
        let key = |summary: &str, source: &str, class: &str, load: u32| {
            let body = json!({"event_action": "trigger", "payload": {"summary": summary, "source": source,
                "class": class, "severity": "info", "timestamp": load, "custom_details": {"load": load}}});
            let Reply::PagerDuty { dedup_key } = decode(&post(body.to_string().as_bytes())).unwrap().reply else {
                unreachable!()
            };
            dedup_key
        };
        let first = key(&summary, &source, &class, load);
        prop_assert_eq!(&first, &key(&summary, &source, &class, load.wrapping_add(1)));
        prop_assert_ne!(&first, &key(&format!("{summary}{source}"), &source[1..].replace("", "z"), &class, load));
        prop_assert_ne!(&first, &key(&summary, &source, &format!("{class}x"), load));
    }
}
