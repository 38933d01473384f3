//! Files that are read with a bound and replaced whole.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// No file of a model that is served is longer.
pub const MODEL_BYTES_MAX: usize = 1 << 20;

/// Why a file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// As the system says.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// As the system says.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not what it should be.
    #[error("`{}` is longer than {most_bytes} bytes, the most that is expected", path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// The bound.
        most_bytes: usize,
    },
}

impl FileError {
    /// Whether the file isn't there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A file's bytes.
pub(crate) fn read(path: &Path, most_bytes: usize) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(most_bytes as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most_bytes {
        return Err(FileError::TooLong { path: path.to_owned(), most_bytes });
    }
    Ok(bytes)
}

/// Puts a file into place whole: after a crash there is the old one, the new
/// one or, beside them, the beginning of one under a name of its own.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let beside =
        folder.join(format!("{BEGINNING}{}-{}-{}", std::process::id(), unique(), name.to_string_lossy()));
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(failed)
}

/// What names of files start with that are being written.
pub(crate) const BEGINNING: &str = ".writing-";

/// A number that this process gives once.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
