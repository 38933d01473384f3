//! Gates that a model must pass before anybody is limited by it.

mod gate;
mod probes;
mod stand;

pub use gate::{Bound, Gate, Report, Verdict};

use openclaw_admission::{Network, Predictor as _};

/// Asks everything of a model.
#[must_use]
pub fn validate(network: &Network) -> Report {
    Report { model: network.name().to_owned(), gates: probes::all(network) }
}
