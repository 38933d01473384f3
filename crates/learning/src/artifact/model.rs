//! Weights with their card, in memory and as files.

use super::card::{CARD_BYTES_MAX, Card, CardError};
use super::digest::Digest;
use super::file::{FileError, MODEL_BYTES_MAX, read, replace};
use super::name::ModelName;
use super::pt::{self, PtError};
use super::tensors::{self, SafetensorsError};
use openclaw_admission::{Network, OUTPUTS, Weights, WeightsError};
use openclaw_alert::Timestamp;
use std::path::{Path, PathBuf};

/// Which quantile the outputs of a model without a card are taken to be of:
/// the one that is served.
const QUANTILE_ASSUMED: [f64; OUTPUTS] = [0.99; OUTPUTS];

/// A model that can be served: its weights are finite and of a known shape,
/// and its card is theirs.
#[derive(Debug, Clone)]
pub struct Model {
    card: Card,
    network: Network,
    safetensors: Vec<u8>,
}

/// A model's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// `NAME.safetensors`.
    pub safetensors: Vec<u8>,
    /// `NAME.pt`.
    pub pt: Vec<u8>,
    /// `NAME.json`.
    pub card: Vec<u8>,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file that can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A bad card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A bad `.pt`.
    #[error(transparent)]
    Pt(#[from] PtError),
    /// Bad safetensors.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// Weights that make no network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The card is of other weights.
    #[error("the weights are `{found}` but the card of `{name}` says `{expected}`; take both from one place")]
    Hash {
        /// The model.
        name: ModelName,
        /// Of the card.
        expected: Digest,
        /// Of the weights.
        found: Digest,
    },
    /// The card is of another model.
    #[error("the card is of `{found}`; expected `{expected}`")]
    Name {
        /// What was asked for.
        expected: ModelName,
        /// What came.
        found: ModelName,
    },
    /// A file that is nothing of a model's.
    #[error("`{}` is no model; expected a file that ends in `.pt`, `.safetensors` or `.json`", path.display())]
    Kind {
        /// Which.
        path: PathBuf,
    },
}

impl From<safetensors::SafeTensorError> for ModelError {
    fn from(error: safetensors::SafeTensorError) -> Self {
        Self::Safetensors(error.into())
    }
}

impl Model {
    /// Of new weights: the card's `layers` and `weights_sha256` are filled in.
    ///
    /// # Errors
    /// [`ModelError`] where weights or card can't be served.
    pub fn new(card: Card, weights: Weights) -> Result<Self, ModelError> {
        let safetensors = tensors::to_safetensors(&weights)?;
        let card =
            Card { layers: tensors::widths(&weights), weights_sha256: Digest::of(&safetensors), ..card };
        card.check()?;
        let network = Network::new(card.name.to_string(), weights)?;
        Ok(Self { card, network, safetensors })
    }

    /// Of weights that came without a card: `serving10`, unscaled.
    ///
    /// # Errors
    /// [`ModelError`] where the weights can't be served.
    pub fn foreign(name: ModelName, now: Timestamp, weights: Weights) -> Result<Self, ModelError> {
        Self::new(Card::new(name, now, QUANTILE_ASSUMED), weights)
    }

    /// Of weights that a card says it is of.
    fn of_card(card: Card, weights: Weights) -> Result<Self, ModelError> {
        let (name, expected, layers) = (card.name, card.weights_sha256, card.layers.clone());
        let model = Self::new(card, weights)?;
        let found = model.card.weights_sha256;
        if found != expected || model.card.layers != layers {
            return Err(ModelError::Hash { name, expected, found });
        }
        Ok(model)
    }

    /// From its files' bytes.
    ///
    /// # Errors
    /// [`ModelError`] where they are damaged, of two models, or can't be served.
    pub fn from_files(card: &[u8], safetensors: &[u8]) -> Result<Self, ModelError> {
        let card = Card::from_json(card)?;
        let (name, expected, found) = (card.name, card.weights_sha256, Digest::of(safetensors));
        if found != expected {
            return Err(ModelError::Hash { name, expected, found });
        }
        Self::of_card(card, tensors::from_safetensors(safetensors)?)
    }

    /// The same, of one that is known by name.
    pub(crate) fn from_files_of(
        name: ModelName,
        card: &[u8],
        safetensors: &[u8],
    ) -> Result<Self, ModelError> {
        let model = Self::from_files(card, safetensors)?;
        if model.name() != name {
            return Err(ModelError::Name { expected: name, found: model.name() });
        }
        Ok(model)
    }

    /// What it says about itself.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> ModelName {
        self.card.name
    }

    /// What predicts.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What it is made of.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        self.network.weights()
    }

    /// As files; the same model is the same bytes.
    ///
    /// # Errors
    /// [`CardError`] where the card is too long.
    pub fn files(&self) -> Result<ModelFiles, CardError> {
        Ok(ModelFiles {
            safetensors: self.safetensors.clone(),
            pt: pt::write(self.weights(), &self.card.name.to_string()),
            card: self.card.to_json()?,
        })
    }

    /// Writes its files into a folder. The card comes last: where it is, the
    /// rest is.
    ///
    /// # Errors
    /// [`ModelError`] where they can't be written.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        let files = self.files()?;
        let name = self.name();
        replace(&folder.join(format!("{name}.safetensors")), &files.safetensors)?;
        replace(&folder.join(format!("{name}.pt")), &files.pt)?;
        replace(&folder.join(format!("{name}.json")), &files.card)?;
        Ok(())
    }

    /// Reads one from its files in a folder.
    ///
    /// # Errors
    /// [`ModelError`] where they are missing, damaged, or can't be served.
    pub fn load(folder: &Path, name: ModelName) -> Result<Self, ModelError> {
        let card = read(&folder.join(format!("{name}.json")), CARD_BYTES_MAX)?;
        let safetensors = read(&folder.join(format!("{name}.safetensors")), MODEL_BYTES_MAX)?;
        Self::from_files_of(name, &card, &safetensors)
    }

    /// Reads one from any of its files: with the card beside it, or without
    /// one as [`Model::foreign`] under the given name.
    ///
    /// # Errors
    /// [`ModelError`] where it can't be read or served.
    pub fn open(path: &Path, name: ModelName, now: Timestamp) -> Result<Self, ModelError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let weights = match ending {
            "pt" | "pth" => pt::read(&read(path, MODEL_BYTES_MAX)?)?,
            "safetensors" => tensors::from_safetensors(&read(path, MODEL_BYTES_MAX)?)?,
            "json" => {
                let beside = path.with_extension("safetensors");
                tensors::from_safetensors(&read(&beside, MODEL_BYTES_MAX)?)?
            }
            _ => return Err(ModelError::Kind { path: path.to_owned() }),
        };
        match read(&path.with_extension("json"), CARD_BYTES_MAX) {
            Ok(card) => Self::of_card(Card::from_json(&card)?, weights),
            Err(error) if error.is_missing() => Self::foreign(name, now, weights),
            Err(error) => Err(error.into()),
        }
    }
}
