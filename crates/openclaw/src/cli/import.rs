//! `openclaw import`

use super::{CliError, Ui};
use crate::import::alertmanager::{self, Imported};
use crate::import::envoy_ratelimit;
use clap::{Args, Subcommand};
use openclaw_alert::TenantName;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What is imported.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Turns an Alertmanager's configuration into a tenant's file
    Alertmanager(AlertmanagerArgs),
    /// Turns the settings of envoyproxy/ratelimit into a tenant's `limits.descriptors`
    EnvoyRatelimit(EnvoyRatelimitArgs),
}

/// Arguments of `openclaw import envoy-ratelimit`.
#[derive(Debug, Args)]
#[command(
    after_help = "What can't be carried over, and where fixed windows differ from token buckets, is told on standard error.\n\nExample: openclaw import envoy-ratelimit ratelimit.yaml"
)]
pub(crate) struct EnvoyRatelimitArgs {
    /// The rate limit service's file, of one domain
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the part of a tenant's file is written, `-` for standard output
    #[arg(long, default_value = "-", value_name = "FILE")]
    output: PathBuf,
}

/// Arguments of `openclaw import alertmanager`.
#[derive(Debug, Args)]
#[command(
    after_help = "What can't be carried over is told on standard error and stays in the output as a comment.\n\nExample: openclaw import alertmanager alertmanager.yml --tenant acme --output tenants/acme.yaml"
)]
pub(crate) struct AlertmanagerArgs {
    /// The Alertmanager's configuration
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The tenant's name
    #[arg(long, value_name = "NAME", value_parser = TenantName::new)]
    tenant: TenantName,
    /// Where the tenant's file is written, `-` for standard output
    #[arg(long, default_value = "-", value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(command: ImportCommand, ui: &mut Ui) -> Result<(), CliError> {
    match command {
        ImportCommand::Alertmanager(args) => {
            write(&alertmanager::import(&args.file, &args.tenant)?, args.output, ui)
        }
        ImportCommand::EnvoyRatelimit(args) => write(&envoy_ratelimit::import(&args.file)?, args.output, ui),
    }
}

fn write(imported: &Imported, output: PathBuf, ui: &mut Ui) -> Result<(), CliError> {
    for remark in &imported.remarks {
        ui.note(remark)?;
    }
    if output == Path::new("-") {
        return ui.line(imported.text.trim_end());
    }
    // A file that is there may hold somebody's work; this one holds secrets.
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&output);
    written
        .and_then(|mut file| file.write_all(imported.text.as_bytes()))
        .map_err(|source| CliError::ImportOutput { path: output, source })
}
