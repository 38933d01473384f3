//! Gates that a model must pass before anybody is limited by it.

mod closed;
mod gate;
mod html;
mod probes;
mod recorded;
mod stand;
mod telemetry;

pub use gate::{Bound, Gate, Report, Verdict};
pub use recorded::Recorded;
pub use telemetry::{recent, sources};

use crate::artifact::{FeatureBaseline, Model};
use crate::evaluate::closed::Source;
use openclaw_admission::Network;

/// What a model is held beside.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// The model in service; none where the plain estimator serves.
    pub running: Option<&'a Network>,
    /// Clients of the last days.
    pub recent: Recorded,
    /// What each feature looked like over the months before, where it is known;
    /// else what the model was trained on stands for it.
    pub baseline: Option<Vec<FeatureBaseline>>,
    /// Clients for simulated worlds.
    pub sources: Vec<Source>,
}

/// Asks everything of a model, in this order.
#[must_use]
pub fn validate(model: &Model, evidence: &Evidence<'_>) -> Report {
    let (network, card) = (model.network(), model.card());
    let mut gates = probes::all(network);
    gates.extend(on_recorded(model, evidence));
    let (simulated, worlds) = match closed::gates(network, &evidence.sources) {
        Ok((gates, report)) => (gates, Some(report)),
        Err(_) if evidence.sources.is_empty() => (closed::left_out("no recorded clients"), None),
        Err(error) => (closed::left_out(&error.to_string()), None),
    };
    gates.extend(simulated);
    Report { model: card.name.to_string(), gates, worlds }
}

fn on_recorded(model: &Model, evidence: &Evidence<'_>) -> Vec<Gate> {
    let windows = evidence.recent.windows().count();
    if windows < recorded::WINDOWS_MIN {
        let why = format!("{windows} recorded windows; from {} on", recorded::WINDOWS_MIN);
        let mut gates = recorded::left_out(&why);
        gates.push(recorded::drift_left_out(&why));
        return gates;
    }
    let card = model.card();
    let mut gates = recorded::gates(model.network(), evidence.running, card.quantile, &evidence.recent);
    match evidence.baseline.as_ref().or(card.data.as_ref().map(|data| &data.baseline)) {
        Some(baseline) => gates.extend(recorded::drift(baseline, &evidence.recent)),
        None => gates.push(recorded::drift_left_out("the card says nothing of the training data")),
    }
    gates
}
