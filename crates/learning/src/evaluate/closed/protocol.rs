//! The trial of recorded arrivals: what is learned from and what is tested.

use super::{ClosedReport, ClosedSettings, Source, WorldError, evaluate};
use crate::Random;
use crate::traces::{Trace, held_out};
use crate::train::{Gathered, Settings, TrainError, fit, service};
use openclaw_admission::{Network, Plain, TICKS, WeightsError};
use std::ops::ControlFlow;

/// What each client gives to learn from; the rest is tested.
const LEARNED: f64 = 0.7;
/// Of clients that nothing is learned from: what limiters know as their past.
const PAST: f64 = 0.3;
/// Copies of each series, of different volume and with abuse made up.
const COPIES: usize = 8;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Nothing was learned.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// What was learned can't serve.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// There is no world.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// Learns from `traces` and tests on their last part; with `tested`, learns from
/// all of `traces` and tests that.
///
/// # Errors
/// [`TrialError`] where there is too little of either.
pub fn trial(
    traces: &[Trace],
    tested: Option<&[Trace]>,
    held_out_names: Option<&[String]>,
    learning: Settings,
    settings: &ClosedSettings,
) -> Result<ClosedReport, TrialError> {
    let names = held_out_names.map_or_else(|| held_out(traces), <[String]>::to_vec);
    let part = if tested.is_some() { 1.0 } else { LEARNED };
    let (mut random, mut gathered) = (Random::new(learning.seed), Gathered::default());
    for trace in traces.iter().filter(|trace| !names.contains(&trace.client)) {
        service::add_trace(trace, windows(trace, part) * TICKS, COPIES, &mut random, &mut gathered);
    }
    let fitted = fit(&gathered.rows, &[], learning, &mut |_| ControlFlow::Continue(()))?;
    let network = Network::new("network", fitted.weights)?;
    let (tested, past) = tested.map_or((traces, LEARNED), |tested| (tested, PAST));
    let sources: Vec<Source> = tested.iter().map(|trace| Source::of(trace, past)).collect();
    Ok(evaluate(&sources, &[&Plain, &network], settings)?)
}

fn windows(trace: &Trace, part: f64) -> usize {
    (trace.windows().len() as f64 * part) as usize
}
