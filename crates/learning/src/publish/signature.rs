//! Signatures in `cosign`'s shape: a small text that names a manifest's digest
//! is signed, and kept as a manifest under the tag `sha256-<digest>.sig`.

use super::bundle::{Bytes, Signed};
use super::key::{KeyId, SigningError, SigningKey, VerifyingKey};
use super::manifest::{Descriptor, Manifest};
use crate::artifact::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const KIND: &str = "cosign container image signature";

/// Ours have some 250 bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = 4 << 10;
/// More signatures of one model are not looked at.
pub(super) const SIGNATURES_MAX: usize = 16;

/// Where a manifest's signatures are.
pub(super) fn tag(manifest: Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

/// What is signed of a manifest.
fn payload(repository: &str, manifest: Digest) -> Vec<u8> {
    let text = json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": manifest.to_string() },
            "type": KIND,
        },
        "optional": null,
    });
    text.to_string().into_bytes()
}

/// Which manifest a payload speaks of.
fn speaks_of(payload: &[u8], manifest: Digest) -> bool {
    let Ok(Value::Object(text)) = serde_json::from_slice(payload) else { return false };
    let Some(critical) = text.get("critical") else { return false };
    critical["type"] == KIND && critical["image"]["docker-manifest-digest"] == manifest.to_string()
}

/// A new signature: its blobs and its layer in the manifest.
pub(super) struct Signature {
    pub(super) payload: Vec<u8>,
    pub(super) layer: Descriptor,
}

impl Signature {
    pub(super) fn new(key: &SigningKey, repository: &str, manifest: Digest) -> Result<Self, SigningError> {
        let payload = payload(repository, manifest);
        let mut layer = Descriptor::of(PAYLOAD_TYPE, &payload);
        layer.annotations.insert(SIGNATURE.to_owned(), STANDARD.encode(key.sign(&payload)?));
        Ok(Self { payload, layer })
    }
}

impl Signed {
    /// Of a layer and its blob; nothing where it isn't signed.
    pub(super) fn of(layer: &Descriptor, payload: Vec<u8>) -> Option<Self> {
        Some(Self { payload: Bytes(payload), signature: layer.annotations.get(SIGNATURE)?.clone() })
    }

    /// As it was in the repository.
    pub(super) fn layer(&self) -> Descriptor {
        let mut layer = Descriptor::of(PAYLOAD_TYPE, &self.payload.0);
        layer.annotations.insert(SIGNATURE.to_owned(), self.signature.clone());
        layer
    }
}

/// Beside signatures that are there already; also the config's bytes.
pub(super) fn manifest_of(layers: Vec<Descriptor>) -> (Manifest, Vec<u8>) {
    let layers: Vec<Descriptor> = layers.into_iter().take(SIGNATURES_MAX).collect();
    let digests: Vec<String> = layers.iter().map(|layer| layer.digest.to_string()).collect();
    let config = json!({
        "architecture": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "history": digests.iter().map(|_| json!({ "created": "0001-01-01T00:00:00Z" })).collect::<Vec<_>>(),
        "os": "",
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    let config = config.to_string().into_bytes();
    (Manifest::new(None, Descriptor::of(CONFIG_TYPE, &config), layers), config)
}

/// The layers of a manifest that may be signatures.
pub(super) fn layers_of(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    let layers = manifest.layers.iter().filter(|layer| layer.media_type == PAYLOAD_TYPE);
    layers.filter(|layer| layer.size <= PAYLOAD_BYTES_MAX as u64).take(SIGNATURES_MAX)
}

/// Whose signature of the manifest a layer with its payload is, of those who
/// are trusted.
pub(super) fn signer(
    layer: &Descriptor,
    payload: &[u8],
    manifest: Digest,
    trusted: &[VerifyingKey],
) -> Option<KeyId> {
    let signature = STANDARD.decode(layer.annotations.get(SIGNATURE)?).ok()?;
    // The payload is believed only once its signature holds.
    let signer = trusted.iter().find(|key| key.verifies(payload, &signature))?;
    speaks_of(payload, manifest).then(|| signer.id())
}
