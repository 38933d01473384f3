//! Rows brought together, those of the last days apart.

use super::Row;
use crate::artifact::{FeatureBaseline, TrainingData};
use openclaw_admission::{FEATURES, Features};
use openclaw_alert::{TenantName, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// Windows that the baseline is made of, at most.
const SEEN_MAX: usize = 1 << 19;

/// Rows to learn from, rows to stop by, and where they are from.
#[derive(Debug, Default)]
pub struct Gathered {
    /// To learn from.
    pub rows: Vec<Row>,
    /// Of the last days: to tell when it gets no better.
    pub held_out: Vec<Row>,
    held_out_from_ms: i64,
    span_ms: Option<(i64, i64)>,
    clients: u64,
    tenants: BTreeSet<TenantName>,
    seen: Seen,
}

/// What features were like as recorded: rows have abuse in them that was made
/// up, and drift from that would be told of traffic that hasn't changed.
#[derive(Debug)]
struct Seen {
    features: Vec<Features>,
    /// One window in so many is kept.
    each: u64,
    windows: u64,
}

impl Default for Seen {
    fn default() -> Self {
        Self { features: Vec::new(), each: 1, windows: 0 }
    }
}

impl Seen {
    fn add(&mut self, features: impl FnOnce() -> Features) {
        if self.windows.is_multiple_of(self.each) {
            self.features.push(features());
        }
        self.windows += 1;
        if self.features.len() >= SEEN_MAX {
            let mut at = 0_u64;
            self.features.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.each *= 2;
        }
    }
}

impl Gathered {
    /// Windows that end from then on, in milliseconds since 1970, are held out.
    #[must_use]
    pub fn holding_out_from(held_out_from_ms: i64) -> Self {
        Self { held_out_from_ms, ..Self::default() }
    }

    /// The same from here on.
    pub(super) fn hold_out_from(&mut self, held_out_from_ms: i64) {
        self.held_out_from_ms = held_out_from_ms;
    }

    pub(super) fn push(&mut self, row: Row, at_ms: i64) {
        let (first, last) = self.span_ms.unwrap_or((at_ms, at_ms));
        self.span_ms = Some((first.min(at_ms), last.max(at_ms)));
        if at_ms < self.held_out_from_ms { self.rows.push(row) } else { self.held_out.push(row) }
    }

    /// What a client's features were before a window, as recorded.
    pub(super) fn saw(&mut self, features: impl FnOnce() -> Features, at_ms: i64) {
        if at_ms < self.held_out_from_ms {
            self.seen.add(features);
        }
    }

    pub(super) fn met(&mut self, tenant: Option<&TenantName>) {
        self.clients += 1;
        if let Some(tenant) = tenant.filter(|tenant| !self.tenants.contains(*tenant)) {
            self.tenants.insert(tenant.clone());
        }
    }

    /// How many clients they are of.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.clients
    }

    /// As a model's card has it; none where there are no rows.
    #[must_use]
    pub fn data(&self) -> Option<TrainingData> {
        let (first, last) = self.span_ms?;
        let baseline = |feature: usize| {
            let seen = self.seen.features.iter().map(|features| features[feature]);
            FeatureBaseline::of(&seen.collect::<Vec<f32>>())
        };
        let at = |ms: i64| Timestamp::from_nanos(0).plus(Duration::from_millis(ms.max(0).cast_unsigned()));
        Some(TrainingData {
            from: at(first),
            to: at(last),
            rows: self.rows.len() as u64,
            clients: self.clients,
            tenants: self.tenants.len() as u64,
            baseline: (0..FEATURES).map(baseline).collect::<Option<_>>()?,
        })
    }
}
