//! What a webhook was told.

use crate::support::Seen;
use serde_json::Value;
use std::time::Instant;

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) at: Instant,
    /// What it was answered.
    pub(crate) answer: u16,
    /// Names of its alerts, sorted.
    pub(crate) firing: Vec<String>,
    pub(crate) resolved: Vec<String>,
    pub(crate) body: Value,
}

impl Told {
    pub(crate) fn of(seen: &Seen) -> Self {
        let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let named = |status: &str| {
            let alerts = body["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
            let of_status = alerts.iter().filter(|alert| alert["status"] == status);
            let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap_or_default().to_owned();
            let mut names: Vec<_> = of_status.map(name).collect();
            names.sort();
            names
        };
        let (firing, resolved) = (named("firing"), named("resolved"));
        Self { at: seen.at, answer: seen.status, firing, resolved, body }
    }

    /// `firing a b, resolved c`.
    pub(crate) fn summary(&self) -> String {
        let part =
            |word: &str, names: &[String]| (!names.is_empty()).then(|| format!("{word} {}", names.join(" ")));
        let parts = [part("firing", &self.firing), part("resolved", &self.resolved)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}
