//! Where models are kept, and what is asked of them before they are used.

use super::bundle::{Bundle, Bytes, Signed};
use super::key::{KeyId, SigningKey, VerifyingKey};
use super::layout::Layout;
use super::manifest::{Descriptor, EMPTY, Manifest};
use super::remote::{Remote, RemoteOptions};
use super::signature::{self, PAYLOAD_BYTES_MAX, Signature};
use super::{PublishError, StoreError};
use crate::artifact::{Digest, Model, ModelName};
use openclaw_alert::{Timestamp, Zoned};
use std::path::{Path, PathBuf};

/// A folder or a registry with models, and the keys that count for it.
#[derive(Debug)]
pub struct Repository {
    store: Store,
    signing: Option<SigningKey>,
    trusted: Vec<VerifyingKey>,
}

/// Where models are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An OCI image layout.
    Directory(PathBuf),
    /// A registry.
    Oci(RemoteOptions),
}

/// What a push has put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The model.
    pub name: ModelName,
    /// Its manifest.
    pub digest: Digest,
    /// Who signed it.
    pub signed_by: KeyId,
}

/// A model that was fetched and verified.
#[derive(Debug, Clone)]
pub struct Published {
    /// The model.
    pub model: Model,
    /// Its manifest.
    pub digest: Digest,
    /// Who signed it.
    pub signed_by: KeyId,
}

/// A model in a list: what its manifest says, before anything else is fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The model.
    pub name: ModelName,
    /// Its manifest.
    pub digest: Digest,
    /// Whether it would be loaded.
    pub standing: Standing,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Quantile of each output.
    pub quantile: Vec<f64>,
    /// Rows that it was trained on.
    pub rows: Option<u64>,
}

/// What signatures say of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Signed by a trusted key.
    Signed(KeyId),
    /// Signed by others alone, or for another model.
    Untrusted,
    /// Not signed.
    Unsigned,
}

#[derive(Debug)]
enum Store {
    Directory(Layout),
    Remote(Box<Remote>),
}

impl Store {
    async fn tags(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Directory(layout) => layout.tags(),
            Self::Remote(remote) => remote.tags().await,
        }
    }

    async fn manifest(&self, tag: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Directory(layout) => layout.manifest(tag),
            Self::Remote(remote) => remote.manifest(tag).await,
        }
    }

    /// The bytes that a descriptor promises, and no others.
    async fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, StoreError> {
        let most_bytes = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        let bytes = match self {
            Self::Directory(layout) => layout.blob(descriptor.digest, most_bytes)?,
            Self::Remote(remote) => remote.blob(descriptor.digest, most_bytes).await?,
        };
        let found = Digest::of(&bytes);
        if found != descriptor.digest {
            return Err(StoreError::Damaged { digest: descriptor.digest, found });
        }
        Ok(bytes)
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::Directory(layout) => layout.put_blob(bytes),
            Self::Remote(remote) => remote.put_blob(bytes).await,
        }
    }

    async fn put_manifest(&self, tag: &str, json: &[u8], moves: bool) -> Result<(), StoreError> {
        match self {
            Self::Directory(layout) => layout.put_manifest(tag, json, moves),
            Self::Remote(remote) => remote.put_manifest(tag, json, moves).await,
        }
    }

    async fn authenticate(&self, is_push: bool) -> Result<(), StoreError> {
        match self {
            Self::Directory(_) => Ok(()),
            Self::Remote(remote) => remote.authenticate(is_push).await,
        }
    }

    /// What signatures name the repository.
    fn name(&self) -> String {
        match self {
            Self::Directory(_) => String::new(),
            Self::Remote(remote) => remote.name().to_string(),
        }
    }
}

impl Repository {
    /// Of a place, with the key that signs (who only fetches needs none) and
    /// those that are trusted.
    ///
    /// # Errors
    /// [`StoreError`] where the certificates in its options are none.
    pub fn new(
        place: &Place,
        signing: Option<SigningKey>,
        trusted: Vec<VerifyingKey>,
    ) -> Result<Self, StoreError> {
        let store = match place {
            Place::Directory(folder) => Store::Directory(Layout::new(folder)),
            Place::Oci(options) => Store::Remote(Box::new(Remote::new(options)?)),
        };
        Ok(Self { store, signing, trusted })
    }

