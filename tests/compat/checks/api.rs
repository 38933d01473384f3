//! The shapes of API v2's answers.

use super::{hours, later, post_silence, silence};
use crate::expect::{ensure, same, text, texts};
use crate::suite::Outcome;
use crate::support::{Alert, Request, now};
use crate::target::{Kind, SOON, Target};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn is_time(text: &str) -> bool {
    // 2026-11-22T11:59:59.999Z
    text.len() == 24 && text.ends_with('Z') && &text[10..11] == "T" && &text[19..20] == "."
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    lengths == [8, 4, 4, 4, 12] && is_hex
}

/// All of these are there; an API may have more, later.
fn has_members(value: &Value, members: &[&str]) -> Outcome {
    let there: BTreeSet<_> = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let missing: Vec<_> = members.iter().filter(|name| !there.contains(**name)).collect();
    ensure!(missing.is_empty(), "{missing:?} missing in {value}");
    Ok(())
}

pub(crate) fn a_post_is_answered_with_nothing(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for body in ["[]".to_owned(), json!([Alert::new("a").json()]).to_string()] {
        let answer = target.post("/api/v2/alerts", &body)?;
        same("status", answer.status, 200)?;
        same("body", answer.text(), "")?;
    }
    target.alert("a").map(drop)
}

pub(crate) fn an_alert_has_all_its_members(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let start = now() - Duration::from_secs(60);
    let mut posted = Alert::new("whole")
        .annotation("summary", "ß")
        .starts(start)
        .fires_for(Duration::from_secs(600))
        .json();
    posted["generatorURL"] = "http://prometheus.example/graph?g0.expr=up".into();
    target.post("/api/v2/alerts", &json!([posted]).to_string())?;
    let alert = target.wait_state("whole", "active")?;
    let members = [
        "labels",
        "annotations",
        "startsAt",
        "endsAt",
        "updatedAt",
        "generatorURL",
        "fingerprint",
        "receivers",
        "status",
    ];
    has_members(&alert, &members)?;
    for same_as_posted in ["labels", "annotations", "startsAt", "endsAt", "generatorURL"] {
        same(same_as_posted, &alert[same_as_posted], &posted[same_as_posted])?;
    }
    ensure!(is_time(&text(&alert, "/updatedAt")?), "updatedAt of {alert}");
    same("receivers", alert["receivers"].clone(), json!([{ "name": "ops" }]))?;
    let status = json!({ "state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": [] });
    for (name, value) in status.as_object().into_iter().flatten() {
        same(name, &alert["status"][name], value)?;
    }
    Ok(())
}

