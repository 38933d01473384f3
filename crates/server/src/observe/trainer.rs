//! What the making of models tells of itself.

use jiff::Timestamp;
use openclaw_learning::schedule::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Run {
    outcome: &'static str,
}

/// Of training runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrainerMetrics {
    runs: Family<Run, Counter>,
    published_at: Gauge<f64, AtomicU64>,
}

impl TrainerMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Runs that make a model, by how they ended";
        registry.register("training_runs", help, self.runs.clone());
        registry.register_with_unit(
            "training_published_timestamp",
            "When a run last published a model",
            Unit::Seconds,
            self.published_at.clone(),
        );
    }

    pub(crate) fn ended(&self, outcome: Outcome, at: Timestamp) {
        self.runs.get_or_create(&Run { outcome: outcome.name() }).inc();
        if outcome == Outcome::Published {
            self.published_at.set(at.as_second() as f64);
        }
    }
}
