//! A run that was broken off, as a file. Numbers are kept by their bits.

use super::TrainError;
use super::adam::Adam;
use super::trainer::{Best, Progress};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Larger than any checkpoint.
const BYTES_MAX: u64 = 4 << 20;

/// A run after one of its epochs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    rows_hash: u64,
    settings: Vec<u32>,
    epoch: u32,
    parameters: Vec<u32>,
    mean: Vec<u32>,
    square: Vec<u32>,
    decayed: [u64; 2],
    random: [u64; 4],
    summed: Vec<u64>,
    best: Option<BestBits>,
    loss: u64,
    /// Of rows that were recorded: those of windows that ended up to then.
    #[serde(default)]
    until_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BestBits {
    parameters: Vec<u32>,
    held_out: u64,
    epoch: u32,
}

/// Why a checkpoint was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system said no.
    #[error("checkpoint `{path}`: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// No checkpoint, or one of another version.
    #[error("checkpoint `{path}` can't be read: {source}; remove it to start anew", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Too large for one.
    #[error("`{path}` has {bytes} bytes, no checkpoint has more than {BYTES_MAX}; remove it to start anew", path = path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
}

impl Checkpoint {
    pub(super) fn new(progress: &Progress, rows_hash: u64, settings: Vec<u32>) -> Self {
        Self {
            rows_hash,
            settings,
            epoch: progress.epoch,
            parameters: bits(&progress.parameters),
            mean: bits(&progress.adam.mean),
            square: bits(&progress.adam.square),
            decayed: progress.adam.decayed.map(f64::to_bits),
            random: progress.random,
            summed: progress.summed.iter().map(|sum| sum.to_bits()).collect(),
            best: progress.best.as_ref().map(|best| BestBits {
                parameters: bits(&best.parameters),
                held_out: best.held_out.to_bits(),
                epoch: best.epoch,
            }),
            loss: progress.loss.to_bits(),
            until_ms: None,
        }
    }

    /// Of windows that ended up to then, in milliseconds since 1970: while
    /// others are recorded, whoever goes on has to leave them out.
    #[must_use]
    pub fn of_windows_until(self, until_ms: i64) -> Self {
        Self { until_ms: Some(until_ms), ..self }
    }

    /// Up to when windows had ended, where that is known.
    #[must_use]
    pub fn until_ms(&self) -> Option<i64> {
        self.until_ms
    }

    pub(super) fn progress(
        &self,
        rows_hash: u64,
        settings: &[u32],
        parameters: usize,
    ) -> Result<Progress, TrainError> {
        if self.rows_hash != rows_hash {
            return Err(TrainError::OtherRun { what: "rows" });
        }
        let best = self.best.as_ref().map_or(parameters, |best| best.parameters.len());
        let lengths = [self.parameters.len(), self.mean.len(), self.square.len(), self.summed.len(), best];
        if self.settings != settings || lengths != [parameters; 5] {
            return Err(TrainError::OtherRun { what: "settings" });
        }
        Ok(Progress {
            epoch: self.epoch,
            parameters: numbers(&self.parameters),
            adam: Adam {
                mean: numbers(&self.mean),
                square: numbers(&self.square),
                decayed: self.decayed.map(f64::from_bits),
            },
            random: self.random,
            summed: self.summed.iter().map(|sum| f64::from_bits(*sum)).collect(),
            best: self.best.as_ref().map(|best| Best {
                parameters: numbers(&best.parameters),
                held_out: f64::from_bits(best.held_out),
                epoch: best.epoch,
            }),
            loss: f64::from_bits(self.loss),
        })
    }

    /// Epochs that it holds.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.epoch
    }

    /// Puts it in the place of the one before, whole or not at all.
    ///
    /// # Errors
    /// [`CheckpointError::File`] from the file system.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let fail = |source| CheckpointError::File { path: path.to_owned(), source };
        let beside = path.with_extension("tmp");
        let bytes = serde_json::to_vec(self)
            .map_err(|source| CheckpointError::Unreadable { path: path.to_owned(), source })?;
        let mut file = fs::File::create(&beside).map_err(fail)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(fail)?;
        fs::rename(&beside, path).map_err(fail)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`CheckpointError`] for a file that is missing, too large or none.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let fail = |source| CheckpointError::File { path: path.to_owned(), source };
        let bytes = fs::metadata(path).map_err(fail)?.len();
        if bytes > BYTES_MAX {
            return Err(CheckpointError::TooLarge { path: path.to_owned(), bytes });
        }
        let bytes = fs::read(path).map_err(fail)?;
        serde_json::from_slice(&bytes)
            .map_err(|source| CheckpointError::Unreadable { path: path.to_owned(), source })
    }
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn numbers(bits: &[u32]) -> Vec<f32> {
    bits.iter().map(|bits| f32::from_bits(*bits)).collect()
}
