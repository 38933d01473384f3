//! What can go wrong, with the way out.

use crate::{LockError, Position};
use std::io;
use std::sync::Arc;

/// Why a log does not open. Nothing on disk was thrown away.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The setting is out of range.
    #[error("segment size `{bytes}` must be a multiple of `4096` from `16384` to `1073741824`")]
    SegmentBytes {
        /// As set.
        bytes: u64,
    },
    /// Someone else has the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The disk refused.
    #[error("{doing} `{file}` failed: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A segment's header is not what was written.
    #[error(
        "the header of `{file}` is damaged; restore the file from a copy, or move it and all older segments away to go on without what they hold"
    )]
    DamagedHeader {
        /// The segment.
        file: String,
    },
    /// Written by a later version of this program.
    #[error(
        "`{file}` has format version `{found}`, this program reads `{supported}`; start the version that wrote it"
    )]
    Version {
        /// The segment.
        file: String,
        /// Version in the file.
        found: u32,
        /// Version of this program.
        supported: u32,
    },
    /// A segment of another log, or under another's name.
    #[error("`{file}` does not belong to this log; move it away")]
    Foreign {
        /// The segment.
        file: String,
    },
    /// A segment between others is gone, or one that a snapshot was taken after.
    #[error(
        "`{file}` is missing; restore it from a copy, or move the segments before it and the snapshots away to go on without what they hold"
    )]
    MissingSegment {
        /// The segment.
        file: String,
    },
}

impl OpenError {
    pub(crate) fn io(doing: &'static str, file: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Io { doing, file, source }
    }
}

/// The write, sync or upkeep that ended the log for good. Nothing is retried:
/// after a failed sync nobody knows what is on the disk.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the log stopped at a failed {doing}: {source}; check the disk, then restart")]
pub struct Failure {
    /// What failed.
    pub doing: &'static str,
    /// Why.
    pub source: Arc<io::Error>,
}

impl Failure {
    pub(crate) fn of(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { doing, source: Arc::new(source) }
    }
}

/// Why frames could not be overwritten. What was done stays done; doing it once
/// more does the rest.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The disk refused.
    #[error("rewriting `{file}` failed: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A frame can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Whoever says what has to go can't say it.
    #[error("the frame at `{position}` can't be judged: {source}")]
    Edit {
        /// Where it begins.
        position: Position,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was to take a payload's place is not as long.
    #[error("the payload at `{position}` can't become one of `{bytes}` bytes; frames keep their length")]
    Length {
        /// Where the frame begins.
        position: Position,
        /// Of what was to take its place.
        bytes: u64,
    },
}

/// Why a frame was not taken. The log is as it was before.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Larger than a frame may be.
    #[error("a frame of `{bytes}` bytes is larger than the log takes, `{max}`; split it")]
    TooLarge {
        /// Of the payload.
        bytes: u64,
        /// Of a payload.
        max: u64,
    },
    /// No space for a frame of this class.
    #[error("the disk is full; free space on it, the log goes on by itself")]
    DiskFull,
    /// The disk is slower than what comes in.
    #[error("too much is waiting for the disk; wait for room, then append again")]
    Busy,
    /// The log has stopped for good.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The log was shut down.
    #[error("the log is shut down")]
    Closed,
}

/// Why a frame that was taken is not durable, and will not be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The log has stopped for good.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The log was shut down before anything was appended there.
    #[error("the log was shut down before `{position}`")]
    Closed {
        /// What was waited for.
        position: Position,
    },
}

/// Why a frame can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk refused.
    #[error("reading `{file}` failed: {source}")]
    Io {
        /// The segment.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Retention has removed it.
    #[error("what stood at `{position}` is older than the log keeps")]
    Gone {
        /// As asked.
        position: Position,
    },
    /// Not written, or not durable yet.
    #[error("nothing durable at `{position}`")]
    NotDurable {
        /// As asked.
        position: Position,
    },
    /// No frame begins there, or the one that did is damaged.
    #[error("no sound frame at `{position}` in `{file}`")]
    NoFrame {
        /// The segment.
        file: String,
        /// As asked.
        position: Position,
    },
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { source, .. } => source,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// Why a snapshot was not kept. The ones before it still are.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk refused.
    #[error("writing the snapshot failed: {0}")]
    Io(#[from] io::Error),
    /// One is being written.
    #[error("another snapshot is being written; wait for it")]
    Busy,
    /// Each partition has one part.
    #[error("partition `{partition}` was added twice")]
    Twice {
        /// The partition.
        partition: u8,
    },
    /// It covers what is not durable yet.
    #[error(
        "the snapshot covers the log up to `{covered}`, which is durable up to `{durable}`; commit first"
    )]
    AheadOfLog {
        /// Largest covered position.
        covered: Position,
        /// Of the log.
        durable: Position,
    },
    /// The log ended while the snapshot waited for it.
    #[error(transparent)]
    Log(#[from] CommitError),
}
