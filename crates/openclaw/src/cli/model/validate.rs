//! `openclaw model validate`

use super::{LearnError, ModelCommandError, repository, wait};
use crate::cli::clock::now;
use crate::cli::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment, ServiceSettings};
use clap::Args;
use openclaw_admission::Network;
use openclaw_learning::artifact::{Model, ModelName};
use openclaw_learning::evaluate::closed::Source;
use openclaw_learning::publish::{PublishError, StoreError};
use openclaw_learning::traces;
use openclaw_learning::validate::{Evidence, Gate, Report, Verdict, recent, sources, validate};
use openclaw_telemetry::Store;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Of a series of arrivals, what limiters know as the past.
const PAST: f64 = 0.5;

/// Arguments of `openclaw model validate`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model validate models/model-20261122.safetensors\n\n\
    Exit status 1 where a gate fails. Works beside a running server, whose model and recorded windows it is held beside.")]
pub(crate) struct ValidateArgs {
    /// The model: any of its files, a folder with one, or a name in the configured repository
    model: String,
    /// Make the simulated worlds of this file of arrivals, JSON lines, instead of recorded clients
    #[arg(long, value_name = "FILE")]
    arrivals: Option<PathBuf>,
    /// Write the report into this folder, as `report.json` and `report.html`
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &ValidateArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let model = match args.model.parse::<ModelName>() {
        Ok(name) => wait(repository(&args.config.file, environment)?.pull(name, None))?.model,
        Err(_) => of_path(Path::new(&args.model))?,
    };
    let report = asked(&model, &service, args.arrivals.as_deref())?;
    if let Some(folder) = &args.report {
        write(folder, &report)?;
    }
    if args.output.is_json() {
        ui.json(&json!({ "passed": report.is_passed(), "model": report.model, "gates": report.gates }))?;
    } else {
        show(&report, ui)?;
    }
    match report.failed().count() {
        0 => Ok(()),
        failed => Err(ModelCommandError::Gates { model: report.model, failed }.into()),
    }
}

/// Every gate, beside what is recorded and what serves.
///
/// Simulated worlds are made of recorded clients, or of a file of arrivals.
pub(super) fn asked(
    model: &Model,
    service: &ServiceSettings,
    arrivals: Option<&Path>,
) -> Result<Report, CliError> {
    let store = Store::at(service.data.join("telemetry"));
    let running = running(service)?;
    let (recent, baseline) = recent(&store, now())?;
    let sources = match arrivals {
        None => sources(&store, now())?,
        Some(file) => {
            let traces = traces::read(file).map_err(LearnError::from)?;
            traces.iter().map(|trace| Source::of(trace, PAST)).collect()
        }
    };
    let evidence = Evidence { running: running.as_ref(), recent, baseline, sources };
    Ok(validate(model, &evidence))
}

/// The model in service. One that can't be loaded is not in service either; a
/// registry that is away says nothing of that.
fn running(service: &ServiceSettings) -> Result<Option<Network>, CliError> {
    let Some(name) = openclaw_server::running_model(&service.data) else { return Ok(None) };
    let repository = service.models.reading(&service.data).map_err(ModelCommandError::from)?;
    wait(async {
        match repository.pull(name, None).await {
            Ok(published) => Ok(Some(published.model.network().clone())),
            Err(PublishError::Store(error @ (StoreError::Denied { .. } | StoreError::Remote { .. }))) => {
                Err(error)
            }
            Err(_) => Ok(None),
        }
    })
}

/// One of a model's files, or the newest model of a folder.
pub(super) fn of_path(path: &Path) -> Result<Model, CliError> {
    let file = if path.is_dir() { newest(path).unwrap_or_else(|| path.to_owned()) } else { path.to_owned() };
    let model = Model::open(&file, ModelName::first_of(now()), now());
    Ok(model.map_err(|error| ModelCommandError::File { path: file, error })?)
}

fn newest(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let cards = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let name = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<ModelName>().ok();
    cards.filter(|path| name(path).is_some()).max_by_key(name)
}

/// For people and for programs.
pub(super) fn write(folder: &Path, report: &Report) -> Result<(), CliError> {
    fs::create_dir_all(folder).map_err(|source| CliError::Folder { path: folder.to_owned(), source })?;
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| CliError::File { path, source })
    };
    put("report.json", json(report))?;
    put("report.html", report.to_html())
}

/// As it is kept.
pub(super) fn json(report: &Report) -> String {
    format!("{:#}\n", json!(report))
}

pub(super) fn show(report: &Report, ui: &mut Ui) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = report.gates.iter().map(row).collect();
    ui.table(&rows)?;
    let failed: Vec<&Gate> = report.failed().collect();
    for gate in &failed {
        ui.note(format_args!("{}: {}", gate.name, gate.measures))?;
    }
    ui.line(match failed.len() {
        0 => format!("{} may be published", report.model),
        failed => format!("{} is not to be published: {failed} gates fail", report.model),
    })
}

fn row(gate: &Gate) -> Vec<String> {
    let (word, seen) = match (gate.verdict(), &gate.left_out, gate.value) {
        (Verdict::LeftOut, Some(why), _) => ("left out", format!("({why})")),
        (Verdict::Passed, _, Some(value)) => ("passed", format!("{value:.4}")),
        (_, _, value) => {
            ("FAILED", value.map_or_else(|| "nothing".to_owned(), |value| format!("{value:.4}")))
        }
    };
    vec![word.to_owned(), gate.name.clone(), seen, gate.bound.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Else a model that is worse than the one in service would pass.
    #[test]
    fn a_registry_that_is_away_is_not_taken_for_no_model_in_service() {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "data: data\nmodels: {{ oci: {{ repository: \"127.0.0.1:{port}/models\", plain_http: true }} }}\n"
        );
        let file = folder.path().join("openclaw.yaml");
        fs::write(&file, settings).unwrap();
        let service = config::load_service(&file, &Environment::default()).unwrap();
        assert!(running(&service).unwrap().is_none());
        fs::create_dir_all(service.data.join("models")).unwrap();
        fs::write(service.data.join("models/rollout.json"), r#"{"running":"model-20261122"}"#).unwrap();
        let told = running(&service).unwrap_err().to_string();
        assert!(told.contains("refused"), "{told}");
    }
}
