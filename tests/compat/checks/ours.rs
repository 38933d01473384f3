//! What we do beyond Alertmanager, and where we knowingly differ.

use super::{post_silence, silence, silence_named};
use crate::expect::{ensure, names, same, text};
use crate::suite::Outcome;
use crate::support::{Alert, Reply, Request, alerts};
use crate::target::{Kind, SOON, Target};
use serde_json::{Value, json};
use std::time::Duration;

const OTHER: &str = "route: { receiver: moved }\nreceivers: [{ name: moved }]\n";

fn waits_for_receiver(target: &Target, name: &str) -> Outcome {
    target.wait(&format!("receiver {name}"), || {
        let receivers = target.get("/api/v2/receivers")?;
        Ok((receivers[0]["name"] == name).then_some(()))
    })
}

pub(crate) fn a_reload_by_post(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.reload(OTHER)?;
    same("receivers", target.get("/api/v2/receivers")?[0]["name"].as_str(), Some("moved"))
}

pub(crate) fn a_reload_by_signal(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    waits_for_receiver(target, "ops")?;
    target.write(OTHER);
    target.signal("HUP");
    waits_for_receiver(target, "moved")
}

pub(crate) fn a_reload_by_change(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    waits_for_receiver(target, "ops")?;
    target.write(OTHER);
    waits_for_receiver(target, "moved")
}

pub(crate) fn a_reload_is_for_operators(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let reload = Request::post("/-/reload", "");
    same("nobody", target.call(&reload)?.status, 401)?;
    same("a tenant", target.call(&reload.clone().key(target.key()))?.status, 403)?;
    same("an operator", target.call(&reload.key(target.operator()))?.status, 200)
}

pub(crate) fn the_tenant_is_the_credentials(target: &mut Target) -> Outcome {
    target.ours().tenant("globex", OTHER);
    target.start(SOON)?;
    target.fire_named("mine")?;
    let ask = |path: &str| Request::get(path).basic("acme", target.key());
    for path in ["/api/v2/alerts", "/t/acme/api/v2/alerts"] {
        same(path, names(&target.call(&ask(path))?.json()), ["mine"])?;
    }
    same("own name", target.call(&ask("/api/v2/alerts").header("X-Scope-OrgID", "acme"))?.status, 200)?;
    let others = [ask("/t/globex/api/v2/alerts"), ask("/api/v2/alerts").header("X-Scope-OrgID", "globex")];
    for request in others {
        let status = target.call(&request)?.status;
        ensure!([401, 403, 404].contains(&status), "another tenant's alerts: {status}");
    }
    let operator = Request::get("/api/v2/alerts").key(target.operator()).header("X-Scope-OrgID", "globex");
    same("an operator", target.call(&operator)?.json(), json!([]))
}

pub(crate) fn nobody_is_let_in_without_a_credential(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let body = alerts::body(&[Alert::new("a")]);
    let wrong = [Request::get("/api/v2/alerts"), Request::get("/api/v2/alerts").basic("acme", "wrong")];
    for request in wrong.into_iter().chain([Request::post("/api/v2/alerts", body)]) {
        same("status", target.call(&request)?.status, 401)?;
    }
    same("alerts", target.listed("")?, json!([]))
}

pub(crate) fn everything_survives_a_kill(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&["a", "b"].map(Alert::new))?;
    target.wait_told("/ops", 2)?;
    let id = silence_named(target, "c")?;
    let (alerts, silences) = (target.listed("")?, target.get("/api/v2/silences")?);
    // Accepted, and not told of yet.
    target.fire_named("d")?;
    target.kill_and_restart()?;
    same("silences", target.get("/api/v2/silences")?, silences)?;
    let listed = target.listed("?filter=alertname!=d")?;
    same("alerts", crate::expect::texts(&listed, "/startsAt"), crate::expect::texts(&alerts, "/startsAt"))?;
    target.wait_told("/ops", 3)?;
    target.pause(Duration::from_millis(1500));
    let mut told = target.summary("/ops");
    told.sort();
    same("told", told, ["firing a", "firing b", "firing d"])?;
    target.fire_named("c")?;
    same("silencedBy", &target.wait_state("c", "suppressed")?["status"]["silencedBy"], &json!([id]))
}

pub(crate) fn ends_are_told_though_silenced(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    silence_named(target, "a")?;
    target.resolve_named("a")?;
    target.expect_told("/ops", &["firing a", "resolved a"])
}

pub(crate) fn ends_are_told_though_inhibited(target: &mut Target) -> Outcome {
    let rule = "[{ source_matchers: [alertname=s], target_matchers: [alertname=t] }]";
    target.start(&format!("inhibit_rules: {rule}\n{SOON}"))?;
    target.fire_named("t")?;
    target.wait_told("/ops", 1)?;
    target.fire_named("s")?;
    target.wait_state("t", "suppressed")?;
    target.resolve_named("t")?;
    target
        .wait("the end of t", || Ok(target.summary("/ops").contains(&"resolved t".to_owned()).then_some(())))
}

pub(crate) fn ends_are_told_though_muted(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    target.reload(&format!(
        "time_intervals: [{{ name: always, time_intervals: [{{ years: ['2000:2099'] }}] }}]\n\
         route: {{ receiver: ops, group_wait: 100ms, group_interval: 1s, \
         routes: [{{ matchers: [alertname=a], mute_time_intervals: [always] }}] }}\n\
         {}",
        SOON.lines().last().unwrap_or_default()
    ))?;
    target.resolve_named("a")?;
    target.expect_told("/ops", &["firing a", "resolved a"])
}

