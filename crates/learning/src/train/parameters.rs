//! A network's numbers in one row: hidden weights unit by unit, hidden biases,
//! output weights output by output, output biases.

use crate::Random;
use crate::artifact::Scaling;
use openclaw_admission::{FEATURES, OUTPUTS, Weights};

/// How many hidden units, and so where everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) hidden: usize,
}

impl Shape {
    /// Inputs of the last layer.
    pub(super) fn last_inputs(self) -> usize {
        if self.hidden == 0 { FEATURES } else { self.hidden }
    }

    pub(super) fn hidden_biases(self) -> usize {
        self.hidden * FEATURES
    }

    pub(super) fn last(self, output: usize) -> usize {
        self.hidden * (FEATURES + 1) + output * self.last_inputs()
    }

    pub(super) fn biases(self) -> usize {
        self.last(OUTPUTS)
    }

    pub(super) fn len(self) -> usize {
        self.biases() + OUTPUTS
    }

    /// Random weights; the outputs start at the quantiles of the targets.
    pub(super) fn start(self, random: &mut Random, biases: [f32; OUTPUTS]) -> Vec<f32> {
        let mut parameters = vec![0.0; self.len()];
        if self.hidden > 0 {
            let mut fill = |range: std::ops::Range<usize>, inputs: usize| {
                let deviation = 1.0 / (inputs as f64).sqrt();
                parameters[range]
                    .iter_mut()
                    .for_each(|weight| *weight = random.normal(0.0, deviation) as f32);
            };
            fill(0..self.hidden_biases(), FEATURES);
            fill(self.last(0)..self.biases(), self.hidden);
        }
        parameters[self.biases()..].copy_from_slice(&biases);
        parameters
    }

    /// As served: the scaling of the inputs folded in.
    pub(super) fn weights(self, parameters: &[f32], scaling: &Scaling) -> Weights {
        let last = |output: usize| &parameters[self.last(output)..self.last(output + 1)];
        let biases = &parameters[self.biases()..];
        if self.hidden == 0 {
            let folded = [0, 1].map(|output| scaling.folded(last(output), biases[output]));
            return Weights::Linear {
                weight: folded.map(|(row, _)| row),
                bias: folded.map(|(_, bias)| bias),
            };
        }
        let hidden_biases = &parameters[self.hidden_biases()..self.last(0)];
        let (hidden_weight, hidden_bias) = parameters[..self.hidden_biases()]
            .chunks_exact(FEATURES)
            .zip(hidden_biases)
            .map(|(row, bias)| scaling.folded(row, *bias))
            .unzip();
        Weights::Mlp {
            hidden_weight,
            hidden_bias,
            weight: [0, 1].map(|output| last(output).to_vec()),
            bias: [biases[0], biases[1]],
        }
    }
}
