//! One bucket, against one that is counted as a child would.

use openclaw_limiter::{Bucket, Rate};
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

proptest! {
    #[test]
    fn another_rate_keeps_the_tokens(
        first in (0.001_f64..1e6, 1_u32..1_000),
        second in (0.001_f64..1e6, 1_u32..1_000),
        taken in 0_u64..1_000,
        now in 0_u64..1 << 61,
    ) {
        let (from, to) = (Rate::new(first.0, first.1), Rate::new(second.0, second.1));
        let mut bucket = Bucket::default();
        let _ = bucket.take(from, taken, now);
        let left = bucket.available(from, now);
        prop_assert_eq!(bucket.under(from, to, now).available(to, now), left.min(to.burst()));
    }

    #[test]
    fn no_number_overflows(at: u64, rate: f64, burst: u32, cost: u64, now: u64, other: f64) {
        let (rate, other) = (Rate::new(rate, burst), Rate::new(other, burst));
        let mut bucket = Bucket::full_at(at);
        let _ = bucket.take(rate, cost, now);
        bucket.charge(rate, cost, now);
        bucket.refund(rate, cost);
        prop_assert!(bucket.under(rate, other, now).available(other, now) <= other.burst());
    }
}