pub(crate) fn ends_are_told_to_a_receiver_that_was_removed(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    target.reload(OTHER)?;
    target.resolve_named("a")?;
    target.expect_told("/ops", &["firing a", "resolved a"])
}

pub(crate) fn refusals_that_pass_are_tried_again(target: &mut Target) -> Outcome {
    // Not because a tick of the group asks again.
    target.start(&SOON.replace("group_interval: 1s", "group_interval: 1m"))?;
    target.sink().script([408, 425, 429].map(Reply::status));
    target.fire_named("a")?;
    let told = target.wait_told("/ops", 4)?;
    same("answers", told.iter().map(|told| told.answer).collect::<Vec<_>>(), [408, 425, 429, 200])
}

pub(crate) fn retry_after_is_waited_for(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.sink().script([Reply::status(429).header("Retry-After", "3")]);
    target.fire_named("a")?;
    let told = target.wait_told("/ops", 2)?;
    let waited = told[1].at - told[0].at;
    ensure!(waited >= Duration::from_millis(2900), "tried again after {waited:?}");
    Ok(())
}

pub(crate) fn other_refusals_are_dead_letters(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.sink().script([Reply::status(403)]);
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    target.wait("a dead letter", || {
        let letters = target.get("/api/v1/dead-letters")?;
        Ok((!letters.to_string().contains("\"dead_letters\":[]") && letters.to_string().contains("ops"))
            .then_some(()))
    })?;
    target.pause(Duration::from_millis(2300));
    same("not tried again", target.summary("/ops"), ["firing a"])?;
    target.resolve_named("a")?;
    target.pause(Duration::from_millis(1500));
    ensure!(target.told("/ops").len() <= 2, "told {:?}", target.summary("/ops"));
    Ok(())
}

pub(crate) fn repeats_and_ends_are_never_refused(target: &mut Target) -> Outcome {
    target.start(&format!(
        "limits: {{ ceiling: {{ rate: 1/h, burst: 1 }}, backlog_bytes: 1KiB }}\n\
         global: {{ resolve_timeout: 4s }}\n{SOON}"
    ))?;
    target.fire(&[Alert::new("first").fires_for(Duration::from_secs(4))])?;
    target.expect_told("/ops", &["firing first"])?;
    let new = |n: u32| Alert::new("storm").label("n", &n.to_string()).annotation("text", &"x".repeat(300));
    let mut refused = 0;
    for round in 0..12 {
        // Within a batch that is refused, and with the same end.
        let mut batch: Vec<_> = (0..40).map(|n| new(round * 100 + n)).collect();
        batch.push(Alert::new("first").fires_for(Duration::from_secs(4)));
        let answer = target.post("/api/v2/alerts", &alerts::body(&batch))?;
        refused += u32::from(answer.status == 429);
        target.pause(Duration::from_millis(500));
        target.alert("first")?;
    }
    ensure!(refused > 5, "only {refused} posts were refused");
    let of_first = |told: &String| told.contains("first");
    same("told", target.summary("/ops").into_iter().filter(of_first).collect::<Vec<_>>(), ["firing first"])?;
    let mut last: Vec<_> = (5000..5040).map(new).collect();
    last.push(Alert::new("first").resolved());
    same("with the end", target.post("/api/v2/alerts", &alerts::body(&last))?.status, 429)?;
    target.wait("the end", || Ok(target.summary("/ops").contains(&"resolved first".to_owned()).then_some(())))
}

pub(crate) fn nothing_ends_because_we_were_away(target: &mut Target) -> Outcome {
    target.start(&format!("global: {{ resolve_timeout: 2s }}\n{SOON}"))?;
    target.fire_named("a")?;
    target.wait_told("/ops", 1)?;
    target.signal("STOP");
    target.pause(Duration::from_millis(3000));
    target.signal("KILL");
    target.kill_and_restart()?;
    target.pause(Duration::from_millis(1200));
    target.alert("a")?;
    same("told", target.summary("/ops"), ["firing a"])?;
    target.fire_named("a")?;
    target.pause(Duration::from_millis(1200));
    same("told", target.summary("/ops"), ["firing a"])
}

/// Members that all of Alertmanager's answers have.
const KNOWN: [&str; 8] =
    ["labels", "annotations", "startsAt", "endsAt", "updatedAt", "fingerprint", "receivers", "status"];

pub(crate) fn what_we_add_is_in_new_members(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("a").label("severity", "critical").annotation("summary", "x")])?;
    let alert = target.wait_state("a", "active")?;
    for name in KNOWN {
        ensure!(!alert[name].is_null(), "{name} is not in {alert}");
    }
    same("labels", &alert["labels"], &json!({ "alertname": "a", "severity": "critical" }))?;
    same("annotations", &alert["annotations"], &json!({ "summary": "x" }))?;
    let body: Value = target.wait_told("/ops", 1)?[0].body.clone();
    same("version", text(&body, "/version")?, "4")?;
    same("annotations told", &body["alerts"][0]["annotations"], &json!({ "summary": "x" }))?;
    ensure!(target.kind() != Kind::OpenClaw || body["openclaw"].is_object(), "nothing of ours in {body}");
    Ok(())
}

pub(crate) fn a_silence_can_be_posted_as_it_was_answered(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    // Posted again as it was answered, with everything that we add to it.
    let id = post_silence(target, &silence(&[("a", "=", "b")]))?;
    let whole = target.get(&format!("/api/v2/silence/{id}"))?;
    same("id", post_silence(target, &whole)?, id)
}
