//! `GET /api/v1/alerts…`: alerts with their scores and trails.

use super::problem::{Problem, Read};
use super::search::Search;
use super::told::event_json;
use crate::tenants::{Explained, ReadError};
use axum::Json;
use axum::extract::{Path, RawQuery};
use openclaw_alert::{FACTORS, Feedback, Labels, Score, Timestamp, Zoned};
use openclaw_pipeline::trail::Happened;
use openclaw_pipeline::{AlertView, Phase, Suppression};
use serde_json::{Value, json};

pub(super) async fn list(Read(handle): Read, RawQuery(query): RawQuery) -> Result<Json<Value>, Problem> {
    let page = Search::parse(query.as_deref())?.run(&handle).await?;
    Ok(Json(json!({ "alerts": page.alerts, "next": page.next.map(|id| id.to_string()) })))
}

pub(super) async fn one(Read(handle): Read, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let id = handle.resolve_id(&id).await?;
    let known = handle.read(|partition, tenant, now| {
        let alert = partition.alert(tenant, id.offset)?;
        Some(alert_json(&alert, &partition.suppression(tenant, &alert, now)))
    });
    let known = known.await?;
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
pub(super) fn alert_json(alert: &AlertView<'_>, held: &Suppression) -> Value {
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
        "silencedBy": held.silenced_by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "inhibitedBy": held.inhibited_by.iter().map(|print| format!("{print:016x}")).collect::<Vec<_>>(),
        "feedback": alert.acted.map(|acted| acted.action.name()),
        "acted": alert.acted.map(acted),
        "score": alert.score.value(),
        "factors": factors(&alert.score),
    })
}

/// What a person last did with it.
fn acted(acted: &openclaw_alert::Acted) -> Value {
    acted_json(acted.action, &acted.by, acted.at)
}

fn acted_json(action: Feedback, by: &str, at: Timestamp) -> Value {
    json!({ "action": action.name(), "by": by, "at": time(at) })
}

/// An alert as its records tell of it.
fn past_json(explained: &Explained) -> Value {
    let content = openclaw_alert::Content::of(&explained.opening.content);
    let rated = explained.events.iter().find_map(|event| match &event.what {
        Happened::Rated { score } => Some(*score),
        _ => None,
    });
    let acted = explained.events.iter().rev().find_map(|event| match &event.what {
        Happened::Feedback { action, by, .. } => Some(acted_json(*action, by, event.at)),
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
        "feedback": acted.as_ref().map(|acted| acted["action"].clone()),
        "acted": acted,
        "score": rated.map(|score| score.value()),
        "factors": rated.map(|score| factors(&score)),
    })
}

fn history(explained: &Explained) -> Value {
    explained.events.iter().map(|event| event_json(event, &explained.source)).collect()
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

pub(super) fn zoned(at: Zoned) -> String {
    let mut out = Vec::new();
    at.write_rfc3339(&mut out, 3);
    String::from_utf8(out).unwrap_or_default()
}
