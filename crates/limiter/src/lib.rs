//! Token buckets for very many clients.
//!
//! A [`Bucket`] is one number. A [`Limiter`] keeps one for each client in a
//! table of fixed size without locks, inside the buckets of what it belongs to
//! (a policy, a tenant). Time is an argument, in nanoseconds of a clock that
//! may stand still or go backwards; there is no I/O, no thread, no allocation
//! on the way of a decision.

#![forbid(unsafe_code)]

mod bucket;
mod hash;
mod level;
mod limiter;
mod policy;
mod rate;
mod table;

pub use bucket::Bucket;
pub use hash::{Key, Seed};
pub use level::LevelId;
pub use limiter::{Ask, CoreId, Decision, Limiter, RefusedBy, Sizes, Verdict};
pub use policy::{Policy, PolicyId};
pub use rate::Rate;
