//! Token buckets.
//!
//! A bucket is kept as GCRA, the token bucket's exact equivalent: one number,
//! the theoretical arrival time at which the bucket is full again (ATM Forum
//! TM 4.0, annex C). Time is an argument, in nanoseconds of any clock that the
//! caller likes; a clock that stands still or goes backwards gives no tokens
//! and takes none.

#![forbid(unsafe_code)]

/// How fast a bucket refills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    nanos_per_token: u64,
    burst: u64,
}

impl Rate {
    /// A bucket of `burst` tokens (at least one) refilled at `tokens_per_s`.
    /// Rates are clamped to one token in 100 years … one a nanosecond.
    #[must_use]
    pub fn new(tokens_per_s: f64, burst: u64) -> Self {
        const SLOWEST: f64 = 100.0 * 365.0 * 86_400.0 * 1e9;
        let nanos_per_token = (1e9 / tokens_per_s).clamp(1.0, SLOWEST);
        Self { nanos_per_token: nanos_per_token.round() as u64, burst: burst.max(1) }
    }

    /// Tokens that a full bucket holds.
    #[must_use]
    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// Nanoseconds that a full bucket lasts at its refill rate.
    fn depth_nanos(&self) -> u64 {
        self.nanos_per_token.saturating_mul(self.burst)
    }
}

/// One client's bucket; starts full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at_nanos: u64,
}

impl Bucket {
    /// Takes `cost` tokens, or none.
    ///
    /// # Errors
    /// Nanoseconds until as many tokens are there; `u64::MAX` when `cost` is
    /// more than the bucket ever holds.
    pub fn take(&mut self, rate: &Rate, cost: u64, now_nanos: u64) -> Result<(), u64> {
        if cost > rate.burst {
            return Err(u64::MAX);
        }
        let full_at = self.full_at_nanos.max(now_nanos) + rate.nanos_per_token.saturating_mul(cost);
        let latest = now_nanos.saturating_add(rate.depth_nanos());
        if full_at > latest {
            return Err(full_at - latest);
        }
        self.full_at_nanos = full_at;
        Ok(())
    }

    /// Whole tokens that could be taken now.
    #[must_use]
    pub fn available(&self, rate: &Rate, now_nanos: u64) -> u64 {
        let owed = self.full_at_nanos.saturating_sub(now_nanos);
        rate.depth_nanos().saturating_sub(owed) / rate.nanos_per_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The bucket as a child would count it, in exact integers: `level` is in
    /// units of one token / `nanos_per_token`.
    struct Slow {
        level: u128,
        last: u64,
    }

    impl Slow {
        fn take(&mut self, rate: &Rate, cost: u64, now: u64) -> bool {
            let per_token = u128::from(rate.nanos_per_token);
            let full = per_token * u128::from(rate.burst);
            self.level = (self.level + u128::from(now - self.last)).min(full);
            self.last = now;
            let need = per_token * u128::from(cost);
            if self.level < need {
                return false;
            }
            self.level -= need;
            true
        }
    }

    proptest! {
        #[test]
        fn decides_as_the_slow_model(
            per_s in 0.1_f64..1e6,
            burst in 1_u64..1000,
            calls in prop::collection::vec((0_u64..3_000_000_000, 0_u64..20), 1..200),
        ) {
            let rate = Rate::new(per_s, burst);
            let mut slow = Slow { level: u128::from(rate.nanos_per_token) * u128::from(burst), last: 0 };
            let mut bucket = Bucket::default();
            let mut now = 0;
            for (wait, cost) in calls {
                now += wait;
                let available = bucket.available(&rate, now);
                let allowed = bucket.take(&rate, cost, now).is_ok();
                prop_assert_eq!(allowed, slow.take(&rate, cost, now));
                prop_assert_eq!(allowed, cost <= available);
            }
        }

        #[test]
        fn the_wait_it_names_is_exact(per_s in 0.1_f64..1e6, burst in 1_u64..100, cost in 1_u64..100) {
            let rate = Rate::new(per_s, burst);
            let mut bucket = Bucket::default();
            while bucket.take(&rate, 1, 5).is_ok() {}
            match bucket.take(&rate, cost, 5) {
                Ok(()) => unreachable!("an empty bucket gave tokens"),
                Err(u64::MAX) => prop_assert!(cost > burst),
                Err(wait) => {
                    prop_assert!(bucket.take(&rate, cost, 5 + wait - 1).is_err());
                    prop_assert!(bucket.take(&rate, cost, 5 + wait).is_ok());
                }
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let rate = Rate::new(10.0, 2);
        let mut bucket = Bucket::default();
        assert!(bucket.take(&rate, 2, 1_000_000_000).is_ok());
        assert!(bucket.take(&rate, 1, 500_000_000).is_err());
        assert!(bucket.take(&rate, 1, 1_100_000_000).is_ok());
    }
}
