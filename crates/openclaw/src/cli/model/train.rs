//! `openclaw model train`

use super::{LearnError, learn, wait};
use crate::cli::{CliError, Ui, now};
use crate::config::{self, Environment};
use clap::Args;
use openclaw_alert::Timestamp;
use openclaw_learning::Random;
use openclaw_learning::artifact::{Card, Model, ModelName};
use openclaw_learning::traces;
use openclaw_learning::train::{Fit, Gathered, Settings, service};
use openclaw_telemetry::{Day, Store, WindowsQuery};
use std::fs;
use std::path::{Path, PathBuf};

/// Looks at a row, all epochs together, that are worth half a minute.
const LOOKS: u64 = 60_000_000;
const EPOCHS: (u64, u64) = (3, 30);
/// Epochs without getting better after which it stops.
const PATIENCE: u32 = 6;
/// Of a series of arrivals.
const COPIES: usize = 8;
const MS_A_DAY: i64 = 86_400_000;
/// Windows that have ended since may not be written yet.
const LATE_MS: i64 = 2 * 60_000;
const HELD_OUT_DAYS: u32 = 3;
/// One part of so many is held out at most.
const HELD_OUT_PARTS: i64 = 5;
const ROWS_MAX: u64 = 7_200_000;
const HIDDEN: usize = 32;
/// Of arrivals, of which no settings say anything.
const DAYS: u32 = 30;
const QUANTILE: f32 = 0.99;
const CHECKPOINT: &str = "training.checkpoint";

/// Arguments of `openclaw model train`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example: openclaw model train --config /etc/openclaw/openclaw.yaml --days 30 --output models\n\n\
    Works beside a running server. The same windows, settings and seed give the same model, bit for bit."
)]
pub(crate) struct TrainArgs {
    /// The main settings file: names the data folder whose recorded windows are learned from
    #[arg(long, default_value = "openclaw.yaml", value_name = "FILE")]
    config: PathBuf,
    /// Learn from this file of arrivals instead: JSON lines, gzip or plain
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "days", "held_out_days"])]
    arrivals: Option<PathBuf>,
    /// Write the model's files into this folder
    #[arg(long, default_value = "models", value_name = "DIR")]
    output: PathBuf,
    /// How many days back, today among them [default: `training.days` of the settings]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// The last days, to stop by when it gets no better; a fifth of the time where there are few
    #[arg(long, default_value_t = HELD_OUT_DAYS, value_parser = clap::value_parser!(u32).range(0..=365))]
    held_out_days: u32,
    /// About as many windows at most; of more, those of some clients are taken
    #[arg(long, value_name = "ROWS", default_value_t = ROWS_MAX, value_parser = clap::value_parser!(u64).range(1..=30_000_000))]
    max_rows: u64,
    /// Fewer windows are too few to learn from, and an error
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    min_rows: usize,
    /// Go on where a run that was broken off has stopped
    #[arg(long)]
    resume: bool,
    /// What random numbers begin with
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How often each window is looked at, at most [default: as often as takes half a minute]
    #[arg(long)]
    epochs: Option<u32>,
    /// Hidden units; 0 for a linear model
    #[arg(long, default_value_t = HIDDEN)]
    hidden: usize,
    /// Share of windows to cover: one for rate and burst, or one for each [default: `training.quantile` of the
    /// settings; 0.99 of arrivals]
    #[arg(long, value_delimiter = ',', num_args = 1..=2, value_name = "SHARE")]
    quantile: Vec<f32>,
}

/// A model that was learned, and how that went.
pub(super) struct Learned {
    pub(super) model: Model,
    fitted: Fit,
}

