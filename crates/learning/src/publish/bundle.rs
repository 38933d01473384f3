//! A published model with all that proves it, to be handed on: who gets it
//! believes the signatures and not who gave it.

use super::key::VerifyingKey;
use super::manifest::Manifest;
use super::repository::Published;
use super::signature;
use super::{PublishError, StoreError};
use crate::artifact::{Digest, Model, ModelName, read_file, replace_file};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// No bundle is longer: ours have some 20 KB.
pub const BUNDLE_BYTES_MAX: usize = 4 << 20;

/// Bytes, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        STANDARD.encode(bytes.0)
    }
}

impl TryFrom<String> for Bytes {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signed {
    pub(super) payload: Bytes,
    pub(super) signature: String,
}

/// The model, its manifest and the manifest's signatures, none of them verified
/// yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    pub(super) name: ModelName,
    pub(super) manifest: Bytes,
    pub(super) signatures: Vec<Signed>,
    pub(super) card: Bytes,
    pub(super) safetensors: Bytes,
}

impl Bundle {
    /// Which model it says it is.
    #[must_use]
    pub fn name(&self) -> ModelName {
        self.name
    }

    /// The model: signed by a trusted key, whole, and of this name.
    ///
    /// # Errors
    /// [`PublishError`] for any other.
    pub fn verified(&self, trusted: &[VerifyingKey]) -> Result<Published, PublishError> {
        let (name, digest) = (self.name, Digest::of(&self.manifest.0));
        let signer = |signed: &Signed| signature::signer(&signed.layer(), &signed.payload.0, digest, trusted);
        let signed_by = self.signatures.iter().take(signature::SIGNATURES_MAX).find_map(signer);
        let signed_by = signed_by.ok_or(PublishError::Untrusted { name, digest })?;
        let manifest = |error| PublishError::Manifest { name, error };
        let parsed = Manifest::from_json(&self.manifest.0).map_err(manifest)?;
        let [card, safetensors] = parsed.model_layers().map_err(manifest)?;
        for (promised, bytes) in [(card, &self.card), (safetensors, &self.safetensors)] {
            let found = Digest::of(&bytes.0);
            if found != promised.digest {
                return Err(StoreError::Damaged { digest: promised.digest, found }.into());
            }
        }
        let model = Model::from_files_of(name, &self.card.0, &self.safetensors.0);
        let model = model.map_err(|error| PublishError::Model { name, error: Box::new(error) })?;
        Ok(Published { model, digest, signed_by })
    }

    /// From what [`Bundle::to_json`] gave; nothing where it is none.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// To be handed on.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Keeps it in a folder.
    ///
    /// # Errors
    /// [`StoreError`] where that can't be written.
    pub fn keep(&self, folder: &Path) -> Result<(), StoreError> {
        Ok(replace_file(&folder.join(format!("{}.json", self.name)), &self.to_json())?)
    }

    /// One that is kept; nothing where it isn't, or is none.
    ///
    /// # Errors
    /// [`StoreError`] where the folder can't be read.
    pub fn kept(folder: &Path, name: ModelName) -> Result<Option<Self>, StoreError> {
        match read_file(&folder.join(format!("{name}.json")), BUNDLE_BYTES_MAX) {
            Ok(json) => Ok(Self::from_json(&json).filter(|bundle| bundle.name == name)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{Repository, SigningKey};
    use openclaw_admission::Weights;
    use openclaw_alert::Timestamp;

    fn model(name: &str) -> Model {
        let weights = Weights::Linear { weight: [[0.5; 10]; 2], bias: [3.0; 2] };
        Model::foreign(name.parse().unwrap(), Timestamp::from_secs(1_799_000_000), weights).unwrap()
    }

    #[tokio::test]
    async fn is_believed_for_its_signature_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
        let other = SigningKey::load_or_create(&folder.path().join("other")).unwrap();
        let repository =
            Repository::embedded(&folder.path().join("models"), &folder.path().join("key")).unwrap();
        let (first, second) = (model("model-20260101"), model("model-20260102"));
        let pushed = repository.push(&first).await.unwrap();
        repository.push(&second).await.unwrap();
        let bundle = repository.bundle(first.name()).await.unwrap();
        bundle.keep(folder.path()).unwrap();
        let bundle = Bundle::kept(folder.path(), first.name()).unwrap().unwrap();
        let trusted = [key.public().clone()];
        let published = bundle.verified(&trusted).unwrap();
        assert_eq!((published.digest, published.model.weights()), (pushed.digest, first.weights()));
        assert!(matches!(bundle.verified(&[other.public().clone()]), Err(PublishError::Untrusted { .. })));
        assert!(matches!(bundle.verified(&[]), Err(PublishError::Untrusted { .. })));
        let another = repository.bundle(second.name()).await.unwrap();
        let renamed = Bundle { name: second.name(), ..bundle.clone() };
        assert!(matches!(renamed.verified(&trusted), Err(PublishError::Model { .. })));
        let swapped = Bundle { manifest: another.manifest.clone(), ..bundle.clone() };
        assert!(swapped.verified(&trusted).is_err());
        let weights = Bundle { safetensors: Bytes(vec![1; 100]), ..bundle.clone() };
        assert!(matches!(weights.verified(&trusted), Err(PublishError::Store(StoreError::Damaged { .. }))));
        let unsigned = Bundle { signatures: another.signatures, ..bundle };
        assert!(matches!(unsigned.verified(&trusted), Err(PublishError::Untrusted { .. })));
        assert_eq!(Bundle::kept(folder.path(), second.name()).unwrap(), None);
    }
}
