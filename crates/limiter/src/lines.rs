//! Words by the cache line.

use crate::sync::{AtomicU64, zeroed};

pub(crate) const WORDS: usize = 8;
const LINE_BYTES: usize = 64;

/// Eight words that share a cache line.
pub(crate) type Line = [AtomicU64; WORDS];

/// Lines of words, all 0 at first; memory is taken as they are touched.
#[derive(Debug)]
pub(crate) struct Lines {
    words: Box<[AtomicU64]>,
    first: usize,
    count: usize,
}

impl Lines {
    pub(crate) fn new(count: usize) -> Self {
        // An allocation aligned by type would be cleared by hand, so a part of
        // a line is left out instead.
        let words = zeroed((count + 1) * WORDS - 1);
        let beyond = words.as_ptr().addr() % LINE_BYTES;
        let first = (LINE_BYTES - beyond) % LINE_BYTES / size_of::<u64>();
        Self { words, first, count }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&Line> {
        self.words.get(self.first + index * WORDS..)?.first_chunk()
    }
}
