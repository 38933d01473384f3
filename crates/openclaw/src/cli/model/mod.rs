//! `openclaw model`

mod extract;

use super::{CliError, Ui};
use crate::config::Environment;
use clap::Subcommand;

/// The life of the model that sets clients' limits.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Turns recorded windows into rows to train on
    Extract(extract::ExtractArgs),
}

pub(super) fn run(command: ModelCommand, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    match command {
        ModelCommand::Extract(args) => extract::run(&args, environment, ui),
    }
}
