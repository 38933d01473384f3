//! One bucket, as a number.

use crate::Rate;

/// Farther ahead of now than this, and deeper in debt than can be, a bucket is
/// of a time before the clock was put back; clocks of threads differ by less.
const AHEAD_NANOS: u64 = 10_000_000_000;

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
    #[inline]
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
    #[inline]
    pub fn take(&mut self, rate: Rate, cost: u64, now_nanos: u64) -> Result<(), u64> {
        if cost > rate.burst() {
            return Err(u64::MAX);
        }
        let full_at = self.full_at_nanos.max(now_nanos).saturating_add(rate.nanos_per_token() * cost);
        let latest = now_nanos.saturating_add(rate.depth_nanos());
        if full_at > latest {
            return Err(full_at - latest);
        }
        self.full_at_nanos = full_at;
        Ok(())
    }

    /// What is left after [`Bucket::take`] of at least one token, at a time so
    /// early that no sum overflows.
    #[inline]
    pub(crate) fn less(self, rate: Rate, cost: u64, now_nanos: u64) -> Option<Self> {
        // Of 0 tokens the greatest number.
        if cost.wrapping_sub(1) >= rate.burst() {
            return None;
        }
        let full_at_nanos = self.full_at_nanos.max(now_nanos) + rate.nanos_per_token() * cost;
        (full_at_nanos <= now_nanos + rate.depth_nanos()).then_some(Self { full_at_nanos })
    }

    /// Whether a bucket in which so much was missing has to come back first.
    #[inline]
    pub(crate) fn is_ahead(rate: Rate, cost: u64, missing_nanos: u64) -> bool {
        missing_nanos > AHEAD_NANOS
            && cost <= rate.burst()
            && missing_nanos > AHEAD_NANOS + rate.depth_nanos() + rate.nanos_per_token() * cost
    }

    /// After the clock has been put back nobody knows what the bucket has: it is
    /// empty, so that nobody waits until the clock is there again.
    pub fn come_back(&mut self, rate: Rate, now_nanos: u64) {
        if self.owed_nanos(now_nanos) > AHEAD_NANOS + 2 * rate.depth_nanos() {
            self.full_at_nanos = now_nanos.saturating_add(rate.depth_nanos());
        }
    }

    /// Takes `cost` tokens whether they are there or not: what has been spent
    /// already. The debt is at most one full bucket.
    pub fn charge(&mut self, rate: Rate, cost: u64, now_nanos: u64) {
        self.owe(rate, cost, rate.depth_nanos(), now_nanos);
    }

    /// The same with a debt of at most so long a refill.
    pub(crate) fn owe(&mut self, rate: Rate, cost: u64, debt_nanos: u64, now_nanos: u64) {
        let cost_nanos = rate.nanos_per_token().saturating_mul(cost);
        let deepest = now_nanos.saturating_add(rate.depth_nanos() + debt_nanos);
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
        Self { full_at_nanos: now_nanos.saturating_add(owed as u64) }
    }
}
