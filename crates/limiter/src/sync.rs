//! What a model checker replaces: `tests/models` builds these sources with
//! another module of this name.

pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Blocks of words of 0, in memory that the system gives only once it is touched.
pub(crate) fn zeroed<const WORDS: usize>(blocks: usize) -> Box<[[AtomicU64; WORDS]]> {
    bytemuck::zeroed_slice_box(blocks)
}
