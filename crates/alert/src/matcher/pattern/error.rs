//! Patterns that are refused, and why.

use std::fmt;

/// Why a pattern is refused. Offsets count bytes from the pattern's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// A construct that RE2 doesn't know either.
    Invalid {
        /// Where.
        offset: usize,
        /// What is wrong, and the way out.
        what: &'static str,
    },
    /// `)` without its `(`: RE2 would let `a)(b` end the anchoring early.
    Unbalanced {
        /// Where.
        offset: usize,
    },
    /// Longer than a pattern may be.
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Groups inside groups beyond the bound.
    TooDeep {
        /// The bound.
        depth_max: usize,
    },
    /// More Unicode classes such as `\pL` than a pattern may have.
    TooManyClasses {
        /// The bound.
        classes_max: usize,
    },
    /// Ranges under `(?i)` that span too much.
    FoldsTooMuch,
    /// Compiles to more than a pattern may take.
    TooComplex,
    /// The engine refuses what RE2 would take.
    NotCompiled {
        /// The engine's words.
        detail: String,
    },
}

impl PatternError {
    /// True where RE2 takes the pattern, or may.
    pub(crate) fn is_ours_alone(&self) -> bool {
        !matches!(self, Self::Invalid { .. })
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { offset, what } => write!(f, "bad regex at byte {offset}: {what}"),
            Self::Unbalanced { offset } => {
                write!(f, "bad regex at byte {offset}: `)` without `(`; write `\\)` for the character")
            }
            Self::TooLong { bytes, bytes_max } => {
                write!(f, "regex of {bytes} bytes is longer than {bytes_max}; split it")
            }
            Self::TooDeep { depth_max } => {
                write!(f, "regex has more than {depth_max} groups inside each other")
            }
            Self::TooManyClasses { classes_max } => {
                write!(f, "regex has more than {classes_max} classes such as `\\pL`; write fewer")
            }
            Self::FoldsTooMuch => {
                f.write_str("regex has too many wide ranges under `(?i)`; take them out of it")
            }
            Self::TooComplex => f.write_str("regex compiles to more than 1 MiB; use smaller repetitions"),
            Self::NotCompiled { detail } => write!(f, "regex is not supported: {detail}"),
        }
    }
}

impl std::error::Error for PatternError {}
