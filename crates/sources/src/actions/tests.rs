use super::*;
use crate::Post;
use crate::signature::{SignatureError, standard_webhooks};
use openclaw_alert::Timestamp;
use proptest::prelude::*;
use serde_json::json;

/// Examples of the documentation, not anybody's secrets.
const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SLACK_BODY: &[u8] = b"payload=%7B%22type%22%3A%22block_actions%22%7D";
const SLACK_SIGNATURE: &str = "v0=9dffc25b49a4a7fc2e15c9c9450bf8af09eb501fcef9039eaea3deb58af0c82c";
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn post<'r>(headers: &'r [(&'r str, &'r str)], body: &'r [u8]) -> Post<'r> {
    Post { method: "POST", path: "", query: "", headers, body, received_at: Timestamp::default() }
}

fn slack(secret: &str, time: &str, signature: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
    let headers = [("x-slack-request-timestamp", time), ("x-slack-signature", signature)];
    slack::verify(secret, &post(&headers, body), Timestamp::from_secs(now))
}

#[test]
fn slacks_vector_holds_and_nothing_near_it() {
    const AT: i64 = 1_531_420_618;
    let check = |secret, time, signature, body, now| slack(secret, time, signature, body, now).err();
    let time = "1531420618";
    for now in [AT - 300, AT, AT + 300] {
        assert_eq!(check(SLACK_SECRET, time, SLACK_SIGNATURE, SLACK_BODY, now), None, "{now}");
    }
    for now in [AT - 301, AT + 301, 0, i64::MAX] {
        assert_eq!(check(SLACK_SECRET, time, SLACK_SIGNATURE, SLACK_BODY, now), Some(SignatureError::Stale));
    }
    let mismatch = Some(SignatureError::Mismatch);
    assert_eq!(check(SLACK_SECRET, "1531420619", SLACK_SIGNATURE, SLACK_BODY, AT), mismatch);
    assert_eq!(check("another", time, SLACK_SIGNATURE, SLACK_BODY, AT), mismatch);
    assert_eq!(check(SLACK_SECRET, time, SLACK_SIGNATURE, b"payload=", AT), mismatch);
    assert_eq!(check(SLACK_SECRET, time, "v0=", SLACK_BODY, AT), mismatch);
    assert_eq!(check(SLACK_SECRET, time, &SLACK_SIGNATURE[..65], SLACK_BODY, AT), mismatch);
    assert_eq!(check("", time, SLACK_SIGNATURE, SLACK_BODY, AT), mismatch);
    for bad in ["", "v1=00", "v0=0", "v0=zz", "v0=é"] {
        let found = check(SLACK_SECRET, time, bad, SLACK_BODY, AT);
        assert!(matches!(found, Some(SignatureError::Malformed { .. })), "{bad}: {found:?}");
    }
    for bad in ["", "-1", "+1531420618", " 1531420618", "1531420618.0", "99999999999999999999"] {
        let found = check(SLACK_SECRET, bad, SLACK_SIGNATURE, SLACK_BODY, AT);
        assert!(matches!(found, Some(SignatureError::Malformed { .. })), "{bad}: {found:?}");
    }
    let missing = slack::verify(SLACK_SECRET, &post(&[], SLACK_BODY), Timestamp::from_secs(AT));
    assert!(matches!(missing, Err(SignatureError::Missing { .. })));
}

#[test]
fn an_empty_secret_signs_nothing() {
    let signature = format!("v1={}", pagerduty_signature("", b"x"));
    let headers = [("x-pagerduty-signature", &signature[..])];
    assert_eq!(pagerduty::verify("", &post(&headers, b"x")), Err(SignatureError::Mismatch));
}

