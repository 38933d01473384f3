//! `openclaw model extract`

use crate::cli::{CliError, ConfigArg, Ui, now};
use crate::config::{self, Environment};
use clap::Args;
use openclaw_admission::SERVING10;
use openclaw_alert::TenantName;
use openclaw_learning::extract::recorded;
use openclaw_learning::train::Known;
use openclaw_telemetry::{Day, Store, Table, TelemetryError, WindowsQuery};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Columns besides the features.
const COLUMNS: [&str; 11] = [
    "centre_rate",
    "centre_burst",
    "scale_rate",
    "scale_burst",
    "needed_rate",
    "needed_burst",
    "counted_rate",
    "counted_burst",
    "window_own_faults",
    "window_latency",
    "weight",
];
/// A line of progress after so many clients.
const PROGRESS_CLIENTS: u64 = 10_000;

/// Arguments of `openclaw model extract`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model extract --days 30 --output training.parquet\n\n\
    Works beside a running server. Each row is a window of a client, with what was known before it (the features that \
    served) and what it then needed.")]
pub(crate) struct ExtractArgs {
    /// How many days back, today among them [default: `training.days` of the settings]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// One tenant's clients alone
    #[arg(long, value_parser = TenantName::new)]
    tenant: Option<TenantName>,
    /// About as many windows at most; of more, those of some clients are taken
    #[arg(long, value_name = "ROWS", default_value_t = 7_200_000, value_parser = clap::value_parser!(u64).range(1..))]
    max_rows: u64,
    /// Writes the rows to this Parquet file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

/// What has been found.
#[derive(Default)]
struct Found {
    tenants: BTreeSet<TenantName>,
    days: BTreeSet<Day>,
    clients: u64,
    windows: u64,
    rows: u64,
}

pub(super) fn run(args: &ExtractArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let store = Store::at(service.data.join("telemetry"));
    let to = Day::of(now());
    let query = WindowsQuery {
        tenant: args.tenant.clone(),
        from: to.minus(args.days.unwrap_or(service.training.days) - 1),
        to,
        rows_max: args.max_rows,
    };
    let windows = store.windows(&query)?;
    let (all, share) = (windows.rows_in_files(), windows.share());
    let columns: Vec<&str> = SERVING10.into_iter().chain(COLUMNS).collect();
    let mut table = args.output.as_ref().map(|path| Table::create(path, &columns)).transpose()?;
    let mut found = Found::default();
    for series in windows {
        let series = series?;
        found.tenants.insert(series.tenant.clone());
        found.days.extend(series.rows.iter().map(openclaw_telemetry::WindowRow::day));
        found.clients += 1;
        found.windows += series.rows.len() as u64;
        for row in recorded(&series.rows) {
            found.rows += 1;
            if let Some(table) = &mut table {
                table.add(&series.tenant, series.client_id, &series.policy, row.at_ms, numbers(&row))?;
            }
        }
        if found.clients.is_multiple_of(PROGRESS_CLIENTS) {
            ui.note(format_args!("{} clients, {} rows so far", found.clients, found.rows))?;
        }
    }
    table.map_or(Ok::<_, TelemetryError>(()), Table::finish)?;
    tell(&found, all, share, args, ui)
}

fn numbers(known: &Known) -> impl Iterator<Item = f32> {
    let bases = known.base.centre.into_iter().chain(known.base.scale);
    let window = known.needed.into_iter().chain(known.counted);
    let answers = [known.answers.own_faults, known.answers.latency, known.weight];
    known.features.into_iter().chain(bases).chain(window).chain(answers)
}

fn tell(found: &Found, all: u64, share: f64, args: &ExtractArgs, ui: &mut Ui) -> Result<(), CliError> {
    let Found { tenants, days, clients, windows, rows } = found;
    let (tenants, days) = (tenants.len(), days.len());
    ui.line(format_args!(
        "{rows} rows from {windows} windows of {clients} clients, {tenants} tenants, {days} days"
    ))?;
    if share < 1.0 {
        ui.note(format_args!(
            "of {all} windows those of one client in {:.1} are taken, and stand for all: `--max-rows` takes more",
            1.0 / share
        ))?;
    }
    if let Some(path) = &args.output {
        ui.line(format_args!("written to `{}`", path.display()))?;
    }
    Ok(())
}
