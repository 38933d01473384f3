//! Weights as named tensors, as PyTorch names those of `Linear(10, 2)` and of
//! `Sequential(Linear(10, h), ReLU(), Linear(h, 2))`.

use openclaw_admission::{FEATURES, HIDDEN_MAX, OUTPUTS, Weights};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::fmt::Write as _;

const LINEAR: [&str; 2] = ["weight", "bias"];
const MLP: [&str; 4] = ["0.weight", "0.bias", "2.weight", "2.bias"];

/// Numbers in rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) key: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// Why tensors are no network that is served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Other tensors.
    #[error(
        "the file holds {found}; expected `weight`, `bias` of `Linear({FEATURES}, {OUTPUTS})`, or `0.weight`, \
         `0.bias`, `2.weight`, `2.bias` of `Sequential(Linear({FEATURES}, h), ReLU(), Linear(h, {OUTPUTS}))`"
    )]
    Keys {
        /// Those.
        found: String,
    },
    /// Of another shape.
    #[error("`{key}` is {found}; expected {expected}")]
    Shape {
        /// Which tensor.
        key: String,
        /// Its shape.
        found: String,
        /// What can be served.
        expected: String,
    },
    /// Of another kind of number.
    #[error("`{key}` holds {found}; expected float32: convert the model with `.float()`")]
    Type {
        /// Which tensor.
        key: String,
        /// What it holds.
        found: String,
    },
}

/// Which network tensors are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Linear,
    Mlp { hidden: usize },
}

impl Layout {
    /// By names and shapes alone, so that nothing is read for a network that
    /// can't be served.
    pub(super) fn of(tensors: &[(&str, &[usize])]) -> Result<Self, LayoutError> {
        let shape = |key: &str| tensors.iter().find(|(name, _)| *name == key).map(|(_, shape)| *shape);
        let is = |keys: &[&str]| tensors.len() == keys.len() && keys.iter().all(|key| shape(key).is_some());
        let layout = if is(&LINEAR) {
            Self::Linear
        } else if is(&MLP) {
            let hidden = shape(MLP[1]).and_then(<[usize]>::first).copied().unwrap_or(0);
            Self::Mlp { hidden: hidden.clamp(1, HIDDEN_MAX) }
        } else {
            return Err(LayoutError::Keys { found: listed(tensors) });
        };
        for (key, expected) in layout.shapes() {
            let found = shape(key).unwrap_or_default();
            if found != expected {
                return Err(layout.wrong(key, found, &expected));
            }
        }
        Ok(layout)
    }

    fn wrong(self, key: &str, found: &[usize], expected: &[usize]) -> LayoutError {
        let bound = match self {
            Self::Mlp { .. } => format!(" (hidden units: 1 to {HIDDEN_MAX})"),
            Self::Linear => String::new(),
        };
        LayoutError::Shape {
            key: key.to_owned(),
            found: by(found),
            expected: format!("{}{bound}", by(expected)),
        }
    }

    /// Each tensor with its shape, in PyTorch's order.
    pub(super) fn shapes(self) -> Vec<(&'static str, Vec<usize>)> {
        match self {
            Self::Linear => vec![(LINEAR[0], vec![OUTPUTS, FEATURES]), (LINEAR[1], vec![OUTPUTS])],
            Self::Mlp { hidden } => vec![
                (MLP[0], vec![hidden, FEATURES]),
                (MLP[1], vec![hidden]),
                (MLP[2], vec![OUTPUTS, hidden]),
                (MLP[3], vec![OUTPUTS]),
            ],
        }
    }

    /// Weights from each tensor's values, in the order of [`Layout::shapes`].
    pub(super) fn weights(self, values: &[Vec<f32>]) -> Weights {
        let number = |tensor: usize, at: usize| values[tensor][at];
        match self {
            Self::Linear => Weights::Linear {
                weight: std::array::from_fn(|row| std::array::from_fn(|i| number(0, row * FEATURES + i))),
                bias: std::array::from_fn(|row| number(1, row)),
            },
            Self::Mlp { hidden } => Weights::Mlp {
                hidden_weight: (0..hidden)
                    .map(|row| std::array::from_fn(|i| number(0, row * FEATURES + i)))
                    .collect(),
                hidden_bias: values[1].clone(),
                weight: std::array::from_fn(|row| values[2][row * hidden..][..hidden].to_vec()),
                bias: std::array::from_fn(|row| number(3, row)),
            },
        }
    }
}

/// A shape as people write it.
fn by(shape: &[usize]) -> String {
    match shape {
        [] => "a single number".to_owned(),
        [length] => format!("a row of {length}"),
        _ => shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × "),
    }
}

/// Enough of what was found to know the file by.
fn listed(tensors: &[(&str, &[usize])]) -> String {
    const SHOWN: usize = 8;
    let mut text = String::new();
    for (index, (key, shape)) in tensors.iter().take(SHOWN).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let key: String = key.chars().take(64).collect();
        // Writing to text can't fail.
        let _ = write!(text, "{comma}`{}` ({})", key.escape_debug(), by(shape));
    }
    match tensors.len() {
        0 => "no tensors".to_owned(),
        count if count > SHOWN => format!("{count} tensors: {text}, …"),
        _ => text,
    }
}

