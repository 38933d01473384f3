//! The secret that clients' names are hashed with, kept over restarts.

use crate::files::{self, SECRET};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "limits.seed";

/// Why there is no seed.
#[derive(Debug, thiserror::Error)]
#[error("the limits' seed `{path}` can't be kept: {source}")]
pub struct SeedError {
    path: PathBuf,
    source: io::Error,
}

/// The folder's seed; made where there is none.
pub(crate) fn load(folder: &Path) -> Result<[u8; 16], SeedError> {
    let path = folder.join(FILE);
    read_or_make(&path).map_err(|source| SeedError { path, source })
}

/// Whether there is one.
pub(crate) fn has(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// Keeps another seed in its place.
pub(crate) fn keep(folder: &Path, seed: [u8; 16]) -> Result<(), SeedError> {
    let path = folder.join(FILE);
    files::replace(&path, &seed, SECRET).map_err(|source| SeedError { path, source })
}

fn read_or_make(path: &Path) -> io::Result<[u8; 16]> {
    match fs::read(path) {
        Ok(bytes) => match bytes.try_into() {
            Ok(seed) => Ok(seed),
            Err(_) => {
                tracing::error!(path = %path.display(), "the limits' seed is damaged and made anew: clients begin anew");
                make(path)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(error),
    }
}

fn make(path: &Path) -> io::Result<[u8; 16]> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    files::replace(path, &seed, SECRET)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_seed() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = |folder: &Path| load(folder).unwrap();
        assert_eq!(key(folder.path()), key(folder.path()));
        assert_ne!(key(folder.path()), key(other.path()));
        keep(folder.path(), [7; 16]).unwrap();
        assert_eq!(key(folder.path()), [7; 16]);
        fs::write(folder.path().join(FILE), b"cut").unwrap();
        assert_eq!(key(folder.path()), key(folder.path()));
    }
}
