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

/// The names of what volume alone tells, for figures on arrivals that nobody
/// has answered: as [`SERVING10`], with level and volume in place of the answers.
pub const VOLUME10: [&str; FEATURES] =
    ["last", "max6", "season", "slope", "sigma", "burst", "burst6", "sigma_b", "level", "volume"];

/// Farthest that `season` is told apart, in scales.
const SEASON_MAX: f32 = 6.0;
/// Farthest that `level` is told apart, in scales.
const LEVEL_MAX: f32 = 8.0;

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

    /// [`VOLUME10`] of the window that comes next; `season` is how much the
    /// same window of yesterday was above the one before it, in log space.
    #[must_use]
    pub fn volume_features(&self, season: f32) -> Features {
        let Base { centre: [rate, _], scale: [rate_scale, _] } = self.base();
        let mut features = self.features(Answers::default());
        features[2] = (season / rate_scale).clamp(-SEASON_MAX, SEASON_MAX);
        features[8] = ((rate - self.level()) / rate_scale).clamp(-LEVEL_MAX, LEVEL_MAX);
        features[9] = rate;
        features
    }
}
