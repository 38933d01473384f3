//! `openclaw model commit`

use super::{ModelCommandError, repository, wait};
use crate::cli::{CliError, ConfigArg, Ui};
use crate::config::{self, Environment, ServiceSettings};
use clap::Args;
use openclaw_learning::artifact::ModelName;
use openclaw_learning::publish::{Changed, GitFile, GitOptions, MODELS_FOLDER, Proposal, Replaces, Stop};

/// Arguments of `openclaw model commit`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model commit model-20261122\n\n\
    Names a published model in the file of `rollout.gitops`, which services follow. What is trained by itself is\n\
    committed by itself.")]
pub(crate) struct CommitArgs {
    /// The model's name
    name: ModelName,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &CommitArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let options = service.rollout.git().ok_or(ModelCommandError::NoGit)?;
    let published = wait(repository(&args.config.file, environment)?.pull(args.name, None))?;
    let proposal = Proposal { name: args.name, digest: published.digest, gates: None };
    let by = format!("git-{}", std::process::id());
    let told = now(options, &service, &proposal, Replaces::Any, &by)?;
    ui.line(format_args!("{}: {told}", args.name))
}

/// Commits at once and tells how that went. `by` names a folder that nobody
/// else uses meanwhile.
pub(super) fn now(
    options: &GitOptions,
    service: &ServiceSettings,
    proposal: &Proposal,
    replaces: Replaces,
    by: &str,
) -> Result<String, ModelCommandError> {
    let folder = service.data.join(MODELS_FOLDER).join(by);
    let changed = proposal.commit(&mut GitFile::new(options.clone(), &folder), replaces, &Stop::default())?;
    proposal.forget(&service.data)?;
    Ok(match changed {
        Changed::Committed(commit) => format!("committed to {} as {commit}", options.remote),
        Changed::AsItIs => format!("{} names it, or a newer one, already", options.path),
    })
}
