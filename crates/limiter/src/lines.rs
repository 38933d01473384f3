//! Words by the cache line.

use crate::sync::AtomicU64;

pub(crate) const WORDS: usize = 8;
pub(crate) const LINE_BYTES: usize = 64;

/// Eight words that are used together. They share a cache line where the
/// allocator aligns by it, as it mostly does within 16 bytes: so what a decision
/// touches stands in the first six. A type that asked for the alignment would be
/// cleared by hand, and take memory for all that nobody has used yet.
pub(crate) type Line = [AtomicU64; WORDS];
