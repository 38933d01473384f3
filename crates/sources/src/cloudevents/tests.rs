use super::*;
use crate::MappingSettings;
use crate::testing::{check, post};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

fn structured(body: &str) -> String {
    let headers = [("content-type", "application/cloudevents+json; charset=utf-8")];
    check(Format::CloudEvents, &Post { headers: &headers, ..post(body.as_bytes()) }, None)
}

#[test]
fn structured_events() {
    let shown = [
        // The specification's example, with data that is an alert.
        structured(
            r#"{"specversion":"1.0","type":"com.example.disk.full","source":"/hosts/web-1","subject":"/var","id":"A234-1234-1234",
            "time":"2026-03-01T12:31:00Z","comexampleextension1":"value","comexampleothervalue":5,"datacontenttype":"application/json",
            "data":{"severity":"high","message":"91 % used","url":"https://x/1","labels":{"env":"prod"}}}"#,
        ),
        structured(r#"{"specversion":"1.0","type":"t","source":"s","id":"2","data":{"status":"resolved"}}"#),
        structured(
            r#"{"specversion":"1.0","type":"t","source":"s","id":"3","subject":null,"data":"plain text"}"#,
        ),
        structured(r#"{"specversion":"1.0","type":"t","source":"s","id":"4"}"#),
        structured(
            r#"{"specversion":"1.0","type":"t","source":"s","id":"5","data_base64":"eyJ0aXRsZSI6IkRpc2sifQ=="}"#,
        ),
        structured(
            r#"{"specversion":"1.0","type":"t","source":"s","id":"6","datacontenttype":"text/plain","data_base64":"/w=="}"#,
        ),
    ];
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn refusals() {
    let long = format!(r#"{{"specversion":"1.0","type":"t","source":"s","id":"{}"}}"#, "i".repeat(4097));
    let shown = [
        structured("{"),
        structured("7"),
        structured("{}"),
        structured(r#"{"specversion":"0.3","type":"t","source":"s","id":"1"}"#),
        structured(r#"{"specversion":"1.0","type":"","source":"s","id":"1"}"#),
        structured(r#"{"specversion":"1.0","type":"t","source":["s"],"id":"1"}"#),
        structured(r#"{"specversion":"1.0","type":"t","source":"s","id":"1","data_base64":"!"}"#),
        structured(r#"{"specversion":"1.0","type":"t","source":"s","id":"1","data_base64":"","data":{}}"#),
        structured(r#"{"specversion":"1.0","type":"t","source":"s","id":"1","time":"soon"}"#),
        structured(&long),
        binary(&[("content-type", "application/cloudevents+avro")], b"x"),
        binary(&[("ce-id", "1"), ("ce-source", "s"), ("ce-specversion", "1.0")], b"{}"),
        binary(&[("ce-id", "1"), ("ce-source", "%ff"), ("ce-specversion", "1.0"), ("ce-type", "t")], b"{}"),
        binary(
            &[
                ("ce-id", "1"),
                ("ce-source", "s"),
                ("ce-specversion", "1.0"),
                ("ce-type", "t"),
                ("content-type", "application/json"),
            ],
            b"{",
        ),
    ];
    assert_snapshot!(shown.join("\n"));
}

fn binary(headers: &[(&str, &str)], body: &[u8]) -> String {
    check(Format::CloudEvents, &Post { headers, ..post(body) }, None)
}

#[test]
fn binary_events() {
    const EVENT: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-type", "t"), ("ce-source", "/s"), ("ce-id", "1")];
    let with = |more: &[(&str, &str)], body: &[u8]| binary(&[&EVENT[..], more].concat(), body);
    let shown = [
        with(
            &[
                ("content-type", "application/vnd.acme+json"),
                ("ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ],
            br#"{"title":"Disk","priority":1}"#,
        ),
        with(&[("ce-subject", r#""a \"quoted\" one""#)], br#"{"title":"Disk"}"#),
        with(&[("ce-subject", "100%25%2525"), ("content-type", "text/plain")], b"it \xff broke"),
        with(&[("ce-time", "2026-03-01T12:30:00Z")], b""),
        with(&[("ce-data", r#"{"title":"not this"}"#)], b"not json"),
    ];
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn batches() {
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let batch =
        |body: &str| check(Format::CloudEvents, &Post { headers: &headers, ..post(body.as_bytes()) }, None);
    let shown = [
        batch("[]"),
        batch(
            r#"[{"specversion":"1.0","type":"t","source":"s","id":"1"},{"type":"t"},{"specversion":"1.0","type":"u","source":"s","id":"2"},7]"#,
        ),
        batch("{}"),
        batch(&format!("[{}0]", "0,".repeat(EVENTS_MAX))),
    ];
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_mapping_begins_at_the_event() {
    let settings = MappingSettings {
        alertname: Some("{/type} {/data/what}".into()),
        key: Some("/subject".into()),
        ..MappingSettings::default()
    };
    let mapping = Mapping::new(&settings).unwrap();
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-type", "t"),
        ("ce-source", "/s"),
        ("ce-id", "1"),
        ("ce-subject", "k"),
    ];
    let request = Post { headers: &headers, ..post(br#"{"what":"Disk"}"#) };
    assert_snapshot!(check(Format::CloudEvents, &request, Some(&mapping)));
}

#[test]
fn a_handshake_is_a_consent() {
    let shown = |origin, rate| {
        let answer = handshake(origin, rate);
        (
            answer.status,
            answer
                .headers
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
                .join(", "),
        )
    };
    let allow = "allow: POST, OPTIONS";
    assert_eq!(
        shown(Some("eventemitter.example.com"), Some("120")),
        (
            204,
            format!("{allow}, webhook-allowed-origin: eventemitter.example.com, webhook-allowed-rate: 120")
        )
    );
    assert_eq!(
        shown(Some("a"), None),
        (204, format!("{allow}, webhook-allowed-origin: a, webhook-allowed-rate: *"))
    );
    assert_eq!(
        shown(Some("a"), Some("-1")),
        (204, format!("{allow}, webhook-allowed-origin: a, webhook-allowed-rate: *"))
    );
    for none in [None, Some(""), Some("a\r\nx: y"), Some("a b")] {
        assert_eq!(shown(none, Some("1")), (204, allow.to_owned()));
    }
}

/// As the specification asks a sender to write a header.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'"' | b'%' | ..=0x20 | 0x7f.. => format!("%{byte:02X}"),
        plain => char::from(plain).to_string(),
    };
    text.bytes().map(byte).collect()
}

proptest! {
    /// One event is the same alert and the same delivery in every mode.
    #[test]
    fn modes_agree(
        id in ".{1,12}", source in "[!-~é]{1,12}", kind in "[a-z.]{1,12}", subject in proptest::option::of(".{1,12}"),
        title in proptest::option::of("[a-z]{1,9}"), host in ".{0,9}", is_base64: bool,
    ) {
        prop_assume!([&id, &kind].iter().all(|text| !text.trim().is_empty()));
        let data = json!({"title": title, "host": host});
        let mut event = json!({"specversion": "1.0", "id": id, "source": source, "type": kind, "subject": subject});
        if is_base64 {
            event["data_base64"] = STANDARD.encode(data.to_string()).into();
        } else {
            event["data"] = data.clone();
        }
        let fields = [("ce-specversion", "1.0".to_owned()), ("ce-id", encoded(&id)), ("ce-source", encoded(&source)), ("ce-type", encoded(&kind))];
        let fields: Vec<_> = fields.into_iter().chain(subject.as_ref().map(|text| ("ce-subject", encoded(text)))).collect();
        let mut headers: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, &value[..])).collect();
        headers.push(("content-type", "application/json"));
        let (body, data) = (event.to_string(), data.to_string());
        let batch = json!([event]).to_string();
        let binary = Post { headers: &headers, ..post(data.as_bytes()) };
        let of = |request: &Post<'_>| check(Format::CloudEvents, request, None);
        let want = of(&binary);
        prop_assert_eq!(&of(&Post { headers: &[("content-type", "application/cloudevents+json")], ..post(body.as_bytes()) }), &want);
        // Its place in the batch aside, which only faults name.
        prop_assert_eq!(&of(&Post { headers: &[("content-type", "application/cloudevents-batch+json")], ..post(batch.as_bytes()) }), &want);
    }
}
