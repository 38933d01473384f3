//! How fast a bucket refills and how much it holds.

/// Bits of the mantissa of nanoseconds a token.
const MANTISSA_BITS: u32 = 27;

/// Longest time that a full bucket may take to fill, so that sums of times
/// never overflow: nine years.
const DEPTH_NANOS_MAX: u64 = 1 << 58;

/// Slowest refill: a token in some nine years.
const NANOS_PER_TOKEN_MAX: f64 = (1_u64 << 58) as f64;

/// How fast a bucket refills and how much it holds, in one word, so that it can
/// be changed while others read it.
///
/// The word holds `burst` (32 bits) and nanoseconds a token as a number of 27
/// bits times a power of two: exact up to 134 ms a token, to a part in 10⁸
/// beyond. Rounding happens once, here; what a bucket does with it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u64);

impl Rate {
    /// A bucket of `burst` tokens (at least one) refilled at `tokens_per_s`.
    /// Rates are clamped to a token in nine years … one a nanosecond, bursts to
    /// what fills within nine years.
    #[must_use]
    pub fn new(tokens_per_s: f64, burst: u32) -> Self {
        let wanted = 1e9 / tokens_per_s;
        // Of a rate that is no number, the slowest.
        let nanos =
            if wanted.is_nan() { NANOS_PER_TOKEN_MAX } else { wanted.clamp(1.0, NANOS_PER_TOKEN_MAX) };
        Self::of_nanos(nanos.round() as u64, burst)
    }

    fn of_nanos(nanos: u64, burst: u32) -> Self {
        let exponent = (64 - nanos.leading_zeros()).saturating_sub(MANTISSA_BITS);
        let mantissa = nanos >> exponent;
        let most = DEPTH_NANOS_MAX / (mantissa << exponent);
        let burst = u64::from(burst.max(1)).min(most.max(1));
        Self((mantissa << 37) | (u64::from(exponent) << 32) | burst)
    }

    /// The word that [`Rate::of_word`] takes.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0
    }

    /// What [`Rate::word`] gave.
    #[must_use]
    pub fn of_word(word: u64) -> Self {
        Self(word)
    }

    /// Whether the word is one that [`Rate::new`] makes.
    pub(crate) fn is_whole(self) -> bool {
        let depth = self.nanos_per_token().checked_mul(self.burst());
        depth.is_some_and(|depth| (1..=DEPTH_NANOS_MAX).contains(&depth))
    }

    /// Tokens that a full bucket holds.
    #[must_use]
    #[inline]
    pub fn burst(self) -> u64 {
        self.0 & u64::from(u32::MAX)
    }

    /// Time in which one token comes back.
    #[must_use]
    #[inline]
    pub fn nanos_per_token(self) -> u64 {
        (self.0 >> 37) << ((self.0 >> 32) & 31)
    }

    /// Time in which an empty bucket fills.
    #[must_use]
    #[inline]
    pub fn depth_nanos(self) -> u64 {
        self.nanos_per_token() * self.burst()
    }

    /// Tokens that come back in a second.
    #[must_use]
    pub fn tokens_per_s(self) -> f64 {
        1e9 / self.nanos_per_token() as f64
    }
}