impl TrainArgs {
    /// What a run by schedule does.
    pub(super) fn scheduled(config: PathBuf, output: PathBuf, days: u32, quantile: f32, seed: u64) -> Self {
        Self {
            config,
            arrivals: None,
            output,
            days: Some(days),
            held_out_days: HELD_OUT_DAYS.min(days - 1),
            max_rows: ROWS_MAX,
            min_rows: 0,
            resume: false,
            seed,
            epochs: None,
            hidden: HIDDEN,
            quantile: vec![quantile],
        }
    }

    /// What the settings say of runs by schedule holds here too, where nothing
    /// else is said.
    fn as_configured(&self, environment: &Environment) -> Result<Self, CliError> {
        let mut args = self.clone();
        if args.arrivals.is_none() {
            let training = config::load_service(&args.config, environment)?.training;
            args.days.get_or_insert(training.days);
            if args.quantile.is_empty() {
                args.quantile.push(training.quantile);
            }
        }
        Ok(args)
    }

    /// Of rate and burst.
    fn quantiles(&self) -> [f32; 2] {
        let first = self.quantile.first().copied().unwrap_or(QUANTILE);
        [first, self.quantile.last().copied().unwrap_or(first)]
    }
}

pub(super) fn run(args: &TrainArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let args = &args.as_configured(environment)?;
    let until_ms = until_ms(args)?;
    let gathered = match &args.arrivals {
        Some(file) => from_arrivals(file, args)?,
        None => from_telemetry(args, until_ms, environment, ui)?,
    };
    let rows = gathered.rows.len();
    if rows < args.min_rows {
        return Err(LearnError::TooLittle { rows, least: args.min_rows }.into());
    }
    let names = match &args.arrivals {
        Some(_) => Vec::new(),
        None => wait(super::repository(&args.config, environment)?.names())?,
    };
    let learned = learn_from(&gathered, args, until_ms, names, ui)?;
    tell(&learned, &args.output, ui)
}

/// Learns and writes the model's files; `names` are taken elsewhere.
pub(super) fn learn_from(
    gathered: &Gathered,
    args: &TrainArgs,
    until_ms: i64,
    names: Vec<ModelName>,
    ui: &mut Ui,
) -> Result<Learned, CliError> {
    ui.note(format_args!(
        "{} windows of {} clients, {} more held out",
        gathered.rows.len(),
        gathered.clients(),
        gathered.held_out.len()
    ))?;
    fs::create_dir_all(&args.output)
        .map_err(|source| CliError::Folder { path: args.output.clone(), source })?;
    let settings = settings(args, gathered.rows.len());
    let checkpoint = args.output.join(CHECKPOINT);
    let kept = learn::Kept { file: &checkpoint, resume: args.resume, until_ms };
    let fitted = learn::learn(gathered, settings, &kept, ui)?;
    let name = ModelName::next(now(), taken(&args.output).into_iter().chain(names));
    let model = model(name, args, gathered, settings, &fitted)?;
    model.save(&args.output).map_err(LearnError::from)?;
    // It has served; one that stays is refused by the next run.
    fs::remove_file(&checkpoint).ok();
    Ok(Learned { model, fitted })
}

fn from_arrivals(file: &Path, args: &TrainArgs) -> Result<Gathered, LearnError> {
    let (mut random, mut gathered) = (Random::new(args.seed), Gathered::default());
    for trace in traces::read(file)? {
        service::add_trace(&trace, trace.counts.len(), COPIES, &mut random, &mut gathered);
    }
    Ok(gathered)
}

/// Windows that ended up to then are learned from: a run that goes on takes
/// those that it began with, whatever has been recorded since.
pub(super) fn until_ms(args: &TrainArgs) -> Result<i64, LearnError> {
    let kept = learn::until_ms(&args.output.join(CHECKPOINT), args.resume)?;
    Ok(kept.unwrap_or_else(|| now().millis() - LATE_MS))
}

