//! What stands for Slack and ServiceNow: takes what they would get, shows it
//! in a line each, and notes when it came.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::post;
use openclaw_alert::Zoned;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::net::TcpListener;

/// An episode as sender and receiver both know it: fingerprint, and start in
/// milliseconds.
pub(super) type Episode = (u64, i64);

/// The receiving end.
pub(super) struct Sink {
    address: SocketAddr,
    seen: Arc<Seen>,
}

/// What has come.
#[derive(Default)]
struct Seen {
    shows: bool,
    /// First arrival of each alert's firing.
    arrived: Mutex<HashMap<Episode, Instant>>,
}

impl Sink {
    pub(super) async fn start(shows: bool) -> io::Result<Self> {
        let seen = Arc::new(Seen { shows, ..Seen::default() });
        let router = Router::new()
            .route("/slack/{tenant}", post(slack))
            .route("/digest/{tenant}", post(digest))
            .route("/servicenow/{tenant}", post(service_now))
            .with_state(Arc::clone(&seen));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's receiver has ended");
            }
        });
        Ok(Self { address, seen })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Arrivals since the last call.
    pub(super) fn take_arrivals(&self) -> HashMap<Episode, Instant> {
        std::mem::take(&mut *self.seen.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seen {
    fn show(&self, line: std::fmt::Arguments<'_>) {
        if self.shows {
            // A closed terminal is no reason to refuse a message.
            let _ = writeln!(io::stdout(), "{line}");
        }
    }
}

async fn slack(State(seen): State<Arc<Seen>>, Path(tenant): Path<String>, body: Bytes) -> &'static str {
    seen.show(format_args!("{tenant:<8} Slack       {}", text_of(&body)));
    "ok"
}

async fn digest(State(seen): State<Arc<Seen>>, Path(tenant): Path<String>, body: Bytes) -> &'static str {
    seen.show(format_args!("{tenant:<8} Slack       (digest) {}", text_of(&body)));
    "ok"
}

fn text_of(body: &[u8]) -> String {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    message["text"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

async fn service_now(State(seen): State<Arc<Seen>>, Path(tenant): Path<String>, body: Bytes) -> &'static str {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let now = Instant::now();
    let alerts = message["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
    {
        let mut arrived = seen.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        for alert in alerts.iter().filter(|alert| alert["status"] == "firing") {
            if let Some(episode) = episode_of(alert) {
                arrived.entry(episode).or_insert(now);
            }
        }
    }
    let score = message["openclaw"]["score"].as_f64().unwrap_or_default();
    let what = if message["status"] == "resolved" { "resolve incident" } else { "open or update incident" };
    let urgency = if score >= 0.9 {
        1
    } else if score >= 0.75 {
        2
    } else {
        3
    };
    let name = &message["commonLabels"]["alertname"];
    seen.show(format_args!(
        "{tenant:<8} ServiceNow  {what}, urgency {urgency}: {} ({} alerts, score {score:.2})",
        name.as_str().unwrap_or("several alerts"),
        alerts.len()
    ));
    "ok"
}

fn episode_of(alert: &Value) -> Option<Episode> {
    let fingerprint = u64::from_str_radix(alert["fingerprint"].as_str()?, 16).ok()?;
    let starts_at = Zoned::parse(alert["startsAt"].as_str()?).ok()?;
    Some((fingerprint, starts_at.at.millis()))
}
