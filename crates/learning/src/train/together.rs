//! Several networks as one that gives their mean.

use openclaw_admission::{OUTPUTS, Weights};

/// One network whose outputs are the means of theirs: hidden layers side by
/// side, linear ones averaged. None of different kinds, or of nothing.
#[must_use]
pub fn together(members: &[Weights]) -> Option<Weights> {
    let share = 1.0 / members.len() as f32;
    let mut members = members.iter();
    let mut all = scaled(members.next()?, share);
    for member in members {
        match (&mut all, scaled(member, share)) {
            (Weights::Linear { weight, bias }, Weights::Linear { weight: others, bias: other }) => {
                for (row, others) in weight.iter_mut().zip(others) {
                    row.iter_mut().zip(others).for_each(|(weight, other)| *weight += other);
                }
                bias.iter_mut().zip(other).for_each(|(bias, other)| *bias += other);
            }
            (
                Weights::Mlp { hidden_weight, hidden_bias, weight, bias },
                Weights::Mlp { hidden_weight: units, hidden_bias: biases, weight: others, bias: other },
            ) => {
                hidden_weight.extend(units);
                hidden_bias.extend(biases);
                weight.iter_mut().zip(others).for_each(|(row, others)| row.extend(others));
                bias.iter_mut().zip(other).for_each(|(bias, other)| *bias += other);
            }
            _ => return None,
        }
    }
    Some(all)
}

/// With outputs of that share.
fn scaled(weights: &Weights, share: f32) -> Weights {
    match weights.clone() {
        Weights::Linear { weight, bias } => Weights::Linear {
            weight: weight.map(|row| row.map(|weight| weight * share)),
            bias: bias.map(|bias| bias * share),
        },
        Weights::Mlp { hidden_weight, hidden_bias, weight, bias } => {
            let weight: [Vec<f32>; OUTPUTS] =
                weight.map(|row| row.into_iter().map(|weight| weight * share).collect());
            Weights::Mlp { hidden_weight, hidden_bias, weight, bias: bias.map(|bias| bias * share) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_admission::{FEATURES, Network, Predictor as _};

    fn outputs(weights: &Weights) -> [f32; OUTPUTS] {
        let mut out = [[0.0; OUTPUTS]];
        let features = std::array::from_fn(|at| at as f32 - 4.0);
        Network::new("m", weights.clone()).unwrap().predict(&[features], &mut out);
        out[0]
    }

    #[test]
    fn gives_the_mean() {
        let mlp = |sign: f32| Weights::Mlp {
            hidden_weight: vec![[0.5 * sign; FEATURES], [0.25; FEATURES]],
            hidden_bias: vec![1.0, -sign],
            weight: [vec![sign, 2.0], vec![3.0, 4.0 * sign]],
            bias: [sign, 0.5],
        };
        let linear = |by: f32| Weights::Linear { weight: [[by; FEATURES]; OUTPUTS], bias: [by, 1.0] };
        for (a, b) in [(mlp(1.0), mlp(-1.0)), (linear(2.0), linear(5.0))] {
            let both = outputs(&together(&[a.clone(), b.clone()]).unwrap());
            for output in 0..OUTPUTS {
                let mean = 0.5 * (outputs(&a)[output] + outputs(&b)[output]);
                assert!((both[output] - mean).abs() < 1e-5, "{both:?} {mean}");
            }
        }
        assert_eq!(together(&[mlp(1.0), linear(1.0)]), None);
        assert_eq!(together(&[]), None);
    }
}