    /// A folder that trusts the key in a file alone, which is made where it is
    /// missing: what a service without settings uses.
    ///
    /// # Errors
    /// [`super::KeyFileError`] where the key can't be read or made.
    pub fn embedded(folder: &Path, key: &Path) -> Result<Self, super::KeyFileError> {
        let signing = SigningKey::load_or_create(key)?;
        let trusted = vec![signing.public().clone()];
        Ok(Self { store: Store::Directory(Layout::new(folder)), signing: Some(signing), trusted })
    }

    /// Signs a model and puts it there under its name. Again with the same
    /// contents changes nothing; a name never gets others.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn push(&self, model: &Model) -> Result<Pushed, PublishError> {
        let name = model.name();
        let key = self.signing.as_ref().ok_or(PublishError::NoKey)?;
        if !self.trusted.contains(key.public()) {
            return Err(PublishError::OwnKey { key: key.public().id() });
        }
        self.store.authenticate(true).await?;
        let files = model.files()?;
        let manifest = Manifest::of_model(model.card(), &files);
        let json = manifest.to_json();
        let digest = Digest::of(&json);
        if self.store.manifest(&name.to_string()).await?.is_some_and(|found| found != json) {
            return Err(StoreError::Taken { tag: name.to_string() }.into());
        }
        for blob in [EMPTY, &files.safetensors, &files.pt, &files.card] {
            self.store.put_blob(blob).await?;
        }
        // The name comes last: where it can be seen, it is signed.
        let signed_by = self.sign(key, digest).await?;
        self.store.put_manifest(&name.to_string(), &json, false).await?;
        Ok(Pushed { name, digest, signed_by })
    }

    /// Adds a signature by the key, unless there is one by a trusted key.
    async fn sign(&self, key: &SigningKey, digest: Digest) -> Result<KeyId, PublishError> {
        if let Standing::Signed(by) = self.standing(digest).await? {
            return Ok(by);
        }
        let tag = signature::tag(digest);
        let signature = Signature::new(key, &self.store.name(), digest)?;
        let mut layers = vec![signature.layer];
        let others = self.store.manifest(&tag).await?.and_then(|json| Manifest::from_json(&json).ok());
        layers.extend(others.iter().flat_map(|others| signature::layers_of(others).cloned()));
        let (manifest, config) = signature::manifest_of(layers);
        self.store.put_blob(&signature.payload).await?;
        self.store.put_blob(&config).await?;
        self.store.put_manifest(&tag, &manifest.to_json(), true).await?;
        Ok(key.public().id())
    }

    async fn standing(&self, digest: Digest) -> Result<Standing, StoreError> {
        let Some(json) = self.store.manifest(&signature::tag(digest)).await? else {
            return Ok(Standing::Unsigned);
        };
        let Ok(manifest) = Manifest::from_json(&json) else { return Ok(Standing::Untrusted) };
        let mut standing = Ok(Standing::Untrusted);
        for layer in signature::layers_of(&manifest) {
            debug_assert!(layer.size <= PAYLOAD_BYTES_MAX as u64);
            let payload = match self.store.blob(layer).await {
                Ok(payload) => payload,
                // Nobody can say just now, unless another holds.
                Err(
                    error @ (StoreError::File(_) | StoreError::Remote { .. } | StoreError::Denied { .. }),
                ) => {
                    standing = Err(error);
                    continue;
                }
                // It counts for nothing; another may hold.
                Err(_) => continue,
            };
            if let Some(key) = signature::signer(layer, &payload, digest, &self.trusted) {
                return Ok(Standing::Signed(key));
            }
        }
        standing
    }

    /// Fetches a model: signed by a trusted key, whole, and of this name; with
    /// `expected`, that very one.
    ///
    /// # Errors
    /// [`PublishError`] for any other.
    pub async fn pull(&self, name: ModelName, expected: Option<Digest>) -> Result<Published, PublishError> {
        self.store.authenticate(false).await?;
        let json = self.store.manifest(&name.to_string()).await?.ok_or(PublishError::Missing { name })?;
        let digest = Digest::of(&json);
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(PublishError::Digest { name, expected, found: digest });
        }
        let signed_by = match self.standing(digest).await? {
            Standing::Signed(key) => key,
            Standing::Untrusted => return Err(PublishError::Untrusted { name, digest }),
            Standing::Unsigned => return Err(PublishError::Unsigned { name, digest }),
        };
        let manifest = |error| PublishError::Manifest { name, error };
        let parsed = Manifest::from_json(&json).map_err(manifest)?;
        let [card, safetensors] = parsed.model_layers().map_err(manifest)?;
        let (card, safetensors) = (self.store.blob(card).await?, self.store.blob(safetensors).await?);
        let model = Model::from_files_of(name, &card, &safetensors);
        let model = model.map_err(|error| PublishError::Model { name, error: Box::new(error) })?;
        Ok(Published { model, digest, signed_by })
    }

    /// A model with all that proves it, verified here too.
    ///
    /// # Errors
    /// [`PublishError`] for what would not be loaded here.
    pub async fn bundle(&self, name: ModelName) -> Result<Bundle, PublishError> {
        self.store.authenticate(false).await?;
        let manifest = self.store.manifest(&name.to_string()).await?.ok_or(PublishError::Missing { name })?;
        let digest = Digest::of(&manifest);
        let signed = self.store.manifest(&signature::tag(digest)).await?;
        let signed = signed.ok_or(PublishError::Unsigned { name, digest })?;
        let failed = |error| PublishError::Manifest { name, error };
        let (signed, parsed) =
            (Manifest::from_json(&signed).map_err(failed)?, Manifest::from_json(&manifest).map_err(failed)?);
        let mut signatures = Vec::new();
        for layer in signature::layers_of(&signed) {
            signatures.extend(Signed::of(layer, self.store.blob(layer).await?));
        }
        let [card, safetensors] = parsed.model_layers().map_err(failed)?;
        let (card, safetensors) = (self.store.blob(card).await?, self.store.blob(safetensors).await?);
        let (manifest, card, safetensors) = (Bytes(manifest), Bytes(card), Bytes(safetensors));
        let bundle = Bundle { name, manifest, signatures, card, safetensors };
        bundle.verified(&self.trusted)?;
        Ok(bundle)
    }

    /// Names of all models, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn names(&self) -> Result<Vec<ModelName>, StoreError> {
        self.store.authenticate(false).await?;
        let tags = self.store.tags().await?;
        let mut names: Vec<ModelName> = tags.iter().filter_map(|tag| tag.parse().ok()).collect();
        names.sort_unstable_by(|one, other| other.cmp(one));
        names.dedup();
        Ok(names)
    }

    /// The newest models, `most` at most, with what their manifests say.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, most: usize) -> Result<Vec<Listed>, StoreError> {
        let mut listed = Vec::new();
        for name in self.names().await?.into_iter().take(most) {
            // One that is removed meanwhile is no longer there.
            let Some(json) = self.store.manifest(&name.to_string()).await? else { continue };
            let digest = Digest::of(&json);
            let standing = self.standing(digest).await?;
            listed.push(describe(name, digest, standing, &json));
        }
        Ok(listed)
    }
}

fn describe(name: ModelName, digest: Digest, standing: Standing, json: &[u8]) -> Listed {
    let manifest = Manifest::from_json(json).ok();
    let fact = |name: &str| manifest.as_ref().and_then(|manifest| manifest.fact(name));
    let quantile = fact("quantile").into_iter().flat_map(|text| text.split(','));
    Listed {
        name,
        digest,
        standing,
        created_at: fact("created_at").and_then(|text| Zoned::parse(text).ok()).map(|zoned| zoned.at),
        quantile: quantile.filter_map(|text| text.parse().ok()).take(2).collect(),
        rows: fact("data.rows").and_then(|text| text.parse().ok()),
    }
}
