//! One bucket, as a number.

use crate::Rate;

/// A bucket, kept as the time at which it is full again; starts full.
///
/// This is GCRA, the token bucket's exact equivalent: the theoretical arrival
/// time of ATM Forum TM 4.0, annex C. A clock that stands still or goes
/// backwards gives no tokens and takes none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at_nanos: u64,
}

impl Bucket {
    /// A bucket that is full at that time.
    #[must_use]
    pub fn full_at(nanos: u64) -> Self {
        Self { full_at_nanos: nanos }
    }

    /// When it is full again.
    #[must_use]
    pub fn full_at_nanos(self) -> u64 {
        self.full_at_nanos
    }

    /// Takes `cost` tokens, or none.
    ///
    /// # Errors
    /// Nanoseconds until as many tokens are there; `u64::MAX` when `cost` is
    /// more than the bucket ever holds.
    pub fn take(&mut self, rate: Rate, cost: u64, now_nanos: u64) -> Result<(), u64> {
        if cost > rate.burst() {
            return Err(u64::MAX);
        }
        let full_at = self.full_at_nanos.max(now_nanos) + rate.nanos_per_token() * cost;
        let latest = now_nanos + rate.depth_nanos();
        if full_at > latest {
            return Err(full_at - latest);
        }
        self.full_at_nanos = full_at;
        Ok(())
    }

    /// Takes `cost` tokens whether they are there or not: what has been spent
    /// already. The debt is at most one full bucket.
    pub fn charge(&mut self, rate: Rate, cost: u64, now_nanos: u64) {
        let cost_nanos = rate.nanos_per_token().saturating_mul(cost);
        let deepest = now_nanos + 2 * rate.depth_nanos();
        let full_at = self.full_at_nanos.max(now_nanos).saturating_add(cost_nanos);
        self.full_at_nanos = full_at.min(deepest.max(self.full_at_nanos));
    }

    /// Puts `cost` tokens back; never beyond full.
    pub fn refund(&mut self, rate: Rate, cost: u64) {
        let back = rate.nanos_per_token().saturating_mul(cost);
        self.full_at_nanos = self.full_at_nanos.saturating_sub(back);
    }

    /// Whole tokens that could be taken now.
    #[must_use]
    pub fn available(self, rate: Rate, now_nanos: u64) -> u64 {
        rate.depth_nanos().saturating_sub(self.owed_nanos(now_nanos)) / rate.nanos_per_token()
    }

    /// How long until it is full.
    #[must_use]
    pub fn owed_nanos(self, now_nanos: u64) -> u64 {
        self.full_at_nanos.saturating_sub(now_nanos)
    }

    /// The same tokens under another rate, to the nanosecond of a token; no
    /// more than that holds. Debt stays debt.
    #[must_use]
    pub fn under(self, from: Rate, to: Rate, now_nanos: u64) -> Self {
        let owed = i128::from(self.owed_nanos(now_nanos));
        let left = i128::from(from.depth_nanos()) - owed;
        let per_token = (i128::from(from.nanos_per_token()), i128::from(to.nanos_per_token()));
        // Rounded down, so that a change never makes tokens.
        let left = (left * per_token.1).div_euclid(per_token.0);
        let owed = (i128::from(to.depth_nanos()) - left).clamp(0, 2 * i128::from(to.depth_nanos()));
        Self { full_at_nanos: now_nanos + owed as u64 }
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
            let per_token = u128::from(rate.nanos_per_token());
            let full = per_token * u128::from(rate.burst());
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
            burst in 1_u32..1000,
            calls in prop::collection::vec((0_u64..3_000_000_000, 0_u64..20), 1..200),
        ) {
            let rate = Rate::new(per_s, burst);
            let mut slow = Slow { level: u128::from(rate.nanos_per_token()) * u128::from(burst), last: 0 };
            let mut bucket = Bucket::default();
            let mut now = 0;
            for (wait, cost) in calls {
                now += wait;
                let available = bucket.available(rate, now);
                let allowed = bucket.take(rate, cost, now).is_ok();
                prop_assert_eq!(allowed, slow.take(&rate, cost, now));
                prop_assert_eq!(allowed, cost <= available);
            }
        }

        #[test]
        fn the_wait_it_names_is_exact(per_s in 0.1_f64..1e6, burst in 1_u32..100, cost in 1_u64..100) {
            let rate = Rate::new(per_s, burst);
            let mut bucket = Bucket::default();
            while bucket.take(rate, 1, 5).is_ok() {}
            match bucket.take(rate, cost, 5) {
                Ok(()) => unreachable!("an empty bucket gave tokens"),
                Err(u64::MAX) => prop_assert!(cost > u64::from(burst)),
                Err(wait) => {
                    prop_assert!(bucket.take(rate, cost, 5 + wait - 1).is_err());
                    prop_assert!(bucket.take(rate, cost, 5 + wait).is_ok());
                }
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let rate = Rate::new(10.0, 2);
        let mut bucket = Bucket::default();
        assert!(bucket.take(rate, 2, 1_000_000_000).is_ok());
        assert!(bucket.take(rate, 1, 500_000_000).is_err());
        assert!(bucket.take(rate, 1, 1_100_000_000).is_ok());
    }
}
