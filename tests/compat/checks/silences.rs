//! The life of a silence.

use super::{earlier, expire_silence, hours, later, post_silence, silence, silence_named};
use crate::expect::{ensure, same, text, texts};
use crate::suite::Outcome;
use crate::target::{SOON, Target};
use serde_json::{Value, json};
use std::time::Duration;

fn one(target: &Target, id: &str) -> Result<Value, String> {
    target.get(&format!("/api/v2/silence/{id}"))
}

fn state(target: &Target, id: &str) -> Result<String, String> {
    text(&one(target, id)?, "/status/state")
}

/// As it was answered, to be posted again.
fn postable(target: &Target, id: &str) -> Result<Value, String> {
    let mut silence = one(target, id)?;
    let members = silence.as_object_mut().ok_or("no object")?;
    members.remove("status");
    members.remove("updatedAt");
    Ok(silence)
}

fn pending() -> Value {
    let mut pending = silence(&[("a", "=", "b")]);
    (pending["startsAt"], pending["endsAt"]) = (hours(1).into(), hours(2).into());
    pending
}

pub(crate) fn a_new_one_that_began_begins_now(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let mut begun = silence(&[("a", "=", "b")]);
    begun["startsAt"] = earlier(Duration::from_secs(3600)).into();
    let before = later(Duration::ZERO);
    let id = post_silence(target, &begun)?;
    let starts = text(&one(target, &id)?, "/startsAt")?;
    ensure!(starts >= before && starts <= later(Duration::ZERO), "starts {starts}, posted at {before}");
    Ok(())
}

pub(crate) fn it_is_pending_then_active_then_expired(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let mut short = silence(&[("a", "=", "b")]);
    short["startsAt"] = later(Duration::from_millis(600)).into();
    short["endsAt"] = later(Duration::from_millis(1600)).into();
    let id = post_silence(target, &short)?;
    same("at first", state(target, &id)?, "pending")?;
    for then in ["active", "expired"] {
        target.wait(then, || Ok((state(target, &id)? == then).then_some(())))?;
    }
    same("listed", texts(&target.get("/api/v2/silences")?, "/id"), [id])
}

pub(crate) fn an_active_one_is_changed_in_place(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = silence_named(target, "a")?;
    let mut changed = postable(target, &id)?;
    changed["comment"] = "longer".into();
    changed["endsAt"] = hours(5).into();
    same("id", post_silence(target, &changed)?, id.clone())?;
    let now = one(target, &id)?;
    same("comment", text(&now, "/comment")?, "longer")?;
    same("endsAt", &now["endsAt"], &changed["endsAt"])?;
    same("silences", target.get("/api/v2/silences")?.as_array().map(Vec::len), Some(1))
}

/// Posts a change that is one of history: the old one ends, a new one begins.
fn is_replaced(target: &Target, id: &str, changed: &Value) -> Outcome {
    let new = post_silence(target, changed)?;
    ensure!(new != id, "the id {id} stayed");
    same("the old one", state(target, id)?, "expired")?;
    same("silences", target.get("/api/v2/silences")?.as_array().map(Vec::len), Some(2))
}

pub(crate) fn other_matchers_make_a_new_one(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = silence_named(target, "a")?;
    let mut changed = postable(target, &id)?;
    changed["matchers"][0]["value"] = "b".into();
    is_replaced(target, &id, &changed)
}

pub(crate) fn another_start_of_an_active_one_makes_a_new_one(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = silence_named(target, "a")?;
    let mut changed = postable(target, &id)?;
    changed["startsAt"] = earlier(Duration::from_secs(600)).into();
    is_replaced(target, &id, &changed)
}

pub(crate) fn a_pending_one_may_move_its_start(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = post_silence(target, &pending())?;
    let mut moved = postable(target, &id)?;
    (moved["startsAt"], moved["endsAt"]) = (hours(3).into(), hours(4).into());
    same("id", post_silence(target, &moved)?, id.clone())?;
    same("startsAt", &one(target, &id)?["startsAt"], &moved["startsAt"])
}

pub(crate) fn editing_an_expired_one_makes_a_new_one(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = silence_named(target, "a")?;
    let kept = postable(target, &id)?;
    expire_silence(target, &id)?;
    is_replaced(target, &id, &kept)
}

pub(crate) fn it_can_be_ended_twice(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = silence_named(target, "a")?;
    for _ in 0..2 {
        let answer = target.ask("DELETE", &format!("/api/v2/silence/{id}"))?;
        same("answer", (answer.status, answer.text()), (200, String::new()))?;
        same("state", state(target, &id)?, "expired")?;
    }
    Ok(())
}

pub(crate) fn a_pending_one_can_be_ended(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = post_silence(target, &pending())?;
    expire_silence(target, &id)?;
    same("state", state(target, &id)?, "expired")
}

pub(crate) fn all_its_matchers_must_match(target: &mut Target) -> Outcome {
    use crate::support::Alert;
    target.start(SOON)?;
    let both = silence(&[("team", "=", "db"), ("host", "=~", "a.*"), ("zone", "!=", "z")]);
    post_silence(target, &both)?;
    let of = |name: &str, host: &str| Alert::new(name).label("team", "db").label("host", host);
    target.fire(&[of("all", "ab"), of("host", "ba"), of("zone", "ab").label("zone", "z")])?;
    target.wait_state("all", "suppressed")?;
    target.wait_state("host", "active")?;
    target.wait_state("zone", "active")?;
    target.pause(Duration::from_millis(300));
    let told: Vec<_> = target.told("/ops").into_iter().flat_map(|told| told.firing).collect();
    ensure!(!told.contains(&"all".to_owned()) && told.len() == 2, "told of {told:?}");
    Ok(())
}

pub(crate) fn what_it_silences_says_so_at_once(target: &mut Target) -> Outcome {
    let slow = SOON.replace("group_wait: 100ms", "group_wait: 1h");
    target.start(&slow)?;
    target.fire_named("a")?;
    target.wait_state("a", "active")?;
    let id = silence_named(target, "a")?;
    let alert = target.alert("a")?;
    same("state", text(&alert, "/status/state")?, "suppressed")?;
    same("silencedBy", alert["status"]["silencedBy"].clone(), json!([id]))?;
    expire_silence(target, &id)?;
    same("once it is over", text(&target.alert("a")?, "/status/state")?, "active")
}

pub(crate) fn what_it_held_back_is_told_when_it_ends(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let id = silence_named(target, "a")?;
    target.fire_named("a")?;
    target.pause(Duration::from_millis(1500));
    same("told while silenced", target.summary("/ops").len(), 0)?;
    expire_silence(target, &id)?;
    target.expect_told("/ops", &["firing a"])
}

pub(crate) fn it_survives_a_restart(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let active = silence_named(target, "a")?;
    let expired = silence_named(target, "b")?;
    expire_silence(target, &expired)?;
    let before = target.get("/api/v2/silences")?;
    target.restart()?;
    same("silences", target.get("/api/v2/silences")?, before)?;
    target.fire_named("a")?;
    let alert = target.wait_state("a", "suppressed")?;
    same("silencedBy", alert["status"]["silencedBy"].clone(), json!([active]))
}
