//! Inputs brought to one size, and the network unburdened of it again.

use super::Row;
use crate::artifact::Scaling;
use openclaw_admission::{FEATURES, Features};

/// An input that strays less never changes: nothing can be learned from it.
const DEVIATION_MIN: f64 = 1e-6;

impl Scaling {
    pub(super) fn of(rows: &[Row]) -> Self {
        let count = rows.len() as f64;
        let mut sums = [0.0_f64; FEATURES];
        for row in rows {
            sums.iter_mut().zip(row.features).for_each(|(sum, x)| *sum += f64::from(x));
        }
        let means = sums.map(|sum| sum / count);
        let mut squares = [0.0_f64; FEATURES];
        for row in rows {
            for ((square, x), mean) in squares.iter_mut().zip(row.features).zip(means) {
                *square += (f64::from(x) - mean) * (f64::from(x) - mean);
            }
        }
        Self {
            mean: means.map(|mean| mean as f32),
            deviation: squares.map(|square| {
                let deviation = (square / count).sqrt();
                if deviation < DEVIATION_MIN { 0.0 } else { deviation as f32 }
            }),
        }
    }

    pub(super) fn inverse(&self) -> Features {
        self.deviation.map(|deviation| if deviation > 0.0 { 1.0 / deviation } else { 0.0 })
    }

    /// A unit over scaled inputs as one over the inputs themselves.
    pub(super) fn folded(&self, weight: &[f32], bias: f32) -> (Features, f32) {
        let mut shifted = f64::from(bias);
        let mut folded = [0.0; FEATURES];
        for input in (0..FEATURES).filter(|input| self.deviation[*input] > 0.0) {
            let own = f64::from(weight[input]) / f64::from(self.deviation[input]);
            shifted -= own * f64::from(self.mean[input]);
            folded[input] = own as f32;
        }
        (folded, shifted as f32)
    }
}
