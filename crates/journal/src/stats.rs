//! Figures about the log, kept while it runs.

use crate::Position;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Four buckets to each doubling, up to 2^40 ns (18 minutes).
const BUCKETS: usize = 4 * 40;

/// Durations in buckets a quarter of a doubling wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    sum_nanos: u64,
}

impl Histogram {
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// A duration that at least `share` (0 to 1) did not exceed: the upper
    /// end of a bucket, so at most a quarter too much. Zero without any.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_end(bucket);
            }
        }
        Duration::ZERO
    }

    /// Upper end of each bucket, and how many lie in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.counts.iter().enumerate().map(|(bucket, &count)| (upper_end(bucket), count))
    }
}

fn upper_end(bucket: usize) -> Duration {
    let (doubling, quarter) = (bucket / 4, bucket as u64 % 4);
    Duration::from_nanos((4 + quarter + 1) << doubling >> 2)
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < 4 {
        return 0;
    }
    let doubling = nanos.ilog2() as usize;
    let quarter = (nanos >> (doubling - 2)) as usize & 3;
    (4 * doubling + quarter).min(BUCKETS - 1)
}

pub(crate) struct AtomicHistogram {
    counts: [AtomicU64; BUCKETS],
    sum_nanos: AtomicU64,
}

impl Default for AtomicHistogram {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS], sum_nanos: AtomicU64::new(0) }
    }
}

impl AtomicHistogram {
    pub(crate) fn add(&self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(nanos)].fetch_add(1, Ordering::Relaxed);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn read(&self) -> Histogram {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Histogram { counts, sum_nanos: self.sum_nanos.load(Ordering::Relaxed) }
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) frames: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicHistogram,
    pub(crate) damage: AtomicU64,
    pub(crate) upkeep_failures: AtomicU64,
}

/// The log at one moment, since it was opened where it counts.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Frames made durable.
    pub frames: u64,
    /// Bytes made durable, headers included.
    pub bytes: u64,
    /// Time each commit's fdatasync took; their count is that of commits.
    pub syncs: Histogram,
    /// Segments that have, or may have, frames.
    pub segments: u64,
    /// What those take on the disk.
    pub segment_bytes: u64,
    /// Appended and not durable yet.
    pub pending_bytes: u64,
    /// Everything before it is durable.
    pub durable: Position,
    /// New work is refused until there is space again.
    pub is_disk_full: bool,
    /// Damaged stretches found in durable data.
    pub damage: u64,
    /// Indexes or removals that failed; nothing is lost by it.
    pub upkeep_failures: u64,
}

impl crate::store::Store {
    pub(crate) fn stats(&self, pending_bytes: u64) -> Stats {
        let counters = &self.counters;
        let segments = crate::store::lock(&self.segments).len() as u64;
        Stats {
            frames: counters.frames.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            syncs: counters.syncs.read(),
            segments,
            segment_bytes: segments * self.options.segment_bytes,
            pending_bytes,
            durable: self.durable(),
            is_disk_full: self.supply.stock().is_full,
            damage: counters.damage.load(Ordering::Relaxed),
            upkeep_failures: counters.upkeep_failures.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_a_quarter_off_at_most(mut nanos in prop::collection::vec(4_u64..1 << 39, 1..200), share in 0.0..1.0_f64) {
            let histogram = AtomicHistogram::default();
            nanos.iter().for_each(|&span| histogram.add(Duration::from_nanos(span)));
            nanos.sort_unstable();
            let rank = ((share * nanos.len() as f64).ceil() as usize).max(1);
            let exact = nanos[rank - 1] as f64;
            let told = histogram.read().quantile(share).as_nanos() as f64;
            prop_assert!(told >= exact && told <= exact * 1.26 + 1.0, "{told} for {exact}");
        }
    }

    #[test]
    fn the_ends_fit() {
        let histogram = AtomicHistogram::default();
        histogram.add(Duration::ZERO);
        histogram.add(Duration::MAX);
        assert_eq!(histogram.read().count(), 2);
    }
}
