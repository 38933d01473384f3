//! What an alert is: its identity, its times, its states.

use super::{hours, later, silence_named};
use crate::expect::{ensure, names, same, text};
use crate::suite::Outcome;
use crate::support::{Alert, now};
use crate::target::{SOON, Target};
use serde_json::json;
use std::time::Duration;

pub(crate) fn labels_alone_are_its_identity(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let first = Alert::new("same").label("a", "1").annotation("summary", "first");
    let again =
        Alert::new("same").label("a", "1").annotation("summary", "again").fires_for(Duration::from_secs(90));
    let other = Alert::new("same").label("a", "2");
    target.fire(&[first, again])?;
    target.fire(&[other])?;
    same("alerts", names(&target.listed("")?), ["same", "same"])
}

pub(crate) fn fingerprint_is_fnv_1a_over_sorted_labels(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.post("/api/v2/alerts", r#"[{"labels":{"a":"b"}}]"#)?;
    same("fingerprint", text(&target.listed("")?, "/0/fingerprint")?, "d2b371819297f98a")
}

pub(crate) fn empty_label_values_are_dropped(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.post("/api/v2/alerts", r#"[{"labels":{"a":"b","gone":""}}]"#)?;
    target.post("/api/v2/alerts", r#"[{"labels":{"a":"b"}}]"#)?;
    let listed = target.listed("")?;
    same("alerts", listed.as_array().map_or(0, Vec::len), 1)?;
    same("labels", listed[0]["labels"].clone(), json!({ "a": "b" }))?;
    same("fingerprint", text(&listed, "/0/fingerprint")?, "d2b371819297f98a")
}

pub(crate) fn without_a_start_it_starts_now(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let before = later(Duration::ZERO);
    target.fire_named("new")?;
    let starts = text(&target.alert("new")?, "/startsAt")?;
    ensure!(starts >= before && starts <= later(Duration::ZERO), "starts {starts}, posted at {before}");
    Ok(())
}

pub(crate) fn with_an_end_alone_it_starts_then(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("ending").fires_for(Duration::from_secs(600))])?;
    let alert = target.alert("ending")?;
    same("startsAt", text(&alert, "/startsAt")?, text(&alert, "/endsAt")?)
}

pub(crate) fn without_an_end_it_has_the_resolve_timeout(target: &mut Target) -> Outcome {
    target.start(&format!("global: {{ resolve_timeout: 1000s }}\n{SOON}"))?;
    let before = later(Duration::from_secs(1000));
    target.fire_named("open")?;
    let ends = text(&target.alert("open")?, "/endsAt")?;
    ensure!(ends >= before && ends <= later(Duration::from_secs(1000)), "ends {ends}, want {before}");
    Ok(())
}

pub(crate) fn the_resolve_timeout_is_five_minutes(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let before = later(Duration::from_secs(300));
    target.fire_named("open")?;
    let ends = text(&target.alert("open")?, "/endsAt")?;
    ensure!(ends >= before && ends <= later(Duration::from_secs(300)), "ends {ends}, want {before}");
    Ok(())
}

pub(crate) fn each_post_renews_the_resolve_timeout(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("open")?;
    let first = text(&target.alert("open")?, "/endsAt")?;
    target.pause(Duration::from_millis(50));
    target.fire_named("open")?;
    let renewed = text(&target.alert("open")?, "/endsAt")?;
    ensure!(renewed > first, "{first}, then {renewed}");
    Ok(())
}

pub(crate) fn one_whose_end_has_passed_is_over(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("short").starts(now()).fires_for(Duration::from_millis(1200))])?;
    target.alert("short")?;
    let over =
        target.wait("it leaves the list", || Ok((names(&target.listed("")?).is_empty()).then_some(())));
    over?;
    target.expect_told("/ops", &["firing short", "resolved short"])
}

pub(crate) fn one_that_is_not_renewed_is_over(target: &mut Target) -> Outcome {
    target.start(&format!("global: {{ resolve_timeout: 1s }}\n{SOON}"))?;
    target.fire_named("forgotten")?;
    target.alert("forgotten")?;
    target.expect_told("/ops", &["firing forgotten", "resolved forgotten"])?;
    same("alerts", names(&target.listed("")?).len(), 0)
}

pub(crate) fn valid_ones_of_a_bad_batch_are_kept(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let reversed = json!({ "labels": { "alertname": "bad" }, "startsAt": hours(2), "endsAt": hours(1) });
    let good = |name: &str| Alert::new(name).json();
    let answer = target.post("/api/v2/alerts", &json!([good("a"), reversed, good("b")]).to_string())?;
    same("status", answer.status, 400)?;
    same("alerts", names(&target.listed("")?), ["a", "b"])
}

pub(crate) fn label_names_may_be_any_utf8(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("odd").label("room.no", "7").label("größe ☂", "x"), Alert::new("plain")])?;
    same("by one", names(&target.listed(r#"?filter="room.no"="7""#)?), ["odd"])?;
    same("by the other", names(&target.listed(r#"?filter="größe ☂"=~"x|y""#)?), ["odd"])
}

pub(crate) fn it_is_unprocessed_until_it_is_dispatched(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("soon")?;
    let state = text(&target.alert("soon")?, "/status/state")?;
    ensure!(["unprocessed", "active"].contains(&state.as_str()), "state {state}");
    target.wait_state("soon", "active").map(drop)
}

pub(crate) fn a_silenced_one_is_suppressed(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("quiet")?;
    let id = silence_named(target, "quiet")?;
    let alert = target.wait_state("quiet", "suppressed")?;
    same("silencedBy", alert["status"]["silencedBy"].clone(), json!([id]))?;
    same("inhibitedBy", alert["status"]["inhibitedBy"].clone(), json!([]))
}

pub(crate) fn one_that_is_over_when_first_heard_of_is_nothing(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let ended = now() - Duration::from_secs(10);
    let past = Alert::new("past").starts(ended - Duration::from_secs(60)).ends(ended);
    target.fire(&[past, Alert::new("present")])?;
    same("alerts", names(&target.listed("")?), ["present"])?;
    target.expect_told("/ops", &["firing present"])?;
    target.pause(Duration::from_millis(1200));
    same("told", target.summary("/ops"), ["firing present"])
}