fn pagerduty_signature(secret: &str, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn any_signature_of_pagerdutys_list_will_do() {
    let body = br#"{"event":{}}"#;
    let right = format!("v1={}", pagerduty_signature("s3cret", body));
    let wrong = format!("v1={}", "0".repeat(64));
    let check = |list: &str| pagerduty::verify("s3cret", &post(&[("x-pagerduty-signature", list)], body));
    assert_eq!(check(&right), Ok(()));
    assert_eq!(check(&format!("{wrong},{right}")), Ok(()));
    assert_eq!(check(&format!("{wrong}, {right}")), Ok(()));
    for bad in [&wrong, "", "v2=00", &right[3..], &format!("{}{right}", format!("{wrong},").repeat(100))] {
        assert_eq!(check(bad), Err(SignatureError::Mismatch), "{bad}");
    }
}

#[test]
fn standard_webhooks_vector_holds_and_nothing_near_it() {
    let body = br#"{"test": 2432232314}"#;
    let check = |secret: &str, id: &str, signature: &str, body: &[u8], now: i64| {
        let headers =
            [("webhook-id", id), ("webhook-timestamp", "1614265330"), ("webhook-signature", signature)];
        standard_webhooks::verify(secret, &post(&headers, body), Timestamp::from_secs(now)).map(str::to_owned)
    };
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let at = 1_614_265_330;
    assert_eq!(check(STANDARD_SECRET, id, STANDARD_SIGNATURE, body, at), Ok(id.to_owned()));
    let rotated = format!("v1a,AAAA v1,AAAA {STANDARD_SIGNATURE}");
    assert_eq!(check(STANDARD_SECRET, id, &rotated, body, at + 300), Ok(id.to_owned()));
    assert_eq!(check(STANDARD_SECRET, id, STANDARD_SIGNATURE, body, at + 301), Err(SignatureError::Stale));
    for (secret, id, signature) in [
        ("whsec_", id, STANDARD_SIGNATURE),
        ("whsec_!", id, STANDARD_SIGNATURE),
        ("other", id, STANDARD_SIGNATURE),
        (STANDARD_SECRET, "msg_2", STANDARD_SIGNATURE),
        (STANDARD_SECRET, id, "v1,AAAA"),
        (STANDARD_SECRET, id, ""),
    ] {
        assert_eq!(check(secret, id, signature, body, at), Err(SignatureError::Mismatch));
    }
    assert_eq!(check(STANDARD_SECRET, id, STANDARD_SIGNATURE, b"{}", at), Err(SignatureError::Mismatch));
    let dotted = check(STANDARD_SECRET, "a.b", STANDARD_SIGNATURE, body, at);
    assert!(matches!(dotted, Err(SignatureError::Malformed { .. })));
}

fn form(payload: &serde_json::Value) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &payload.to_string())
        .finish()
        .into_bytes()
}

fn click(action_id: &str, value: &str) -> serde_json::Value {
    json!({
        "type": "block_actions",
        "user": {"id": "U02", "username": "ann", "team_id": "T01"},
        "team": {"id": "T01"},
        "api_app_id": "A01",
        "channel": {"id": "C01", "name": "ops"},
        "message": {"ts": "1700000000.000100"},
        "container": {"type": "message"},
        "actions": [
            {"action_id": "open", "value": "link"},
            {"action_id": action_id, "block_id": "b", "value": value, "action_ts": "1700000100.5"},
        ],
        "response_url": "https://hooks.slack.com/actions/T01/1/x",
        "trigger_id": "1.2.3",
    })
}