pub(super) fn from_telemetry(
    args: &TrainArgs,
    until_ms: i64,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<Gathered, CliError> {
    let service = config::load_service(&args.config, environment)?;
    gather(&Store::at(service.data.join("telemetry")), args, until_ms, ui)
}

fn gather(store: &Store, args: &TrainArgs, until_ms: i64, ui: &mut Ui) -> Result<Gathered, CliError> {
    let to = Day::of(Timestamp::from_nanos(until_ms.saturating_mul(1_000_000)));
    let query = WindowsQuery {
        tenant: None,
        from: to.minus(args.days.unwrap_or(DAYS) - 1),
        to,
        rows_max: args.max_rows,
    };
    let windows = store.windows(&query).map_err(LearnError::from)?;
    let mut gathered = Gathered::holding_out_from(held_out_from_ms(args, windows.first_ms(), until_ms));
    let mut random = Random::new(args.seed);
    for series in windows {
        let mut series = series.map_err(LearnError::from)?;
        series.rows.retain(|row| row.at_ms <= until_ms);
        if series.rows.is_empty() {
            continue;
        }
        service::add_series(&series, &mut random, &mut gathered);
        if gathered.clients().is_multiple_of(10_000) {
            ui.note(format_args!("{} clients so far", gathered.clients()))?;
        }
    }
    Ok(gathered)
}

/// The last days are held out; of less than five times as many, a fifth.
fn held_out_from_ms(args: &TrainArgs, first_ms: Option<i64>, until_ms: i64) -> i64 {
    let days_ms = i64::from(args.held_out_days) * MS_A_DAY;
    let there_ms = (until_ms - first_ms.unwrap_or(until_ms)).max(0);
    until_ms - days_ms.min(there_ms / HELD_OUT_PARTS)
}

fn settings(args: &TrainArgs, rows: usize) -> Settings {
    let worth = LOOKS / (rows as u64).max(1);
    Settings {
        hidden: args.hidden,
        quantiles: args.quantiles(),
        epochs: args.epochs.unwrap_or(worth.clamp(EPOCHS.0, EPOCHS.1) as u32),
        patience: Some(PATIENCE),
        seed: args.seed,
        ..Settings::default()
    }
}

fn model(
    name: ModelName,
    args: &TrainArgs,
    gathered: &Gathered,
    settings: Settings,
    fitted: &Fit,
) -> Result<Model, LearnError> {
    let mut card = Card::new(name, now(), settings.quantiles.map(as_written));
    card.scaling = Some(fitted.scaling);
    card.data = gathered.data();
    card.seed = Some(args.seed);
    card.git_revision = option_env!("OPENCLAW_REVISION").map(str::to_owned);
    card.metrics.insert("train_pinball".to_owned(), fitted.loss);
    card.metrics.extend(fitted.held_out.map(|loss| ("held_out_pinball".to_owned(), loss)));
    card.metrics.insert("epochs".to_owned(), f64::from(fitted.epochs));
    Ok(Model::new(card, fitted.weights.clone())?)
}

/// Without the digits that a short number gains as a long one.
fn as_written(quantile: f32) -> f64 {
    (f64::from(quantile) * 1e6).round() / 1e6
}

/// Names of the models in a folder.
fn taken(folder: &Path) -> Vec<ModelName> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |file: fs::DirEntry| file.path().file_stem()?.to_str()?.parse().ok();
    files.filter_map(name).collect()
}

