//! The secret that clients' names are hashed with, kept over restarts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
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
    keep_secret(&path, &seed).map_err(|source| SeedError { path, source })
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
    keep_secret(path, &seed)?;
    Ok(seed)
}

/// Where a file is written before it takes its name. Each has its own: files
/// that differ in their extension alone are written at the same time.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Written beside and renamed: a secret is whole or not there.
pub(crate) fn keep_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    let new = beside(path);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(secret)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
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
