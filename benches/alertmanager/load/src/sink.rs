//! The webhook receiver at the other end.

use crate::client::Loopback;
use crate::error::LoadError;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// The part of Alertmanager's webhook body that is looked at.
#[derive(Debug, Deserialize)]
struct Message {
    alerts: Vec<TheirAlert>,
}

#[derive(Debug, Deserialize)]
struct TheirAlert {
    status: String,
    labels: HashMap<String, String>,
}

/// What was told about an alert.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    first_at: Option<Instant>,
    firing: u32,
    resolved: u32,
}

/// Everything that was told.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    alerts: Mutex<HashMap<String, Told>>,
    messages: Mutex<u64>,
    changed: Notify,
}

impl Sink {
    /// Listens, and takes messages until the process ends.
    pub(crate) async fn start(at: Loopback) -> Result<Arc<Self>, LoadError> {
        let failed = |source| LoadError::Listen { address: at.0.to_string(), source };
        let listener = TcpListener::bind(at.0).await.map_err(failed)?;
        let sink = Arc::new(Self::default());
        tokio::spawn(accept(listener, sink.clone()));
        Ok(sink)
    }

    fn take(&self, body: &[u8]) -> Result<(), serde_json::Error> {
        let now = Instant::now();
        let message: Message = serde_json::from_slice(body)?;
        *self.messages.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let mut alerts = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        for alert in message.alerts {
            let Some(id) = alert.labels.get("bench_id") else { continue };
            let told = alerts.entry(id.clone()).or_default();
            told.first_at.get_or_insert(now);
            if alert.status == "resolved" { told.resolved += 1 } else { told.firing += 1 }
        }
        drop(alerts);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Alerts that anything was told about.
    pub(crate) fn len(&self) -> usize {
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// When an alert was told of, once it was; none when the wait is over.
    pub(crate) async fn first_told(&self, id: &str, longest: Duration) -> Option<Instant> {
        let told = self.wait(longest, || {
            let alerts = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
            alerts.get(id).and_then(|told| told.first_at)
        });
        told.await
    }

    /// True once this many alerts were told of; false when the wait is over.
    pub(crate) async fn reaches(&self, alerts: usize, longest: Duration) -> bool {
        self.wait(longest, || (self.len() >= alerts).then_some(())).await.is_some()
    }

    async fn wait<T>(&self, longest: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
        let found = async {
            loop {
                let changed = self.changed.notified();
                if let Some(found) = look() {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(longest, found).await.ok()
    }

    fn summary(&self) -> Value {
        let alerts = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |is_counted: fn(&Told) -> bool| alerts.values().filter(|told| is_counted(told)).count();
        json!({
            "told_firing": count(|told| told.firing > 0),
            "told_firing_again": count(|told| told.firing > 1),
            "told_resolved": count(|told| told.resolved > 0),
            "messages": *self.messages.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }
}

/// Takes messages for a while and counts them.
pub(crate) async fn count_for(at: Loopback, span: Duration) -> Result<Value, LoadError> {
    let sink = Sink::start(at).await?;
    tokio::time::sleep(span).await;
    Ok(sink.summary())
}

async fn accept(listener: TcpListener, sink: Arc<Sink>) {
    // Ends with the process; a failed accept is the sender's to try again.
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, sink.clone()));
    }
}

async fn serve(stream: TcpStream, sink: Arc<Sink>) {
    let service = service_fn(move |request| answer(request, sink.clone()));
    // A connection that breaks off is the sender's to try again.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, sink: Arc<Sink>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let body = Limited::new(request.into_body(), MESSAGE_BYTES_MAX).collect().await;
    let is_taken = body.is_ok_and(|body| sink.take(&body.to_bytes()).is_ok());
    let mut response = Response::new(Empty::new());
    if !is_taken {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(status: &str, ids: &[&str]) -> Vec<u8> {
        let alert = |id: &&str| json!({ "status": status, "labels": { "bench_id": id, "other": "x" } });
        json!({ "status": "firing", "alerts": ids.iter().map(alert).collect::<Vec<_>>() })
            .to_string()
            .into_bytes()
    }

    #[tokio::test]
    async fn each_alert_is_counted_once_a_message() {
        let sink = Sink::default();
        sink.take(&message("firing", &["a", "b"])).unwrap();
        sink.take(&message("firing", &["b"])).unwrap();
        sink.take(&message("resolved", &["a"])).unwrap();
        assert!(sink.take(b"{}").is_err());
        let want = json!({ "told_firing": 2, "told_firing_again": 1, "told_resolved": 1, "messages": 3 });
        assert_eq!(sink.summary(), want);
        assert!(sink.reaches(2, Duration::ZERO).await);
        assert!(!sink.reaches(3, Duration::from_millis(5)).await);
        assert!(sink.first_told("a", Duration::ZERO).await.is_some());
    }
}
