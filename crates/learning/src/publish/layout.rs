//! An OCI image layout in a folder: `oci-layout`, `index.json` and
//! `blobs/sha256/`, which other tools read as well.
//!
//! Blobs come first and the index last, each put into place whole, so that a
//! reader needs no lock and a crash leaves at most blobs that nothing names.
//! Writers hold the lock of `.lock` one after the other.

use super::StoreError;
use super::manifest::{MANIFEST_BYTES_MAX, MANIFEST_TYPE};
use crate::artifact::{BEGINNING, Digest, FileError, read_file, replace_file};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const TAG: &str = "org.opencontainers.image.ref.name";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// More than ten years of nightly models with their signatures.
const INDEX_BYTES_MAX: usize = 16 << 20;

/// A folder with models.
#[derive(Debug)]
pub(super) struct Layout {
    folder: PathBuf,
}

/// What others put into it is kept as it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    manifests: Vec<Entry>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    annotations: Map<String, Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Entry {
    fn tag(&self) -> Option<&str> {
        self.annotations.get(TAG).and_then(Value::as_str)
    }
}

impl Layout {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(super) fn tags(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.index()?.manifests.iter().filter_map(Entry::tag).map(str::to_owned).collect())
    }

    pub(super) fn manifest(&self, tag: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let index = self.index()?;
        let Some(entry) = index.manifests.iter().find(|entry| entry.tag() == Some(tag)) else {
            return Ok(None);
        };
        let digest = entry.digest.parse().map_err(|_| StoreError::Index { path: self.path("index.json") })?;
        self.blob(digest, MANIFEST_BYTES_MAX).map(Some)
    }

    pub(super) fn blob(&self, digest: Digest, most_bytes: usize) -> Result<Vec<u8>, StoreError> {
        let bytes = match read_file(&self.blob_path(digest), most_bytes) {
            Err(error) if error.is_missing() => return Err(StoreError::Gone { digest }),
            other => other?,
        };
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(StoreError::Damaged { digest, found });
        }
        Ok(bytes)
    }

    pub(super) fn put_blob(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        self.write_blob(bytes)
    }

    /// Anew where it is there and damaged.
    fn write_blob(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let digest = Digest::of(bytes);
        if self.blob(digest, bytes.len()).is_ok() {
            return Ok(());
        }
        Ok(replace_file(&self.blob_path(digest), bytes)?)
    }

    /// Names a manifest; a tag that names another keeps it, unless it `moves`.
    pub(super) fn put_manifest(&self, tag: &str, json: &[u8], moves: bool) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        self.write_blob(json)?;
        let mut index = self.index()?;
        let digest = Digest::of(json).to_string();
        let known = index.manifests.iter().find(|entry| entry.tag() == Some(tag));
        match known {
            Some(entry) if entry.digest == digest => return Ok(()),
            Some(_) if !moves => return Err(StoreError::Taken { tag: tag.to_owned() }),
            _ => index.manifests.retain(|entry| entry.tag() != Some(tag)),
        }
        index.manifests.push(Entry {
            media_type: MANIFEST_TYPE.to_owned(),
            digest,
            size: json.len() as u64,
            annotations: Map::from_iter([(TAG.to_owned(), tag.into())]),
            rest: Map::new(),
        });
        let index = serde_json::to_vec_pretty(&index).map_err(|_| self.bad_index())?;
        Ok(replace_file(&self.path("index.json"), &index)?)
    }

    /// Makes the folder where it is missing, and removes what a crash left.
    fn lock(&self) -> Result<File, StoreError> {
        let path = self.path(".lock");
        let failed = |source| FileError::Write { path: path.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        self.remove_beginnings();
        let layout = self.path("oci-layout");
        if read_file(&layout, LAYOUT.len()).is_ok_and(|found| found == LAYOUT) {
            return Ok(lock);
        }
        replace_file(&layout, LAYOUT)?;
        Ok(lock)
    }

    /// Nobody else writes while the lock is held.
    fn remove_beginnings(&self) {
        for folder in [self.folder.clone(), self.folder.join("blobs/sha256")] {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().starts_with(BEGINNING) {
                    // What can't be removed harms nobody.
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    fn index(&self) -> Result<Index, StoreError> {
        match read_file(&self.path("index.json"), INDEX_BYTES_MAX) {
            Ok(json) => serde_json::from_slice(&json).map_err(|_| self.bad_index()),
            Err(error) if error.is_missing() => {
                let rest = Map::from_iter([("mediaType".to_owned(), INDEX_TYPE.into())]);
                Ok(Index { schema_version: 2, manifests: Vec::new(), rest })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn bad_index(&self) -> StoreError {
        StoreError::Index { path: self.path("index.json") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn blob_path(&self, digest: Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }
}
