//! How to train.

use openclaw_admission::{HIDDEN_MAX, OUTPUTS, WeightsError};

/// Epochs at most.
pub(super) const EPOCHS_MAX: u32 = 10_000;
/// Rows at most: four times what a month of ten thousand clients gives.
const ROWS_MAX: usize = 30_000_000;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Hidden units; none for a linear model.
    pub hidden: usize,
    /// Share of windows that each output is to cover.
    pub quantiles: [f32; OUTPUTS],
    /// Times that each row is looked at.
    pub epochs: u32,
    /// First step of each weight; falls to none as half a cosine.
    pub rate: f32,
    /// Misses smaller than this many scales count for less in the gradient.
    pub smoothing: f32,
    /// Epochs without a better loss on held-out rows after which to stop.
    pub patience: Option<u32>,
    /// Share of the epochs, at the end, whose weights are averaged.
    pub averaged: f32,
    /// What random numbers begin with.
    pub seed: u64,
    /// Threads at work, 1 to 4. The weights don't depend on it.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hidden: 32,
            quantiles: [0.99; OUTPUTS],
            epochs: 30,
            rate: 3e-3,
            smoothing: 0.02,
            patience: None,
            averaged: 0.0,
            seed: 0,
            threads: 2,
        }
    }
}

/// Why nothing was learned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// Nothing to learn from.
    #[error("no rows to train on; extract more days, or record more clients")]
    NoRows,
    /// More than memory is set aside for.
    #[error("{rows} rows; at most {ROWS_MAX}, sample fewer windows")]
    TooManyRows {
        /// How many came.
        rows: usize,
    },
    /// A number that is none.
    #[error("row {row} holds a number that isn't finite; leave such windows out")]
    NotFinite {
        /// Which.
        row: usize,
    },
    /// Hidden units beyond what is served.
    #[error("`{hidden}` hidden units; at most {HIDDEN_MAX}")]
    Hidden {
        /// As asked for.
        hidden: usize,
    },
    /// A quantile that is no share.
    #[error("quantile `{quantile}`; give one between 0 and 1, such as 0.99")]
    Quantile {
        /// As asked for.
        quantile: f32,
    },
    /// A setting out of bounds.
    #[error("{name} is `{value}`; expected {expected}")]
    Setting {
        /// Which.
        name: &'static str,
        /// As asked for.
        value: f32,
        /// What would do.
        expected: &'static str,
    },
    /// Weights grew without bound.
    #[error("training diverged in epoch {epoch}; lower the learning rate `{rate}`")]
    Diverged {
        /// When.
        epoch: u32,
        /// As set.
        rate: f32,
    },
    /// A checkpoint of other rows or settings.
    #[error("the checkpoint was made from other {what}; start anew, or resume with those it was made from")]
    OtherRun {
        /// Rows or settings.
        what: &'static str,
    },
    /// What came out is no network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl Settings {
    pub(super) fn checked(&self, rows: usize) -> Result<(), TrainError> {
        let setting = |name, value, expected| Err(TrainError::Setting { name, value, expected });
        if rows == 0 {
            return Err(TrainError::NoRows);
        }
        if rows > ROWS_MAX {
            return Err(TrainError::TooManyRows { rows });
        }
        if self.hidden > HIDDEN_MAX {
            return Err(TrainError::Hidden { hidden: self.hidden });
        }
        if let Some(quantile) =
            self.quantiles.into_iter().find(|quantile| !(*quantile > 0.0 && *quantile < 1.0))
        {
            return Err(TrainError::Quantile { quantile });
        }
        if !(1..=EPOCHS_MAX).contains(&self.epochs) {
            return setting("`epochs`", self.epochs as f32, "1 to 10000");
        }
        if !(self.rate > 0.0 && self.rate <= 1.0) {
            return setting("`rate`", self.rate, "more than 0, at most 1");
        }
        if !(self.smoothing > 0.0 && self.smoothing <= 1.0) {
            return setting("`smoothing`", self.smoothing, "more than 0, at most 1");
        }
        if !(0.0..=1.0).contains(&self.averaged) {
            return setting("`averaged`", self.averaged, "0 to 1");
        }
        Ok(())
    }

    /// Tells settings that lead to other weights from these.
    pub(super) fn fingerprint(&self) -> Vec<u32> {
        vec![
            self.hidden as u32,
            self.quantiles[0].to_bits(),
            self.quantiles[1].to_bits(),
            self.epochs,
            self.rate.to_bits(),
            self.smoothing.to_bits(),
            self.patience.map_or(u32::MAX, |patience| patience),
            self.averaged.to_bits(),
            self.seed as u32,
            (self.seed >> 32) as u32,
        ]
    }
}
