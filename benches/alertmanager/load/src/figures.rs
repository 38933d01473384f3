//! Medians and percentiles.

use std::time::Duration;

/// The value that a share of the sorted samples does not exceed.
pub(crate) fn quantile(samples: &mut [f64], share: f64) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let rank = (share * samples.len() as f64).ceil().max(1.0) as usize;
    samples.get(rank - 1).copied()
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(samples: &mut [f64]) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let upper = *samples.get(samples.len() / 2)?;
    let lower = samples[(samples.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

pub(crate) fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// As many digits as a reader can use.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[test]
fn quantiles_and_medians() {
    let mut samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    assert_eq!(quantile(&mut samples, 0.99), Some(99.0));
    assert_eq!(quantile(&mut samples, 1.0), Some(100.0));
    assert_eq!(median(&mut samples), Some(50.5));
    assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&mut []), None);
    assert_eq!(quantile(&mut [], 0.5), None);
}
