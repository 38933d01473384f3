//! Alertmanager's API v2, but for `POST /api/v2/alerts`, which is a hot path:
//! see [`super::ingest`].

mod groups;
mod listing;
mod order;
mod pages;
mod query;
mod refusal;
mod silences;
mod wishes;

pub(super) use groups::groups;
pub(super) use listing::alerts;
pub(super) use refusal::{Refusal, check_content_type, json, not_allowed, not_found};
pub(super) use silences::{silence_delete, silence_get, silences_get, silences_post};

use super::Response;
use super::service::{App, allowed};
use axum::extract::{Request, State};
use http::StatusCode;
use openclaw_alert::Zoned;
use openclaw_state::Scope;
use std::sync::Arc;

/// The Alertmanager that we stand in for: clients choose by it what they may
/// ask. Our own version stands in `revision`.
const ALERTMANAGER_VERSION: &str = "0.31.1";

pub(super) async fn status(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let handle = allowed(&parts, &app, Scope::Read)?;
    let mut uptime = Vec::new();
    Zoned::utc(app.started_at).write_rfc3339(&mut uptime, 3);
    let body = serde_json::json!({
        "cluster": { "status": "disabled", "peers": [] },
        "versionInfo": {
            "version": ALERTMANAGER_VERSION,
            "revision": concat!("openclaw ", env!("CARGO_PKG_VERSION")),
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        },
        "config": { "original": handle.config().routing_yaml },
        "uptime": String::from_utf8_lossy(&uptime),
    });
    Ok(json(StatusCode::OK, body.to_string()))
}

pub(super) async fn receivers(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let handle = allowed(&parts, &app, Scope::Read)?;
    let names = handle.receiver_names();
    let names = names.map(|name| serde_json::json!({ "name": name }));
    Ok(json(StatusCode::OK, serde_json::Value::Array(names.collect()).to_string()))
}