pub(crate) fn what_was_not_posted_is_empty_not_null(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.post("/api/v2/alerts", r#"[{"labels":{"alertname":"bare"}}]"#)?;
    let alert = target.alert("bare")?;
    same("annotations", alert["annotations"].clone(), json!({}))?;
    ensure!(!alert.to_string().contains("null"), "null in {alert}");
    ensure!(is_time(&text(&alert, "/startsAt")?) && is_time(&text(&alert, "/endsAt")?), "times of {alert}");
    let groups = target.groups("")?;
    ensure!(!groups.to_string().contains("null"), "null in {groups}");
    Ok(())
}

pub(crate) fn an_offset_is_the_same_moment(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let body = r#"[{"labels":{"alertname":"far"},"startsAt":"2026-01-02T05:04:05.678+02:00","endsAt":"2099-01-01T00:00:00Z"}]"#;
    target.post("/api/v2/alerts", body)?;
    let starts = text(&target.alert("far")?, "/startsAt")?;
    let same_moment = ["2026-01-02T05:04:05.678+02:00", "2026-01-02T03:04:05.678Z"];
    ensure!(same_moment.contains(&starts.as_str()), "startsAt {starts}");
    Ok(())
}

pub(crate) fn a_group_has_all_its_members(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("a")?;
    let group = target.wait("a group", || Ok(target.groups("")?.get(0).cloned()))?;
    has_members(&group, &["labels", "receiver", "alerts"])?;
    same("labels", group["labels"].clone(), json!({ "alertname": "a" }))?;
    same("receiver", text(&group, "/receiver/name")?, "ops")?;
    has_members(
        &group["alerts"][0],
        &["fingerprint", "status", "receivers", "startsAt", "endsAt", "updatedAt"],
    )
}

pub(crate) fn a_silence_has_all_its_members(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let mut posted = silence(&[("a", "=", "b"), ("c", "!~", "d|e")]);
    (posted["startsAt"], posted["endsAt"]) = (hours(1).into(), hours(2).into());
    let id = post_silence(target, &posted)?;
    ensure!(is_uuid(&id), "id {id}");
    let one = target.get(&format!("/api/v2/silence/{id}"))?;
    same("in the list", target.get("/api/v2/silences")?[0].clone(), one.clone())?;
    for (name, value) in posted.as_object().into_iter().flatten() {
        same(name, &one[name], value)?;
    }
    same("id", text(&one, "/id")?, id)?;
    same("status", one["status"].clone(), json!({ "state": "pending" }))?;
    ensure!(is_time(&text(&one, "/updatedAt")?), "updatedAt of {one}");
    Ok(())
}

pub(crate) fn an_unknown_silence_is_not_found(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for method in ["GET", "DELETE"] {
        let answer = target.ask(method, "/api/v2/silence/00000000-0000-4000-8000-000000000000")?;
        same(method, (answer.status, answer.text()), (404, String::new()))?;
    }
    Ok(())
}

pub(crate) fn the_status_has_all_its_members(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let status = target.get("/api/v2/status")?;
    has_members(&status, &["cluster", "versionInfo", "config", "uptime"])?;
    has_members(&status["cluster"], &["status"])?;
    let version = ["version", "revision", "branch", "buildUser", "buildDate", "goVersion"];
    has_members(&status["versionInfo"], &version)?;
    same("cluster", text(&status, "/cluster/status")?, "disabled")?;
    ensure!(is_time(&text(&status, "/uptime")?), "uptime of {status}");
    let original = text(&status, "/config/original")?;
    ensure!(original.replace('"', "").contains("receiver: ops"), "configuration {original}");
    Ok(())
}

pub(crate) fn receivers_are_listed(target: &mut Target) -> Outcome {
    target.start("route: { receiver: b }\nreceivers: [{ name: b }, { name: a }, { name: unused }]\n")?;
    let mut names = texts(&target.get("/api/v2/receivers")?, "/name");
    names.sort();
    same("receivers", names, ["a", "b", "unused"])
}

pub(crate) fn answers_are_not_to_be_kept_and_open_to_pages(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for path in ["/api/v2/alerts", "/api/v2/status"] {
        let request = Request::get(path).basic("acme", target.key());
        let answer = target.call(&request.header("Origin", "http://wall.example"))?;
        same(path, answer.header("cache-control"), Some("no-store"))?;
        same(path, answer.header("access-control-allow-origin"), Some("*"))?;
        let kind = answer.header("content-type").unwrap_or_default();
        ensure!(kind.starts_with("application/json"), "{path}: content type {kind}");
    }
    Ok(())
}

pub(crate) fn it_says_that_it_is_well(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for path in ["/-/healthy", "/-/ready"] {
        // Load balancers have no credentials.
        let answer = target.call(&Request::get(path))?;
        same(path, (answer.status, answer.text().trim()), (200, "OK"))?;
        let head = Request::new("HEAD", path).status_line(target.address());
        ensure!(head.contains(" 200 "), "HEAD {path}: {head}");
    }
    Ok(())
}

pub(crate) fn it_shows_metrics(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let answer = target.call(&Request::get("/metrics").key(target.operator()))?;
    same("status", answer.status, 200)?;
    let prefix = if target.kind() == Kind::Alertmanager { "alertmanager_" } else { "openclaw_" };
    ensure!(answer.text().lines().any(|line| line.starts_with(prefix)), "no {prefix} in /metrics");
    Ok(())
}

pub(crate) fn a_read_sees_what_was_posted_before(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    for n in 0..30 {
        let name = format!("a{n}");
        target.fire_named(&name)?;
        target.alert(&name)?;
        let id = post_silence(target, &silence(&[("alertname", "=", &name)]))?;
        target.get(&format!("/api/v2/silence/{id}"))?;
    }
    let before = later(Duration::ZERO);
    ensure!(
        target.get("/api/v2/silences")?.as_array().is_some_and(|all| all.len() == 30),
        "not all at {before}"
    );
    Ok(())
}
