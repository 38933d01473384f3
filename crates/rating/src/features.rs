//! An alert as the numbers that the model weighs.

use crate::severity::Severity;
use openclaw_alert::{FACTOR_COUNT, Labels, Timestamp, fnv1a};

/// What is known of an alert when its episode starts. The same three, kept by
/// the caller, are all that [`crate::Model::learn`] needs later.
#[derive(Debug, Clone, Copy)]
pub struct AlertFacts<'a> {
    /// Its labels.
    pub labels: Labels<'a>,
    /// Name of the intake it came through.
    pub source: &'a str,
    /// When it was rated, at the start of its episode.
    pub at: Timestamp,
}

/// The numbers in order, each belonging to one factor.
pub(crate) const INPUT_COUNT: usize = 7 + Severity::COUNT;

pub(crate) const BASE: usize = 0;
pub(crate) const SEVERITY: usize = 1;
/// One for each severity, 1 for the alert's own and 0 for the others.
pub(crate) const SEVERITY_IS: usize = 2;
pub(crate) const RELIABILITY: usize = SEVERITY_IS + Severity::COUNT;
pub(crate) const RESPONSE: usize = RELIABILITY + 1;
pub(crate) const ALERT_RECURRENCE: usize = RELIABILITY + 2;
pub(crate) const KIND_RECURRENCE: usize = RELIABILITY + 3;
pub(crate) const NOVELTY: usize = RELIABILITY + 4;

/// Which of the factors each input adds to, by its place in `FACTORS`.
pub(crate) const FACTOR_OF: [usize; INPUT_COUNT] = [0, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 5];

const _: () = assert!(FACTOR_OF[NOVELTY] < FACTOR_COUNT && NOVELTY + 1 == INPUT_COUNT);

pub(crate) type Inputs = [f32; INPUT_COUNT];

/// Names under which an alert's history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Its label set, through its source.
    pub(crate) alert: u64,
    /// (source, alertname, job).
    pub(crate) kind: u64,
    pub(crate) source: u64,
}

impl Keys {
    pub(crate) fn of(facts: &AlertFacts<'_>) -> Self {
        let (mut alertname, mut job) = ("", "");
        for (name, value) in facts.labels.iter() {
            match name {
                "alertname" => alertname = value,
                "job" => job = value,
                _ => {}
            }
        }
        let source = fnv1a(&[facts.source.as_bytes()]);
        Self {
            alert: hash_words(source, facts.labels.as_bytes()),
            kind: fnv1a(&[facts.source.as_bytes(), alertname.as_bytes(), job.as_bytes()]),
            source,
        }
    }
}

/// A stable hash that takes eight bytes a step, since label sets are long: the
/// 128-bit product of each word and an odd constant, folded. (FNV-1a takes one
/// byte a step and would be half the cost of a rating.)
fn hash_words(seed: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word ^ FACTOR) * u128::from(FACTOR);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (words, tail) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(seed, |hash, word| fold(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    fold(fold(hash, u64::from_le_bytes(last)), bytes.len() as u64)
}
