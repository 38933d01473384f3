//! A histogram that can be given what was counted elsewhere.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of times.
#[derive(Debug, Clone)]
pub(crate) struct Times(Arc<Inner>);

/// Times by labels.
pub(super) type TimesOf<L> = Family<L, Times, fn() -> Times>;

#[derive(Debug)]
struct Inner {
    /// Upper ends in seconds, but for the last bucket, which has none.
    bounds: &'static [f64],
    counts: Box<[AtomicU64]>,
    nanos: AtomicU64,
}

impl Times {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Inner { bounds, counts, nanos: AtomicU64::new(0) }))
    }

    pub(super) fn observe(&self, took: Duration) {
        self.observe_many(took, 1);
    }

    /// Counts `times` that took as long.
    pub(crate) fn observe_many(&self, took: Duration, times: u64) {
        let seconds = took.as_secs_f64();
        let bucket = self.0.bounds.partition_point(|bound| *bound < seconds);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.add(bucket, times, nanos.saturating_mul(times));
    }

    /// Adds `count` times to a bucket, `nanos` together.
    pub(super) fn add(&self, bucket: usize, count: u64, nanos: u64) {
        if let Some(counted) = self.0.counts.get(bucket) {
            counted.fetch_add(count, Ordering::Relaxed);
            self.0.nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }
}

impl EncodeMetric for Times {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let ends = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> =
            ends.zip(self.0.counts.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Times {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    #[test]
    fn buckets_add_up() {
        let times = Times::new(&[0.001, 0.1]);
        times.observe(Duration::from_millis(1));
        times.observe(Duration::from_millis(2));
        times.observe(Duration::from_secs(1));
        times.add(0, 3, 1_000_000);
        times.add(9, 1, 1);
        let (mut registry, mut text) = (Registry::default(), String::new());
        let name = "t";
        registry.register(name, "T", times);
        encode(&mut text, &registry).unwrap();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let want = [
            "t_sum 1.004",
            "t_count 6",
            "t_bucket{le=\"0.001\"} 4",
            "t_bucket{le=\"0.1\"} 5",
            "t_bucket{le=\"+Inf\"} 6",
        ];
        assert_eq!(samples, want);
    }
}
