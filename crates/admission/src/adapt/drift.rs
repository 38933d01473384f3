//! How far what a model is given has moved from what it was trained on.

use super::features::{FEATURES, Features};
use libm::log;

/// Edges of bins at most.
pub const EDGES: usize = 9;
/// Rows before anything is told.
const ROWS_MIN: f64 = 1_000.0;
/// Rows after which the past counts for half.
const ROWS_MAX: f64 = 200_000.0;
/// Least share of a bin: an empty one would make any drift infinite.
const SHARE_MIN: f64 = 1e-4;

/// A feature's distribution in training: shares of bins between rising edges,
/// each of which belongs to the bin below.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Up to [`EDGES`].
    pub edges: Vec<f32>,
    /// One more than edges.
    pub shares: Vec<f64>,
}

/// Features of late beside those of training.
#[derive(Debug, Clone)]
pub(super) struct Drift {
    baselines: [Baseline; FEATURES],
    counts: [[f64; EDGES + 1]; FEATURES],
    rows: f64,
}

impl Drift {
    pub(super) fn new(baselines: [Baseline; FEATURES]) -> Self {
        Self { baselines, counts: [[0.0; EDGES + 1]; FEATURES], rows: 0.0 }
    }

    pub(super) fn add(&mut self, features: &Features) {
        let each = self.counts.iter_mut().zip(&self.baselines).zip(features);
        for ((counts, baseline), value) in each {
            let bin = baseline.edges.iter().take(EDGES).map(|edge| usize::from(edge < value)).sum::<usize>();
            counts[bin] += 1.0;
        }
        self.rows += 1.0;
        if self.rows >= ROWS_MAX {
            self.rows /= 2.0;
            self.counts.iter_mut().flatten().for_each(|count| *count /= 2.0);
        }
    }

    /// Population stability index of each feature: below 0.1 little has
    /// changed, from 0.25 on much has.
    pub(super) fn psi(&self) -> Option<[f64; FEATURES]> {
        let bounded = |share: f64| share.max(SHARE_MIN);
        let of = |at: usize| {
            let pairs = self.baselines[at].shares.iter().zip(self.counts[at]);
            pairs
                .map(|(then, count)| (bounded(*then), bounded(count / self.rows)))
                .map(|(then, now)| (now - then) * log(now / then))
                .sum()
        };
        (self.rows >= ROWS_MIN).then(|| std::array::from_fn(of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_is_told_from_what_stays() {
        let edges = (1..10).map(|edge| edge as f32 / 10.0).collect::<Vec<_>>();
        let even = Baseline { edges, shares: vec![0.1; 10] };
        let constant = Baseline { edges: vec![0.0], shares: vec![1.0, 0.0] };
        let baselines = std::array::from_fn(|at| if at == 2 { constant.clone() } else { even.clone() });
        let mut drift = Drift::new(baselines);
        assert_eq!(drift.psi(), None);
        for row in 0..300_000 {
            let unit = (row % 1000) as f32 / 1000.0;
            let mut features = [unit; FEATURES];
            (features[2], features[5]) = (0.0, unit * unit);
            drift.add(&features);
        }
        let psi = drift.psi().unwrap();
        assert!(psi[0] < 0.01 && psi[2] < 0.01, "{psi:?}");
        assert!((0.2..1.0).contains(&psi[5]), "{psi:?}");
        (0..200_000).for_each(|_| drift.add(&[1.0; FEATURES]));
        assert!(drift.psi().unwrap()[2] > 1.0);
    }
}
