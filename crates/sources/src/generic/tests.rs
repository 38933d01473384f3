use crate::testing::{any_json, check, check_all, post, telling_json};
use crate::{Format, Mapping, MappingSettings, Post, decode, detect};
use insta::assert_snapshot;
use openclaw_alert::Content;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn events_without_a_mapping() {
    let long = format!(r#"{{"title":"A","host":"{}"}}"#, "h".repeat(300));
    assert_snapshot!(check_all(
        Format::Json,
        &[
            (
                "a script's",
                r#"{"title":"Backup failed","host":"db-1","severity":"Major","message":"disk full","tenant":"globex"}"#
            ),
            (
                "the same, worse: one alert",
                r#"{"title":"Backup failed","host":"db-1","severity":"FATAL","message":"disk full for an hour"}"#
            ),
            ("its end", r#"{"title":"Backup failed","host":"db-1","status":"OK"}"#),
            (
                "everything by its usual name",
                r#"{"alertname":"A","priority":"P2","state":"open","id":"event-7","dedup_key":"k","summary":"S","description":"D",
            "labels":{"env":"prod","shard":3,"canary":true,"none":null},"tags":["db","team:infra","db"],"annotations":{"runbook":"https://r","deep":{"a":[1]}},
            "starts_at":1772368000,"url":"https://x/1"}"#
            ),
            (
                "acknowledged by its key alone",
                r#"{"key":"k","status":"acknowledged","user":"ann","comment":"on it"}"#
            ),
            (
                "resolved by its key alone, whatever else is wrong",
                r#"{"key":"k","status":"resolved","labels":{"a":["b"]}}"#
            ),
            ("named by its labels", r#"{"labels":{"alertname":"A","severity":"warning","host":"h"}}"#),
            (
                "times of every form",
                r#"[{"name":"a","time":1772368000},{"name":"b","time":1772368000123},{"name":"c","time":"1772368000.5"},{"name":"d","time":"2026-03-01T12:30:00+01:00"},{"name":"e","time":"yesterday"},{"name":"f","time":1e300}]"#
            ),
            ("a severity that nobody knows", r#"{"name":"a","severity":"purple"}"#),
            ("a key from labels too long to read", &long),
            ("no events", "[]"),
        ]
    ));
}

#[test]
fn refusals() {
    let long = format!(r#"{{"name":"a","key":"{}"}}"#, "k".repeat(1025));
    assert_snapshot!(check_all(
        Format::Json,
        &[
            ("empty", ""),
            ("no JSON", "hello"),
            ("a number", "7"),
            ("no name", r#"{"severity":"high"}"#),
            ("an end without a name", r#"{"status":"resolved"}"#),
            ("an end named by labels of which one is bad", r#"{"name":"a","status":"ok","labels":{"b":[]}}"#,),
            (
                "some are good",
                r#"[{"name":"a"},7,{"x":1},{"name":"b","labels":{"a/b":{}}},{"name":"c","labels":7}]"#
            ),
            ("a key too long", &long),
        ]
    ));
}

fn mapping() -> Mapping {
    let text = |text: &str| Some(text.to_owned());
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Mapping::new(&MappingSettings {
        each: text("/problems"),
        alertname: text("/check/title"),
        severity: text("/impact"),
        state: text("/phase"),
        key: text("{/host}/{/check/id}"),
        starts_at: text("/since"),
        url: text("https://mon.example.com/{/check/id}"),
        by: text("/owner/name"),
        note: text("/owner/says"),
        severities: pairs(&[("RED", "critical"), ("amber", "warning")]),
        resolved: vec!["GREEN".into()],
        acknowledged: vec!["owned".into()],
        labels: pairs(&[("host", "/host"), ("site", "/site || unknown"), ("kind", "synthetic")]),
        annotations: pairs(&[
            ("summary", "{/check/title} on {/host}"),
            ("raw", "/check"),
            ("gone", "/nothing"),
        ]),
    })
    .unwrap()
}

#[test]
fn a_mapping_says_what_is_what() {
    let check = |body: &str| check(Format::Json, &post(body.as_bytes()), Some(&mapping()));
    let shown = [
        check(
            r#"{"problems":[
            {"check":{"id":7,"title":"Latency"},"host":"web","impact":"red","phase":"open","since":1772368000000,"severity":"info","labels":{"not":"taken"},"message":"not this"},
            {"check":{"id":7},"host":"web","phase":"green"},
            {"check":{"id":8,"title":"T"},"host":"web","phase":"OWNED","owner":{"name":"ann","says":"mine"}},
            {"check":{"id":9},"host":"web"},
            {"check":{"id":9,"title":"T"},"host":"web","site":"fra","impact":"blue","since":"later"},
            {"check":{"title":"no key"},"site":"fra"}]}"#,
        ),
        check("{}"),
        check(r#"{"problems":{}}"#),
        check("[]"),
    ];
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_delivery_is_known_by_its_header() {
    let delivery = |name: &str, value: &str, body: &[u8]| {
        let headers = [(name, value)];
        let request = Post { headers: &headers, ..post(body) };
        decode(Format::Json, &request, None).unwrap().batch.delivery()
    };
    let (one, other) = (br#"{"name":"a"}"#, br#"{"name":"b"}"#);
    assert_eq!(delivery("x", "1", one), None);
    assert!(delivery("webhook-id", "1", one).is_some());
    assert_eq!(delivery("webhook-id", "1", one), delivery("idempotency-key", "1", one));
    assert_ne!(delivery("webhook-id", "1", one), delivery("webhook-id", "2", one));
    assert_ne!(delivery("webhook-id", "1", one), delivery("webhook-id", "1", other));
}

#[test]
fn too_many_events_are_refused_whole() {
    let body = format!("[{}0]", "0,".repeat(20_000));
    assert!(check(Format::Json, &post(body.as_bytes()), None).starts_with("-> 413 "));
}

/// What a mapping repeats for each event counts against the bound, and the
/// rest is refused by name.
#[test]
fn a_small_body_makes_no_large_batch() {
    let labels = (0..64).map(|n| (format!("l{n}"), "x".repeat(1000))).collect();
    let mapping = Mapping::new(&MappingSettings { labels, ..MappingSettings::default() }).unwrap();
    let body = format!("[{}{{}}]", r#"{"name":"a"},"#.repeat(1500));
    let decoded = decode(Format::Json, &post(body.as_bytes()), Some(&mapping)).unwrap();
    assert!(decoded.batch.bytes() <= (64 << 20) + (1 << 20), "{}", decoded.batch.bytes());
    assert!(decoded.rejected.iter().any(|rejected| rejected.fault.detail.contains("send fewer")));
}

/// A value that is put into many fields is not copied whole into each.
#[test]
fn a_large_value_is_refused_as_label_and_cut_as_annotation() {
    let large = format!(r#"{{"name":"a","big":[{}0]}}"#, "0,".repeat(400_000));
    let mapped = |change: fn(&mut MappingSettings)| {
        let mut settings = MappingSettings::default();
        change(&mut settings);
        check(Format::Json, &post(large.as_bytes()), Some(&Mapping::new(&settings).unwrap()))
    };
    let label = mapped(|it| drop(it.labels.insert("l".into(), "x{/big}{/big}".into())));
    assert!(label.contains("rejected 0 at \"/labels/l\"") && label.len() < 2000, "{label}");
    let annotation = mapped(|it| drop(it.annotations.insert("l".into(), "{/big} || {/name}".into())));
    assert!(
        annotation.contains("[0,0,0,") && annotation.contains('…') && annotation.len() < 20_000,
        "{}",
        annotation.len()
    );
    let key = mapped(|it| it.key = Some("/big".into()));
    assert!(key.contains("rejected 0 at \"/key\""), "{key}");
}

#[test]
fn formats_are_known_by_their_shape() {
    let of = |body: &str| detect(&post(body.as_bytes())).map_err(|refusal| refusal.to_string());
    for (body, want) in [
        (r#"{"orgId":1,"alerts":[],"version":"1","groupKey":""}"#, Format::Grafana),
        (r#"{"version":"4","groupKey":"","alerts":[]}"#, Format::Alertmanager),
        (r#"{"routing_key":"x","event_action":"trigger"}"#, Format::PagerDuty),
        (r#"{"specversion":"1.0","type":"t","source":"s","id":"i"}"#, Format::CloudEvents),
        (r#"[{"specversion":"1.0","type":"t","source":"s","id":"i"}]"#, Format::CloudEvents),
        (r#"{"records":[]}"#, Format::ServiceNow),
        (r#"{"app":"a","sync":"Synced","health":"Healthy"}"#, Format::ArgoCd),
        (r#"{"message":"m","responders":[]}"#, Format::Opsgenie),
        (r#"{"message":"m","alias":"a","priority":"P1"}"#, Format::Opsgenie),
        (r#"{"message":"m","alias":"a"}"#, Format::Json),
        (r#"[{"labels":{"a":"b"},"name":"x"}]"#, Format::Json),
        (r#"{"labels":{"alertname":"b"}}"#, Format::Json),
        ("[]", Format::Json),
        ("7", Format::Json),
    ] {
        assert_eq!(of(body), Ok(want), "{body}");
    }
    let gone = of(r#"[{"labels":{"a":"b"},"startsAt":"2026-03-01T00:00:00Z"}]"#);
    assert_eq!(
        gone,
        Err("the body is of Alertmanager's API v1, which is gone: post it to `/api/v2/alerts`".into())
    );
    assert!(of("{").is_err());
    let event = [("content-type", "application/cloudevents+json; charset=utf-8")];
    assert_eq!(detect(&Post { headers: &event, ..post(b"{") }), Ok(Format::CloudEvents));
    for (format, name) in Format::ALL {
        assert_eq!((format.name(), Format::from_name(name)), (name, Some(format)));
    }
}

/// What must hold for any request in any format.
fn invariants(body: &[u8], path: &str, mapping: Option<&Mapping>) {
    for (format, _) in Format::ALL {
        for method in ["POST", "PUT", "DELETE", "GET"] {
            let request = Post { method, path, ..post(body) };
            let (first, again) = (decode(format, &request, mapping), decode(format, &request, mapping));
            let (Ok(first), Ok(again)) = (&first, &again) else {
                let refusal = first.expect_err("the same request is refused again");
                assert!((400..500).contains(&refusal.status) && !refusal.faults.is_empty());
                continue;
            };
            // The same request is the same alerts.
            assert_eq!(first.batch.delivery(), again.batch.delivery());
            let contents = |decoded: &crate::Decoded| -> Vec<Vec<u8>> {
                decoded.batch.iter().map(|alert| alert.content.to_vec()).collect()
            };
            assert_eq!(contents(first), contents(again));
            for alert in first.batch.iter() {
                let content = Content::decode(alert.content).unwrap();
                assert!(content.labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
                assert!(!content.labels.is_empty());
                assert!(!alert.is_keyed || !content.labels.get("dedup_key").is_empty());
                assert!(!alert.is_keyed || !content.labels.get("alertname").is_empty());
            }
            let answer = first.answer(&crate::Kept::default());
            assert!((200..500).contains(&answer.status));
            if !answer.body.is_empty() {
                serde_json::from_str::<Value>(&answer.body).unwrap();
            }
        }
    }
    let _ = detect(&post(body));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_bytes_are_safe(body: Vec<u8>) {
        invariants(&body, "", None);
    }

    #[test]
    fn any_json_is_safe(body in any_json(), path in "(/[a-z%]{0,6}){0,3}") {
        invariants(body.to_string().as_bytes(), &path, None);
    }

    #[test]
    fn json_that_nearly_is_one_of_the_formats_is_safe(body in telling_json(), is_mapped: bool) {
        invariants(body.to_string().as_bytes(), "", is_mapped.then(mapping).as_ref());
    }

    #[test]
    fn what_is_sent_is_what_is_kept(
        name in "[a-zA-Zé ]{1,12}", labels in proptest::collection::btree_map("[a-z_]{3,8}", "[ -~é]{1,12}", 0..5),
        key in "[ -~]{1,20}", start in 0_i64..4_000_000_000, text in ".{1,40}",
    ) {
        prop_assume!(!name.trim().is_empty() && !key.trim().is_empty() && !text.trim().is_empty());
        prop_assume!(!labels.contains_key("alertname") && !labels.contains_key("severity"));
        let body = json!({"alertname": name, "labels": labels, "dedup_key": key, "severity": "high", "starts_at": start, "summary": text});
        let decoded = decode(Format::Json, &post(body.to_string().as_bytes()), None).unwrap();
        let alert = decoded.batch.iter().next().unwrap();
        let content = alert.view();
        let mut want: BTreeMap<&str, &str> = labels.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        want.extend([("alertname", &name[..]), ("severity", "error"), ("dedup_key", &key)]);
        prop_assert_eq!(content.labels.iter().collect::<BTreeMap<_, _>>(), want);
        prop_assert_eq!(content.annotations.get("summary"), text);
        prop_assert_eq!(alert.starts_at.map(|at| at.at.secs()), Some(start));
    }
}
