//! `openclaw model push` and `pull`

use super::{ModelCommandError, repository, wait};
use crate::cli::clock::now;
use crate::cli::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment};
use clap::Args;
use openclaw_learning::artifact::{Digest, Model, ModelName};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `openclaw model push`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model push model-20261122.safetensors\n\
    Example: openclaw model push model-20261122\n\n\
    A `.pt` that PyTorch has saved, of `Linear(10, 2)` or of `Sequential(Linear(10, h), ReLU(), Linear(h, 2))`,\n\
    needs no card: it becomes the day's next model.")]
pub(crate) struct PushArgs {
    /// The model: any of its files, `.safetensors`, `.pt` or `.json`, or the name of one in the data folder
    model: String,
    /// What a model without a card is called [default: the day's next name]
    #[arg(long, value_name = "NAME")]
    name: Option<ModelName>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

/// Arguments of `openclaw model pull`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model pull model-20261122 --to models")]
pub(crate) struct PullArgs {
    /// The model's name
    name: ModelName,
    /// Refuse any other than the one with this digest
    #[arg(long, value_name = "DIGEST")]
    digest: Option<Digest>,
    /// The folder to write its files into
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn push(args: &PushArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let repository = service.models.repository(&service.data).map_err(ModelCommandError::from)?;
    let model = match args.model.parse::<ModelName>() {
        Ok(name) => {
            let local = service.models.local_repository(&service.data).map_err(ModelCommandError::from)?;
            wait(local.pull(name, None))?.model
        }
        Err(_) => {
            let path = Path::new(&args.model);
            // The name that a model without a card gets depends on those that are taken.
            let name = match args.name {
                Some(name) => name,
                None => ModelName::next(now(), wait(repository.names())?),
            };
            let model = Model::open(path, name, now());
            model.map_err(|error| ModelCommandError::File { path: path.to_owned(), error })?
        }
    };
    if let Some(name) = args.name.filter(|name| *name != model.name()) {
        return Err(ModelCommandError::Named { name, found: model.name() }.into());
    }
    let pushed = wait(repository.push(&model))?;
    if args.output.is_json() {
        return ui.json(&json!({
            "name": pushed.name,
            "digest": pushed.digest,
            "signed_by": pushed.signed_by.to_string(),
        }));
    }
    ui.line(format_args!("{} {} signed by {}", pushed.name, pushed.digest, pushed.signed_by))
}

pub(super) fn pull(args: &PullArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let repository = repository(&args.config.file, environment)?;
    let pulled = wait(repository.pull(args.name, args.digest))?;
    pulled.model.save(&args.to).map_err(ModelCommandError::from)?;
    let files = ["safetensors", "pt", "json"].map(|ending| args.to.join(format!("{}.{ending}", args.name)));
    if args.output.is_json() {
        return ui.json(&json!({
            "name": args.name,
            "digest": pulled.digest,
            "signed_by": pulled.signed_by.to_string(),
            "files": files,
        }));
    }
    ui.line(format_args!("{} {} signed by {}", args.name, pulled.digest, pulled.signed_by))?;
    files.iter().try_for_each(|file| ui.line(file.display()))
}
