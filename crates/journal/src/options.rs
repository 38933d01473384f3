//! Sizes and ages, and the one function the log is lent by its user.

use crate::segments::SEGMENT_DATA;
use crate::{OpenError, StoredFrame};
use std::time::Duration;

/// Gives the keys under which a frame can be found again, by pushing them.
/// It sees frames that this or an earlier version wrote, and must not panic:
/// a panic ends the log.
pub type KeysOf = fn(&StoredFrame, &mut Vec<u64>);

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size of a segment file, a multiple of 4096 from 16 KiB to 1 GiB. A log
    /// that exists keeps the size it was made with.
    pub segment_bytes: u64,
    /// Sealed segments go when their newest frame is older than this…
    pub retain_age: Duration,
    /// …or when all segments together are larger than this; in either case
    /// never one that a kept snapshot still needs.
    pub retain_bytes: u64,
    /// Space kept back for outcomes once the disk is full: one segment, or
    /// none for 0.
    pub reserve_bytes: u64,
    /// Lookup keys of a frame.
    pub keys: KeysOf,
}

fn no_keys(_: &StoredFrame, _: &mut Vec<u64>) {}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            retain_age: Duration::from_secs(7 * 24 * 60 * 60),
            retain_bytes: 10 << 30,
            reserve_bytes: 64 << 20,
            keys: no_keys,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let bytes = self.segment_bytes;
        if (16 << 10..=1 << 30).contains(&bytes) && bytes.is_multiple_of(SEGMENT_DATA) {
            return Ok(());
        }
        Err(OpenError::SegmentBytes { bytes })
    }
}
