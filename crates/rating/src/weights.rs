//! The logistic regression over the inputs, learnt one judgement at a time.

use crate::features::{
    ALERT_RECURRENCE, BASE, FACTOR_OF, INPUT_COUNT, Inputs, KIND_RECURRENCE, NOVELTY, RELIABILITY, RESPONSE,
    SEVERITY,
};
use crate::history::finite;
use openclaw_alert::codec::{Corrupt, Put, Reader};
use openclaw_alert::{FACTOR_COUNT, Score, logistic};

const LEARNING_RATE: f32 = 0.05;
/// No single judgement moves a weight further.
const STEP_MAX: f32 = 0.02;
/// Squared gradients that each weight starts with: the prior's say.
const SQUARES_START: f32 = 1.0;

/// A weight before any judgement, and the range it stays in whatever it is told.
struct Range {
    start: f32,
    low: f32,
    high: f32,
}

/// The prior: a warning never seen before is even odds, and what people did
/// with a kind of alert soon outweighs its severity. Reliability keeps its
/// sign, so that more alerts that needed somebody never lower a score.
fn range(input: usize) -> Range {
    match input {
        BASE => Range { start: -0.3, low: -2.0, high: 1.5 },
        SEVERITY => Range { start: 1.0, low: 0.2, high: 2.0 },
        RELIABILITY => Range { start: 0.8, low: 0.3, high: 2.0 },
        RESPONSE => Range { start: 0.25, low: -0.75, high: 0.75 },
        ALERT_RECURRENCE => Range { start: -0.2, low: -1.0, high: 1.0 },
        KIND_RECURRENCE => Range { start: 0.0, low: -0.5, high: 0.5 },
        NOVELTY => Range { start: 0.3, low: -1.0, high: 1.5 },
        _ => Range { start: 0.0, low: -1.0, high: 1.0 },
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    weights: Inputs,
    /// Sums of squared gradients (Adagrad).
    squares: Inputs,
}

impl Default for Weights {
    fn default() -> Self {
        let weights = std::array::from_fn(|input| range(input).start);
        Self { weights, squares: [SQUARES_START; INPUT_COUNT] }
    }
}

impl Weights {
    pub(crate) fn score(&self, inputs: &Inputs) -> Score {
        let mut contributions = [0.0; FACTOR_COUNT];
        for (input, factor) in FACTOR_OF.into_iter().enumerate() {
            contributions[factor] += self.weights[input] * inputs[input];
        }
        Score { contributions }
    }

    /// One step of Adagrad towards `needed`, of `importance` 0..1.
    pub(crate) fn learn(&mut self, inputs: &Inputs, needed: bool, importance: f32) {
        let target = if needed { 1.0 } else { 0.0 };
        let error = logistic(self.score(inputs).logit()) - target;
        for (input, value) in inputs.iter().enumerate() {
            let gradient = importance * error * value;
            self.squares[input] += gradient * gradient;
            let step = LEARNING_RATE * gradient / self.squares[input].sqrt();
            let Range { low, high, .. } = range(input);
            let moved = self.weights[input] - step.clamp(-STEP_MAX, STEP_MAX);
            self.weights[input] = moved.clamp(low, high);
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.weights.iter().chain(&self.squares).for_each(|&value| out.put_f32(value));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let mut read = Self::default();
        for value in read.weights.iter_mut().chain(&mut read.squares) {
            *value = finite(reader)?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn steps_and_weights_stay_in_bounds(
            events in proptest::collection::vec((proptest::array::uniform13(-4.0_f32..4.0), any::<bool>(), 0.0_f32..1.0), 0..300),
        ) {
            let mut weights = Weights::default();
            for (inputs, needed, importance) in events {
                let before = weights.clone();
                weights.learn(&inputs, needed, importance);
                for input in 0..INPUT_COUNT {
                    let Range { low, high, .. } = range(input);
                    prop_assert!((low..=high).contains(&weights.weights[input]));
                    prop_assert!((weights.weights[input] - before.weights[input]).abs() <= STEP_MAX * 1.001);
                }
                let (was, is) = (before.score(&inputs).logit(), weights.score(&inputs).logit());
                prop_assert!(if needed { is >= was - 1e-5 } else { is <= was + 1e-5 }, "{was} {is} {needed}");
            }
        }
    }
}
