//! PyTorch's `.pt`: written so that `torch.load(weights_only=True)` reads it,
//! and read without running anything that is in it.

mod pickle;
mod zip;

use super::tensors::{Layout, LayoutError, Tensor, of_weights};
use openclaw_admission::Weights;
use pickle::{Described, PICKLE_BYTES_MAX};
use zip::{Archive, Detail, Writer};

/// A record holds one tensor or several, 13 KB for the largest network.
const RECORD_BYTES_MAX: usize = 256 << 10;

/// Why a file is no network that is served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PtError {
    /// Another format.
    #[error(
        "not in the format of `torch.save`: expected a zip archive; save with `torch.save(model.state_dict(), path)`"
    )]
    Format,
    /// What `torch.save` wrote before version 1.6.
    #[error(
        "in PyTorch's format from before 1.6; load it there and save it again with `torch.save(model.state_dict(), path)`"
    )]
    Old,
    /// What `torch.jit.save` writes.
    #[error(
        "a TorchScript program; expected weights alone: save with `torch.save(model.state_dict(), path)`"
    )]
    Script,
    /// A damaged archive.
    #[error("the archive can't be read: {0}")]
    Archive(&'static str),
    /// A part that is not there.
    #[error("the archive has no `{name}`; save with `torch.save(model.state_dict(), path)`")]
    Missing {
        /// Which.
        name: String,
    },
    /// A damaged pickle.
    #[error("the pickle can't be read at byte {at}: {detail}")]
    Pickle {
        /// Where.
        at: usize,
        /// Why.
        detail: &'static str,
    },
    /// An instruction that state dicts have no use for.
    #[error(
        "the pickle has the instruction 0x{code:02x} at byte {at}, which a state dict doesn't; save with `torch.save(model.state_dict(), path)`"
    )]
    Instruction {
        /// Where.
        at: usize,
        /// Which.
        code: u8,
    },
    /// Something that would be run.
    #[error(
        "the file wants to run `{name}`, and nothing of it was; expected a state dict of tensors: save with `torch.save(model.state_dict(), path)`"
    )]
    Function {
        /// What.
        name: String,
    },
    /// Something else.
    #[error(
        "the file holds {found}; expected a state dict: save with `torch.save(model.state_dict(), path)`"
    )]
    Content {
        /// What.
        found: &'static str,
    },
    /// Something else inside a state dict.
    #[error("`{key}` is {found}; expected a tensor: save with `torch.save(model.state_dict(), path)`")]
    Entry {
        /// Which.
        key: String,
        /// What.
        found: &'static str,
    },
    /// Bytes in the other order.
    #[error("its numbers are big-endian; expected little-endian: save it on another machine")]
    Endianness,
    /// A tensor outside of what the file holds.
    #[error("`{key}` reaches beyond the numbers that the file holds for it")]
    Bounds {
        /// Which.
        key: String,
    },
    /// Not the tensors of a network that is served.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl From<Detail> for PtError {
    fn from(detail: Detail) -> Self {
        Self::Archive(detail)
    }
}

/// Weights of a `.pt`.
///
/// # Errors
/// [`PtError`] for anything but a state dict of a network that is served.
pub fn read(file: &[u8]) -> Result<Weights, PtError> {
    if !file.starts_with(b"PK") {
        let is_old = file.starts_with(&[0x80, 2, 0x8a]);
        return Err(if is_old { PtError::Old } else { PtError::Format });
    }
    let archive = Archive::open(file)?;
    let prefix = prefix(&archive)?;
    let read =
        |name: &str, most_bytes| archive.read(&[prefix, name.as_bytes()].concat(), most_bytes).transpose();
    if read("byteorder", 16)?.is_some_and(|order| order.trim_ascii() != b"little") {
        return Err(PtError::Endianness);
    }
    let missing = |name: &str| PtError::Missing { name: name.chars().take(64).collect() };
    let pickle = read("data.pkl", PICKLE_BYTES_MAX)?.ok_or_else(|| missing("data.pkl"))?;
    let tensors = pickle::state_dict(&pickle)?;
    let shapes: Vec<_> =
        tensors.iter().map(|(key, tensor)| (key.as_str(), tensor.shape.as_slice())).collect();
    let layout = Layout::of(&shapes)?;
    let mut values = Vec::new();
    for (key, _) in layout.shapes() {
        let Some((_, tensor)) = tensors.iter().find(|(name, _)| name == key) else {
            return Err(missing(key));
        };
        check_type(key, tensor)?;
        let name = format!("data/{}", tensor.record);
        let record = read(&name, RECORD_BYTES_MAX)?.ok_or_else(|| missing(&name))?;
        let bounds = || PtError::Bounds { key: key.to_owned() };
        values.push(numbers(tensor, record.as_chunks().0).ok_or_else(bounds)?);
    }
    Ok(layout.weights(&values))
}

