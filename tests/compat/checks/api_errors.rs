//! What API v2 says to bad requests, in its two shapes.

use super::{earlier, hours, silence};
use crate::expect::{ensure, same};
use crate::suite::Outcome;
use crate::support::Request;
use crate::support::client::Response;
use crate::target::{SOON, Target};
use serde_json::{Value, json};
use std::time::Duration;

/// `{"code":…,"message":…}`, from the validation of the request.
fn is_validation(what: &str, answer: &Response, status: u16, code: u64) -> Outcome {
    same(what, answer.status, status)?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    same(what, body["code"].as_u64(), Some(code))?;
    ensure!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: message in {body}");
    Ok(())
}

/// A bare text, from the handler; it must hold this.
fn is_text(what: &str, answer: &Response, status: u16, part: &str) -> Outcome {
    same(what, answer.status, status)?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = body.as_str().ok_or_else(|| format!("{what}: no bare text: {}", answer.text()))?;
    ensure!(text.contains(part), "{what}: `{text}` doesn't say `{part}`");
    Ok(())
}

pub(crate) fn what_is_no_array_of_alerts_is_400(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for body in ["{}", "[", "nonsense", r#"[{"labels":{"a":1}}]"#, r#"[{"labels":"a"}]"#, r#""a""#] {
        is_validation(body, &target.post("/api/v2/alerts", body)?, 400, 400)?;
    }
    Ok(())
}

pub(crate) fn an_alert_without_labels_is_422(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let answer = target.post("/api/v2/alerts", r#"[{"annotations":{"a":"b"}}]"#)?;
    is_validation("no labels", &answer, 422, 602)?;
    ensure!(answer.text().contains("0.labels in body is required"), "{}", answer.text());
    let answer = target.post("/api/v2/alerts", r#"[{"labels":{"a":"b"}},{}]"#)?;
    ensure!(answer.text().contains("1.labels in body is required"), "{}", answer.text());
    same("alerts", target.listed("")?, json!([]))
}

pub(crate) fn an_alert_that_says_nothing_is_400(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for body in [r#"[{"labels":{}}]"#, r#"[{"labels":{"a":""}}]"#] {
        is_text(body, &target.post("/api/v2/alerts", body)?, 400, "at least one label pair required")?;
    }
    Ok(())
}

pub(crate) fn an_end_before_its_start_is_400(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let body = json!([{ "labels": { "a": "b" }, "startsAt": hours(2), "endsAt": hours(1) }]).to_string();
    is_text(&body, &target.post("/api/v2/alerts", &body)?, 400, "start time must be before end time")
}

pub(crate) fn another_content_type_is_415(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for path in ["/api/v2/alerts", "/api/v2/silences"] {
        for content_type in [None, Some("application/x-www-form-urlencoded"), Some("text/plain")] {
            let request = Request::post_as(path, content_type, "[]").basic("acme", target.key());
            is_validation(&format!("{path} {content_type:?}"), &target.call(&request)?, 415, 415)?;
        }
    }
    Ok(())
}

pub(crate) fn a_bad_filter_is_400(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for path in ["/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences"] {
        let answer = target.ask("GET", &format!("{path}?filter=bad%7B"))?;
        is_text(path, &answer, 400, "bad matcher format: bad{")?;
    }
    Ok(())
}

pub(crate) fn a_bad_receiver_pattern_is_400(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for path in ["/api/v2/alerts", "/api/v2/alerts/groups"] {
        let answer = target.ask("GET", &format!("{path}?receiver=%28"))?;
        is_text(path, &answer, 400, "failed to parse receiver param: ")?;
    }
    Ok(())
}

pub(crate) fn an_id_that_is_none_is_422(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for method in ["GET", "DELETE"] {
        is_validation(method, &target.ask(method, "/api/v2/silence/nonsense")?, 422, 601)?;
    }
    Ok(())
}

fn post(target: &Target, silence: &Value) -> Result<Response, String> {
    target.post("/api/v2/silences", &silence.to_string())
}

pub(crate) fn a_silence_of_an_unknown_id_is_404(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let mut unknown = silence(&[("a", "=", "b")]);
    unknown["id"] = "00000000-0000-4000-8000-000000000000".into();
    is_text("unknown", &post(target, &unknown)?, 404, "silence not found")
}

pub(crate) fn a_silence_without_a_member_is_422(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let whole = silence(&[("a", "=", "b")]);
    for member in ["matchers", "startsAt", "endsAt", "createdBy", "comment"] {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(member);
        is_validation(member, &post(target, &part)?, 422, 602)?;
    }
    Ok(())
}

pub(crate) fn a_silence_without_words_is_taken(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let mut wordless = silence(&[("a", "=", "b")]);
    (wordless["comment"], wordless["createdBy"]) = ("".into(), "".into());
    let id = super::post_silence(target, &wordless)?;
    same("comment", target.get(&format!("/api/v2/silence/{id}"))?["comment"].clone(), json!(""))
}

pub(crate) fn a_silence_without_matchers_is_422(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    is_validation("none", &post(target, &silence(&[]))?, 422, 612)
}

pub(crate) fn a_silence_that_matches_nothing_in_particular_is_400(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let part = "invalid silence: at least one matcher must not match the empty string";
    for matchers in [[("a", "=", ""), ("b", "=~", "")], [("a", "=~", ".*"), ("b", "=", "")]] {
        is_text("empty", &post(target, &silence(&matchers))?, 400, part)?;
    }
    for matcher in [("a", "!=", "x"), ("a", "!~", "x"), ("a", "=~", ".+")] {
        super::post_silence(target, &silence(&[matcher]))?;
    }
    Ok(())
}

pub(crate) fn a_silence_that_is_never_active_is_400(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let mut never = silence(&[("a", "=", "b")]);
    (never["startsAt"], never["endsAt"]) = (hours(2).into(), hours(1).into());
    is_text("backwards", &post(target, &never)?, 400, "start time must be before end time")?;
    never["startsAt"] = hours(1).into();
    is_text("of no length", &post(target, &never)?, 400, "start time must be before end time")?;
    let ago = |seconds| earlier(Duration::from_secs(seconds));
    (never["startsAt"], never["endsAt"]) = (ago(20).into(), ago(10).into());
    is_text("past", &post(target, &never)?, 400, "end time can't be in the past")
}

pub(crate) fn a_silence_with_a_bad_pattern_is_400(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let answer = post(target, &silence(&[("a", "=~", "(")]))?;
    same("status", answer.status, 400)?;
    ensure!(serde_json::from_slice::<String>(&answer.body).is_ok(), "no bare text: {}", answer.text());
    Ok(())
}

pub(crate) fn the_old_version_is_gone(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for path in ["/api/v1/silences", "/api/v1/status"] {
        let answer = target.ask("GET", path)?;
        same(path, answer.status, 410)?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        same(path, body["status"].as_str(), Some("deprecated"))?;
        ensure!(body["error"].is_string(), "{path}: {body}");
    }
    Ok(())
}
