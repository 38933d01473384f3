//! Posts of the same alert: which of their times and texts hold.

use crate::expect::{moment, same, text};
use crate::suite::Outcome;
use crate::support::{Alert, alerts::rfc3339, now};
use crate::target::{SOON, Target};
use std::time::Duration;

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

pub(crate) fn the_earliest_start_holds(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let at = now();
    for start in [minutes(2), minutes(3), minutes(1)] {
        target.fire(&[Alert::new("a").starts(at - start)])?;
    }
    same("startsAt", text(&target.alert("a")?, "/startsAt")?, rfc3339(at - minutes(3)))
}

pub(crate) fn the_newest_annotations_hold(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("a").annotation("summary", "old").annotation("gone", "x")])?;
    target.fire(&[Alert::new("a").annotation("summary", "new")])?;
    let annotations = target.alert("a")?["annotations"].clone();
    same("annotations", annotations, serde_json::json!({ "summary": "new" }))
}

pub(crate) fn a_later_end_that_was_set_holds(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let (at, start) = (now(), now() - minutes(1));
    target.fire(&[Alert::new("a").starts(start).ends(at + minutes(10))])?;
    target.fire(&[Alert::new("a").starts(start).ends(at + minutes(20))])?;
    same("lengthened", text(&target.alert("a")?, "/endsAt")?, rfc3339(at + minutes(20)))?;
    target.fire(&[Alert::new("a").starts(start).ends(at + minutes(15))])?;
    same("not shortened", text(&target.alert("a")?, "/endsAt")?, rfc3339(at + minutes(20)))
}

pub(crate) fn an_end_that_was_set_outlasts_the_timeout(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let end = now() + minutes(10);
    target.fire(&[Alert::new("a").starts(now()).ends(end)])?;
    target.fire_named("a")?;
    same("endsAt", text(&target.alert("a")?, "/endsAt")?, rfc3339(end))
}

pub(crate) fn a_timeout_never_outlasts_an_end_that_is_set(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire_named("a")?;
    let end = now() + minutes(2);
    target.fire(&[Alert::new("a").starts(now()).ends(end)])?;
    same("endsAt", text(&target.alert("a")?, "/endsAt")?, rfc3339(end))
}

pub(crate) fn a_resolve_ends_it(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    target.fire(&[Alert::new("a").starts(now()).fires_for(minutes(10))])?;
    target.wait_told("/ops", 1)?;
    target.resolve_named("a")?;
    same("alerts", crate::expect::names(&target.listed("")?).len(), 0)?;
    target.expect_told("/ops", &["firing a", "resolved a"])
}

pub(crate) fn of_two_resolves_the_latest_end_holds(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let (at, start) = (now(), now() - minutes(10));
    target.fire(&[Alert::new("a").starts(start)])?;
    target.wait_told("/ops", 1)?;
    target.fire(&[Alert::new("a").starts(start).ends(at - Duration::from_secs(5))])?;
    target.fire(&[Alert::new("a").starts(start).ends(at - Duration::from_secs(90))])?;
    let told = target.wait_told("/ops", 2)?;
    let ends = text(&told[1].body, "/alerts/0/endsAt")?;
    same("endsAt", moment(&ends), moment(&rfc3339(at - Duration::from_secs(5))))
}

pub(crate) fn after_its_end_it_starts_anew(target: &mut Target) -> Outcome {
    target.start(SOON)?;
    let start = now() - minutes(10);
    target.fire(&[Alert::new("a").starts(start)])?;
    target.wait_told("/ops", 1)?;
    target.resolve_named("a")?;
    target.wait_told("/ops", 2)?;
    let again = now();
    target.fire(&[Alert::new("a").starts(again)])?;
    same("startsAt", text(&target.alert("a")?, "/startsAt")?, rfc3339(again))?;
    let told = target.wait_told("/ops", 3)?;
    same("told", told[2].summary(), "firing a")?;
    let shown = text(&told[2].body, "/alerts/0/startsAt")?;
    same("told to have started", moment(&shown), moment(&rfc3339(again)))
}
