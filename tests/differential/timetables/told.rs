//! What a receiver was told.

use super::play::Start;
use super::settings::Sinks;
use crate::support::{Seen, Sink};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One message that was taken.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) at_ms: i64,
    pub(super) firing: BTreeSet<usize>,
    pub(super) resolved: BTreeSet<usize>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} ms", self.at_ms)?;
        for (word, alerts) in [("FIRING", &self.firing), ("RESOLVED", &self.resolved)] {
            if !alerts.is_empty() {
                write!(f, " {word} {alerts:?}")?;
            }
        }
        Ok(())
    }
}

/// Messages by path, then by the group's labels.
pub(super) type ByPath = BTreeMap<String, BTreeMap<String, Vec<Told>>>;

/// Everything that was taken.
pub(super) fn told(sinks: &Sinks, start: Start) -> ByPath {
    let mut by_path = ByPath::new();
    let all = std::iter::once(&sinks.all).chain(sinks.failing.values());
    for seen in all.flat_map(Sink::take).filter(|seen| seen.status == 200) {
        let body = seen.json();
        let group = body["groupLabels"].to_string();
        let told = message(&seen, &body, start);
        by_path.entry(seen.path.clone()).or_default().entry(group).or_default().push(told);
    }
    for messages in by_path.values_mut().flat_map(BTreeMap::values_mut) {
        messages.sort_by_key(|told| told.at_ms);
    }
    by_path
}

fn message(seen: &Seen, body: &Value, start: Start) -> Told {
    let with = |status: &str| {
        let alerts = body["alerts"].as_array().unwrap().iter();
        let alerts = alerts.filter(|alert| alert["status"] == status);
        alerts.map(|alert| alert["labels"]["n"].as_str().unwrap().parse().unwrap()).collect()
    };
    Told { at_ms: start.ms_of(seen.at), firing: with("firing"), resolved: with("resolved") }
}
