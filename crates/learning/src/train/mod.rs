//! From windows of the past to weights: pinball regression by a small network,
//! the same bits from the same rows, settings and seed on every machine.
//!
//! Sums are taken in one fixed order, in lanes that don't depend on how wide a
//! machine's registers are, nothing is fused, and logarithms come from `libm`;
//! so neither the processor nor the number of threads shows in the weights.

mod abuse;
mod adam;
mod batch;
mod checkpoint;
mod counted;
mod gathered;
mod history;
mod kernel;
mod parameters;
mod rows;
mod scaling;
pub mod service;
mod settings;
mod together;
mod trainer;
pub mod volume;
mod workers;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use gathered::Gathered;
pub use history::{Known, by_volume, needed, usable_from};
pub use rows::{Row, TARGET_MAX};
pub use settings::{Settings, TrainError};
pub use together::together;
pub use trainer::{Epoch, Fit, Trainer, fit};
