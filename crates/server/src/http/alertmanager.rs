//! The reading half of Alertmanager's API v2.

use super::Response;
use super::ingest::{json, refuse};
use super::service::{App, Target};
use crate::tenants::TenantHandle;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use openclaw_alert::{Matcher, Timestamp};
use openclaw_pipeline::{AlertView, ListKey, Phase};
use openclaw_sources::alertmanager::{GettableAlert, write_gettable};
use openclaw_state::Scope;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

/// Alerts looked up under one lock, and sent as one piece of the answer.
const PAGE_ALERTS: usize = 256;

/// Conditions in one request.
const FILTERS_MAX: usize = 64;

/// What `GET /api/v2/alerts` asks for.
struct Query {
    active: bool,
    unprocessed: bool,
    filters: Vec<Matcher>,
    receiver: Option<regex::Regex>,
}

pub(super) async fn alerts(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let handle = match app.tenant(&Target::from(&parts), Scope::Read) {
        Ok(handle) => handle,
        Err(denied) => return refuse(denied),
    };
    let query = match Query::parse(parts.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(message) => return json(400, serde_json::Value::String(message).to_string()),
    };
    let keys = match handle.list().await {
        Ok(keys) => keys,
        Err(unavailable) => return json(503, format!("\"{unavailable}\"")),
    };
    let listing = Listing { handle, query, keys: keys.into(), started: false, ended: false };
    let pages = stream::unfold(listing, |mut listing| async move {
        let page = listing.next_page().await?;
        Some((Ok::<_, Infallible>(Bytes::from(page)), listing))
    });
    let mut response = http::Response::new(Body::from_stream(pages));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A listing that leaves in pages, so that neither its partition's lock nor
/// its memory grows with the number of alerts.
struct Listing {
    handle: TenantHandle,
    query: Query,
    keys: VecDeque<ListKey>,
    started: bool,
    ended: bool,
}

impl Listing {
    async fn next_page(&mut self) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let mut out = Vec::with_capacity(64 << 10);
        if !self.started {
            out.push(b'[');
        }
        let first = !self.started && out.len() == 1;
        self.started = true;
        let page: Vec<_> = self.keys.drain(..PAGE_ALERTS.min(self.keys.len())).collect();
        self.ended = self.keys.is_empty();
        let query = &self.query;
        let written = self.handle.read(|partition, tenant, now| {
            let alerts = page.iter().filter_map(|key| partition.alert(tenant, key.episode));
            alerts.filter(|alert| query.wants(alert, now)).for_each(|alert| write_alert(&mut out, &alert));
        });
        if written.await.is_err() {
            // The answer has begun: breaking it off is the only error left.
            return None;
        }
        if first {
            self.trim_first_comma(&mut out);
        }
        if self.ended {
            out.push(b']');
        }
        Some(out)
    }

    /// Alerts are written with a comma before each. If the first page holds
    /// none, the first of a later page would keep its comma; then pages are
    /// skipped here until one holds something.
    fn trim_first_comma(&mut self, out: &mut Vec<u8>) {
        if out.get(1) == Some(&b',') {
            out.remove(1);
        } else if !self.ended {
            self.started = false;
            out.clear();
        }
    }
}

fn write_alert(out: &mut Vec<u8>, alert: &AlertView<'_>) {
    out.push(b',');
    let state = if alert.phase == Phase::Waiting { "unprocessed" } else { "active" };
    let gettable = GettableAlert {
        content: alert.content,
        starts_at: alert.starts_at,
        ends_at: alert.ends_at,
        updated_at: alert.updated_at,
        receivers: &alert.receivers,
        state,
    };
    write_gettable(out, &gettable);
}

impl Query {
    fn parse(query: &str) -> Result<Self, String> {
        let mut parsed = Self { active: true, unprocessed: true, filters: Vec::new(), receiver: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // As Alertmanager: what is not a bool is false.
            let is_true = || matches!(&*value, "1" | "t" | "T" | "TRUE" | "true" | "True");
            match &*name {
                "active" => parsed.active = is_true(),
                "unprocessed" => parsed.unprocessed = is_true(),
                "filter" => {
                    if parsed.filters.len() == FILTERS_MAX {
                        return Err(format!("more than {FILTERS_MAX} filters"));
                    }
                    let matcher = Matcher::parse(&value)
                        .map_err(|error| format!("bad matcher format: {}", error.text))?;
                    parsed.filters.push(matcher);
                }
                "receiver" if !value.is_empty() => {
                    let regex = openclaw_alert::anchored(&value);
                    parsed.receiver =
                        Some(regex.map_err(|error| format!("failed to parse receiver param: {error}"))?);
                }
                _ => {}
            }
        }
        Ok(parsed)
    }

    fn wants(&self, alert: &AlertView<'_>, _now: Timestamp) -> bool {
        let state = match alert.phase {
            Phase::Waiting => self.unprocessed,
            Phase::Firing => self.active,
            Phase::Resolved => false,
        };
        let receiver = self.receiver.as_ref();
        state
            && self.filters.iter().all(|matcher| matcher.matches(alert.content.labels))
            && receiver.is_none_or(|regex| alert.receivers.iter().any(|name| regex.is_match(name)))
    }
}

pub(super) async fn status(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let handle = match app.tenant(&Target::from(&parts), Scope::Read) {
        Ok(handle) => handle,
        Err(denied) => return refuse(denied),
    };
    let body = serde_json::json!({
        "cluster": { "status": "disabled", "peers": [] },
        "versionInfo": {
            "version": env!("CARGO_PKG_VERSION"),
            "revision": "",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        },
        "config": { "original": handle.config().routing_yaml },
        "uptime": app.started_at.to_string(),
    });
    json(StatusCode::OK.as_u16(), body.to_string())
}

pub(super) async fn receivers(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match app.tenant(&Target::from(&parts), Scope::Read) {
        Ok(handle) => {
            let names = handle
                .config()
                .receivers
                .iter()
                .map(|receiver| serde_json::json!({ "name": &*receiver.name }));
            json(200, serde_json::Value::Array(names.collect()).to_string())
        }
        Err(denied) => refuse(denied),
    }
}
