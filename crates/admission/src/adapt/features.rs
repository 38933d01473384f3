//! What a prediction is made from. Training and serving run this code and no
//! other, in `f32` and with `libm`'s functions, so that the same traffic gives
//! the same bits on every machine.

use super::answers::Answers;
use super::state::ClientState;
use libm::logf;

/// How many there are.
pub const FEATURES: usize = 10;

/// Their names, in order, as a model's card has them. `season` is 0: what
/// happened at this time yesterday tells nothing that the others don't.
pub const SERVING10: [&str; FEATURES] =
    ["last", "max6", "season", "slope", "sigma", "burst", "burst6", "sigma_b", "own_faults", "latency"];

/// One client's, before one window.
pub type Features = [f32; FEATURES];

/// Where a client is and how far it strays, in log space: a prediction is
/// `centre + scale × output`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Base {
    /// ln(1 + tokens a window), ln(1 + burst).
    pub centre: [f32; 2],
    /// How far each strays.
    pub scale: [f32; 2],
}

impl ClientState {
    /// Features of the window that comes next.
    #[must_use]
    pub fn features(&self, answers: Answers) -> Features {
        let Base { centre: [rate, burst], scale: [rate_scale, burst_scale] } = self.base();
        let [last, last_burst] = self.last();
        let [max, max_burst] = self.max6();
        [
            (last - rate) / rate_scale,
            (max - rate) / rate_scale,
            0.0,
            (last - self.before_last()) / rate_scale,
            logf(rate_scale),
            (last_burst - burst) / burst_scale,
            (max_burst - burst) / burst_scale,
            logf(burst_scale),
            answers.own_faults,
            answers.latency,
        ]
    }
}
