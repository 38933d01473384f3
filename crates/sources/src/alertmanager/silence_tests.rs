use super::*;
use openclaw_alert::{MatchOp, Matcher, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A good body with one member replaced, or taken out where `None`.
fn with(member: &str, value: Option<Value>) -> String {
    let mut body = json!({
        "matchers": [{ "name": "a", "value": "b", "isRegex": false }],
        "startsAt": "2026-11-22T00:00:00Z",
        "endsAt": "2027-01-01T00:00:00+01:00",
        "createdBy": "",
        "comment": "",
    });
    let members = body.as_object_mut().unwrap();
    match value {
        Some(value) => drop(members.insert(member.to_owned(), value)),
        None => drop(members.remove(member)),
    }
    body.to_string()
}

#[track_caller]
fn refused(body: &str) -> (u16, String) {
    let error = decode_silence(body.as_bytes()).unwrap_err();
    (error.status(), error.body())
}

fn missing(field: &str) -> (u16, String) {
    (422, format!(r#"{{"code":602,"message":"{field} in body is required"}}"#))
}

#[test]
fn members_that_are_missing_are_told_in_alertmanagers_order() {
    for nothing in ["null", "{}"] {
        assert_eq!(refused(nothing), missing("comment"));
    }
    assert_eq!(refused(""), missing("silence"));
    for member in ["comment", "createdBy", "endsAt", "matchers", "startsAt"] {
        assert_eq!(refused(&with(member, None)), missing(member));
        assert_eq!(refused(&with(member, Some(Value::Null))), missing(member));
    }
    for (matcher, field) in [
        (json!({}), "isRegex"),
        (json!(null), "isRegex"),
        (json!({ "name": "a", "value": "b" }), "isRegex"),
        (json!({ "value": "b", "isRegex": true }), "name"),
        (json!({ "name": "b", "isRegex": true }), "value"),
    ] {
        let good = json!({ "name": "a", "value": "b", "isRegex": false });
        let got = refused(&with("matchers", Some(json!([good, matcher]))));
        assert_eq!(got, missing(&format!("matchers.1.{field}")));
    }
    let none = (422, r#"{"code":612,"message":"matchers in body should have at least 1 items"}"#.to_owned());
    assert_eq!(refused(&with("matchers", Some(json!([])))), none);
}

#[test]
fn what_does_not_parse_is_400_with_a_code() {
    for body in ["{", "[]", "5", "\"x\"", &with("createdBy", Some(json!(5)))] {
        let (status, answer) = refused(body);
        assert_eq!(status, 400, "{body}");
        assert!(answer.starts_with(r#"{"code":400,"message":"parsing silence body from"#), "{answer}");
    }
    let (_, answer) = refused(&with("startsAt", Some(json!("soon"))));
    assert!(answer.contains("`soon` is not an RFC 3339 date-time"), "{answer}");
}

#[test]
fn matchers_that_are_none_are_a_bare_string() {
    let matcher = |name: &str, value: &str| {
        with("matchers", Some(json!([{ "name": name, "value": value, "isRegex": true }])))
    };
    let name = r#""invalid silence: invalid label matcher 0: invalid label name \"\"""#.to_owned();
    assert_eq!(refused(&matcher("", "x")), (400, name));
    let (status, answer) = refused(&matcher("a", "("));
    assert_eq!(status, 400);
    let begin = r#""invalid silence: invalid label matcher 0: invalid regular expression \"(\": "#;
    assert!(answer.starts_with(begin), "{answer}");
    let many = json!(vec![json!({ "name": "a", "value": "b", "isRegex": false }); MATCHERS_MAX + 1]);
    assert_eq!(decode_silence(with("matchers", Some(many)).as_bytes()), Err(SilenceError::TooManyMatchers));
}

#[test]
fn a_body_that_is_too_large_is_not_looked_at() {
    let body = " ".repeat(SILENCE_BODY_BYTES_MAX + 1);
    assert_eq!(refused(&body).0, 413);
}

#[test]
fn the_empty_time_and_gos_zero_time_are_none() {
    for text in ["", "0001-01-01T00:00:00Z"] {
        let silence = decode_silence(with("startsAt", Some(json!(text))).as_bytes()).unwrap();
        assert_eq!(silence.starts_at, None);
    }
    let silence = decode_silence(with("x", Some(json!([]))).as_bytes()).unwrap();
    assert_eq!(silence.ends_at, Some(Timestamp::from_secs(1_798_758_000)));
}

const OPS: [MatchOp; 4] = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];

fn some_matcher() -> impl Strategy<Value = Matcher> {
    ("[a-zA-Zé \"]{1,6}", 0..4usize, "[a-z\"\\n.]{0,6}")
        .prop_map(|(name, op, value)| Matcher::new(&name, OPS[op], &value).unwrap())
}

fn notes() -> impl Strategy<Value = Notes> {
    proptest::collection::btree_map("[a-z/\"]{1,6}", ".{0,6}", 0..3)
        .prop_map(|notes| notes.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

proptest! {
    #[test]
    fn what_is_shown_can_be_posted_again(
        matchers in proptest::collection::vec(some_matcher(), 1..4),
        annotations in notes(),
        times in (0i64..4_000_000_000_000, 0i64..4_000_000_000_000),
        (comment, created_by) in (".{0,9}", ".{0,9}"),
    ) {
        let at = |millis: i64| Timestamp::from_nanos(millis * 1_000_000);
        let shown = GettableSilence {
            id: "0476478f-9acd-45e9-b2a8-4b010cf469b0",
            state: "active",
            updated_at: at(5),
            annotations: &annotations,
            comment: &comment,
            created_by: &created_by,
            ends_at: at(times.1),
            matchers: &matchers,
            starts_at: at(times.0),
        };
        let mut out = Vec::new();
        write_silence(&mut out, &shown);
        let json: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&json["status"]["state"], "active");
        let posted = decode_silence(&out).unwrap();
        let want = PostableSilence {
            id: shown.id.to_owned(),
            starts_at: Some(at(times.0)),
            ends_at: Some(at(times.1)),
            matchers,
            annotations,
            comment,
            created_by,
        };
        prop_assert_eq!(posted, want);
    }
}
