//! `GET /api/v1/alerts…`: alerts with their scores and trails.

use super::problem::{Problem, Read};
use crate::tenants::{Explained, ReadError};
use axum::Json;
use axum::extract::{Path, Query};
use http::StatusCode;
use openclaw_alert::{EpisodeId, FACTORS, Labels, NotificationKind, Score, Timestamp, Zoned};
use openclaw_pipeline::trail::{Event, Happened};
use openclaw_pipeline::{AlertView, Cause, Phase};
use serde::Deserialize;
use serde_json::{Value, json};

/// Alerts in one page, at most.
const PAGE_MAX: usize = 500;

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// How many; 50 where not said.
    limit: Option<usize>,
    /// The id after which to go on, `next` of the page before.
    after: Option<String>,
}

pub(super) async fn list(Read(handle): Read, Query(page): Query<Page>) -> Result<Json<Value>, Problem> {
    let limit = page.limit.unwrap_or(50);
    if limit == 0 || limit > PAGE_MAX {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("`limit` must be 1 to {PAGE_MAX}")));
    }
    let after = match &page.after {
        Some(text) => Some(text.parse::<EpisodeId>().map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("`after` is no alert id: {error}"))
        })?),
        None => None,
    };
    // The newest first; an id that has ended meanwhile still marks its place.
    let mut keys = handle.list().await?;
    keys.sort_unstable_by_key(|key| std::cmp::Reverse(key.episode));
    keys.retain(|key| after.is_none_or(|after| key.episode < after.offset));
    let more = keys.len() > limit;
    keys.truncate(limit);
    let alerts: Vec<Value> = handle
        .read(|partition, tenant, _| {
            keys.iter()
                .filter_map(|key| partition.alert(tenant, key.episode))
                .map(|alert| alert_json(&alert))
                .collect()
        })
        .await?;
    let next = alerts.last().filter(|_| more).map(|alert| alert["id"].clone());
    Ok(Json(json!({ "alerts": alerts, "next": next })))
}

pub(super) async fn one(Read(handle): Read, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let id = handle.resolve_id(&id).await?;
    let known = handle
        .read(|partition, tenant, _| partition.alert(tenant, id.offset).map(|alert| alert_json(&alert)))
        .await?;
    let alert = match (known, handle.explain(id).await) {
        (Some(mut alert), Ok(explained)) => {
            alert["history"] = history(&explained);
            alert
        }
        // It has fired for longer than the journal keeps its beginning.
        (Some(mut alert), Err(ReadError::NotFound)) => {
            alert["history"] = json!([]);
            alert
        }
        (None, Ok(explained)) => {
            let mut alert = past_json(&explained);
            alert["history"] = history(&explained);
            alert
        }
        (_, Err(error)) => return Err(error.into()),
    };
    Ok(Json(alert))
}

pub(super) async fn explain(Read(handle): Read, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let id = handle.resolve_id(&id).await?;
    let explained = handle.explain(id).await?;
    let mut body = past_json(&explained);
    body["trail"] = history(&explained);
    Ok(Json(body))
}

/// An alert that is in memory.
pub(super) fn alert_json(alert: &AlertView<'_>) -> Value {
    let state = match alert.phase {
        Phase::Waiting => "waiting",
        Phase::Firing => "firing",
        Phase::Resolved => "resolved",
    };
    json!({
        "id": alert.id.to_string(),
        "fingerprint": format!("{:016x}", alert.content.labels.fingerprint()),
        "state": state,
        "labels": pairs(alert.content.labels),
        "annotations": pairs(alert.content.annotations),
        "generatorURL": alert.content.generator_url,
        "startsAt": zoned(alert.starts_at),
        "endsAt": zoned(alert.ends_at),
        "updatedAt": time(alert.updated_at),
        "source": alert.source,
        "receivers": alert.receivers,
        "feedback": alert.feedback.map(openclaw_alert::Feedback::name),
        "score": alert.score.value(),
        "factors": factors(&alert.score),
    })
}

