//! What limits that replicas share tell of themselves.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

const ROUND_SECONDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];

/// Of the replicas' exchange through Redis.
#[derive(Debug, Clone)]
pub(crate) struct ShareMetrics {
    replicas: Gauge,
    redis_up: Gauge,
    hot: Gauge,
    rounds: Histogram,
}

impl Default for ShareMetrics {
    fn default() -> Self {
        Self {
            replicas: Gauge::default(),
            redis_up: Gauge::default(),
            hot: Gauge::default(),
            rounds: Histogram::new(ROUND_SECONDS),
        }
    }
}

impl ShareMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Replicas that share limits with this one, itself among them";
        registry.register("shares_replicas", help, self.replicas.clone());
        let help = "Whether the last exchange with Redis came to its end";
        registry.register("shares_redis_up", help, self.redis_up.clone());
        let help = "Limits of which this replica holds a share of its own";
        registry.register("shares_hot_limits", help, self.hot.clone());
        registry.register_with_unit(
            "shares_round",
            "Time of an exchange with Redis",
            Unit::Seconds,
            self.rounds.clone(),
        );
    }

    pub(crate) fn round(&self, took: Duration, replicas: usize, hot: usize) {
        self.redis_up.set(1);
        self.replicas.set(replicas as i64);
        self.hot.set(hot as i64);
        self.rounds.observe(took.as_secs_f64());
    }

    pub(crate) fn redis_is_away(&self) {
        self.redis_up.set(0);
    }
}
