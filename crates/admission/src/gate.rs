//! A tenant's limit on new alerts.

use openclaw_alert::Timestamp;
use openclaw_limiter::{Bucket, Rate};
use std::time::Duration;

/// What a tenant may send: new alerts a second, in bursts, and how much beyond
/// that is kept for later. Repeats and resolves cost nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// New alerts a second.
    pub rate_per_s: f64,
    /// New alerts at once.
    pub burst: u64,
    /// Bytes of alerts kept beyond the limit; past that new alerts are refused.
    pub backlog_bytes: u64,
}

impl Default for Limits {
    /// Wide enough for a large installation's worst minute, narrow enough that
    /// one tenant can't fill the machine's memory.
    fn default() -> Self {
        Self { rate_per_s: 20_000.0, burst: 200_000, backlog_bytes: 64 << 20 }
    }
}

/// The bucket that holds a tenant to its [`Limits`]. Not part of the durable
/// state: after a restart it is full, so a crash gives at most one extra burst.
#[derive(Debug, Clone, Copy)]
pub struct Gate {
    rate: Rate,
    bucket: Bucket,
}

impl Gate {
    /// A full bucket.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            rate: Rate::new(limits.rate_per_s, u32::try_from(limits.burst).unwrap_or(u32::MAX)),
            bucket: Bucket::default(),
        }
    }

    /// Lets one new alert in, or says how long until the next may come.
    ///
    /// # Errors
    /// The wait.
    pub fn admit(&mut self, now: Timestamp) -> Result<(), Duration> {
        self.bucket.take(self.rate, 1, nanos(now)).map_err(Duration::from_nanos)
    }

    /// New alerts that would be let in now.
    #[must_use]
    pub fn available(&self, now: Timestamp) -> u64 {
        self.bucket.available(self.rate, nanos(now))
    }

    /// When the next alert may come: `now` where one may already.
    #[must_use]
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        match { self.bucket }.take(self.rate, 1, nanos(now)) {
            Ok(()) => now,
            Err(wait) => now.plus(Duration::from_nanos(wait)),
        }
    }
}

fn nanos(now: Timestamp) -> u64 {
    now.nanos().max(0) as u64
}
