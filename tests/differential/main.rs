//! The same calls to a real Alertmanager and to us: who would be told, and who
//! is told what, when.
//!
//! `OPENCLAW_SEED` draws other cases, `OPENCLAW_CASE` plays one timetable alone; a
//! failure prints the seed it had.

mod random;
mod routes;
#[path = "../support/mod.rs"]
mod support;
mod timetables;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// These tests measure time or take both cores: one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says how a run went, beside the harness's own lines.
fn report(line: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
