//! How likely an alert is to need a person, and why.
//!
//! [`Model`] is one tenant's: it starts from a prior that is sensible without
//! any history, counts what it sees ([`Model::seen`]) and learns from what
//! people do ([`Model::learn`]) and from what goes away by itself
//! ([`Model::resolved_unseen`]). [`Model::rate`] gives a score whose
//! contributions add up to its logit; [`Model::explain`] puts each of them
//! into words.
//!
//! A model is a fold of its events: the same events in the same order give
//! the same bits, also over [`Model::write`] and [`Model::read`] in between.
//! Beyond `+ - * /` only the standard library's `exp` and `ln` are used, so
//! this holds for one build on one platform; scores are recorded as facts and
//! not worked out again where another build reads them. Time comes in with
//! the events; nothing here reads a clock, a file or a socket.

#![forbid(unsafe_code)]

mod explain;
mod features;
mod history;
mod model;
mod recent;
mod severity;
#[cfg(test)]
mod tests;
mod weights;

pub use explain::{Explanation, Factor, FactorValue};
pub use features::AlertFacts;
pub use model::{KINDS_MAX, Model};
