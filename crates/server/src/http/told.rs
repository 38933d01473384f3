//! What happened to an alert, in words: one line of a trail each.

use super::alerts::{factors, time, zoned};
use openclaw_alert::{NotificationKind, Score};
use openclaw_pipeline::Cause;
use openclaw_pipeline::trail::{Event, Happened};
use openclaw_routing::Hold;
use serde_json::{Value, json};

/// A stage, a reason, and what else belongs to it.
type Line = (&'static str, String, Value);

/// One line of a trail: `at`, `stage`, `reason`, and what belongs to it.
pub(super) fn event_json(event: &Event, source: &str) -> Value {
    let (stage, reason, mut more) = told(&event.what, source);
    if let Some(members) = more.as_object_mut() {
        members.insert("at".into(), time(event.at).into());
        members.insert("stage".into(), stage.into());
        members.insert("reason".into(), reason.into());
    }
    more
}

fn told(what: &Happened, source: &str) -> Line {
    match what {
        Happened::Received { within_limit, .. } => received(source, *within_limit),
        Happened::Admitted => line("admitted", "its tenant's limit allowed it in"),
        Happened::Rated { score } => rated(score),
        Happened::Changed => line("changed", "its annotations, link or start changed"),
        Happened::Resolved { at, cause } => {
            let reason = match cause {
                Cause::Posted => "its source says that it has ended",
                Cause::Expired => "its source stopped repeating it and its end passed",
                Cause::Offboarded => "its tenant was removed",
            };
            ("resolved", reason.to_owned(), json!({ "endsAt": zoned(*at) }))
        }
        Happened::Feedback { action, by, note } => {
            let name = action.name();
            ("feedback", format!("{by}: {name}"), json!({ "action": name, "by": by, "note": note }))
        }
        Happened::Rearmed => {
            line("rearmed", "acknowledged long ago and firing still: the acknowledgement counts no more")
        }
        Happened::Grouped { .. }
        | Happened::Departed { .. }
        | Happened::Held { .. }
        | Happened::Released { .. }
        | Happened::GroupOpened { .. } => told_of_group(what),
        _ => told_of_message(what),
    }
}

fn line(stage: &'static str, reason: &str) -> Line {
    (stage, reason.to_owned(), json!({}))
}

fn received(source: &str, within_limit: bool) -> Line {
    if within_limit {
        return line("received", &format!("taken in from `{source}`, within the tenant's limit"));
    }
    line(
        "limited",
        &format!(
            "taken in from `{source}`, beyond the tenant's limit: kept, to be let in behind other tenants"
        ),
    )
}

fn rated(score: &Score) -> Line {
    let reason = format!("rated {:.2}: {}", score.value(), score.main_factors());
    ("rated", reason, json!({ "score": score.value(), "factors": factors(score) }))
}

fn told_of_group(what: &Happened) -> Line {
    match what {
        Happened::Grouped { group } => {
            ("grouped", format!("joined group {group}"), json!({ "group": group }))
        }
        Happened::Departed { group } => (
            "rerouted",
            format!("new settings send it elsewhere: group {group} only hears of its end"),
            json!({ "group": group }),
        ),
        Happened::Held { group, hold, by } => held(*group, *hold, by),
        Happened::Released { group } => (
            "released",
            format!("nothing holds it back in group {group} any more"),
            json!({ "group": group }),
        ),
        Happened::GroupOpened { kind, receiver, flush_at } => {
            let what = if *kind == NotificationKind::Digest { "the digest" } else { "a group" };
            let reason = format!("{what} for `{receiver}` was opened, to be told at {flush_at}");
            ("held", reason, json!({ "receiver": receiver, "until": time(*flush_at) }))
        }
        _ => line("noted", ""),
    }
}

fn held(group: u64, hold: Hold, by: &str) -> Line {
    let (stage, reason) = match hold {
        Hold::Silenced => ("silenced", format!("silence {by} holds it back in group {group}")),
        Hold::Inhibited => {
            ("inhibited", format!("alert {by}, which is firing, holds it back in group {group}"))
        }
        Hold::Muted => ("muted", format!("interval `{by}` mutes group {group} at this time")),
        Hold::Free => ("released", format!("nothing holds it back in group {group} any more")),
    };
    (stage, reason, json!({ "group": group, "by": by }))
}

fn told_of_message(what: &Happened) -> Line {
    match what {
        Happened::Sent { entry, integration, reason, status, alerts } => (
            "sent",
            format!("told as {}: {} ({alerts} alerts)", status.name(), reason.text()),
            json!({ "message": entry, "integration": integration, "status": status.name(), "alerts": alerts }),
        ),
        Happened::Superseded { entry, by } => (
            "superseded",
            "a newer state of the group took its place before it was delivered".to_owned(),
            json!({ "message": entry, "by": by }),
        ),
        Happened::Shadowed { entry } => (
            "shadowed",
            "the tenant's delivery is in shadow: decided and written down, not sent".to_owned(),
            json!({ "message": entry }),
        ),
        Happened::Withdrawn { entry } => (
            "withdrawn",
            "over before the receiver took the message: nobody is told".to_owned(),
            json!({ "message": entry }),
        ),
        Happened::Revived { entry } => {
            ("revived", "a person asked for another try".to_owned(), json!({ "message": entry }))
        }
        _ => told_of_attempt(what),
    }
}

fn told_of_attempt(what: &Happened) -> Line {
    match what {
        Happened::Delivered { entry, attempt, took, repeated } => {
            let mark = if *repeated { ", may have arrived before as well, with the same id" } else { "" };
            let took_ms = took.as_secs_f64() * 1e3;
            (
                "delivered",
                format!("the receiver took it at attempt {attempt}{mark}"),
                json!({ "message": entry, "attempt": attempt, "took_ms": took_ms, "repeated": repeated }),
            )
        }
        Happened::Retrying { entry, attempt, at, detail } => (
            "retrying",
            format!("attempt {attempt} failed: {detail}"),
            json!({ "message": entry, "attempt": attempt, "next": time(*at) }),
        ),
        Happened::DeadLettered { entry, attempt, detail } => (
            "dead_lettered",
            format!("given up after attempt {attempt}: {detail}"),
            json!({ "message": entry, "attempt": attempt }),
        ),
        _ => line("noted", ""),
    }
}
