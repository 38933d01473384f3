//! What a stretch of load costs both sides.

use crate::error::LoadError;
use crate::figures::{Figures, Percentiles, Samples};
use crate::process;
use std::time::{Duration, Instant};

/// CPU from a moment on.
#[derive(Debug)]
pub(crate) struct Meter {
    server: Vec<u32>,
    server_before: Duration,
    own_before: Duration,
    since: Instant,
}

impl Meter {
    pub(crate) fn start(server: &[u32]) -> Self {
        Self {
            server: server.to_vec(),
            server_before: process::cpu(server),
            own_before: process::own_cpu(),
            since: Instant::now(),
        }
    }

    /// Of samples that this load took itself.
    pub(crate) fn of(&self, mut samples: Samples) -> Result<Figures, LoadError> {
        let span_s = self.since.elapsed().as_secs_f64();
        let refused_share = samples.refused_share();
        let percentiles = samples.percentiles()?;
        self.figures(samples.latencies_us.len() as u64, span_s, refused_share, percentiles)
    }

    pub(crate) fn figures(
        &self,
        requests: u64,
        span_s: f64,
        refused_share: f64,
        percentiles: Percentiles,
    ) -> Result<Figures, LoadError> {
        let a_request = |span: Duration| span.as_secs_f64() * 1e6 / requests.max(1) as f64;
        Ok(Figures {
            requests,
            requests_per_s: requests as f64 / span_s,
            server_cpu_us: a_request(process::cpu(&self.server).saturating_sub(self.server_before)),
            load_cpu_us: a_request(process::own_cpu().saturating_sub(self.own_before)),
            refused_share,
            rss_mib: process::rss_mib(&self.server),
            percentiles,
        })
    }
}

/// Numbers without order, the same in each run: xorshift.
#[derive(Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    /// One sequence for each `index`.
    pub(crate) fn new(index: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(index as u64 + 1))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * bound as u128) >> 64) as usize
    }
}

#[test]
fn numbers_are_spread() {
    let mut numbers = Numbers::new(3);
    let mut counts = [0; 10];
    (0..10_000).for_each(|_| counts[numbers.below(10)] += 1);
    assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
}
