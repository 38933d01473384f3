//! Medians, percentiles, and what a run of requests came to.

use crate::error::LoadError;
use serde::Serialize;
use std::time::Duration;

/// Answers and how long each took.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) latencies_us: Vec<u32>,
    /// Answers other than the one hoped for: refusals and faults.
    pub(crate) refused: u64,
}

impl Samples {
    pub(crate) fn add(&mut self, latency: Duration, is_good: bool) {
        self.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        self.refused += u64::from(!is_good);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.refused += other.refused;
    }

    /// The three percentiles that the tables show.
    pub(crate) fn percentiles(&mut self) -> Result<Percentiles, LoadError> {
        self.latencies_us.sort_unstable();
        let at = |share: f64| quantile(&self.latencies_us, share).ok_or(LoadError::NoSamples);
        Ok(Percentiles { p50_us: at(0.5)?, p95_us: at(0.95)?, p99_us: at(0.99)?, p999_us: at(0.999)? })
    }

    pub(crate) fn refused_share(&self) -> f64 {
        self.refused as f64 / self.latencies_us.len().max(1) as f64
    }
}

/// Latencies that a share of the answers did not exceed.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

/// One measure: what a request cost the server and the load, and how long it took.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) server_cpu_us: f64,
    pub(crate) load_cpu_us: f64,
    pub(crate) refused_share: f64,
    pub(crate) rss_mib: f64,
    #[serde(flatten)]
    pub(crate) percentiles: Percentiles,
}

/// The value of the sorted samples that a share of them does not exceed.
fn quantile(sorted: &[u32], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).map(|value| f64::from(*value))
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(samples: &mut [f64]) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let upper = *samples.get(samples.len() / 2)?;
    let lower = samples[(samples.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[test]
fn quantiles_and_medians() {
    let mut samples = Samples::default();
    for micros in (1..=1000).rev() {
        samples.add(Duration::from_micros(micros), micros % 10 != 0);
    }
    let found = samples.percentiles().unwrap();
    assert_eq!((found.p50_us, found.p95_us, found.p99_us, found.p999_us), (500.0, 950.0, 990.0, 999.0));
    assert_eq!(samples.refused_share(), 0.1);
    assert!(Samples::default().percentiles().is_err());
    assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&mut [4.0, 1.0]), Some(2.5));
    assert_eq!(median(&mut []), None);
}
