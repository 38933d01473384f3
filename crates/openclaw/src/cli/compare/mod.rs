//! `openclaw compare`: beside a running Alertmanager, what is different.

mod client;
mod differences;

use super::serve::work_runtime;
use super::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment};
use clap::Args;
use client::Api;
use differences::{Groups, Seen, differences};
use openclaw_alert::TenantName;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Differences that are printed for people; JSON has all.
const SHOWN: usize = 50;

/// Arguments of `openclaw compare`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: openclaw compare --alertmanager http://alertmanager:9093 --tenant acme --for 1h\n\n\
    Needs a key of the scope `read`, in OPENCLAW_KEY or a file. Ends with 1 when there are differences."
)]
pub(crate) struct CompareArgs {
    /// The Alertmanager; `user:password@` before the host for basic authentication
    #[arg(long, value_name = "URL")]
    alertmanager: String,
    /// The tenant that stands for it
    #[arg(long, value_name = "TENANT", value_parser = TenantName::new)]
    tenant: TenantName,
    /// This service [default: `listen.http` of the settings]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file that holds the key and nothing else
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// How long to look
    #[arg(long = "for", value_name = "SPAN", default_value = "10m", value_parser = span)]
    time: Duration,
    /// How often to look; what is different in two looks one after the other counts
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = span)]
    every: Duration,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

fn span(text: &str) -> Result<Duration, String> {
    let span = config::parse_duration(text).filter(|span| !span.is_zero());
    span.ok_or_else(|| "write it as `90s`, `5m` or `1d`".to_owned())
}

pub(super) fn run(args: &CompareArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let key = key(args, environment)?;
    let url = match &args.url {
        Some(url) => url.clone(),
        None => format!("http://{}", config::load_service(&args.config.file, environment)?.http),
    };
    let url = format!("{}/t/{}", url.trim_end_matches('/'), args.tenant);
    let here = Api::new(&url, Some(&key))?;
    let there = Api::new(&args.alertmanager, None)?;
    let seen = work_runtime()?.block_on(watch(args, &here, &there, ui))?;
    tell(args, &seen, ui)
}

fn key(args: &CompareArgs, environment: &Environment) -> Result<String, CliError> {
    let text = match &args.key_file {
        Some(path) => {
            fs::read_to_string(path).map_err(|source| CliError::Unreadable { path: path.clone(), source })?
        }
        None => environment.get("OPENCLAW_KEY").ok_or(CliError::NoKey)?.to_owned(),
    };
    Ok(text.trim().to_owned())
}

/// Looks until the time is over, at least twice.
async fn watch(args: &CompareArgs, here: &Api, there: &Api, ui: &mut Ui) -> Result<Seen, CliError> {
    let end = Instant::now() + args.time;
    let (ours, theirs) = (here.version().await?, there.version().await?);
    ui.note(format_args!("comparing version {ours} with Alertmanager {theirs}"))?;
    let mut seen = Seen::default();
    loop {
        let (ours, theirs) = tokio::join!(here.groups(), there.groups());
        let (ours, theirs) = (Groups::read(&ours?), Groups::read(&theirs?));
        seen.look(&ours, &theirs, differences(&ours, &theirs));
        if seen.looks > 1 && Instant::now() + args.every > end {
            return Ok(seen);
        }
        tokio::time::sleep(args.every).await;
    }
}

fn tell(args: &CompareArgs, seen: &Seen, ui: &mut Ui) -> Result<(), CliError> {
    let found = seen.lasting();
    if args.output.is_json() {
        let differences: Vec<_> = found.iter().map(|difference| difference.json()).collect();
        let (looks, alerts) = (seen.looks, seen.alerts.len());
        ui.json(&json!({ "looks": looks, "alerts": alerts, "differences": differences }))?;
    } else {
        ui.line(format_args!(
            "{} looks, {} alerts, {} differences",
            seen.looks,
            seen.alerts.len(),
            found.len()
        ))?;
        for difference in found.iter().take(SHOWN) {
            ui.line(difference)?;
        }
        if found.len() > SHOWN {
            ui.line(format_args!("and {} more: `--output json` has all", found.len() - SHOWN))?;
        }
    }
    if found.is_empty() { Ok(()) } else { Err(CliError::Differs { count: found.len() }) }
}