#[test]
fn a_click_in_slack() {
    let call = slack::parse_call(&form(&click("ack", "key \"1\""))).unwrap();
    insta::assert_debug_snapshot!(call, @r#"
    Clicked(
        SlackAction {
            action: Feedback(
                Ack,
            ),
            value: "key \"1\"",
            user: SlackUser {
                id: "U02",
                name: "ann",
            },
            response_url: Some(
                "https://hooks.slack.com/actions/T01/1/x",
            ),
            channel: "C01",
            message_ts: "1700000000.000100",
            action_ts: "1700000100.5",
        },
    )
    "#);
    for (id, want) in [
        ("acknowledge", Action::Feedback(Feedback::Ack)),
        ("openclaw:resolve", Action::Feedback(Feedback::Resolve)),
        ("dismiss", Action::Feedback(Feedback::Dismiss)),
        ("escalate", Action::Feedback(Feedback::Escalate)),
        ("silence", Action::Silence),
    ] {
        let slack::SlackCall::Clicked(click) = slack::parse_call(&form(&click(id, "k"))).unwrap() else {
            panic!("{id}")
        };
        assert_eq!(click.action, want, "{id}");
    }
}

#[test]
fn what_slack_sends_beside_clicks() {
    let verification = json!({"type": "url_verification", "token": "t", "challenge": "3eZbrw1a"});
    assert_eq!(
        slack::parse_call(verification.to_string().as_bytes()),
        Ok(slack::SlackCall::UrlVerification { challenge: "3eZbrw1a".into() })
    );
    for other in [json!({"type": "view_submission"}), click("open", "x"), json!({"type": "block_actions"})] {
        assert_eq!(slack::parse_call(&form(&other)), Ok(slack::SlackCall::Other));
    }
    assert_eq!(slack::parse_call(br#"{"type":"event_callback"}"#), Ok(slack::SlackCall::Other));
    for (body, want) in [
        (b"".to_vec(), "`payload` is missing: Slack sends a form with it"),
        (
            b"payload=%7B".to_vec(),
            "`payload` is not JSON that can be read: EOF while parsing an object at line 1 column 1",
        ),
        (form(&click("ack", "")), "`payload.actions.0.value` should be the alert's key, 1 to 2000 bytes"),
        (
            form(&click("ack", &"x".repeat(2001))),
            "`payload.actions.0.value` should be the alert's key, 1 to 2000 bytes",
        ),
        (
            form(&json!({"type": "block_actions", "actions": [{"action_id": "ack", "value": "k"}]})),
            "`payload.user.id` is missing: Slack says who clicked",
        ),
    ] {
        assert_eq!(slack::parse_call(&body).unwrap_err().to_string(), want);
    }
}

fn pagerduty_event(event_type: &str) -> Vec<u8> {
    let event = json!({"event": {
        "id": "01BWZ5", "event_type": event_type, "resource_type": "incident",
        "occurred_at": "2026-03-01T12:30:00.250Z",
        "agent": {"id": "PTUXL6G", "type": "user_reference", "summary": "bob", "html_url": "https://acme.pagerduty.com/users/PTUXL6G"},
        "client": null,
        "data": {"id": "PGR0VU2", "type": "incident", "status": "acknowledged", "incident_key": "k1",
                 "title": "Disk", "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2", "urgency": "high"},
    }});
    event.to_string().into_bytes()
}

#[test]
fn an_incident_in_pagerduty() {
    let call = pagerduty::parse_call(&pagerduty_event("incident.acknowledged")).unwrap();
    insta::assert_debug_snapshot!(call, @r#"
    Acted(
        PagerDutyAction {
            event_id: "01BWZ5",
            action: Ack,
            incident_key: "k1",
            html_url: "https://acme.pagerduty.com/incidents/PGR0VU2",
            by: "bob",
            at: Some(
                Timestamp(
                    1772368200250000000,
                ),
            ),
        },
    )
    "#);
    for other in ["incident.reopened", "pagey.ping"] {
        let call = pagerduty::parse_call(&pagerduty_event(other)).unwrap();
        assert_eq!(call, pagerduty::PagerDutyCall::Other { event_type: other.into() });
    }
    let error = pagerduty::parse_call(b"{}").unwrap_err();
    assert_eq!(error.to_string(), "`event` is missing: send a version 3 webhook");
}

#[test]
fn a_callback_of_servicenow() {
    let call = |body: serde_json::Value| servicenow::parse_call(body.to_string().as_bytes());
    let whole = json!({"correlation_id": "k1", "state": "6", "by": "bob", "note": "disk changed",
        "number": "INC0010001", "sys_id": "9d385017c611228701d22104cc95c371"});
    insta::assert_debug_snapshot!(call(whole).unwrap(), @r#"
    ServiceNowAction {
        correlation_id: "k1",
        action: Some(
            Resolve,
        ),
        by: "bob",
        note: "disk changed",
        number: "INC0010001",
        sys_id: "9d385017c611228701d22104cc95c371",
    }
    "#);
    for (field, value, want) in [
        ("state", json!(2), Some(Feedback::Ack)),
        ("state", json!("7"), Some(Feedback::Resolve)),
        ("state", json!("8"), Some(Feedback::Dismiss)),
        ("state", json!("3"), None),
        ("action", json!("escalate"), Some(Feedback::Escalate)),
    ] {
        assert_eq!(call(json!({"correlation_id": "k", field: value})).unwrap().action, want);
    }
    for (body, want) in [
        (
            json!({"state": "6"}),
            "`correlation_id` should be the incident's, 1 to 2000 bytes: send it as it is",
        ),
        (json!({"correlation_id": "k"}), "`state` is missing: send the incident's state, or an `action`"),
        (
            json!({"correlation_id": "k", "state": "Resolved"}),
            "`state` should be the state's number, such as `6` for Resolved",
        ),
        (
            json!({"correlation_id": "k", "action": "explode"}),
            "`action` should be `ack`, `resolve`, `dismiss` or `escalate`",
        ),
    ] {
        assert_eq!(call(body).unwrap_err().to_string(), want);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body: Vec<u8>, header: String) {
        let _ = (slack::parse_call(&body), pagerduty::parse_call(&body), servicenow::parse_call(&body));
        let headers = [("x-pagerduty-signature", &header[..]), ("x-slack-signature", &header), ("x-slack-request-timestamp", &header), ("webhook-id", "a"), ("webhook-timestamp", "0"), ("webhook-signature", &header)];
        let request = post(&headers, &body);
        prop_assert!(pagerduty::verify("secret", &request).is_err());
        prop_assert!(slack::verify("secret", &request, Timestamp::default()).is_err());
        prop_assert!(standard_webhooks::verify("secret", &request, Timestamp::default()).is_err());
    }

    #[test]
    fn clicks_come_back_as_sent(value in ".{1,200}", user in "[A-Z0-9]{1,12}", name in ".{0,40}") {
        let mut sent = click("dismiss", &value);
        sent["user"] = json!({"id": user, "username": name});
        let slack::SlackCall::Clicked(got) = slack::parse_call(&form(&sent)).unwrap() else { panic!() };
        prop_assert_eq!(got.value, value);
        prop_assert_eq!(got.user, slack::SlackUser { id: user, name });
    }
}