fn tell(Learned { model, fitted }: &Learned, folder: &Path, ui: &mut Ui) -> Result<(), CliError> {
    let loss = fitted.held_out.map_or(String::new(), |loss| format!(", {loss:.5} on held-out days"));
    ui.line(format_args!(
        "{} in `{}`: loss {:.5}{loss} after {} epochs",
        model.name(),
        folder.display(),
        fitted.loss,
        fitted.epochs
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::TenantName;
    use openclaw_telemetry::{ClientId, Recorder, RecorderOptions, WindowRow};
    use std::sync::Arc;

    use openclaw_learning::train::Trainer;

    const BEGIN_MS: i64 = 1_772_323_200_000;

    fn window(client: u64, at: i64) -> (TenantName, WindowRow) {
        let row = WindowRow {
            client_id: ClientId(client),
            policy: "api".into(),
            at_ms: BEGIN_MS + at * 12_000,
            before: at.min(100) as u8,
            ticks: [(client + at.unsigned_abs()) as u32 % 17; 12],
            allowed: 1,
            refused: 0,
            cost: 1,
            rate_per_s: 1.0,
            burst: 1,
            advised_rate_per_s: 1.0,
            advised_burst: 1,
            is_strained: false,
            counted: 1.0,
            counted_burst: 1.0,
            answered: 0,
            own_faults: 0,
            latency: 0.0,
            model: "plain".into(),
            weight: 1.0,
        };
        (TenantName::new("acme").unwrap(), row)
    }

    /// On its first days a service has less than what is held out later.
    #[test]
    fn of_little_telemetry_a_fifth_is_held_out() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_nanos((BEGIN_MS + 80_000_000) * 1_000_000);
        let recorder =
            Recorder::start(folder.path(), RecorderOptions::default(), Arc::new(move || now)).unwrap();
        recorder.windows((0..5).flat_map(|client| (0..200).map(move |at| window(client, at))).collect());
        recorder.stop();
        let args = TrainArgs::scheduled("none".into(), "none".into(), 30, 0.99, 0);
        let until = BEGIN_MS + 199 * 12_000;
        let gathered = gather(&Store::at(folder.path()), &args, until, &mut Ui::of_process()).unwrap();
        assert_eq!((gathered.rows.len(), gathered.held_out.len()), (5 * (160 - 8), 5 * 40));
        let from = |first_ms| held_out_from_ms(&args, first_ms, until);
        let days = |days: i64| days * MS_A_DAY;
        assert_eq!(from(Some(until - days(30))), until - days(3));
        assert_eq!(from(Some(until - days(5))), until - days(1));
        assert_eq!((from(None), from(Some(until + 1))), (until, until));
    }

    /// More is recorded between the two, as it always is beside a service.
    #[test]
    fn a_run_goes_on_with_the_windows_that_it_began_with() {
        let folder = tempfile::tempdir().unwrap();
        let (telemetry, output) = (folder.path().join("telemetry"), folder.path().join("models"));
        let now = Timestamp::from_nanos((BEGIN_MS + 80_000_000) * 1_000_000);
        let options = RecorderOptions::default();
        let recorder = Recorder::start(&telemetry, options, Arc::new(move || now)).unwrap();
        let store = Store::at(&telemetry);
        recorder.windows((0..5).flat_map(|client| (0..80).map(move |at| window(client, at))).collect());
        recorder.flush();
        let mut args = TrainArgs::scheduled("none".into(), output.clone(), 30, 0.99, 0);
        args.held_out_days = 0;
        let ui = &mut Ui::of_process();
        let until = BEGIN_MS + 79 * 12_000;
        let gathered = gather(&store, &args, until, ui).unwrap();
        fs::create_dir_all(&output).unwrap();
        let file = output.join(CHECKPOINT);
        let settings = settings(&args, gathered.rows.len());
        let mut first = Trainer::new(&gathered.rows, &gathered.held_out, settings).unwrap();
        first.epoch().unwrap();
        first.checkpoint().of_windows_until(until).write(&file).unwrap();

        recorder.windows((0..9).flat_map(|client| (80..160).map(move |at| window(client, at))).collect());
        recorder.stop();
        args.resume = true;
        let until = until_ms(&args).unwrap();
        let again = gather(&store, &args, until, ui).unwrap();
        assert_eq!(again.rows, gathered.rows);
        assert_eq!(again.held_out, gathered.held_out);
        let kept = learn::Kept { file: &file, resume: true, until_ms: until };
        assert!(learn::learn(&again, settings, &kept, ui).is_ok());
    }
}
