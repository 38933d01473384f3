//! `openclaw schema`

use super::{CliError, Ui};
use crate::config;
use clap::{Args, ValueEnum};

/// Arguments of `openclaw schema`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw schema tenant > tenant.schema.json")]
pub(crate) struct SchemaArgs {
    /// Which settings file
    #[arg(value_enum, default_value = "service")]
    file: SettingsFile,
}

/// A kind of settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SettingsFile {
    /// `openclaw.yaml`
    Service,
    /// `tenants/NAME.yaml`
    Tenant,
}

pub(super) fn run(args: &SchemaArgs, ui: &mut Ui) -> Result<(), CliError> {
    let schema = match args.file {
        SettingsFile::Service => config::service_schema(),
        SettingsFile::Tenant => config::tenant_schema(),
    };
    ui.json(schema.as_value())
}
