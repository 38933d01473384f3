//! `openclaw model inspect`

use super::{ModelCommandError, repository, wait};
use crate::cli::clock::{now, to_second};
use crate::cli::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::Environment;
use clap::Args;
use openclaw_learning::artifact::{Card, FeatureBaseline, Model, ModelName, TrainingData};
use serde_json::json;
use std::fmt::Display;
use std::path::Path;

/// Arguments of `openclaw model inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model inspect model-20261122\n\
    Example: openclaw model inspect trained.pt")]
pub(crate) struct InspectArgs {
    /// The model: its name in the configured repository, or any of its files
    model: String,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &InspectArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let (model, origin) = match args.model.parse::<ModelName>() {
        Ok(name) => {
            let repository = repository(&args.config.file, environment)?;
            let pulled = wait(repository.pull(name, None))?;
            let origin = Some((pulled.digest, pulled.signed_by.to_string()));
            (pulled.model, origin)
        }
        Err(_) => (of_file(Path::new(&args.model))?, None),
    };
    if args.output.is_json() {
        let (digest, signed_by) = origin.unzip();
        return ui.json(&json!({ "card": model.card(), "digest": digest, "signed_by": signed_by }));
    }
    let mut rows = facts(model.card());
    if let Some((digest, signed_by)) = origin {
        rows.insert(1, row("digest", &digest));
        rows.insert(2, row("signed by", &signed_by));
    }
    ui.table(&rows)?;
    match &model.card().data {
        Some(data) => baseline(model.card(), data, ui),
        None => ui.line("\nIt has no drift baseline, since it was trained elsewhere."),
    }
}

/// A model outside of the repository; one without a card is shown as it would
/// be pushed today.
fn of_file(path: &Path) -> Result<Model, CliError> {
    let model = Model::open(path, ModelName::first_of(now()), now());
    Ok(model.map_err(|error| ModelCommandError::File { path: path.to_owned(), error })?)
}

fn row(name: &str, value: &dyn Display) -> Vec<String> {
    vec![name.to_owned(), value.to_string()]
}

fn facts(card: &Card) -> Vec<Vec<String>> {
    let joined = |numbers: Vec<String>, with: &str| numbers.join(with);
    let strings = |numbers: &[f64]| numbers.iter().map(ToString::to_string).collect();
    let mut rows = vec![
        row("name", &card.name),
        row("created", &to_second(card.created_at)),
        row("features", &format!("{} ({})", card.features.list, card.features.names.join(", "))),
        row("window", &format!("{} ticks of {} s", card.window_ticks, card.tick_s)),
        row("layers", &joined(card.layers.iter().map(ToString::to_string).collect(), " → ")),
        row("quantile", &joined(strings(&card.quantile), ", ")),
        row("weights", &card.weights_sha256),
    ];
    if let Some(data) = &card.data {
        rows.push(row("data", &format!("{} to {}", to_second(data.from), to_second(data.to))));
        let TrainingData { rows: count, clients, tenants, .. } = data;
        rows.push(row("rows", &format!("{count} of {clients} clients of {tenants} tenants")));
    }
    rows.extend(card.seed.map(|seed| row("seed", &seed)));
    rows.extend(card.git_revision.as_ref().map(|revision| row("revision", revision)));
    rows.extend(card.metrics.iter().map(|(name, value)| row(name, value)));
    rows
}

/// What inputs looked like in training; drift is measured against it.
fn baseline(card: &Card, data: &TrainingData, ui: &mut Ui) -> Result<(), CliError> {
    ui.line("\nDrift baseline:")?;
    let head = ["FEATURE", "LEAST", "10 %", "MEDIAN", "90 %", "GREATEST"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (name, FeatureBaseline { deciles, .. }) in card.features.names.iter().zip(&data.baseline) {
        let shown = [0, 1, 5, 9, 10].map(|at| format!("{:.3}", deciles[at]));
        rows.push(std::iter::once(name.clone()).chain(shown).collect());
    }
    ui.table(&rows)
}
