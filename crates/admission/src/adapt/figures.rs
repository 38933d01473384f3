//! What is told about a tenant's clients: never one by one.

use super::advice::Outcome;
use crate::RateSettings;

const PER_OCTAVE: f32 = 8.0;
const LOWEST_OCTAVE: f32 = -5.0;
const BINS: usize = 38 * PER_OCTAVE as usize;

/// A distribution of positive numbers, to a twentieth.
#[derive(Debug, Clone)]
struct Distribution(Box<[u32; BINS]>);

impl Default for Distribution {
    fn default() -> Self {
        Self(Box::new([0; BINS]))
    }
}

impl Distribution {
    fn add(&mut self, value: f32) {
        let octave = libm::log2f(value.max(f32::MIN_POSITIVE)) - LOWEST_OCTAVE;
        let at = (octave * PER_OCTAVE).clamp(0.0, (BINS - 1) as f32);
        self.0[at as usize] += 1;
    }

    fn quantile(&self, part: f32) -> f32 {
        let count: u32 = self.0.iter().sum();
        let mut left = (part * count as f32) as u32;
        let reached = |bin: &u32| {
            let is_here = *bin > left;
            left = left.saturating_sub(*bin);
            is_here
        };
        let at = self.0.iter().position(reached).unwrap_or(0);
        libm::exp2f((at as f32 + 0.5) / PER_OCTAVE + LOWEST_OCTAVE)
    }
}

/// One window's worth of windows that ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    clients: u32,
    judged: u32,
    within: u32,
    errors: [f64; 2],
    sizes: Distribution,
    rates: Distribution,
}

impl Figures {
    pub(super) fn judged(&mut self, outcome: &Outcome) {
        self.judged += 1;
        self.within += u32::from(outcome.is_within);
        for (sum, error) in self.errors.iter_mut().zip(outcome.errors) {
            *sum += f64::from(error);
        }
    }

    pub(super) fn allowed(&mut self, bucket: RateSettings) {
        self.clients += 1;
        self.sizes.add(bucket.burst as f32);
        self.rates.add(bucket.rate_per_s as f32);
    }

    pub(super) fn told(&self) -> WindowFigures {
        let quantiles = |of: &Distribution| QUANTILES.map(|part| of.quantile(part));
        let share = |sum: f64| if self.judged == 0 { 0.0 } else { sum / f64::from(self.judged) };
        WindowFigures {
            clients: self.clients,
            sizes: quantiles(&self.sizes),
            rates_per_s: quantiles(&self.rates),
            errors: self.errors.map(share),
            within: share(f64::from(self.within)),
        }
    }
}

/// Quantiles that are told.
pub const QUANTILES: [f32; 4] = [0.1, 0.5, 0.9, 0.99];

/// A tenant's learned limits over the last window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowFigures {
    /// Clients with a limit of their own, enforced or advised.
    pub clients: u32,
    /// Bucket sizes at [`QUANTILES`].
    pub sizes: [f32; 4],
    /// Tokens a second at [`QUANTILES`].
    pub rates_per_s: [f32; 4],
    /// Mean of |predicted - seen| / (seen + 1), of rate and of burst.
    pub errors: [f64; 2],
    /// Share of windows that stayed within what had been advised.
    pub within: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near() {
        let mut figures = Figures::default();
        for size in 1..=1000 {
            figures.allowed(RateSettings { rate_per_s: f64::from(size) / 100.0, burst: size });
        }
        let told = figures.told();
        for (at, part) in QUANTILES.into_iter().enumerate() {
            assert!((told.sizes[at] / (1000.0 * part) - 1.0).abs() < 0.05, "{:?}", told.sizes);
            assert!((told.rates_per_s[at] / (10.0 * part) - 1.0).abs() < 0.05, "{:?}", told.rates_per_s);
        }
    }
}
