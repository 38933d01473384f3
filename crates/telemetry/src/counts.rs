//! What has become of rows, for metrics.

use crate::layout::Kind;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a row isn't kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// More came than could be written.
    QueueFull,
    /// There are more than are kept; others stand for it by their weight.
    Sampled,
    /// It is of a day that isn't kept any more, or has not come yet.
    OutOfTime,
    /// The disk has failed, or is full.
    DiskFailed,
}

impl Dropped {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::Sampled, Self::OutOfTime, Self::DiskFailed];

    /// As metrics name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Sampled => "sampled",
            Self::OutOfTime => "out_of_time",
            Self::DiskFailed => "disk_failed",
        }
    }
}

#[derive(Debug, Default)]
struct OfKind {
    rows: AtomicU64,
    bytes: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
}

/// What has become of rows since the start.
#[derive(Debug, Default)]
pub struct Counts([OfKind; Kind::ALL.len()]);

impl Counts {
    /// Rows that are on the disk.
    #[must_use]
    pub fn rows(&self, kind: Kind) -> u64 {
        self.0[kind as usize].rows.load(Ordering::Relaxed)
    }

    /// Bytes that they took when they were first written.
    #[must_use]
    pub fn bytes(&self, kind: Kind) -> u64 {
        self.0[kind as usize].bytes.load(Ordering::Relaxed)
    }

    /// Rows that are not kept.
    #[must_use]
    pub fn dropped(&self, kind: Kind, why: Dropped) -> u64 {
        self.0[kind as usize].dropped[why as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn wrote(&self, kind: Kind, rows: u64, bytes: u64) {
        self.0[kind as usize].rows.fetch_add(rows, Ordering::Relaxed);
        self.0[kind as usize].bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self, kind: Kind, why: Dropped, rows: u64) {
        self.0[kind as usize].dropped[why as usize].fetch_add(rows, Ordering::Relaxed);
    }
}
