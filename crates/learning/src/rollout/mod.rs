//! From shadow to everybody: a model takes over step by step, each held for a
//! time and judged on what can be seen, and goes back at once where it does
//! harm.
//!
//! Both models predict for every client all the time and only one of them sets
//! its limit, so that each window compares them on the same demand. Clients are
//! heavy-tailed and alike over time, so that windows are no draws: they are
//! gathered in [`openclaw_admission::CLUSTERS`] clusters by a keyed hash, and a
//! cluster is one draw ([`Sequential`]).

mod backend;
mod event;
mod machine;
mod sequential;
mod settings;
#[cfg(test)]
mod simulation;
mod sums;

pub use event::{Event, Figures, Reason};
pub use machine::Rollout;
pub use sequential::Sequential;
pub use settings::{Settings, SettingsError, Stage, Step};
