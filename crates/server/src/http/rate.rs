//! `POST /api/v1/rate`: scores alerts without taking them in.

use super::body::Whole;
use super::problem::{Ingest, Problem};
use axum::Json;
use openclaw_alert::{Labels, LabelsBuilder, Score};
use openclaw_pipeline::RatingMode;
use openclaw_rating::{AlertFacts, FactorValue, Model};
use openclaw_sources::Format;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::tenants::TenantHandle;

/// Alerts in one request.
const ALERTS_MAX: usize = 10_000;

/// An alert to score: only its labels count; other fields are allowed, so that
/// what was posted elsewhere can be posted here.
#[derive(Deserialize)]
struct Alert {
    labels: BTreeMap<String, String>,
}

pub(super) async fn post(Ingest(handle): Ingest, Whole(body): Whole) -> Result<Json<Value>, Problem> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let parse_error =
        |error: serde_json::Error| Problem::at("", format!("an alert or an array of alerts: {error}"));
    if !is_array {
        let alert: Alert = serde_json::from_slice(&body).map_err(parse_error)?;
        return score(&handle, &alert, "").await.map(Json);
    }
    let alerts: Vec<Alert> = serde_json::from_slice(&body).map_err(parse_error)?;
    if alerts.len() > ALERTS_MAX {
        return Err(Problem::at("", format!("more than {ALERTS_MAX} alerts")));
    }
    let mut scores = Vec::with_capacity(alerts.len());
    for (index, alert) in alerts.iter().enumerate() {
        scores.push(score(&handle, alert, &format!("/{index}")).await?);
    }
    Ok(Json(scores.into()))
}

async fn score(handle: &TenantHandle, alert: &Alert, pointer: &str) -> Result<Value, Problem> {
    let encoded =
        LabelsBuilder::encode(alert.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if encoded.is_empty() {
        return Err(Problem::at(format!("{pointer}/labels"), "at least one label with a value is needed"));
    }
    let labels = Labels::from_encoded(&encoded);
    let settings = &handle.config().settings.rating;
    let (score, factors) = handle
        .read(|partition, tenant, now| {
            let source = &*handle.config().sources.of(Format::Alertmanager).name;
            let facts = AlertFacts { labels, source, at: now };
            let fresh = Model::default();
            let model = partition.rating(tenant).unwrap_or(&fresh);
            let score = model.rate(&facts);
            (score, explained(model, &facts, &score))
        })
        .await?;
    let always_pages = settings.never_digest.iter().any(|matcher| matcher.matches(labels));
    let pages = score.value() >= settings.threshold || always_pages;
    Ok(json!({
        "score": score.value(),
        "threshold": settings.threshold,
        "decision": if pages { "page" } else { "digest" },
        "enforced": matches!(settings.mode, RatingMode::Enforce(_)),
        "factors": factors,
        "model": "online-logistic",
    }))
}

fn explained(model: &Model, facts: &AlertFacts<'_>, score: &Score) -> Value {
    let explanation = model.explain(facts, score);
    let factors = explanation.factors.iter().map(|factor| {
        let value = match &factor.value {
            FactorValue::Number(number) => json!(number),
            FactorValue::Text(text) => json!(text),
        };
        json!({
            "name": factor.name,
            "value": value,
            "contribution": factor.contribution,
            "sentence": factor.sentence,
        })
    });
    factors.collect()
}
