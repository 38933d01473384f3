//! Words whose every order of steps is tried.

pub(crate) use loom::sync::atomic::AtomicU64;
pub(crate) use loom::sync::{Mutex, MutexGuard};

pub(crate) fn zeroed<const WORDS: usize>(blocks: usize) -> Box<[[AtomicU64; WORDS]]> {
    (0..blocks).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect()
}
