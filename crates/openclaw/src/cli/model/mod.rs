//! `openclaw model`

mod evaluate;
mod learn;
mod train;

use super::{CliError, Ui};
use crate::config::Environment;
use clap::Subcommand;

/// The life of the model that sets clients' limits.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Learns a model from recorded windows
    Train(train::TrainArgs),
    /// Holds a learned model beside simple limits on recorded arrivals
    Evaluate(evaluate::EvaluateArgs),
}

/// Why no model was made or judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LearnError {
    #[error(transparent)]
    Traces(#[from] openclaw_learning::traces::TraceError),
    #[error(transparent)]
    Telemetry(#[from] openclaw_telemetry::TelemetryError),
    #[error(transparent)]
    Train(#[from] openclaw_learning::train::TrainError),
    #[error(transparent)]
    Checkpoint(#[from] openclaw_learning::train::CheckpointError),
    #[error(transparent)]
    Evaluate(#[from] openclaw_learning::evaluate::open::OpenError),
    #[error(transparent)]
    Model(#[from] openclaw_learning::artifact::ModelError),
}

pub(super) fn run(command: ModelCommand, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    match command {
        ModelCommand::Train(args) => train::run(&args, environment, ui),
        ModelCommand::Evaluate(args) => evaluate::run(&args, ui),
    }
}
