//! Token buckets for very many clients.
//!
//! A [`Bucket`] is one number. A [`Limiter`] keeps one for each client in a
//! table of fixed size without locks, inside the buckets of what it belongs to
//! (a policy, a tenant). Time is an argument, in nanoseconds of a clock that
//! may stand still or go backwards; there is no I/O, no thread, no allocation
//! on the way of a decision.

#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod bucket;
mod cell;
mod clients;
mod decision;
mod hash;
mod learned;
mod level;
mod limiter;
mod lines;
mod policy;
mod quota;
mod rate;
mod saved;
mod sync;
mod table;
mod word;

pub use bucket::Bucket;
pub use decision::{Ask, CoreId, Decision, RefusedBy, Verdict};
pub use hash::{Key, Seed};
pub use learned::{Learned, LearnedId, NoRoom, Outcome, Window};
pub use level::LevelId;
pub use limiter::{Limiter, Sizes};
pub use policy::{Adaptive, Common, Policy, PolicyId};
pub use quota::{Quota, QuotaDecision};
pub use rate::Rate;
pub use saved::{Saved, SavedState};
