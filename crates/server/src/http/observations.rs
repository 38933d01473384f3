//! `POST /api/v1/observations`: how requests ended. `GET /api/v1/limits`: a
//! client's limits, those that are in force and those that are advised.

use super::body::Whole;
use super::ingest;
use super::problem::{AskLimits, Problem, ReadLimits};
use super::service::Core;
use super::{CLIENT_BYTES_MAX, Response};
use crate::limits::{ClientLimits, Observation};
use axum::Json;
use axum::extract::{RawQuery, State};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use openclaw_admission::{Adaptation, ClientView, Policy, RateSettings, SERVING10, TICKS};
use openclaw_sources::{Fault, decode_observations};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn post(
    State(core): State<Arc<Core>>,
    AskLimits(tenant): AskLimits,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Result<Response, Problem> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let observations = decode_observations(media_type, &body).map_err(unreadable)?;
    for row in &observations.rows {
        let latency = Duration::from_secs_f32(row.response_ms / 1e3);
        let observation = Observation { client: row.client.as_bytes(), status: row.status, latency };
        core.limits.observe(&tenant, &observation, row.at.nanos().max(0) as u64);
    }
    Ok(ingest::response(observations.answer()))
}

fn unreadable(fault: Fault) -> Problem {
    let detail = fault.to_string();
    Problem::at(fault.pointer, detail)
}

pub(super) async fn limits(
    State(core): State<Arc<Core>>,
    ReadLimits(tenant): ReadLimits,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let query = query.unwrap_or_default();
    let client = client(&query)?;
    let now_nanos = core.limits.now_nanos();
    let policies = tenant.policies.policies().iter();
    let shown: Vec<Value> = policies
        .map(|policy| shown(policy, &core.limits.client(policy, client.as_bytes(), now_nanos)))
        .collect();
    Ok(Json(json!({ "client": client, "model": core.limits.predictor(), "policies": shown })))
}

fn client(query: &str) -> Result<String, Problem> {
    let mut named = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "client");
    match named.next() {
        None => Err(Problem::parameter("client", "is missing: name the client as decisions name it")),
        Some((_, client)) if client.is_empty() || client.len() > CLIENT_BYTES_MAX => {
            Err(Problem::parameter("client", format!("should have 1 to {CLIENT_BYTES_MAX} bytes")))
        }
        Some((_, client)) => Ok(client.into_owned()),
    }
}

fn shown(policy: &Policy, client: &ClientLimits) -> Value {
    let settings = &policy.settings;
    let adaptive = match settings.adaptation {
        Adaptation::Off => "off",
        Adaptation::Advise => "advise",
        Adaptation::On => "on",
    };
    json!({
        "policy": &*settings.name,
        "adaptive": adaptive,
        "in_force": { "rate_per_s": rounded(client.rate.tokens_per_s()), "burst": client.rate.burst() },
        "remaining": client.remaining,
        "floor": bucket(settings.floor),
        "ceiling": bucket(settings.ceiling),
        "learned": client.learned.as_ref().map(learned),
    })
}

fn learned(view: &ClientView) -> Value {
    let features: Map<String, Value> = SERVING10
        .iter()
        .zip(view.features)
        .map(|(name, value)| ((*name).to_owned(), rounded(f64::from(value)).into()))
        .collect();
    json!({
        "advised": view.advised.map(bucket),
        "windows_seen": view.windows,
        "window": { "ticks": view.ticks, "of": TICKS, "tokens": view.tokens },
        "correction": view.correction.map(|shift| rounded(f64::from(shift))),
        "features": features,
    })
}

fn bucket(bucket: RateSettings) -> Value {
    json!({ "rate_per_s": rounded(bucket.rate_per_s), "burst": bucket.burst })
}

/// As many digits as people read.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
