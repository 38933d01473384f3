//! The manifest of a model in a registry: which files are its, and its card's
//! facts as annotations.

use crate::artifact::{CARD_BYTES_MAX, Card, Digest, MODEL_BYTES_MAX, ModelFiles};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a model is in a registry.
pub const ARTIFACT_TYPE: &str = "application/vnd.openclaw.model.v1";
/// What a manifest is.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// A config that has nothing to say.
pub(super) const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
pub(super) const EMPTY: &[u8] = b"{}";

const SAFETENSORS_TYPE: &str = "application/vnd.openclaw.model.v1.safetensors";
const PT_TYPE: &str = "application/vnd.openclaw.model.v1.pytorch";
const CARD_TYPE: &str = "application/vnd.openclaw.model.card.v1+json";

const TITLE: &str = "org.opencontainers.image.title";
/// Before each fact of the card.
const FACT: &str = "openclaw.model.";

/// Longer ones aren't read: ours have a few kilobytes.
pub(super) const MANIFEST_BYTES_MAX: usize = 64 << 10;

/// What a registry keeps of a thing: its kind, digest and length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
        }
    }

    fn titled(mut self, title: String) -> Self {
        self.annotations.insert(TITLE.to_owned(), title);
        self
    }
}

/// An OCI image manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    pub(super) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// Why a manifest is no model's.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No manifest's JSON.
    #[error("the manifest can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Of something else.
    #[error("it is `{found}`; expected a model, `{ARTIFACT_TYPE}`")]
    Type {
        /// What it says it is.
        found: String,
    },
    /// Without a file that it must have.
    #[error("it has no `{media_type}` of at most {most_bytes} bytes; push the model again")]
    Layer {
        /// Which.
        media_type: &'static str,
        /// The bound.
        most_bytes: usize,
    },
}

impl Manifest {
    pub(super) fn new(artifact_type: Option<&str>, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            artifact_type: artifact_type.map(str::to_owned),
            config,
            layers,
            annotations: BTreeMap::new(),
        }
    }

    /// Of a model; the same model gives the same bytes.
    pub(super) fn of_model(card: &Card, files: &ModelFiles) -> Self {
        let name = card.name;
        let layers = vec![
            Descriptor::of(SAFETENSORS_TYPE, &files.safetensors).titled(format!("{name}.safetensors")),
            Descriptor::of(PT_TYPE, &files.pt).titled(format!("{name}.pt")),
            Descriptor::of(CARD_TYPE, &files.card).titled(format!("{name}.json")),
        ];
        let manifest = Self::new(Some(ARTIFACT_TYPE), Descriptor::of(EMPTY_TYPE, EMPTY), layers);
        Self { annotations: facts(card), ..manifest }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        // Text and numbers alone: nothing of it can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        Ok(serde_json::from_slice(json)?)
    }

    /// The card and the weights of a model.
    pub(super) fn model_layers(&self) -> Result<[&Descriptor; 2], ManifestError> {
        if self.artifact_type.as_deref() != Some(ARTIFACT_TYPE) {
            let found = self.artifact_type.as_deref().unwrap_or(&self.config.media_type);
            return Err(ManifestError::Type { found: found.chars().take(120).collect() });
        }
        Ok([self.layer(CARD_TYPE, CARD_BYTES_MAX)?, self.layer(SAFETENSORS_TYPE, MODEL_BYTES_MAX)?])
    }

    fn layer(&self, media_type: &'static str, most_bytes: usize) -> Result<&Descriptor, ManifestError> {
        let mut found = self.layers.iter().filter(|layer| layer.media_type == media_type);
        let layer = found.next().filter(|layer| layer.size <= most_bytes as u64);
        layer.ok_or(ManifestError::Layer { media_type, most_bytes })
    }

    /// A fact of the card, as its annotation has it.
    pub(super) fn fact(&self, name: &str) -> Option<&str> {
        self.annotations.get(&format!("{FACT}{name}")).map(String::as_str)
    }
}

/// What people look for in a list, as text.
fn facts(card: &Card) -> BTreeMap<String, String> {
    let numbers = |numbers: &[f64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let layers = card.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut facts = BTreeMap::from([
        (TITLE.to_owned(), card.name.to_string()),
        ("org.opencontainers.image.created".to_owned(), card.created_at.to_string()),
    ]);
    let mut say = |name: &str, value: String| drop(facts.insert(format!("{FACT}{name}"), value));
    say("created_at", card.created_at.to_string());
    say("tick_s", card.tick_s.to_string());
    say("window_ticks", card.window_ticks.to_string());
    say("features", card.features.list.clone());
    say("quantile", numbers(&card.quantile));
    say("layers", layers);
    say("weights_sha256", card.weights_sha256.to_string());
    if let Some(seed) = card.seed {
        say("seed", seed.to_string());
    }
    if let Some(data) = &card.data {
        say("data.from", data.from.to_string());
        say("data.to", data.to.to_string());
        say("data.rows", data.rows.to_string());
        say("data.clients", data.clients.to_string());
        say("data.tenants", data.tenants.to_string());
    }
    for (name, value) in &card.metrics {
        say(&format!("metrics.{name}"), value.to_string());
    }
    if let Some(revision) = &card.git_revision {
        facts.insert("org.opencontainers.image.revision".to_owned(), revision.clone());
    }
    facts
}
