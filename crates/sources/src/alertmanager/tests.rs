use super::*;
use insta::assert_snapshot;
use openclaw_alert::{Content, LabelsBuilder, Timestamp, Zoned};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Status and body, and how many alerts are kept, as the server would see it.
fn check(body: &str) -> (u16, String, usize) {
    match decode(body.as_bytes()) {
        Ok(decoded) => {
            let (status, text) = decoded.answer();
            (status, text, decoded.batch.len())
        }
        Err(error) => (error.status(), error.body(), 0),
    }
}

#[test]
fn answers_are_alertmanagers() {
    let parse = |detail: &str| {
        json!({"code": 400, "message": format!("parsing alerts body from \"\" failed, because {detail}")})
            .to_string()
    };
    let ok = r#"{"labels":{"a":"b"}}"#;
    let rows: Vec<(String, u16, String, usize)> = vec![
        ("[]".into(), 200, String::new(), 0),
        (format!("[{ok}]"), 200, String::new(), 1),
        ("".into(), 422, r#"{"code":602,"message":"alerts in body is required"}"#.into(), 0),
        ("{}".into(), 400, parse("invalid type: map, expected an array of alerts at line 1 column 0"), 0),
        ("[".into(), 400, parse("EOF while parsing a list at line 1 column 1"), 0),
        (format!("[{ok}] x"), 400, parse("trailing characters at line 1 column 24"), 0),
        (
            "[5]".into(),
            400,
            parse("invalid type: integer `5`, expected an alert, an object with `labels` at line 1 column 2"),
            0,
        ),
        (
            r#"[{"labels":{"a":5}}]"#.into(),
            400,
            parse("invalid type: integer `5`, expected a string as the value of `a` at line 1 column 17"),
            0,
        ),
        (
            r#"[{"labels":["a"]}]"#.into(),
            400,
            parse("invalid type: sequence, expected an object of strings at line 1 column 12"),
            0,
        ),
        (
            r#"[{"labels":{"a":"b"},"endsAt":"soon"}]"#.into(),
            400,
            parse(
                "`endsAt` `soon` is not an RFC 3339 date-time such as `2026-01-31T09:00:00Z` at line 1 column 36",
            ),
            0,
        ),
        (
            r#"[{"labels":{"a":"b"},"startsAt":7}]"#.into(),
            400,
            parse(
                "invalid type: integer `7`, expected an RFC 3339 date-time as `startsAt` at line 1 column 33",
            ),
            0,
        ),
        ("[{}]".into(), 422, r#"{"code":602,"message":"0.labels in body is required"}"#.into(), 0),
        (format!("[{ok},null]"), 422, r#"{"code":602,"message":"1.labels in body is required"}"#.into(), 0),
        (
            r#"[{"labels":null}]"#.into(),
            422,
            r#"{"code":602,"message":"0.labels in body is required"}"#.into(),
            0,
        ),
        // Alertmanager parses before it validates.
        (
            "[{},5]".into(),
            400,
            parse("invalid type: integer `5`, expected an alert, an object with `labels` at line 1 column 5"),
            0,
        ),
        (r#"[{"labels":{}}]"#.into(), 400, r#""at least one label pair required""#.into(), 0),
        (
            r#"[{"labels":{"a":"","b":null,"":""}}]"#.into(),
            400,
            r#""at least one label pair required""#.into(),
            0,
        ),
        (
            format!(r#"[{ok},{{"labels":{{"":"x"}}}},{ok}]"#),
            400,
            r#""invalid label set: invalid name \"\"""#.into(),
            2,
        ),
        (
            r#"[{"labels":{"a":"b"},"annotations":{"":""}}]"#.into(),
            400,
            r#""invalid annotations: invalid name \"\"""#.into(),
            0,
        ),
        (
            format!(
                r#"[{{"labels":{{"a":"b"}},"startsAt":"2026-01-01T00:00:01Z","endsAt":"2026-01-01T00:00:00Z"}},{ok},{{"labels":{{}}}}]"#
            ),
            400,
            r#""start time must be before end time; at least one label pair required""#.into(),
            1,
        ),
        (
            format!(r#"[{ok},{{"labels":{{"a":"{}"}}}}]"#, "x".repeat(65_537)),
            400,
            r#""alert 1: `labels.a` has 65537 bytes, at most 65536 are taken: shorten it""#.into(),
            1,
        ),
        (
            format!(r#"[{{"labels":{{"a":"b"}},"annotations":{{"{}":"x"}}}}]"#, "n".repeat(1025)),
            400,
            r#""alert 0: `annotations` has a name of 1025 bytes, at most 1024 are taken: shorten it""#.into(),
            0,
        ),
        (
            format!(r#"[{{"labels":{{"a":"b"}},"generatorURL":"{}"}}]"#, "u".repeat(8193)),
            400,
            r#""alert 0: `generatorURL` has 8193 bytes, at most 8192 are taken: shorten it""#.into(),
            0,
        ),
    ];
    for (body, status, want, kept) in rows {
        let shown: String = body.chars().take(120).collect();
        assert_eq!(check(&body), (status, want, kept), "{shown}");
    }
}

fn numbered_labels(count: usize) -> String {
    let pairs: Vec<String> = (0..count).map(|number| format!(r#""l{number}":"v""#)).collect();
    format!(r#"[{{"labels":{{{}}}}}]"#, pairs.join(","))
}

#[test]
fn each_bound_is_itself_allowed() {
    assert_eq!(check(&numbered_labels(PAIRS_MAX)).2, 1);
    let (status, text, kept) = check(&numbered_labels(PAIRS_MAX + 1));
    assert_eq!((status, kept), (400, 0));
    assert_eq!(text, r#""alert 0: `labels` has more than 128 names: leave some out""#);
    let (name, value, url) =
        ("n".repeat(NAME_BYTES_MAX), "v".repeat(VALUE_BYTES_MAX), "u".repeat(GENERATOR_URL_BYTES_MAX));
    assert_eq!(check(&json!([{"labels": {name: value}, "generatorURL": url}]).to_string()).0, 200);
}

#[test]
fn too_many_alerts_are_refused_whole() {
    let body = |count: usize| format!("[{}]", vec![r#"{"labels":{"a":"b"}}"#; count].join(","));
    assert_eq!(check(&body(ALERTS_MAX)), (200, String::new(), ALERTS_MAX));
    let message = r#"{"code":413,"message":"body has more than 100000 alerts: send fewer a request"}"#;
    assert_eq!(check(&body(ALERTS_MAX + 1)), (413, message.to_owned(), 0));
}

#[test]
fn a_body_too_large_to_address_is_refused() {
    let error = decode(&vec![b' '; BODY_BYTES_MAX + 1]).unwrap_err();
    assert_eq!((error.status(), error), (413, DecodeError::TooLarge { bytes: BODY_BYTES_MAX + 1 }));
}

#[test]
fn an_answer_to_nothing_but_bad_alerts_stays_short() {
    let (status, text, _) = check(&format!("[{}]", vec![r#"{"labels":{}}"#; 5000].join(",")));
    assert_eq!(status, 400);
    assert!(text.ends_with(r#"required; and 4900 more alerts refused""#), "{text}");
    assert!(text.len() < 5000);
}

#[test]
fn deep_nonsense_in_ignored_fields_is_skipped() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(check(&format!(r#"[{{"x":{deep},"labels":{{"a":"b"}}}}]"#)).2, 1);
    let (status, _, kept) = check(&deep);
    assert_eq!((status, kept), (400, 0));
}

#[test]
fn invalid_utf8_is_a_parse_error() {
    let error = decode(b"[{\"labels\":{\"a\":\"\xff\"}}]").unwrap_err();
    assert_eq!(error.status(), 400);
    assert!(error.to_string().ends_with("invalid utf-8 sequence of 1 bytes from index 17"), "{error}");
}

#[test]
fn the_later_of_two_equal_names_counts() {
    let body = r#"[{"labels":{"x":"lost"},"labels":{"a":"1","b":"2","a":"3"},"generatorURL":"u","generatorURL":null}]"#;
    assert_eq!(show(body), "labels {\"a\": \"3\", \"b\": \"2\"} annotations {} url \"\" from none to none\n");
    // Also when the earlier one was at fault.
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    assert_eq!(check(&format!(r#"[{{"labels":{{"{long}":"x"}},"labels":{{"a":"1"}}}}]"#)).2, 1);
}

fn show_time(time: Option<Zoned>) -> String {
    let Some(time) = time else { return "none".to_owned() };
    let mut out = Vec::new();
    time.write_rfc3339(&mut out, 9);
    String::from_utf8(out).unwrap()
}

/// The valid alerts of a body, a line each.
fn show(body: &str) -> String {
    let decoded = decode(body.as_bytes()).unwrap();
    let lines = decoded.batch.iter().map(|alert| {
        let Content { labels, annotations, generator_url } = alert.view();
        let (from, to) = (show_time(alert.starts_at), show_time(alert.ends_at));
        format!("labels {labels:?} annotations {annotations:?} url {generator_url:?} from {from} to {to}\n")
    });
    lines.collect()
}

#[test]
fn times_of_every_form() {
    for (text, want) in [
        (r#""2026-03-01T12:30:00.5+05:30""#, "2026-03-01T12:30:00.500000000+05:30"),
        (r#""2026-03-01T12:30:00+0100""#, "2026-03-01T12:30:00.000000000+01:00"),
        (r#""2026-03-01T12:30:00""#, "2026-03-01T12:30:00.000000000Z"),
        (r#""2026-03-01T12:30Z""#, "2026-03-01T12:30:00.000000000Z"),
        (r#""2026-03-01T12:30""#, "2026-03-01T12:30:00.000000000Z"),
        (r#""2026-03-01\u005412:30:00Z""#, "2026-03-01T12:30:00.000000000Z"),
        (r#""0001-01-01T00:00:00Z""#, "none"),
        (r#""""#, "none"),
        ("null", "none"),
    ] {
        let shown = show(&format!(r#"[{{"labels":{{"a":"b"}},"startsAt":{text}}}]"#));
        assert!(shown.ends_with(&format!("from {want} to none\n")), "{text}: {shown}");
    }
}

/// What Prometheus 2.42 posts: names sorted, `&` and `<` escaped.
const PROMETHEUS_BODY: &str = r#"[{"annotations":{"description":"5xx \u003e 1 % on \"web\" for 10m, now 3.25 %","summary":"Errors on web-1"},"endsAt":"2026-03-01T12:34:56.789Z","startsAt":"2026-03-01T12:30:56.789Z","generatorURL":"http://prom:9090/graph?g0.expr=rate%28errors%5B5m%5D%29+%3E+1\u0026g0.tab=1","labels":{"alertname":"HighErrors","instance":"web-1:9090","job":"web","severity":"critical"}},{"annotations":{},"endsAt":"2026-03-01T12:34:56.789Z","startsAt":"2026-03-01T12:29:00Z","labels":{"alertname":"Watchdog","severity":"none"},"status":{"ignored":[1,{"deep":null}]}}]"#;

#[test]
fn a_body_of_prometheus() {
    assert_snapshot!(show(PROMETHEUS_BODY), @r#"
    labels {"alertname": "HighErrors", "instance": "web-1:9090", "job": "web", "severity": "critical"} annotations {"description": "5xx > 1 % on \"web\" for 10m, now 3.25 %", "summary": "Errors on web-1"} url "http://prom:9090/graph?g0.expr=rate%28errors%5B5m%5D%29+%3E+1&g0.tab=1" from 2026-03-01T12:30:56.789000000Z to 2026-03-01T12:34:56.789000000Z
    labels {"alertname": "Watchdog", "severity": "none"} annotations {} url "" from 2026-03-01T12:29:00.000000000Z to 2026-03-01T12:34:56.789000000Z
    "#);
}

const ACTIVE: GettableStatus<'_> =
    GettableStatus { state: "active", silenced_by: &[], inhibited_by: &[], muted_by: &[] };

fn gettable(content: Content<'_>, receivers: &[&str], status: GettableStatus<'_>) -> String {
    let mut out = Vec::new();
    let alert = GettableAlert {
        content,
        starts_at: Zoned::parse("2026-03-01T12:30:56.7894+05:30").unwrap(),
        ends_at: Zoned::parse("2026-03-01T12:34:56Z").unwrap(),
        updated_at: Timestamp::from_secs(1_772_368_256),
        receivers,
        status,
    };
    write_gettable(&mut out, &alert);
    String::from_utf8(out).unwrap()
}

#[test]
fn an_alert_in_an_answer() {
    let decoded = decode(PROMETHEUS_BODY.as_bytes()).unwrap();
    let shown: Vec<String> =
        decoded.batch.iter().map(|alert| gettable(alert.view(), &["ops", "d\"b"], ACTIVE)).collect();
    assert_snapshot!(shown.join("\n"), @r#"
    {"annotations":{"description":"5xx > 1 % on \"web\" for 10m, now 3.25 %","summary":"Errors on web-1"},"endsAt":"2026-03-01T12:34:56.000Z","fingerprint":"7f1c69267c900b1f","receivers":[{"name":"ops"},{"name":"d\"b"}],"startsAt":"2026-03-01T12:30:56.789+05:30","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"updatedAt":"2026-03-01T12:30:56.000Z","generatorURL":"http://prom:9090/graph?g0.expr=rate%28errors%5B5m%5D%29+%3E+1&g0.tab=1","labels":{"alertname":"HighErrors","instance":"web-1:9090","job":"web","severity":"critical"}}
    {"annotations":{},"endsAt":"2026-03-01T12:34:56.000Z","fingerprint":"448881ef475b9b26","receivers":[{"name":"ops"},{"name":"d\"b"}],"startsAt":"2026-03-01T12:30:56.789+05:30","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"updatedAt":"2026-03-01T12:30:56.000Z","labels":{"alertname":"Watchdog","severity":"none"}}
    "#);
}

#[test]
fn what_holds_an_alert_is_named() {
    let decoded = decode(PROMETHEUS_BODY.as_bytes()).unwrap();
    let (first, silenced_by) = (decoded.batch.iter().next().unwrap(), ["a".to_owned(), "b\"".to_owned()]);
    let status = GettableStatus {
        state: "suppressed",
        silenced_by: &silenced_by,
        inhibited_by: &[1, u64::MAX],
        muted_by: &["night".into()],
    };
    let shown: Value = serde_json::from_str(&gettable(first.view(), &[], status)).unwrap();
    let want = json!({
        "state": "suppressed",
        "silencedBy": ["a", "b\""],
        "inhibitedBy": ["0000000000000001", "ffffffffffffffff"],
        "mutedBy": ["night"],
    });
    assert_eq!((&shown["status"], &shown["receivers"]), (&want, &json!([])));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[ -~\"\\\\\n\u{1}é😀]{0,12}", any::<String>()]
}

#[derive(Debug, Clone)]
struct Posted {
    labels: BTreeMap<String, String>,
    annotations: Option<BTreeMap<String, String>>,
    starts_at: Option<i64>,
    lasts: Option<u32>,
    generator_url: Option<String>,
}

impl Posted {
    fn json(&self) -> Value {
        let time = |at: i64| json!(Timestamp::from_secs(at).to_string());
        let mut fields =
            Map::from_iter([("labels".to_owned(), json!(self.labels)), ("x".to_owned(), json!([1]))]);
        let ends_at = self.ends_at();
        let optional = [
            ("annotations", self.annotations.as_ref().map(|pairs| json!(pairs))),
            ("startsAt", self.starts_at.map(time)),
            ("endsAt", ends_at.map(time)),
            ("generatorURL", self.generator_url.as_ref().map(|url| json!(url))),
        ];
        for (name, value) in optional {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        }
        Value::Object(fields)
    }

    fn ends_at(&self) -> Option<i64> {
        self.lasts.map(|seconds| self.starts_at.unwrap_or_default() + i64::from(seconds))
    }
}

fn posted() -> impl Strategy<Value = Posted> {
    let name = || text().prop_filter("names are not empty", |name| !name.is_empty());
    let pairs = move || proptest::collection::btree_map(name(), text(), 0..5);
    let times = (proptest::option::of(0_i64..4_000_000_000), proptest::option::of(any::<u32>()));
    (pairs(), proptest::option::of(pairs()), times, proptest::option::of(text())).prop_map(
        |(labels, annotations, (starts_at, lasts), generator_url)| Posted {
            labels,
            annotations,
            starts_at,
            lasts,
            generator_url,
        },
    )
}

proptest! {
    #[test]
    fn decoding_equals_the_model(alerts in proptest::collection::vec(posted(), 0..6), pretty: bool) {
        let body = Value::Array(alerts.iter().map(Posted::json).collect());
        let body = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap();
        let decoded = decode(&body).unwrap();
        let labelled = |alert: &&Posted| alert.labels.values().any(|value| !value.is_empty());
        let valid: Vec<&Posted> = alerts.iter().filter(labelled).collect();
        prop_assert_eq!(decoded.batch.len(), valid.len());
        prop_assert_eq!(decoded.rejected.len(), alerts.len() - valid.len());
        for (got, want) in decoded.batch.iter().zip(valid) {
            let content = got.view();
            let labels = want.labels.iter().filter(|(_, value)| !value.is_empty());
            let encoded = LabelsBuilder::encode(labels.map(|(n, v)| (n.as_str(), v.as_str())));
            prop_assert_eq!(content.labels.as_bytes(), &encoded[..]);
            let annotations: BTreeMap<String, String> =
                content.annotations.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(annotations, want.annotations.clone().unwrap_or_default());
            prop_assert_eq!(content.generator_url, want.generator_url.as_deref().unwrap_or_default());
            prop_assert_eq!(got.starts_at.map(|time| time.at.secs()), want.starts_at);
            prop_assert_eq!(got.ends_at.map(|time| time.at.secs()), want.ends_at());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes);
    }

    #[test]
    fn what_is_written_reads_back(alert in posted(), receivers in proptest::collection::vec(text(), 0..3)) {
        let body = serde_json::to_vec(&json!([alert.json()])).unwrap();
        let decoded = decode(&body).unwrap();
        let receivers: Vec<&str> = receivers.iter().map(String::as_str).collect();
        for incoming in decoded.batch.iter() {
            let got: Value = serde_json::from_str(&gettable(incoming.view(), &receivers, ACTIVE)).unwrap();
            let labels: BTreeMap<_, _> = alert.labels.iter().filter(|(_, value)| !value.is_empty()).collect();
            prop_assert_eq!(&got["labels"], &json!(labels));
            prop_assert_eq!(&got["annotations"], &json!(alert.annotations.clone().unwrap_or_default()));
            prop_assert_eq!(&got["generatorURL"], &alert.generator_url.clone().filter(|url| !url.is_empty()).map_or(Value::Null, Value::String));
            let names: Vec<_> = receivers.iter().map(|name| json!({"name": name})).collect();
            prop_assert_eq!(&got["receivers"], &Value::Array(names));
            prop_assert_eq!(&got["fingerprint"], &json!(format!("{:016x}", incoming.view().labels.fingerprint())));
        }
    }
}

/// Marsaglia's xorshift, 64 bit.
fn next_random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state as usize
}

/// Overwrites, cuts out, doubles or splices in a piece that JSON minds.
fn mutate(body: &mut Vec<u8>, random: &mut u64) {
    const PIECES: [&[u8]; 10] =
        [b"\"", b"\\", b"\\u0000", b"\\ud800", b"null", b"{", b"]", b"\xff", b"\"\":\"\",", b"1e999"];
    let at = next_random(random) % (body.len() + 1);
    let end = (at + next_random(random) % 20).min(body.len());
    match next_random(random) % 4 {
        0 => body[at..end].fill((next_random(random) % 256) as u8),
        1 => drop(body.drain(at..end)),
        2 => {
            let doubled = body[at..end].to_vec();
            drop(body.splice(at..at, doubled));
        }
        _ => {
            let piece = PIECES[next_random(random) % PIECES.len()];
            drop(body.splice(at..at, piece.iter().copied()));
        }
    }
}

#[test]
fn mutated_bodies_never_panic_and_keep_only_valid_alerts() {
    let mut random = 0x5eed_u64;
    for _ in 0..20_000 {
        let mut body = PROMETHEUS_BODY.as_bytes().to_vec();
        for _ in 0..=next_random(&mut random) % 4 {
            mutate(&mut body, &mut random);
        }
        let Ok(decoded) = decode(&body) else { continue };
        assert!(
            serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok(),
            "{}",
            String::from_utf8_lossy(&body)
        );
        for alert in decoded.batch.iter() {
            let content = Content::decode(alert.content).unwrap();
            assert!(content.labels.iter().next().is_some());
            assert!(content.labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
        }
    }
}
