//! What a model checker replaces: `tests/models` builds these sources with
//! another module of this name.

pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Words of 0, in memory that the system gives only once it is touched.
pub(crate) fn zeroed(words: usize) -> Box<[AtomicU64]> {
    bytemuck::zeroed_slice_box(words)
}
