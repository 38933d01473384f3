//! Plays events to the service over HTTP, as their senders would.

use super::events::{DemoEvent, PostableAlert, What};
use super::settings::DEFAULT_TENANT;
use super::sink::{Episode, Sink};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openclaw_alert::Timestamp;
use openclaw_server::Server;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An alert that fires is said to fire for this long: the demo posts it once,
/// where Prometheus would repeat it.
const FIRES_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Virtual time moves in steps of at least this much, so that what is due at
/// about the same time is done together.
const STEP: Duration = Duration::from_secs(10);

/// Posts events.
pub(super) struct Player<'s> {
    server: &'s Server,
    sink: &'s Sink,
    address: SocketAddr,
    keys: HashMap<String, String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Alerts that began to fire and were accepted.
    pub(super) alerts: u64,
    /// Alerts turned away.
    pub(super) refused: u64,
    /// Requests that failed in another way.
    pub(super) failed: u64,
    /// From the POST to its answer, of each alert that began.
    posted: HashMap<Episode, Duration>,
    /// Accept to delivered, without the time that groups are held on purpose.
    pub(super) latencies: Vec<Duration>,
}

impl<'s> Player<'s> {
    pub(super) fn new(server: &'s Server, keys: HashMap<String, String>, sink: &'s Sink) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { server, sink, address: server.address(), keys, client }
    }

    /// As fast as the machine can: time jumps from one event to the next.
    pub(super) async fn in_virtual_time(&self, events: Vec<DemoEvent>, end: Timestamp) -> Played {
        let mut played = Played::default();
        let mut events = events.into_iter().filter(|event| event.at <= end).peekable();
        while let Some(first) = events.next() {
            let mut window = Window::new(first);
            while let Some(next) = events.next_if(|event| window.takes(event)) {
                window.add(next);
            }
            self.pass_until(window.end, &mut played).await;
            self.move_to(window.end, &mut played).await;
            for request in window.requests {
                self.play(request, &mut played).await;
            }
            self.server.settled().await;
        }
        self.pass_until(end, &mut played).await;
        played
    }

    /// Lets everything happen that is due before `at`.
    async fn pass_until(&self, at: Timestamp, played: &mut Played) {
        loop {
            let due = self.server.next_deadline();
            if due > at {
                return;
            }
            let next = due.max(self.server.now().plus(STEP)).min(at);
            self.move_to(next, played).await;
            if next == at {
                return;
            }
        }
    }

    async fn move_to(&self, at: Timestamp, played: &mut Played) {
        let moved = Instant::now();
        self.server.advance_to(at).await;
        self.server.settled().await;
        // What arrives now became due just now: the wait before was on purpose.
        for (alert, arrived) in self.sink.take_arrivals() {
            if let Some(posted) = played.posted.remove(&alert) {
                played.latencies.push(posted + arrived.saturating_duration_since(moved));
            }
        }
    }

    /// On a clock that runs fast; each event at its time.
    pub(super) async fn in_fast_time(&self, events: Vec<DemoEvent>) -> Played {
        let mut played = Played::default();
        for event in events {
            tokio::time::sleep(self.server.until(event.at)).await;
            self.play(event, &mut played).await;
        }
        played
    }

    async fn play(&self, event: DemoEvent, played: &mut Played) {
        let tenant = event.tenant.as_deref().unwrap_or(DEFAULT_TENANT);
        match event.what {
            What::Post { alerts } => self.post(tenant, alerts, event.at, played).await,
            What::Feedback { labels, action, by, note } => {
                let path = format!("/api/v1/alerts/{:016x}/feedback", labels.view().fingerprint());
                let body = serde_json::json!({ "action": action.name(), "by": by, "note": note });
                let answer = self.send(tenant, &path, body.to_string().into_bytes()).await;
                played.failed += u64::from(!answer.is_ok_and(|status| status.is_success()));
            }
        }
    }

    async fn post(&self, tenant: &str, alerts: Vec<PostableAlert>, at: Timestamp, played: &mut Played) {
        let mut body = vec![b'['];
        let mut begun = Vec::new();
        for mut alert in alerts {
            if alert.ends_at.is_none_or(|ends_at| ends_at > at) {
                alert.ends_at = alert.ends_at.or(Some(at.plus(FIRES_FOR)));
                begun.push(name_of(&alert));
            }
            if body.len() > 1 {
                body.push(b',');
            }
            alert.to_json(&mut body);
        }
        body.push(b']');
        let began = Instant::now();
        let answer = self.send(tenant, "/api/v2/alerts", body).await;
        let took = began.elapsed();
        match answer {
            Ok(status) if status.is_success() => {
                played.alerts += begun.len() as u64;
                played.posted.extend(begun.into_iter().map(|alert| (alert, took)));
            }
            Ok(StatusCode::TOO_MANY_REQUESTS) => played.refused += begun.len() as u64,
            _ => played.failed += 1,
        }
    }

    async fn send(
        &self,
        tenant: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<StatusCode, hyper_util::client::legacy::Error> {
        let key = self.keys.get(tenant).map_or("", String::as_str);
        let request = Request::post(format!("http://{}{path}", self.address))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .body(Full::new(Bytes::from(body)))
            .unwrap_or_default();
        let response = self.client.request(request).await?;
        let status = response.status();
        // Read to its end, so that the connection is used again.
        let _ = response.into_body().collect().await;
        Ok(status)
    }
}

/// Events so close together in time that they are played at once, those of a
/// tenant's sender in one request where nothing else came between.
struct Window {
    begin: Timestamp,
    end: Timestamp,
    requests: Vec<DemoEvent>,
}

impl Window {
    fn new(first: DemoEvent) -> Self {
        Self { begin: first.at, end: first.at, requests: vec![first] }
    }

    fn takes(&self, event: &DemoEvent) -> bool {
        event.at.since(self.begin) < STEP
    }

    fn add(&mut self, event: DemoEvent) {
        self.end = event.at;
        let last = self.requests.last_mut().filter(|last| last.tenant == event.tenant);
        match (last.map(|last| &mut last.what), event.what) {
            (Some(What::Post { alerts }), What::Post { alerts: more }) if are_others(alerts, &more) => {
                alerts.extend(more);
            }
            (_, what) => self.requests.push(DemoEvent { what, ..event }),
        }
    }
}

/// Whether no alert of `more` is among `alerts`: the same one twice in a
/// request would be two states at once.
fn are_others(alerts: &[PostableAlert], more: &[PostableAlert]) -> bool {
    alerts.len() + more.len() <= 256
        && !more.iter().any(|new| alerts.iter().any(|old| old.labels == new.labels))
}

/// An alert as the receiver names it again.
fn name_of(alert: &PostableAlert) -> Episode {
    (alert.labels.view().fingerprint(), alert.starts_at.millis())
}
