//! What a feature looked like in training, to tell by how far traffic has
//! drifted since.

use serde::{Deserialize, Serialize};

/// From the least to the greatest, with nine in between.
pub const DECILES: usize = 11;

/// Least share of a bin: an empty one would make any drift infinite.
const SHARE_MIN: f64 = 1e-4;

/// One feature's distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureBaseline {
    /// Least value, nine deciles, greatest value.
    pub deciles: [f32; DECILES],
    /// Share of values in each bin; bins end at the deciles that differ, and
    /// hold their ends.
    pub shares: Vec<f64>,
}

impl FeatureBaseline {
    /// Of values in any order; `None` where there are none or one isn't finite.
    #[must_use]
    pub fn of(values: &[f32]) -> Option<Self> {
        if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let last = sorted.len() - 1;
        let deciles = std::array::from_fn(|at| sorted[last * at / (DECILES - 1)]);
        let mut baseline = Self { deciles, shares: Vec::new() };
        baseline.shares = baseline.shares_of(values);
        Some(baseline)
    }

    /// The share of values in each of this baseline's bins.
    #[must_use]
    pub fn shares_of(&self, values: &[f32]) -> Vec<f64> {
        let edges = self.edges();
        let mut counts = vec![0_u64; edges.len() + 1];
        for value in values {
            counts[edges.partition_point(|edge| edge < value)] += 1;
        }
        let total = values.len().max(1) as f64;
        counts.into_iter().map(|count| count as f64 / total).collect()
    }

    /// Population stability index of values against this: below 0.1 little has
    /// changed, from 0.25 on much has.
    #[must_use]
    pub fn psi(&self, values: &[f32]) -> f64 {
        let bounded = |share: f64| share.max(SHARE_MIN);
        let pairs = self.shares.iter().zip(self.shares_of(values));
        pairs
            .map(|(then, now)| (bounded(*then), bounded(now)))
            .map(|(then, now)| (now - then) * libm::log(now / then))
            .sum()
    }

    /// Whether it is one that [`FeatureBaseline::of`] can have made.
    pub(super) fn is_sound(&self) -> bool {
        let ordered = self.deciles.iter().all(|value| value.is_finite()) && self.deciles.is_sorted();
        let shares_sum: f64 = self.shares.iter().sum();
        ordered
            && self.shares.len() == self.edges().len() + 1
            && self.shares.iter().all(|share| (0.0..=1.0).contains(share))
            && (shares_sum - 1.0).abs() < 1e-6
    }

    /// Least and greatest bound nothing: what comes later may lie beyond them.
    /// The least is an edge only where it is a decile as well, since values of
    /// which a tenth or more are alike need a bin of their own.
    fn edges(&self) -> Vec<f32> {
        let mut edges = self.deciles[1..DECILES - 1].to_vec();
        edges.dedup();
        edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    fn normal(mean: f64, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..20_000).map(|_| random.normal(mean, 1.0) as f32).collect()
    }

    #[test]
    fn drift_is_seen_and_chance_is_not() {
        let baseline = FeatureBaseline::of(&normal(0.0, 1)).unwrap();
        assert!(baseline.is_sound());
        assert!(baseline.shares.iter().all(|share| (share - 0.1).abs() < 0.001), "{:?}", baseline.shares);
        assert!(baseline.psi(&normal(0.0, 2)) < 0.01);
        // Two normal distributions a deviation apart: about 1.
        assert!((0.7..1.3).contains(&baseline.psi(&normal(1.0, 3))));
    }

    #[test]
    fn a_feature_that_never_changed_is_told_from_one_that_does() {
        let constant = FeatureBaseline::of(&[0.0; 100]).unwrap();
        assert!(constant.is_sound() && constant.psi(&[0.0; 50]) < 1e-9);
        assert!(constant.psi(&[1.0; 50]) > 1.0);
        let mostly_zero: Vec<f32> = (0..1000).map(|at| if at % 20 == 0 { 3.0 } else { 0.0 }).collect();
        let baseline = FeatureBaseline::of(&mostly_zero).unwrap();
        assert!(baseline.is_sound() && baseline.psi(&mostly_zero) < 1e-9);
        assert!(baseline.psi(&[3.0; 100]) > 1.0);
    }

    #[test]
    fn there_is_none_of_nothing() {
        assert_eq!(FeatureBaseline::of(&[]), None);
        assert_eq!(FeatureBaseline::of(&[1.0, f32::NAN]), None);
    }
}
