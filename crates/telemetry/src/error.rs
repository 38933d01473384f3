//! What can go wrong with files.

use parquet::errors::ParquetError;
use std::io;
use std::path::{Path, PathBuf};

/// Why something can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The system refuses.
    #[error("`{path}`: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It isn't what was written there.
    #[error("`{path}` is damaged: {source}; move it out of the folder to go on without its rows")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        source: ParquetError,
    },
}

impl TelemetryError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        |source| Self::Damaged { path: path.to_owned(), source }
    }
}
