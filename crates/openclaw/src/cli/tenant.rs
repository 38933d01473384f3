//! `openclaw tenant`

use super::jwt::{self, JwtArgs};
use super::key::{self, KeyCommand};
use super::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment, Faults, ServiceSettings, TenantFile};
use clap::{Args, Subcommand, ValueEnum};
use openclaw_alert::TenantName;
use openclaw_state::{Keys, Scope, Scopes};
use serde_json::json;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What to do about tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Writes a new tenant's settings file and makes its first key
    Add(AddArgs),
    /// Lists the tenants
    List(ListArgs),
    /// Adds, lists and revokes keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Makes a token that the tenant's `jwt: { secret }` signs
    Jwt(JwtArgs),
}

/// Arguments of `openclaw tenant add`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw tenant add acme --config openclaw.yaml")]
pub(crate) struct AddArgs {
    /// The tenant's name
    #[arg(value_parser = TenantName::new)]
    name: TenantName,
    /// What the file starts from
    #[arg(long, value_enum, default_value = "observe", value_name = "NAME")]
    template: Template,
    /// Write the key to this new file instead of showing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

/// A file to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// Scores are shown, alerts go where Alertmanager would send them
    Observe,
    /// Alerts below the threshold go to a digest
    Enforce,
}

impl Template {
    fn text(self, name: &TenantName) -> String {
        let text = match self {
            Self::Observe => include_str!("templates/observe.yaml"),
            Self::Enforce => include_str!("templates/enforce.yaml"),
        };
        text.replace("NAME", name.as_str())
    }
}

/// Arguments of `openclaw tenant list`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw tenant list --output json")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(command: TenantCommand, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    match command {
        TenantCommand::Add(args) => add(&args, environment, ui),
        TenantCommand::List(args) => list(&args, environment, ui),
        TenantCommand::Key(command) => key::run(command, environment, ui),
        TenantCommand::Jwt(args) => jwt::run(&args, environment, ui),
    }
}

/// The tenants' files. Faults of their contents are no concern here.
pub(super) fn files(service: &ServiceSettings) -> Result<Vec<TenantFile>, CliError> {
    let mut faults = Vec::new();
    let files = config::tenant_files(&service.tenants_folder, &mut faults);
    Ok(Faults::or_else(faults, Some(files))?)
}

/// Where a new tenant's settings went.
enum Written {
    File(PathBuf),
    /// The folder may not be written to: whoever keeps it adds the text.
    Printed(String),
}

fn add(args: &AddArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let existing = if service.tenants_folder.exists() { files(&service)? } else { Vec::new() };
    if let Some(TenantFile { name, path }) = existing.into_iter().find(|file| file.name == args.name) {
        return Err(CliError::TenantExists { name, path });
    }
    let keys = Keys::open(&service.data)?;
    let target = args.key_file.as_deref().map(key::KeyFile::create).transpose()?;
    let written = write(&service.tenants_folder, args)?;
    let scopes: Scopes = Scope::Ingest | Scope::Read | Scope::Respond;
    let made = key::make(&keys, Some(&args.name), None, scopes, target)?;
    if args.output.is_json() {
        let (file, yaml) = match &written {
            Written::File(path) => (Some(path.display().to_string()), None),
            Written::Printed(text) => (None, Some(text)),
        };
        return ui
            .json(&json!({ "tenant": args.name.as_str(), "file": file, "yaml": yaml, "key": made.json() }));
    }
    match &written {
        Written::File(path) => ui.line(format_args!("tenant `{}`: wrote `{}`", args.name, path.display()))?,
        Written::Printed(text) => {
            ui.note(format_args!(
                "`{}` may not be written to: add this as `{}.yaml`",
                service.tenants_folder.display(),
                args.name
            ))?;
            ui.line(text)?;
        }
    }
    made.print(ui)
}

fn write(folder: &Path, args: &AddArgs) -> Result<Written, CliError> {
    let text = args.template.text(&args.name);
    let path = folder.join(format!("{}.yaml", args.name));
    match write_whole(folder, &path, &text) {
        Ok(()) => Ok(Written::File(path)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(Written::Printed(text))
        }
        Err(source) => Err(CliError::File { path, source }),
    }
}

/// A running server must not see half a file: it appears under its name whole.
fn write_whole(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".new-{}", std::process::id()));
    let mut file = fs::File::create(&unfinished)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    done.and_then(|()| fs::rename(&unfinished, path)).inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(&unfinished);
    })
}

fn list(args: &ListArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let files = files(&service)?;
    let keys = Keys::open(&service.data)?;
    let mut rows = Vec::new();
    for file in files {
        let live = keys.tenant(&file.name).list()?.iter().filter(|key| key.revoked_at.is_none()).count();
        rows.push((file, live));
    }
    if args.output.is_json() {
        let row = |(file, live): &(TenantFile, usize)| json!({ "tenant": file.name.as_str(), "file": file.path.display().to_string(), "live_keys": live });
        return ui.json(&rows.iter().map(row).collect());
    }
    let mut table = vec![vec!["TENANT".to_owned(), "LIVE KEYS".to_owned(), "FILE".to_owned()]];
    table.extend(
        rows.iter().map(|(file, live)| {
            vec![file.name.to_string(), live.to_string(), file.path.display().to_string()]
        }),
    );
    ui.table(&table)
}
