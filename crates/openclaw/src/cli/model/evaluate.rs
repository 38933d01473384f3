//! `openclaw model evaluate`

use super::LearnError;
use crate::cli::{CliError, Ui};
use clap::{Args, ValueEnum};
use openclaw_learning::evaluate::closed::{self, ClosedSettings};
use openclaw_learning::evaluate::open::{
    Figures, HEADROOMS, OpenReport, OpenSettings, PolicyFigures, SetFigures, evaluate,
};
use openclaw_learning::traces::{self, Trace};
use openclaw_learning::train;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `openclaw model evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model evaluate --arrivals arrivals.jsonl.gz\n\n\
    Each client's first 70 % are learned from and the rest is tested; clients that are held out are never learned \
    from. With `--train` all of `--arrivals` is tested, from 30 % on.")]
pub(crate) struct EvaluateArgs {
    /// What is tested: JSON lines of `client, dataset, tick_s, counts`, gzip or plain
    #[arg(long, value_name = "FILE")]
    arrivals: PathBuf,
    /// Learn from this file and test the other
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// Put limiters before a simulated backend that suffers, instead
    #[arg(long)]
    closed_loop: bool,
    /// Measured capacity of the simulated backend: CSV with a column `rel_capacity`, gzip or plain
    #[arg(long, value_name = "FILE", requires = "closed_loop")]
    capacity_noise: Option<PathBuf>,
    /// Models that are trained, and their median; with `--closed-loop` worlds, and their mean
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Clients never learned from [default: those of the protocol]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    held_out: Option<Vec<String>>,
    /// Share of windows to cover; with `--closed-loop` it is the one that is served
    #[arg(long, default_value_t = 0.98, value_name = "SHARE", conflicts_with = "closed_loop")]
    quantile: f32,
    /// How figures are printed
    #[arg(long, value_enum, default_value = "table", alias = "output", value_name = "FORM")]
    format: Format,
}

/// A form of printed figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[value(alias = "text")]
    Table,
    /// For programs
    Json,
}

pub(super) fn run(args: &EvaluateArgs, ui: &mut Ui) -> Result<(), CliError> {
    let tested = traces::read(&args.arrivals).map_err(LearnError::from)?;
    let trained = args.train.as_deref().map(traces::read).transpose().map_err(LearnError::from)?;
    if args.closed_loop {
        return in_closed_loop(args, &tested, trained.as_deref(), ui);
    }
    let settings = OpenSettings {
        quantile: args.quantile,
        seeds: (0..args.seeds).collect(),
        held_out: args.held_out.clone(),
        ..OpenSettings::default()
    };
    let report = match &trained {
        None => evaluate(&tested, None, &settings),
        Some(trained) => evaluate(trained, Some(&tested), &settings),
    };
    let report = report.map_err(LearnError::from)?;
    match args.format {
        Format::Json => ui.json(&json!({ "open_loop": report })),
        Format::Table => report.sets.iter().try_for_each(|set| print(&report, set, ui)),
    }
}

/// Quantiles that are served.
const SERVED: f32 = 0.99;
const EPOCHS: u32 = 25;

fn in_closed_loop(
    args: &EvaluateArgs,
    tested: &[Trace],
    trained: Option<&[Trace]>,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let noise =
        args.capacity_noise.as_deref().map(closed::read_noise).transpose().map_err(LearnError::from)?;
    let settings = ClosedSettings { seeds: (0..args.seeds).collect(), noise: noise.unwrap_or_default() };
    let learning = train::Settings { quantiles: [SERVED; 2], epochs: EPOCHS, ..train::Settings::default() };
    let (traces, others) = trained.map_or((tested, None), |trained| (trained, Some(tested)));
    let report = closed::trial(traces, others, args.held_out.as_deref(), learning, &settings);
    let report = report.map_err(LearnError::from)?;
    match args.format {
        Format::Json => ui.json(&json!({ "closed_loop": report })),
        Format::Table => ui.line(report),
    }
}

fn print(report: &OpenReport, set: &SetFigures, ui: &mut Ui) -> Result<(), CliError> {
    ui.line(format_args!(
        "{}: {} clients, {} windows, quantile {}, median of {} seeds (least to most)",
        set.set,
        set.clients,
        set.windows,
        report.quantile,
        report.seeds.len()
    ))?;
    let head =
        ["", "pinball rate", "burst", "coverage rate", "burst", "least", "whole", "refused %", "headroom"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows[0].extend(HEADROOMS.map(|headroom| format!("refused % at x{headroom}")));
    rows.extend(set.policies.iter().map(row));
    ui.table(&rows)?;
    ui.line("")
}

fn row(policy: &PolicyFigures) -> Vec<String> {
    let range = |figure: &dyn Fn(&Figures) -> f64, digits: usize| {
        let runs = policy.runs.iter().map(figure);
        let (low, high) = runs.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        let median = format!("{:.digits$}", figure(&policy.median).max(0.0));
        if policy.runs.len() < 2 { median } else { format!("{median} ({low:.digits$} to {high:.digits$})") }
    };
    let mut cells = vec![policy.policy.clone()];
    cells.extend([0, 1].map(|output| range(&|figures| figures.pinball[output], 4)));
    cells.extend([0, 1].map(|output| range(&|figures| figures.coverage[output], 3)));
    cells.push(range(&|figures| figures.least_coverage[0].min(figures.least_coverage[1]), 3));
    cells.push(range(&|figures| figures.whole_windows, 3));
    cells.push(range(&|figures| 100.0 * figures.refused, 2));
    cells.push(range(&|figures| figures.headroom, 2));
    cells.extend([0, 1, 2].map(|at| range(&|figures| 100.0 * figures.refused_at[at], 2)));
    cells
}
