//! `openclaw serve` from outside: HTTP, files and signals.

mod bounds;
mod console;
mod delivery;
mod errors;
mod isolation;
mod keys;
mod listing;
mod metrics;
mod rating;
mod restart;
#[path = "../support/mod.rs"]
mod support;
