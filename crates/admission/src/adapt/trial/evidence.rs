//! What is seen of two models side by side.

use super::part::CLUSTERS;

/// Sums over the windows of a cluster's clients that ended. Where there are two
/// numbers, the first is the running model's and the second that of the one on
/// trial, for the same windows: either would have set the limit, only one did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cluster {
    /// Windows.
    pub windows: f64,
    /// Shares of each window's demand that the bucket would not have let
    /// through, of clients whose demand isn't mostly their own fault.
    pub refused: [f64; 2],
    /// Pinball loss of what was predicted, at the coverage that is asked for.
    pub loss: [f64; 2],
    /// Windows that went beyond what was predicted.
    pub beyond: [f64; 2],
    /// Logarithms of what the bucket would have let through at most.
    pub room: [f64; 2],
    /// Shares of each window's demand that were refused though within the target
    /// of the model in force.
    pub turned_away: f64,
    /// Shares of each window's demand that came again after a refusal.
    pub retried: f64,
}

/// What was seen since it was last taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// By cluster.
    pub clusters: Vec<Cluster>,
    /// Rows of outputs that the model on trial gave.
    pub outputs: u64,
    /// Of these, those with a number that is none.
    pub not_finite: u64,
    /// Of these, those that are finite and far from all that can be.
    pub absurd: u64,
    /// Answers of backends.
    pub answers: u64,
    /// Of these, 5xx and time-outs.
    pub failures: u64,
    /// Answers whose latency is known.
    pub timed: u64,
    /// Of these, those beyond the tenant's objective.
    pub slow: u64,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            clusters: vec![Cluster::default(); CLUSTERS],
            outputs: 0,
            not_finite: 0,
            absurd: 0,
            answers: 0,
            failures: 0,
            timed: 0,
            slow: 0,
        }
    }
}
