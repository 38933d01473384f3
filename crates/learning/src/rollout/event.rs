//! What comes of a rollout.

use super::settings::Stage;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Event {
    /// The model sets the limits of more clients.
    Advanced {
        /// Before.
        from: Stage,
        /// From now on.
        to: Stage,
        /// Why it may.
        figures: Figures,
    },
    /// It is the one that runs.
    Promoted {
        /// Why it may.
        figures: Figures,
    },
    /// It sets nobody's limits any more.
    RolledBack {
        /// How far it had come.
        at: Stage,
        /// Why.
        reason: Reason,
        /// By these.
        figures: Figures,
    },
}

/// Why a model is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It would refuse more of the same demand.
    RefusesMore,
    /// Its predictions are farther from what came.
    PredictsWorse,
    /// What came was beyond its predictions more often.
    CoversLess,
    /// It would let far more through than the running one.
    AllowsTooMuch,
    /// Where it sets limits, more is refused within its own targets.
    TurnsAwayMore,
    /// Where it sets limits, more comes again after a refusal.
    RetriedMore,
    /// Its outputs are no numbers, or far from all that can be.
    NoNumbers,
    /// It takes too long.
    Slow,
    /// The backend fails or is slow as it wasn't before, whoever is to blame.
    BackendSuffers,
    /// Somebody said so.
    ByHand,
    /// Too few clients came, for too long, and there is a newer one.
    NotJudged,
    /// Somebody said that another runs.
    OtherPromoted,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RefusesMore => "it would refuse more of the same demand",
            Self::PredictsWorse => "its predictions are farther from what came",
            Self::CoversLess => "what came was beyond its predictions more often",
            Self::AllowsTooMuch => "it would let far more through",
            Self::TurnsAwayMore => "more is refused within its own targets",
            Self::RetriedMore => "more comes again after its refusals",
            Self::NoNumbers => "its outputs are no predictions",
            Self::Slow => "it takes too long",
            Self::BackendSuffers => "the backend suffers as it did not before",
            Self::ByHand => "somebody said so",
            Self::NotJudged => "not judged: too little was seen, and there is a newer one",
            Self::OtherPromoted => "somebody said that another runs",
        })
    }
}

/// What has been seen. Of two numbers the first is of the running model, the
/// second of the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Clients' windows.
    pub windows: u64,
    /// Clusters of clients that they come from.
    pub clusters: u32,
    /// Share of a window's demand that would have been refused.
    pub refused: [f64; 2],
    /// Pinball loss of predictions.
    pub loss: [f64; 2],
    /// Share of windows beyond what was predicted.
    pub beyond: [f64; 2],
    /// How many times as much the candidate would let through.
    pub room_times: f64,
    /// Share of a window's demand that was refused within the target.
    pub turned_away: [f64; 2],
    /// Share of a window's demand that came again after a refusal.
    pub retried: [f64; 2],
    /// Predictions that the candidate gave.
    pub outputs: u64,
    /// Of these, no numbers.
    pub not_finite: u64,
    /// Of these, far from all that can be.
    pub absurd: u64,
}
