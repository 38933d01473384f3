//! The reading half of Alertmanager's API v2.

use super::Response;
use super::ingest::{json, refuse};
use super::service::{App, Target};
use crate::host::Unavailable;
use crate::tenants::TenantHandle;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use openclaw_alert::Matcher;
use openclaw_pipeline::{AlertView, ListKey, Phase};
use openclaw_sources::alertmanager::{GettableAlert, write_gettable};
use openclaw_state::Scope;
use std::sync::Arc;
use tokio::sync::mpsc;

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
    let listing = Listing { handle, query, keys, wrote_any: false };
    let (pages, sent) = mpsc::channel(1);
    // Pages are made here, on the work runtime; a body that made them itself
    // would do so on the I/O thread that sends it.
    tokio::spawn(listing.write(pages));
    let body = stream::unfold(sent, |mut sent| async move { Some((sent.recv().await?, sent)) });
    let mut response = http::Response::new(Body::from_stream(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A listing that leaves in pages, so that neither its partition's lock nor
/// its memory grows with the number of alerts.
struct Listing {
    handle: TenantHandle,
    query: Query,
    keys: Vec<ListKey>,
    wrote_any: bool,
}

impl Listing {
    /// Writes until the end, or until nobody listens any more.
    async fn write(mut self, pages: mpsc::Sender<Result<Bytes, Unavailable>>) {
        let keys = std::mem::take(&mut self.keys);
        let mut out = vec![b'['];
        for page in keys.chunks(PAGE_ALERTS) {
            let written = self.write_page(page, &mut out).await;
            let sent = pages.send(written.map(|()| Bytes::from(std::mem::take(&mut out)))).await;
            if sent.is_err() {
                return;
            }
        }
        out.push(b']');
        // Whoever has gone away has seen enough.
        let _ = pages.send(Ok(Bytes::from(out))).await;
    }

    async fn write_page(&mut self, page: &[ListKey], out: &mut Vec<u8>) -> Result<(), Unavailable> {
        let Self { handle, query, wrote_any, .. } = self;
        let write = handle.read(|partition, tenant, _| {
            let alerts = page.iter().filter_map(|key| partition.alert(tenant, key.episode));
            for alert in alerts.filter(|alert| query.wants(alert)) {
                if std::mem::replace(wrote_any, true) {
                    out.push(b',');
                }
                write_alert(out, &alert);
            }
        });
        write.await
    }
}

fn write_alert(out: &mut Vec<u8>, alert: &AlertView<'_>) {
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

    fn wants(&self, alert: &AlertView<'_>) -> bool {
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
