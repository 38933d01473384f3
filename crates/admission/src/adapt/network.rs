//! A small network: ten features in, two outputs out.

use super::estimator::Predictor;
use super::features::{FEATURES, Features};
use std::sync::Arc;

/// Outputs: of the rate and of the burst.
pub const OUTPUTS: usize = 2;
/// Hidden units at most.
pub const HIDDEN_MAX: usize = 256;

/// Weights as PyTorch lays them out, a row for each output, `f32`, with the
/// scaling of the inputs folded in.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// `Linear(10, 2)`.
    Linear {
        /// 2 × 10.
        weight: [[f32; FEATURES]; OUTPUTS],
        /// 2.
        bias: [f32; OUTPUTS],
    },
    /// `Linear(10, h)`, ReLU, `Linear(h, 2)`.
    Mlp {
        /// h × 10.
        hidden_weight: Vec<[f32; FEATURES]>,
        /// h.
        hidden_bias: Vec<f32>,
        /// 2 × h.
        weight: [Vec<f32>; OUTPUTS],
        /// 2.
        bias: [f32; OUTPUTS],
    },
}

/// Why weights make no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// A weight is infinite or no number.
    #[error("a weight isn't a finite number; train the model anew")]
    NotFinite,
    /// Rows of different lengths, none, or too many.
    #[error(
        "{hidden} hidden units with {biases} biases and rows of {rows:?}; expected 1 to {HIDDEN_MAX}, all alike"
    )]
    Shape {
        /// Rows of the hidden layer.
        hidden: usize,
        /// Its biases.
        biases: usize,
        /// Lengths of the last layer's rows.
        rows: [usize; OUTPUTS],
    },
}

impl Weights {
    fn checked(&self) -> Result<(), WeightsError> {
        let is_finite = match self {
            Self::Linear { weight, bias } => weight.iter().flatten().chain(bias).all(|w| w.is_finite()),
            Self::Mlp { hidden_weight, hidden_bias, weight, bias } => {
                let (hidden, biases, rows) =
                    (hidden_weight.len(), hidden_bias.len(), weight.each_ref().map(Vec::len));
                if !(1..=HIDDEN_MAX).contains(&hidden) || biases != hidden || rows != [hidden; OUTPUTS] {
                    return Err(WeightsError::Shape { hidden, biases, rows });
                }
                hidden_weight.iter().flatten().chain(hidden_bias).all(|w| w.is_finite())
                    && weight.iter().flatten().chain(bias).all(|w| w.is_finite())
            }
        };
        if is_finite { Ok(()) } else { Err(WeightsError::NotFinite) }
    }
}

/// A network that predicts. Sums are taken in one order without fused
/// multiplication, so that the same weights give the same bits on every machine.
#[derive(Debug, Clone)]
pub struct Network {
    name: Arc<str>,
    weights: Weights,
    /// The hidden layer by input, so that units are worked out side by side.
    by_input: [Vec<f32>; FEATURES],
}

impl Network {
    /// Of checked weights.
    ///
    /// # Errors
    /// [`WeightsError`] where they are of another shape or not finite.
    pub fn new(name: impl Into<Arc<str>>, weights: Weights) -> Result<Self, WeightsError> {
        weights.checked()?;
        let by_input = match &weights {
            Weights::Linear { .. } => [const { Vec::new() }; FEATURES],
            Weights::Mlp { hidden_weight, .. } => {
                std::array::from_fn(|input| hidden_weight.iter().map(|unit| unit[input]).collect())
            }
        };
        Ok(Self { name: name.into(), weights, by_input })
    }

    /// What it is made of.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The outputs for one row; `hidden` is room for work.
    fn row(&self, features: &Features, hidden: &mut [f32; HIDDEN_MAX]) -> [f32; OUTPUTS] {
        match &self.weights {
            Weights::Linear { weight, bias } => {
                std::array::from_fn(|output| dot(bias[output], &weight[output], features))
            }
            Weights::Mlp { hidden_bias, weight, bias, .. } => {
                let hidden = &mut hidden[..hidden_bias.len()];
                hidden.copy_from_slice(hidden_bias);
                for (weights, feature) in self.by_input.iter().zip(features) {
                    hidden.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * feature);
                }
                hidden.iter_mut().for_each(|sum| *sum = sum.max(0.0));
                std::array::from_fn(|output| dot(bias[output], &weight[output], hidden))
            }
        }
    }
}

fn dot(start: f32, weights: &[f32], inputs: &[f32]) -> f32 {
    weights.iter().zip(inputs).fold(start, |sum, (weight, input)| sum + weight * input)
}

impl Predictor for Network {
    fn predict(&self, features: &[Features], out: &mut [[f32; OUTPUTS]]) {
        let mut hidden = [0.0; HIDDEN_MAX];
        for (row, out) in features.iter().zip(out) {
            *out = self.row(row, &mut hidden);
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn correction_range(&self) -> (f32, f32) {
        (-4.0, 12.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mlp(hidden: usize) -> Weights {
        let number = |at: usize| ((at * 37 % 101) as f32 - 50.0) / 40.0;
        Weights::Mlp {
            hidden_weight: (0..hidden).map(|unit| std::array::from_fn(|i| number(unit * 11 + i))).collect(),
            hidden_bias: (0..hidden).map(number).collect(),
            weight: [0, 1].map(|output| (0..hidden).map(|unit| number(unit * 3 + output)).collect()),
            bias: [0.5, -0.25],
        }
    }

    #[test]
    fn gives_what_the_layers_say() {
        let network = Network::new("m", mlp(32)).unwrap();
        let features: Features = std::array::from_fn(|i| i as f32 / 3.0 - 1.5);
        let mut out = [[0.0; OUTPUTS]];
        network.predict(&[features], &mut out);
        let Weights::Mlp { hidden_weight, hidden_bias, weight, bias } = mlp(32) else { unreachable!() };
        for output in 0..OUTPUTS {
            let exact: f64 = hidden_weight.iter().zip(&hidden_bias).zip(&weight[output]).fold(
                f64::from(bias[output]),
                |sum, ((row, b), w)| {
                    let unit: f64 =
                        row.iter().zip(&features).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>()
                            + f64::from(*b);
                    sum + unit.max(0.0) * f64::from(*w)
                },
            );
            assert!((f64::from(out[0][output]) - exact).abs() < 1e-4, "{} {exact}", out[0][output]);
        }
    }

    #[test]
    fn other_weights_are_refused() {
        let Weights::Mlp { hidden_weight, mut hidden_bias, weight, bias } = mlp(4) else { unreachable!() };
        hidden_bias.pop();
        let uneven = Weights::Mlp { hidden_weight, hidden_bias, weight, bias };
        assert!(matches!(Network::new("m", uneven), Err(WeightsError::Shape { biases: 3, .. })));
        assert!(matches!(Network::new("m", mlp(0)), Err(WeightsError::Shape { .. })));
        let nan = Weights::Linear { weight: [[f32::NAN; FEATURES]; OUTPUTS], bias: [0.0; OUTPUTS] };
        assert_eq!(Network::new("m", nan).err(), Some(WeightsError::NotFinite));
    }
}
