//! A model as files, and its card.
//!
//! `NAME.safetensors` holds the weights, `NAME.pt` the same for PyTorch
//! (`torch.load(weights_only=True)`), `NAME.json` the card: what the model was
//! made from and how it did. The card names the SHA-256 of the safetensors.

mod baseline;
mod card;
mod digest;
mod file;
mod model;
mod name;
mod pt;
mod tensors;

pub use baseline::{DECILES, FeatureBaseline};
pub use card::{CARD_BYTES_MAX, Card, CardError, FeatureList, Scaling, TrainingData};
pub use digest::{Digest, DigestError};
pub(crate) use file::{BEGINNING, read as read_file, replace as replace_file, unique};
pub use file::{FileError, MODEL_BYTES_MAX};
pub use model::{Model, ModelError, ModelFiles};
pub use name::{ModelName, ModelNameError};
pub use pt::{PtError, read as read_pt};
pub use tensors::{LayoutError, SafetensorsError};