/// An alert as its records tell of it.
fn past_json(explained: &Explained) -> Value {
    let content = openclaw_alert::Content::of(&explained.opening.content);
    let rated = explained.events.iter().find_map(|event| match &event.what {
        Happened::Rated { score } => Some(*score),
        _ => None,
    });
    let ended = explained.events.iter().any(|event| matches!(event.what, Happened::Resolved { .. }));
    json!({
        "id": explained.id.to_string(),
        "fingerprint": format!("{:016x}", content.labels.fingerprint()),
        "state": if ended { "resolved" } else if rated.is_some() { "firing" } else { "waiting" },
        "labels": pairs(content.labels),
        "annotations": pairs(content.annotations),
        "generatorURL": content.generator_url,
        "startsAt": zoned(explained.opening.starts_at),
        "source": &*explained.source,
        "score": rated.map(|score| score.value()),
        "factors": rated.map(|score| factors(&score)),
    })
}

fn history(explained: &Explained) -> Value {
    explained.events.iter().map(|event| event_json(event, &explained.source)).collect()
}

/// One line of a trail: `at`, `stage`, `reason`, and what belongs to it.
fn event_json(event: &Event, source: &str) -> Value {
    let (stage, reason, mut more) = told(&event.what, source);
    let members = more.as_object_mut();
    if let Some(members) = members {
        members.insert("at".into(), time(event.at).into());
        members.insert("stage".into(), stage.into());
        members.insert("reason".into(), reason.into());
    }
    more
}

fn told(what: &Happened, source: &str) -> (&'static str, String, Value) {
    match what {
        Happened::Received { within_limit: true, .. } => {
            ("received", format!("taken in from `{source}`, within the tenant's limit"), json!({}))
        }
        Happened::Received { within_limit: false, .. } => (
            "limited",
            format!(
                "taken in from `{source}`, beyond the tenant's limit: kept, to be let in behind other tenants"
            ),
            json!({}),
        ),
        Happened::Admitted => ("admitted", "its tenant's limit allowed it in".to_owned(), json!({})),
        Happened::Rated { score } => {
            let reason = format!("rated {:.2}: {}", score.value(), score.main_factors());
            ("rated", reason, json!({ "score": score.value(), "factors": factors(score) }))
        }
        Happened::Grouped { group } => {
            ("grouped", format!("joined group {group}"), json!({ "group": group }))
        }
        Happened::Changed => ("changed", "its annotations, link or start changed".to_owned(), json!({})),
        Happened::Resolved { at, cause } => {
            let reason = match cause {
                Cause::Posted => "its source says that it has ended".to_owned(),
                Cause::Expired => "its source stopped repeating it and its end passed".to_owned(),
            };
            ("resolved", reason, json!({ "endsAt": zoned(*at) }))
        }
        Happened::Feedback { action, by, note } => {
            let name = action.name();
            ("feedback", format!("{by}: {name}"), json!({ "action": name, "by": by, "note": note }))
        }
        _ => told_outgoing(what),
    }
}

fn told_outgoing(what: &Happened) -> (&'static str, String, Value) {
    match what {
        Happened::GroupOpened { kind, receiver, flush_at } => {
            let what = if *kind == NotificationKind::Digest { "the digest" } else { "a group" };
            let reason = format!("{what} for `{receiver}` was opened, to be told at {flush_at}");
            ("held", reason, json!({ "receiver": receiver, "until": time(*flush_at) }))
        }
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
        Happened::Delivered { entry, attempt, took, repeated } => {
            let mark = if *repeated { ", may have arrived before as well, with the same id" } else { "" };
            (
                "delivered",
                format!("the receiver took it at attempt {attempt}{mark}"),
                json!({ "message": entry, "attempt": attempt, "took_ms": took.as_secs_f64() * 1e3, "repeated": repeated }),
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
        Happened::Withdrawn { entry } => (
            "withdrawn",
            "over before the receiver took the message: nobody is told".to_owned(),
            json!({ "message": entry }),
        ),
        Happened::Revived { entry } => {
            ("revived", "a person asked for another try".to_owned(), json!({ "message": entry }))
        }
        _ => ("noted", String::new(), json!({})),
    }
}

/// Factors as the API shows them: the contributions add up to the logit.
pub(super) fn factors(score: &Score) -> Value {
    let shares = FACTORS.iter().zip(score.contributions);
    shares.map(|(name, contribution)| json!({ "name": name, "contribution": contribution })).collect()
}

pub(super) fn pairs(labels: Labels<'_>) -> Value {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(super) fn time(at: Timestamp) -> String {
    at.to_string()
}

fn zoned(at: Zoned) -> String {
    let mut out = Vec::new();
    at.write_rfc3339(&mut out, 3);
    String::from_utf8(out).unwrap_or_default()
}
