use super::*;
use crate::testing::{check, check_all, post};
use insta::assert_snapshot;

/// The documentation's example, shortened.
const CREATE: &str = r#"{
  "message": "An example alert message",
  "alias": "Life is too short for no alias",
  "description": "Every alert needs a description",
  "responders": [{"id": "4513b7ea", "type": "team"}, {"name": "NOC", "type": "team"}, {"username": "trinity@opsgenie.com", "type": "user"}],
  "visibleTo": [{"name": "rocket_team", "type": "team"}],
  "actions": ["Restart", "AnExampleAction"],
  "tags": ["OverwriteQuietHours", "Critical", "env:prod", "team=infra", "http://x"],
  "details": {"key1": "value1", "key2": 2},
  "entity": "An example entity",
  "priority": "P1",
  "user": "ann",
  "note": "look at the disk"
}"#;

#[test]
fn alerts() {
    assert_snapshot!(check_all(
        Format::Opsgenie,
        &[("with everything", CREATE), ("the least", r#"{"message":"M"}"#),]
    ));
}

#[test]
fn refusals() {
    let long = format!(r#"{{"message":"M","alias":"{}"}}"#, "a".repeat(513));
    assert_snapshot!(check_all(
        Format::Opsgenie,
        &[
            ("no JSON", "{"),
            ("an array", "[]"),
            ("no message", r#"{"alias":"a"}"#),
            ("a priority of another tool", r#"{"message":"M","priority":"high"}"#),
            ("an alias too long", &long),
            ("an alias of the wrong type", r#"{"message":"M","alias":{}}"#),
            ("a tag of the wrong type", r#"{"message":"M","tags":[["x"]]}"#),
        ]
    ));
}

#[test]
fn what_is_asked_of_an_alert() {
    let said = r#"{"user":"ann","note":"mine","source":"script"}"#;
    let rows = [
        ("POST", "/my%20alias%2F1/close", "identifierType=alias", said),
        ("POST", "/a/acknowledge", "", ""),
        ("POST", "/a/escalate", "identifierType=id", said),
        ("DELETE", "/a", "", ""),
        ("POST", "/a/notes", "", said),
        ("POST", "/a/unacknowledge", "", ""),
        ("PUT", "/a/message", "identifierType=alias", r#"{"message":"new"}"#),
        ("GET", "/requests/43a29c5c-3dbf-4fa4-9c26-f4f71023e120", "", ""),
        ("GET", "/requests/1", "", ""),
        ("GET", "/a", "", ""),
        ("GET", "", "", ""),
        ("POST", "/a/snooze", "", ""),
        ("POST", "/a/close", "identifierType=tiny", ""),
        ("POST", "/%ff/close", "", ""),
        ("POST", "/a/close", "", "{"),
        ("POST", "/a/close", "", r#"{"user":[]}"#),
        ("POST", "/a/close/now", "", ""),
    ];
    let shown = rows.map(|(method, path, query, body)| {
        let request = Post { method, path, query, ..post(body.as_bytes()) };
        format!("# {method} {path}?{query} {body}\n{}", check(Format::Opsgenie, &request, None))
    });
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn an_alias_too_long_is_no_alert() {
    let path = format!("/{}/close", "a".repeat(513));
    let request = Post { path: &path, ..post(b"") };
    assert!(check(Format::Opsgenie, &request, None).starts_with("-> 422 "));
}
