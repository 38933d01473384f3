//! Limits that learn: each client's bucket follows what it needs, between a
//! floor and a ceiling.
//!
//! Time comes in ticks of a second, twelve to a window. A window that ends
//! becomes features ([`ClientState::features`]), a [`Predictor`] says what the
//! next one needs, a [`Correction`] holds it to the coverage that was asked
//! for, and [`Bounds`] have the last word. The client is judged by its own
//! faults alone; what its backend suffers shrinks everybody's share
//! ([`Health`], [`Shares`]).

mod adapter;
mod advice;
mod answers;
mod candidates;
mod conform;
mod drift;
mod ended;
mod estimator;
mod features;
mod figures;
mod guard;
mod habit;
mod health;
mod models;
mod network;
mod policies;
mod share;
mod state;
mod sums;
mod tally;
mod tenant;
mod trial;

pub use adapter::{Adapter, ClientView, TickProgress};
pub use advice::{Bounds, Grant, Outcome};
pub use answers::{Answers, Heard, UNREPORTED_LATENCY};
pub use candidates::Candidate;
pub use conform::Correction;
pub use drift::{Baseline, EDGES};
pub use ended::EndedWindow;
pub use estimator::{PLAIN_OUTPUT, Plain, Predictor};
pub use features::{Base, FEATURES, Features, SERVING10, VOLUME10};
pub use figures::{QUANTILES, WindowFigures};
pub use guard::{Guard, Hold};
pub use health::{BackendTick, Health};
pub use network::{HIDDEN_MAX, Network, OUTPUTS, Weights, WeightsError};
pub use policies::{AdaptivePolicies, AdaptivePolicy, SetsRates, TenantIndex};
pub use share::Shares;
pub use state::{ClientState, WINDOWS_COUNTED, WINDOWS_MIN};
pub use sums::Decided;
pub use tally::{TICKS, Ticks, Window};
pub use tenant::{Backend, TenantFigures};
pub use trial::{CLUSTERS, Cluster, Evidence, Part};
