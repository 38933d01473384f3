//! A test that may be looked at again and again.
//!
//! Under the null hypothesis the two models could change places, so each
//! cluster's difference is as likely as its opposite. For independent symmetric
//! numbers, however heavy their tails, the sum over the root of the sum of
//! squares is beyond `x` with a probability of at most exp(-x²/2) (Efron 1969,
//! de la Peña 1999); no variance is estimated and no sample is too small. What
//! has been seen before stays in the sums, so looks depend on each other: the
//! k-th spends 1/(k(k+1)) of the error that is allowed, which holds whatever
//! that dependence is and however many there are.

use serde::{Deserialize, Serialize};

/// Counts looks and says how far apart is too far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sequential {
    error: f64,
    looks: u32,
}

impl Sequential {
    /// With that probability, over all looks and all of so many questions, to
    /// find a difference where there is none.
    #[must_use]
    pub fn new(error: f64, questions: u32) -> Self {
        Self { error: error / f64::from(questions), looks: 0 }
    }

    /// Looks once more. Gives how far a difference has to be.
    pub fn look(&mut self) -> f64 {
        self.looks += 1;
        let k = f64::from(self.looks);
        libm::sqrt(2.0 * libm::log(k * (k + 1.0) / self.error))
    }

    /// Looks so far.
    #[must_use]
    pub fn looks(&self) -> u32 {
        self.looks
    }
}

/// How far differences are above a margin that is borne; positive is worse.
pub(super) fn distance(differences: impl Iterator<Item = f64>, margin: f64) -> f64 {
    let (mut sum, mut squares) = (0.0, 0.0);
    for difference in differences {
        sum += difference - margin;
        squares += difference * difference;
    }
    if squares > 0.0 { sum / libm::sqrt(squares) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    /// Cauchy numbers have no mean, and clusters are few: it holds all the same.
    #[test]
    fn looks_don_t_add_up_to_more_errors() {
        let mut random = Random::new(11);
        for count in [3, 20, 200] {
            let mut found = 0;
            for _ in 0..2_000 {
                let mut sums = vec![0.0; count];
                let mut test = Sequential::new(0.05, 1);
                let is_found = (0..20).any(|_| {
                    for sum in &mut sums {
                        *sum += libm::tan(std::f64::consts::PI * (random.unit() - 0.5));
                    }
                    distance(sums.iter().copied(), 0.0) >= test.look()
                });
                found += u32::from(is_found);
            }
            assert!(found <= 100, "{found} of 2000 with {count}");
        }
    }

    #[test]
    fn a_difference_is_found() {
        let mut random = Random::new(12);
        let mut test = Sequential::new(0.01, 6);
        let mut values = Vec::new();
        let found = (1..=10).find(|_| {
            values.extend((0..100).map(|_| random.normal(0.3, 1.0)));
            distance(values.iter().copied(), 0.05) >= test.look()
        });
        assert!(found.is_some(), "not within a thousand");
    }
}
