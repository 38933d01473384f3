//! Rows brought together, those of the last days apart.

use super::Row;
use crate::artifact::{FeatureBaseline, TrainingData};
use openclaw_admission::FEATURES;
use openclaw_alert::{TenantName, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

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
            FeatureBaseline::of(&self.rows.iter().map(|row| row.features[feature]).collect::<Vec<f32>>())
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
