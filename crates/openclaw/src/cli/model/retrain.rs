//! `openclaw model retrain`: what the schedule runs.

use super::train::{self, TrainArgs};
use super::{ModelCommandError, commit, validate, wait};
use crate::cli::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment, ServiceSettings};
use clap::Args;
use openclaw_learning::artifact::ModelName;
use openclaw_learning::publish::{GateSummary, Proposal, Pushed, Replaces};
use openclaw_learning::schedule::Outcome;
use openclaw_learning::validate::Report;
use rustix::process::{
    Resource, Rlimit, Signal, getppid, getrlimit, nice, set_parent_process_death_signal, setrlimit,
};
use serde_json::json;
use std::fs::{self, File, TryLockError};
use std::path::Path;

/// Fewer rows teach nothing that the plain estimator doesn't know.
const ROWS_MIN: usize = 5_000;
/// Reports of past runs that are kept.
const REPORTS_MAX: usize = 60;
/// Where runs are, in the data folder.
const FOLDER: &str = "training";

/// Arguments of `openclaw model retrain`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model retrain --config /etc/openclaw/openclaw.yaml\n\n\
    A running service does this by itself, as `training` in its settings says, and begins the rollout of what is\n\
    published. Reports are in `training/reports` of the data folder.")]
pub(crate) struct RetrainArgs {
    /// What random numbers begin with
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The process that this one ends with: the service that has started it
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<i32>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

/// How a run ended.
enum Ended {
    TooLittle { rows: usize },
    Refused(Report),
    Published { name: ModelName, report: Report },
}

pub(super) fn run(args: &RetrainArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    if let Some(parent) = args.parent {
        end_with(parent)?;
    }
    keep_out_of_the_way(service.training.memory_bytes);
    let ended = made(args, &service, environment, ui)?;
    if args.output.is_json() {
        return ui.json(&match ended {
            Ended::TooLittle { rows } => json!({ "outcome": Outcome::TooLittle, "rows": rows }),
            Ended::Refused(report) => {
                let failed: Vec<&str> = report.failed().map(|gate| gate.name.as_str()).collect();
                json!({ "outcome": Outcome::Refused, "model": report.model, "failed": failed })
            }
            Ended::Published { name, .. } => json!({ "outcome": Outcome::Published, "model": name }),
        });
    }
    match ended {
        Ended::TooLittle { rows } => {
            ui.line(format_args!("{rows} recorded windows are too few to learn from: {ROWS_MIN} are needed"))
        }
        Ended::Refused(report) => {
            validate::show(&report, ui)?;
            let failed = report.failed().count();
            Err(ModelCommandError::Gates { model: report.model, failed }.into())
        }
        Ended::Published { name, report } => {
            validate::show(&report, ui)?;
            ui.line(format_args!("{name} is published"))
        }
    }
}

fn made(
    args: &RetrainArgs,
    service: &ServiceSettings,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<Ended, CliError> {
    let (folder, training) = (service.data.join(FOLDER), &service.training);
    let _alone = alone(&folder)?;
    let work = folder.join("work");
    let config = args.config.file.clone();
    let settings = TrainArgs::scheduled(config, work.clone(), training.days, training.quantile, args.seed);
    let until_ms = train::until_ms(&settings).map_err(CliError::from)?;
    let gathered = train::from_telemetry(&settings, until_ms, environment, ui)?;
    if gathered.rows.len() < ROWS_MIN {
        return Ok(Ended::TooLittle { rows: gathered.rows.len() });
    }
    let repository = service.models.repository(&service.data).map_err(ModelCommandError::from)?;
    // Whatever is there is of a run that came to no end, on other windows.
    let _ = fs::remove_dir_all(&work);
    let learned = train::learn_from(&gathered, &settings, until_ms, wait(repository.names())?, ui)?;
    drop(gathered);
    let report = validate::asked(&learned.model, service, None)?;
    validate::write(&folder.join("reports").join(&report.model), &report)?;
    forget_old(&folder.join("reports"));
    if !report.is_passed() {
        return Ok(Ended::Refused(report));
    }
    let pushed = wait(repository.push(&learned.model))?;
    propose(service, &pushed, &report, ui)?;
    Ok(Ended::Published { name: pushed.name, report })
}

/// Names it in Git, where that decides. The model is published whatever comes
/// of it, and the service tries on.
fn propose(service: &ServiceSettings, pushed: &Pushed, report: &Report, ui: &mut Ui) -> Result<(), CliError> {
    let Some(options) = service.rollout.git() else { return Ok(()) };
    let gates = GateSummary::of(report, validate::json(report).as_bytes());
    let proposal = Proposal { name: pushed.name, digest: pushed.digest, gates: Some(gates) };
    proposal.keep(&service.data).map_err(ModelCommandError::from)?;
    let told = match commit::now(options, service, &proposal, Replaces::Older, "git-trainer") {
        Ok(told) => told,
        Err(error) => format!("not committed yet, which the service tries again: {error}"),
    };
    ui.note(format_args!("{}: {told}", pushed.name))
}

/// Two runs at once would take each other's files away.
fn alone(folder: &Path) -> Result<File, CliError> {
    fs::create_dir_all(folder).map_err(|source| CliError::Folder { path: folder.to_owned(), source })?;
    let path = folder.join(".lock");
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let failed = |source| CliError::File { path: path.clone(), source };
    let lock = opened.map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(ModelCommandError::Busy { folder: folder.to_owned() }.into()),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Nobody would keep an eye on us, and the next service begins anew.
fn end_with(parent: i32) -> Result<(), CliError> {
    let failed = |source: rustix::io::Errno| ModelCommandError::Parent { source: source.into() };
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(failed)?;
    // It may have ended before.
    if getppid().is_some_and(|now| now.as_raw_pid() == parent) {
        return Ok(());
    }
    Err(ModelCommandError::Orphan { parent }.into())
}

/// Decisions go first, and memory that others need is not taken.
fn keep_out_of_the_way(memory_bytes: u64) {
    // Where the system doesn't let us, we train all the same.
    let _ = nice(19);
    let limit = getrlimit(Resource::Data);
    let current = Some(limit.maximum.map_or(memory_bytes, |most| most.min(memory_bytes)));
    let _ = setrlimit(Resource::Data, Rlimit { current, maximum: limit.maximum });
    let _ = fs::write("/proc/self/oom_score_adj", "900");
}

/// Names of models are in the order of time.
fn forget_old(reports: &Path) {
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<ModelName>().ok();
    let mut names: Vec<ModelName> =
        fs::read_dir(reports).into_iter().flatten().flatten().filter_map(name).collect();
    names.sort_unstable();
    let old = names.len().saturating_sub(REPORTS_MAX);
    for name in &names[..old] {
        // It is tried again after the next run.
        let _ = fs::remove_dir_all(reports.join(name.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let training = folder.path().join(FOLDER);
        let first = alone(&training).unwrap();
        let told = alone(&training).unwrap_err().to_string();
        assert!(told.contains("under way"), "{told}");
        drop(first);
        assert!(alone(&training).is_ok());
    }
}
