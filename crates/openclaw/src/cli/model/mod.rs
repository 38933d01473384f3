//! `openclaw model`

mod commit;
mod evaluate;
mod extract;
mod inspect;
mod learn;
mod list;
mod retrain;
mod rollout;
mod train;
mod transfer;
mod validate;

use super::{CliError, Ui};
use crate::config::{self, Environment};
use clap::Subcommand;
use openclaw_learning::artifact::ModelName;
use openclaw_learning::publish::Repository;
use std::path::{Path, PathBuf};

/// The life of the model that sets clients' limits.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Turns recorded windows into rows to train on
    Extract(extract::ExtractArgs),
    /// Learns a model from recorded windows
    Train(train::TrainArgs),
    /// Asks of a model whether it may set limits
    Validate(validate::ValidateArgs),
    /// Makes the next model: extracts, learns, validates and publishes
    Retrain(retrain::RetrainArgs),
    /// Holds a learned model beside simple limits on recorded arrivals
    Evaluate(evaluate::EvaluateArgs),
    /// Signs a model and puts it into the configured repository
    Push(transfer::PushArgs),
    /// Fetches a model, verifies its signature and writes its files
    Pull(transfer::PullArgs),
    /// Lists the models of the configured repository
    List(list::ListArgs),
    /// Shows a model's card
    Inspect(inspect::InspectArgs),
    /// Names a published model in Git, for services that follow it there
    Commit(commit::CommitArgs),
    /// Makes a model the one that sets clients' limits, at once
    Promote(rollout::PromoteArgs),
    /// Ends a rollout, or goes back to the model before
    Rollback(rollout::RollbackArgs),
}

/// Why a command about models failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelCommandError {
    #[error(transparent)]
    Settings(#[from] config::ModelsError),
    #[error(transparent)]
    Wish(#[from] openclaw_server::WishError),
    #[error(transparent)]
    Git(#[from] openclaw_learning::publish::GitError),
    #[error(
        "no repository says which model runs; set `rollout: {{ mode: gitops, gitops: {{ remote, path }} }}`"
    )]
    NoGit,
    #[error("training can't be made to end with the service: {source}")]
    Parent { source: std::io::Error },
    #[error("process {parent}, which has started this one, is gone")]
    Orphan { parent: i32 },
    #[error("`{found}` has a card, and `--name {name}` is for models without one: leave it out")]
    Named { name: ModelName, found: ModelName },
    #[error(transparent)]
    Publish(#[from] openclaw_learning::publish::PublishError),
    #[error("`{}`: {error}", path.display())]
    File { path: PathBuf, error: openclaw_learning::artifact::ModelError },
    #[error(transparent)]
    Files(#[from] openclaw_learning::artifact::ModelError),
    #[error("another run is under way in `{}`; wait until it has ended", folder.display())]
    Busy { folder: PathBuf },
    #[error("`{model}` is not to be published: {failed} gates fail")]
    Gates { model: String, failed: usize },
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
    Trial(#[from] openclaw_learning::evaluate::closed::TrialError),
    #[error(transparent)]
    Noise(#[from] openclaw_learning::evaluate::closed::NoiseError),
    #[error(transparent)]
    Model(#[from] openclaw_learning::artifact::ModelError),
    #[error(
        "{rows} recorded windows are too few to learn from: `--min-rows` asks for {least}; let more be recorded"
    )]
    TooLittle { rows: usize, least: usize },
}

impl From<openclaw_learning::publish::StoreError> for ModelCommandError {
    fn from(error: openclaw_learning::publish::StoreError) -> Self {
        Self::Publish(error.into())
    }
}

pub(super) fn run(command: ModelCommand, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    match command {
        ModelCommand::Extract(args) => extract::run(&args, environment, ui),
        ModelCommand::Train(args) => train::run(&args, environment, ui),
        ModelCommand::Validate(args) => validate::run(&args, environment, ui),
        ModelCommand::Retrain(args) => retrain::run(&args, environment, ui),
        ModelCommand::Evaluate(args) => evaluate::run(&args, ui),
        ModelCommand::Push(args) => transfer::push(&args, environment, ui),
        ModelCommand::Pull(args) => transfer::pull(&args, environment, ui),
        ModelCommand::List(args) => list::run(&args, environment, ui),
        ModelCommand::Inspect(args) => inspect::run(&args, environment, ui),
        ModelCommand::Commit(args) => commit::run(&args, environment, ui),
        ModelCommand::Promote(args) => rollout::promote(&args, environment, ui),
        ModelCommand::Rollback(args) => rollout::roll_back(&args, environment, ui),
    }
}

/// The repository that a settings file speaks of, for those who change nothing.
fn repository(config: &Path, environment: &Environment) -> Result<Repository, CliError> {
    let service = config::load_service(config, environment)?;
    let repository = service.models.reading(&service.data).map_err(ModelCommandError::from);
    Ok(repository?)
}

/// Waits for what a registry answers.
fn wait<T, E: Into<ModelCommandError>>(exchange: impl Future<Output = Result<T, E>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| CliError::Runtime { source })?;
    let answer: Result<T, ModelCommandError> = runtime.block_on(exchange).map_err(Into::into);
    Ok(answer?)
}
