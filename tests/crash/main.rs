//! The process killed at every stage, and the disk under it damaged or full.
//!
//! `OPENCLAW_KILLS` sets the number of kills (24 unless set), `OPENCLAW_SEED`
//! the randomness, which each run prints.

mod checker;
mod disk;
mod kills;
mod sender;
#[path = "../support/mod.rs"]
mod support;
mod syscalls;
