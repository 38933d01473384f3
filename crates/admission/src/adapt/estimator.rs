//! What comes next, from features.

use super::features::Features;

/// What comes next for many clients at once: for each the two outputs that
/// [`super::Base`] turns into tokens a window and a burst.
pub trait Predictor: Send {
    /// One row of outputs for each row of features.
    fn predict(&self, features: &[Features], out: &mut [[f32; 2]]);

    /// As metrics and answers name it.
    fn name(&self) -> &str;

    /// How far its outputs may be corrected by what was seen since, in scales.
    fn correction_range(&self) -> (f32, f32);
}

/// The estimator that needs no training: three deviations above the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plain;

/// Deviations above the mean.
pub const PLAIN_OUTPUT: f32 = 3.0;

impl Predictor for Plain {
    fn predict(&self, _: &[Features], out: &mut [[f32; 2]]) {
        out.fill([PLAIN_OUTPUT; 2]);
    }

    fn name(&self) -> &str {
        "plain"
    }

    fn correction_range(&self) -> (f32, f32) {
        // Only upwards: narrowed to its target it would refuse a client of
        // constant rate now and then.
        (0.0, 12.0)
    }
}