/// The folder that all of an archive is in.
fn prefix<'a>(archive: &Archive<'a>) -> Result<&'a [u8], PtError> {
    let ends = |end: &[u8]| archive.names().find_map(|name| name.strip_suffix(end));
    if ends(b"/constants.pkl").is_some() {
        return Err(PtError::Script);
    }
    let found = ends(b"data.pkl").filter(|prefix| prefix.is_empty() || prefix.ends_with(b"/"));
    found.ok_or_else(|| PtError::Missing { name: "data.pkl".to_owned() })
}

fn check_type(key: &str, tensor: &Described) -> Result<(), LayoutError> {
    if tensor.storage == "FloatStorage" {
        return Ok(());
    }
    let found = match tensor.storage.as_str() {
        "DoubleStorage" => "float64".to_owned(),
        "HalfStorage" => "float16".to_owned(),
        "BFloat16Storage" => "bfloat16".to_owned(),
        other => format!("`{}`", other.escape_debug()),
    };
    Err(LayoutError::Type { key: key.to_owned(), found })
}

/// A tensor's numbers, row by row; its strides may be those of a transposed
/// one. `None` where one lies outside of the record.
fn numbers(tensor: &Described, record: &[[u8; 4]]) -> Option<Vec<f32>> {
    let count: usize = tensor.shape.iter().product();
    let place = |mut index: usize| {
        let mut at = tensor.offset;
        for (size, stride) in tensor.shape.iter().zip(&tensor.stride).rev() {
            at = at.checked_add((index % size).checked_mul(*stride)?)?;
            index /= size;
        }
        record.get(at).map(|number| f32::from_le_bytes(*number))
    };
    (0..count).map(place).collect()
}

/// Weights as a `.pt`, as `torch.save` would write their state dict.
pub(super) fn write(weights: &Weights, name: &str) -> Vec<u8> {
    let tensors = of_weights(weights);
    let mut archive = Writer::default();
    archive.add(&format!("{name}/data.pkl"), &pickled(&tensors));
    archive.add(&format!("{name}/byteorder"), b"little");
    for (index, tensor) in tensors.iter().enumerate() {
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        archive.add(&format!("{name}/data/{index}"), &bytes);
    }
    archive.add(&format!("{name}/version"), b"3\n");
    archive.finish()
}

/// Protocol 2, as PyTorch writes it, without its memory of values.
fn pickled(tensors: &[Tensor]) -> Vec<u8> {
    let mut out = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    for (index, tensor) in tensors.iter().enumerate() {
        push_text(&mut out, &tensor.key);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        push_text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        push_text(&mut out, &index.to_string());
        push_text(&mut out, "cpu");
        push_number(&mut out, tensor.values.len());
        out.extend(b"tQ");
        push_number(&mut out, 0);
        push_numbers(&mut out, &tensor.shape);
        push_numbers(&mut out, &strides(&tensor.shape));
        // No gradients, no hooks.
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"u.");
    out
}

fn strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|at| shape[at + 1..].iter().product()).collect()
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn push_number(out: &mut Vec<u8>, number: usize) {
    out.push(b'J');
    out.extend((number as i32).to_le_bytes());
}

fn push_numbers(out: &mut Vec<u8>, numbers: &[usize]) {
    out.push(b'(');
    numbers.iter().for_each(|number| push_number(out, *number));
    out.push(b't');
}

#[cfg(test)]
mod tests;
