//! A token bucket, window after window.

use openclaw_admission::TICKS;

/// A bucket for one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    /// Tokens a tick.
    pub(super) rate: f64,
    /// Tokens at most.
    pub(super) depth: f64,
}

impl Bucket {
    /// From ln(1 + tokens a window) and ln(1 + burst).
    pub(super) fn of([rate, burst]: [f64; 2]) -> Self {
        let rate = libm::expm1(rate).max(0.02) / TICKS as f64;
        Self { rate, depth: libm::expm1(burst).max(1.0) + rate }
    }
}

/// Refused in each window. What a window leaves in the bucket, the next has.
pub(super) fn refused(windows: &[[f32; TICKS]], buckets: &[Bucket]) -> Vec<f64> {
    let mut tokens = buckets.first().map_or(0.0, |bucket| bucket.depth);
    let window = |(ticks, bucket): (&[f32; TICKS], &Bucket)| {
        tokens = tokens.min(bucket.depth);
        ticks.iter().fold(0.0, |refused, came| {
            let came = f64::from(*came);
            tokens = (tokens + bucket.rate).min(bucket.depth);
            let admitted = came.min(tokens.floor());
            tokens -= admitted;
            refused + came - admitted
        })
    };
    windows.iter().zip(buckets).map(window).collect()
}