/// The tensors of a network, in PyTorch's order.
pub(super) fn of_weights(weights: &Weights) -> Vec<Tensor> {
    let (layout, values) = match weights {
        Weights::Linear { weight, bias } => {
            (Layout::Linear, vec![weight.as_flattened().to_vec(), bias.to_vec()])
        }
        Weights::Mlp { hidden_weight, hidden_bias, weight, bias } => (
            Layout::Mlp { hidden: hidden_bias.len() },
            vec![hidden_weight.as_flattened().to_vec(), hidden_bias.clone(), weight.concat(), bias.to_vec()],
        ),
    };
    let named = layout.shapes().into_iter().zip(values);
    named.map(|((key, shape), values)| Tensor { key: key.to_owned(), shape, values }).collect()
}

/// Widths from input to output.
pub(super) fn widths(weights: &Weights) -> Vec<usize> {
    match weights {
        Weights::Linear { .. } => vec![FEATURES, OUTPUTS],
        Weights::Mlp { hidden_bias, .. } => vec![FEATURES, hidden_bias.len(), OUTPUTS],
    }
}

/// As a safetensors file; the same weights are the same bytes.
pub(super) fn to_safetensors(weights: &Weights) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let tensors = of_weights(weights);
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        Ok((tensor.key.as_str(), TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?))
    });
    safetensors::serialize(views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?, None)
}

/// Weights of a safetensors file.
pub(super) fn from_safetensors(bytes: &[u8]) -> Result<Weights, SafetensorsError> {
    let file = SafeTensors::deserialize(bytes)?;
    let mut tensors = file.tensors();
    tensors.sort_by(|one, other| one.0.cmp(&other.0));
    let shapes: Vec<_> = tensors.iter().map(|(key, tensor)| (key.as_str(), tensor.shape())).collect();
    let layout = Layout::of(&shapes)?;
    let mut values = Vec::new();
    for (key, _) in layout.shapes() {
        let tensor = file.tensor(key)?;
        if tensor.dtype() != Dtype::F32 {
            return Err(
                LayoutError::Type { key: key.to_owned(), found: format!("{:?}", tensor.dtype()) }.into()
            );
        }
        let (numbers, _) = tensor.data().as_chunks::<4>();
        values.push(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect());
    }
    Ok(layout.weights(&values))
}

/// Why a safetensors file is no network that is served.
#[derive(Debug, thiserror::Error)]
pub enum SafetensorsError {
    /// Not in this format.
    #[error("no safetensors file: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// Not the tensors of a network that is served.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Weights that all differ.
    pub(in crate::artifact) fn numbered(hidden: usize) -> Weights {
        let layout = if hidden == 0 { Layout::Linear } else { Layout::Mlp { hidden } };
        let mut next = 0.0_f32;
        let mut values = |shape: &[usize]| -> Vec<f32> {
            let count = shape.iter().product::<usize>();
            (0..count)
                .map(|_| {
                    next += 1.0;
                    (next * 37.0 % 101.0 - 50.0) / 40.0 + next * 1e-4
                })
                .collect()
        };
        let values: Vec<_> = layout.shapes().iter().map(|(_, shape)| values(shape)).collect();
        layout.weights(&values)
    }

    #[test]
    fn weights_survive_safetensors() {
        for hidden in [0, 1, 32, 256] {
            let weights = numbered(hidden);
            let bytes = to_safetensors(&weights).unwrap();
            assert_eq!(from_safetensors(&bytes).unwrap(), weights);
            assert_eq!(to_safetensors(&weights).unwrap(), bytes);
        }
    }

    #[test]
    fn other_tensors_are_refused() {
        let refused = |tensors: &[(&str, &[usize])]| Layout::of(tensors).unwrap_err().to_string();
        insta::assert_snapshot!(
            [
                refused(&[]),
                refused(&[("weight", &[2, 12]), ("bias", &[2])]),
                refused(&[("weight", &[10, 2]), ("bias", &[2])]),
                refused(&[("weight", &[2, 10]), ("bias", &[2, 1])]),
                refused(&[("weight", &[2, 10])]),
                refused(&[
                    ("0.weight", &[32, 10]),
                    ("0.bias", &[32]),
                    ("2.weight", &[2, 16]),
                    ("2.bias", &[2])
                ]),
                refused(&[
                    ("0.weight", &[300, 10]),
                    ("0.bias", &[300]),
                    ("2.weight", &[2, 300]),
                    ("2.bias", &[2])
                ]),
                refused(&[("0.weight", &[0, 10]), ("0.bias", &[]), ("2.weight", &[2, 0]), ("2.bias", &[2])]),
                refused(&[("module.weight", &[2, 10]), ("module.bias", &[2])]),
                refused(&[("a", [1].as_slice()); 9]),
            ]
            .join("\n")
        );
    }

    #[test]
    fn damaged_safetensors_are_refused() {
        let bytes = to_safetensors(&numbered(4)).unwrap();
        for end in [0, 7, 8, 40, bytes.len() - 1] {
            assert!(from_safetensors(&bytes[..end]).is_err(), "{end}");
        }
        let text = b"F32";
        let at = bytes.windows(3).position(|found| found == text).unwrap();
        let mut halved = bytes.clone();
        halved[at..at + 3].copy_from_slice(b"I32");
        assert_eq!(
            from_safetensors(&halved).unwrap_err().to_string(),
            "`0.bias` holds I32; expected float32: convert the model with `.float()`"
        );
    }
}
