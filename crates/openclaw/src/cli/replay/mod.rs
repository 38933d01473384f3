//! `openclaw replay`: what was recorded, through other settings.

mod journal;
mod play;
mod recorded;
mod report;

use super::clock::now;
use super::{CliError, OutputArg, Ui};
use crate::config::{self, Environment};
use clap::Args;
use openclaw_alert::{TenantName, Timestamp, Zoned};
use openclaw_pipeline::TenantSettings;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `openclaw replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: openclaw replay --data /var/lib/openclaw --tenant acme --since 7d --config new/openclaw.yaml\n\n\
    Reads only; the data folder may be a copy or belong to a running server."
)]
pub(crate) struct ReplayArgs {
    /// The folder where alerts were recorded
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Whose alerts
    #[arg(long, value_name = "TENANT", value_parser = TenantName::new)]
    tenant: TenantName,
    /// Count from here: a time, or how long ago
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// Count until here: a time, or how long ago [default: now]
    #[arg(long, value_name = "TIME", default_value = "0s")]
    until: String,
    /// The main settings file in force
    #[arg(long, value_name = "FILE", default_value = "openclaw.yaml")]
    old: PathBuf,
    /// The main settings file to try; without it the old one alone is played
    #[arg(long = "config", value_name = "NEW")]
    new: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

/// The time that counts.
#[derive(Debug, Clone, Copy)]
struct Span {
    since: Timestamp,
    until: Timestamp,
}

impl Span {
    fn contains(&self, at: Timestamp) -> bool {
        self.since <= at && at <= self.until
    }
}

pub(super) fn run(args: &ReplayArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let now = now();
    let span = Span { since: time("since", &args.since, now)?, until: time("until", &args.until, now)? };
    let old = settings(&args.old, &args.tenant, environment)?;
    let new = args.new.as_ref().map(|file| settings(file, &args.tenant, environment)).transpose()?;
    let recorded = recorded::read(&args.data, &args.tenant, span.until)?;
    let old = play::play(&old, &recorded, span);
    let new = new.map(|settings| play::play(&settings, &recorded, span));
    let report = report::Report::new(&recorded, span, &old, new.as_ref());
    if args.output.is_json() { ui.json(&report.json()) } else { report.print(ui) }
}

/// `2026-03-02T00:00:00Z`, or `24h` before now.
fn time(flag: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    if let Ok(zoned) = Zoned::parse(text) {
        return Ok(zoned.at);
    }
    let ago = config::parse_duration(text).ok_or_else(|| CliError::Time { flag, text: text.to_owned() })?;
    Ok(now.minus(ago))
}

fn settings(
    file: &Path,
    tenant: &TenantName,
    environment: &Environment,
) -> Result<Arc<TenantSettings>, CliError> {
    let settings = config::load(file, environment)?;
    let mut tenants = settings.tenants.into_iter();
    let found = tenants.find(|config| config.pipeline.name == *tenant);
    found.map(|config| config.pipeline).ok_or_else(|| CliError::NoTenant { name: tenant.clone() })
}
