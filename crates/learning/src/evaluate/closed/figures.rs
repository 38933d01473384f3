//! What a trial comes to.

use serde::{Deserialize, Serialize};

/// What one limiter did in one trial, in percent where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Honest requests that were refused, or turned away by the backend.
    pub refused: f64,
    /// The same, of clients without abuse in the last 60 ticks.
    pub innocent: f64,
    /// Abusive requests that were let through.
    pub abuse_passed: f64,
    /// Ticks in which an answer took more than 200 ms.
    pub slo_violated: f64,
    /// Such ticks among the 120 after something has happened.
    pub react: f64,
    /// Jain's index of what clients were served, 1 if all alike.
    pub jain: f64,
    /// Refused of the client who fared worst.
    pub worst: f64,
    /// Refused in the 300 ticks after an outage.
    pub after_outage: f64,
}

impl Figures {
    /// Names, in order.
    pub const NAMES: [&str; 8] =
        ["refused", "innocent", "abuse", "SLO", "react", "jain", "worst", "after outage"];

    /// The numbers, in order.
    #[must_use]
    pub fn numbers(&self) -> [f64; 8] {
        [
            self.refused,
            self.innocent,
            self.abuse_passed,
            self.slo_violated,
            self.react,
            self.jain,
            self.worst,
            self.after_outage,
        ]
    }
}
