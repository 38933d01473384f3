//! Patterns with the meaning that RE2, and so Alertmanager, gives them.
//!
//! The `regex` crate reads another dialect: `\d` and `\b` know Unicode there,
//! `[a&&b]` is an intersection, `a**` a repetition. A pattern is therefore
//! read here in RE2's grammar and written anew in words that mean the same in
//! both. What can't be carried over is refused, never changed in meaning.
//!
//! What differs all the same: characters that Unicode took in after version
//! 15 have classes and cases here that Go 1.26 does not know of.

mod class;
mod error;
mod literals;
mod names;
mod parse;
mod scan;

pub use error::PatternError;
use literals::Literals;
use parse::Node;
use regex::{Regex, RegexBuilder};

/// The longest pattern that is read.
pub const PATTERN_BYTES_MAX: usize = 64 << 10;

/// Bytes that a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Bytes that a pattern's cache may take in each thread that uses it.
const CACHE_BYTES_MAX: usize = 1 << 20;

/// A compiled pattern, anchored at both ends.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// Most patterns in practice: `a|b|c`, looked up without an engine.
    Literals(Literals),
    Regex(Regex),
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, PatternError> {
        let node = parse::parse(pattern)?;
        match Literals::of(&node) {
            Some(literals) => Ok(Self::Literals(literals)),
            None => compile(&node).map(Self::Regex),
        }
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Literals(literals) => literals.contains(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A pattern with RE2's meaning as Alertmanager has it: anchored at both
/// ends, bounded in length and compiled size.
///
/// # Errors
/// When RE2 refuses the pattern too, or when its meaning can't be kept.
pub fn anchored(pattern: &str) -> Result<Regex, PatternError> {
    compile(&parse::parse(pattern)?)
}

fn compile(node: &Node) -> Result<Regex, PatternError> {
    let mut text = String::from("\\A(?:");
    node.write(&mut text);
    text.push_str(")\\z");
    RegexBuilder::new(&text)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .nest_limit(NEST_LIMIT)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooComplex,
            other => PatternError::NotCompiled { detail: last_line(&other.to_string()) },
        })
}

/// Each level of the pattern may become a few of the written form.
const NEST_LIMIT: u32 = 4 * parse::DEPTH_MAX as u32 + 16;

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
