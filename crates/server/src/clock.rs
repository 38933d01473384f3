//! The one place that reads the machine's clock. Everything else is given the
//! time.

use openclaw_alert::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Where "now" comes from.
#[derive(Debug)]
pub enum Clock {
    /// The machine's time.
    System,
    /// Time that runs `factor` times as fast from `start` on: a day in two
    /// minutes.
    Fast {
        /// Time at `since`.
        start: Timestamp,
        /// When it began to run.
        since: Instant,
        /// How many times as fast.
        factor: f64,
    },
    /// Time that stands until it is moved.
    Manual(AtomicI64),
}

impl Clock {
    /// Runs `factor` times as fast from `start` on.
    #[must_use]
    pub fn fast(start: Timestamp, factor: f64) -> Self {
        Self::Fast { start, since: Instant::now(), factor }
    }

    /// Stands at `start`.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(AtomicI64::new(start.nanos()))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Fast { start, since, factor } => start.plus(since.elapsed().mul_f64(*factor)),
            Self::Manual(nanos) => Timestamp::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }

    /// How long to sleep, in real time, until `at`. A clock that stands is
    /// looked at again when it is moved; an hour stands for "not by itself".
    #[must_use]
    pub fn until(&self, at: Timestamp) -> Duration {
        let span = at.since(self.now());
        match self {
            Self::System => span,
            Self::Fast { factor, .. } => span.div_f64(*factor),
            Self::Manual(_) if span.is_zero() => span,
            Self::Manual(_) => Duration::from_secs(3600),
        }
    }

    /// Moves a clock that stands; others go by themselves.
    pub fn advance_to(&self, at: Timestamp) {
        if let Self::Manual(nanos) = self {
            nanos.fetch_max(at.nanos(), Ordering::Relaxed);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the host's clock")]
fn system_now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
