//! `openclaw model promote` and `rollback`

use super::ModelCommandError;
use crate::cli::{CliError, ConfigArg, Ui};
use crate::config::{self, Environment};
use clap::Args;
use openclaw_learning::artifact::ModelName;
use openclaw_server::{Wish, ask_of_models};

/// Arguments of `openclaw model promote`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model promote model-20261122 --by ann\n\n\
    Asks the service that runs on the data folder; without one it is done when it starts.")]
pub(crate) struct PromoteArgs {
    /// The model's name
    name: ModelName,
    #[command(flatten)]
    asking: Asking,
}

/// Arguments of `openclaw model rollback`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model rollback --by ann\n\n\
    Asks the service that runs on the data folder; without one it is done when it starts.")]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    asking: Asking,
}

/// Of whom, and who asks.
#[derive(Debug, Args)]
struct Asking {
    /// Who says so, for the audit log
    #[arg(long, value_name = "NAME", default_value = "command line")]
    by: String,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn promote(args: &PromoteArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    ask(&args.asking, Wish::Promote(args.name), environment)?;
    ui.line(format_args!("{} sets the limits of all clients", args.name))
}

pub(super) fn roll_back(args: &RollbackArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    ask(&args.asking, Wish::RollBack, environment)?;
    ui.line("clients have the limits of before")
}

fn ask(asking: &Asking, wish: Wish, environment: &Environment) -> Result<(), CliError> {
    let service = config::load_service(&asking.config.file, environment)?;
    Ok(ask_of_models(&service.data, wish, &asking.by).map_err(ModelCommandError::from)?)
}
