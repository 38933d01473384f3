//! A histogram that many threads fill at once: each has counters of its own,
//! which are summed when they are read.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Threads beyond these share lanes.
const LANES: usize = 4;

/// Upper bounds, and one for all above.
const BOUNDS_MAX: usize = 15;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Lane {
    counts: [AtomicU64; BOUNDS_MAX],
    sum_nanos: AtomicU64,
}

/// Durations, by how long they were.
#[derive(Debug, Clone)]
pub(crate) struct LaneHistogram {
    bounds_s: &'static [f64],
    lanes: Arc<[Lane; LANES]>,
}

impl LaneHistogram {
    /// At most 14 bounds.
    pub(super) fn new(bounds_s: &'static [f64]) -> Self {
        debug_assert!(bounds_s.len() < BOUNDS_MAX);
        Self { bounds_s, lanes: Arc::default() }
    }

    /// Counts `times` that took as long, in the lane of this thread.
    pub(crate) fn observe(&self, lane: usize, took: Duration, times: u64) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds_s.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds_s.len());
        let lane = &self.lanes[lane % LANES];
        lane.counts[bucket].fetch_add(times, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        lane.sum_nanos.fetch_add(nanos.saturating_mul(times), Ordering::Relaxed);
    }

    fn sum(&self, of: impl Fn(&Lane) -> &AtomicU64) -> u64 {
        self.lanes.iter().map(|lane| of(lane).load(Ordering::Relaxed)).sum()
    }
}

impl TypedMetric for LaneHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for LaneHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        // `f64::MAX` is what the library calls infinity here.
        let bounds = self.bounds_s.iter().copied().chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> =
            bounds.enumerate().map(|(at, bound)| (bound, self.sum(|lane| &lane.counts[at]))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum_s = self.sum(|lane| &lane.sum_nanos) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(sum_s, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    #[test]
    fn lanes_are_summed() {
        let histogram = LaneHistogram::new(&[0.001, 0.01]);
        histogram.observe(0, Duration::from_micros(1000), 2);
        histogram.observe(1, Duration::from_micros(1500), 1);
        histogram.observe(LANES + 1, Duration::from_secs(2), 1);
        let mut registry = Registry::default();
        registry.register("took", "Time", histogram);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        insta::assert_snapshot!(text, @"");
    }
}
