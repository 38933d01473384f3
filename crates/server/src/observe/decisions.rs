//! Decisions: how many of each result, and how long the asking took. Threads
//! count for themselves; it is brought together when somebody looks.

use super::histogram::{Times, TimesOf};
use super::{REQUEST_SECONDS, Request, Tenant, class};
use crate::limits::Limits;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::{AtomicU64, Ordering};

/// Ways to ask, each with its route's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecisionRoute {
    Rate,
    Decisions,
    Auth,
}

/// Upper ends of the buckets: those of [`REQUEST_SECONDS`], and finer ones
/// below them.
const LATENCY_SECONDS: [f64; 19] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.2, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How many of them lie below the first of the coarser ones.
const FINER: usize = LATENCY_SECONDS.len() - REQUEST_SECONDS.len();

const LATENCY_NANOS: [u64; LATENCY_SECONDS.len()] = {
    let mut nanos = [0; LATENCY_SECONDS.len()];
    let mut at = 0;
    while at < nanos.len() {
        nanos[at] = (LATENCY_SECONDS[at] * 1e9) as u64;
        at += 1;
    }
    nanos
};

/// Classes of status that these routes answer with, from 2xx on.
const CLASSES: usize = 4;

impl DecisionRoute {
    const ALL: [Self; 3] = [Self::Rate, Self::Decisions, Self::Auth];

    /// As metrics name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "/api/v1/rate",
            Self::Decisions => "/api/v1/decisions",
            Self::Auth => "/auth",
        }
    }
}

/// One tenant's times, by thread.
#[derive(Debug)]
pub(crate) struct Tally(Box<[OfThread]>);

/// Not in one line of the cache with another thread's.
#[derive(Debug, Default)]
#[repr(align(64))]
struct OfThread([[Counts; CLASSES]; DecisionRoute::ALL.len()]);

#[derive(Debug, Default)]
struct Counts {
    buckets: [AtomicU64; LATENCY_SECONDS.len() + 1],
    nanos: AtomicU64,
}

impl Tally {
    pub(crate) fn new(cores: usize) -> Self {
        Self((0..cores).map(|_| OfThread::default()).collect())
    }

    pub(crate) fn count(&self, core: usize, route: DecisionRoute, status: u16, took_nanos: u64) {
        let class = usize::from(status / 100).clamp(2, CLASSES + 1) - 2;
        let Some(thread) = self.0.get(core) else { return };
        let counts = &thread.0[route as usize][class];
        let bucket = LATENCY_NANOS.iter().position(|end| took_nanos <= *end).unwrap_or(LATENCY_NANOS.len());
        counts.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        counts.nanos.fetch_add(took_nanos, Ordering::Relaxed);
    }

    /// What has been counted since this was last asked.
    fn drain(&self, mut each: impl FnMut(DecisionRoute, u16, Drained)) {
        let threads = || self.0.iter();
        for route in DecisionRoute::ALL {
            for class in 0..CLASSES {
                let drained = threads().map(|thread| thread.0[route as usize][class].drain());
                let sum = drained.fold(Drained::default(), |sum, drained| sum.and(&drained));
                if sum.buckets.iter().any(|count| *count > 0) {
                    each(route, (class as u16 + 2) * 100, sum);
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Drained {
    buckets: [u64; LATENCY_SECONDS.len() + 1],
    nanos: u64,
}

impl Counts {
    fn drain(&self) -> Drained {
        let take = |count: &AtomicU64| match count.load(Ordering::Relaxed) {
            0 => 0,
            _ => count.swap(0, Ordering::Relaxed),
        };
        Drained { buckets: self.buckets.each_ref().map(take), nanos: take(&self.nanos) }
    }
}

impl Drained {
    fn and(mut self, other: &Self) -> Self {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, count)| *sum += count);
        self.nanos += other.nanos;
        self
    }

    fn add_to(&self, times: &Times, finer: usize) {
        for (bucket, count) in self.buckets.iter().enumerate() {
            times.add(bucket.saturating_sub(finer), *count, 0);
        }
        times.add(0, 0, self.nanos);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    tenant: String,
    policy: String,
    result: &'static str,
}

/// What is shown of decisions.
pub(super) struct Decisions {
    results: Family<Decision, Counter>,
    latency: TimesOf<Tenant>,
}

fn latency() -> Times {
    Times::new(&LATENCY_SECONDS)
}

impl Decisions {
    pub(super) fn new() -> Self {
        Self { results: Family::default(), latency: Family::new_with_constructor(latency as fn() -> Times) }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("decisions", "Rate-limit decisions, by result", self.results.clone());
        registry.register_with_unit(
            "latency",
            "Time to answer a question for a rate-limit decision",
            Unit::Seconds,
            self.latency.clone(),
        );
    }

    /// Brings in what threads have counted.
    pub(super) fn look(&self, limits: &Limits, requests: &TimesOf<Request>) {
        limits.counted(|tenant, policy, result, total| {
            let decision = Decision { tenant: tenant.to_string(), policy: policy.to_owned(), result };
            super::catch_up(&self.results.get_or_create(&decision), total);
        });
        limits.drain_times(|tenant, tally| {
            tally.drain(|route, status, drained| {
                let tenant = tenant.to_string();
                if route == DecisionRoute::Rate {
                    drained.add_to(&self.latency.get_or_create(&Tenant { tenant: tenant.clone() }), 0);
                }
                let request = Request { tenant, route: route.name(), code: class(status) };
                drained.add_to(&requests.get_or_create(&request), FINER);
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_drained_once() {
        let tally = Tally::new(2);
        tally.count(0, DecisionRoute::Rate, 200, 9_000);
        tally.count(1, DecisionRoute::Rate, 204, 10_001);
        tally.count(1, DecisionRoute::Auth, 403, u64::MAX / 2);
        tally.count(2, DecisionRoute::Auth, 403, 1);
        let mut seen = Vec::new();
        tally.drain(|route, status, drained| seen.push((route, status, drained.buckets, drained.nanos)));
        let mut fast = [0; LATENCY_SECONDS.len() + 1];
        (fast[0], fast[1]) = (1, 1);
        let mut slow = [0; LATENCY_SECONDS.len() + 1];
        slow[LATENCY_SECONDS.len()] = 1;
        assert_eq!(
            seen,
            [(DecisionRoute::Rate, 200, fast, 19_001), (DecisionRoute::Auth, 400, slow, u64::MAX / 2)]
        );
        tally.drain(|_, _, _| panic!("drained twice"));
    }

    #[test]
    fn finer_buckets_end_where_coarser_ones_do() {
        assert_eq!(LATENCY_SECONDS[FINER..], REQUEST_SECONDS);
    }
}
