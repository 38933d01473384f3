//! Who is tried: limiters in use elsewhere, the one that is served, and one
//! that knows all.

mod buckets;
mod common;
mod composed;
mod gate;
mod oracle;
mod rates;
mod served;

pub use composed::{Baseline, Composed};
pub use oracle::Oracle;
pub use served::Served;
