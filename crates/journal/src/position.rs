//! Places in the log.

use std::fmt;

/// A place in the log: segment number times segment size, plus the offset in
/// the segment. Only ever grows; the same on every replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// Before everything.
    pub const START: Self = Self(0);

    /// A place that was kept as a number.
    #[must_use]
    pub const fn new(position: u64) -> Self {
        Self(position)
    }

    /// As a number, to be kept.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How places map to segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) segment_bytes: u64,
}

impl Geometry {
    pub(crate) fn position(self, segment: u64, offset: u64) -> Position {
        Position(segment * self.segment_bytes + offset)
    }

    pub(crate) fn segment(self, position: Position) -> u64 {
        position.0 / self.segment_bytes
    }

    pub(crate) fn offset(self, position: Position) -> u64 {
        position.0 % self.segment_bytes
    }

    /// How far into `segment` everything lies before `position`.
    pub(crate) fn limit(self, segment: u64, position: Position) -> u64 {
        position.0.saturating_sub(segment * self.segment_bytes).min(self.segment_bytes)
    }
}
