//! `openclaw tenant`

use super::jwt::{self, JwtArgs};
use super::key::{self, KeyCommand};
use super::tenant_remove::{self, RemoveArgs};
use super::tenant_template::Template;
use super::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment, Faults, ServiceSettings, TenantFile};
use clap::{Args, Subcommand};
use openclaw_alert::TenantName;
use openclaw_state::{Keys, Removal, Scope, Scopes, Stage};
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
    /// Removes a tenant, or erases all that is kept of it
    Remove(RemoveArgs),
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
    /// What the file starts from: observe, enforce, slack, servicenow, pagerduty, or a file with NAME in the name's place
    #[arg(long, default_value = "observe", value_name = "TEMPLATE")]
    template: Template,
    /// Write the key to this new file instead of showing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
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
        TenantCommand::Remove(args) => tenant_remove::run(&args, environment, ui),
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
    if let Some(TenantFile { name, path, .. }) = existing.into_iter().find(|file| file.name == args.name) {
        return Err(CliError::TenantExists { name, path });
    }
    let text = args.template.text(&args.name, environment)?;
    let keys = Keys::open(&service.data)?;
    let removals = keys.removals();
    if let Some(removal) = removals.of(&args.name)? {
        if removal.stage != Stage::Done {
            return Err(CliError::BeingRemoved { name: removal.tenant, stage: removal.stage });
        }
        removals.finish(&args.name)?;
    }
    let target = args.key_file.as_deref().map(key::KeyFile::create).transpose()?;
    let written = write(&service.tenants_folder, args, text)?;
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

fn write(folder: &Path, args: &AddArgs, text: String) -> Result<Written, CliError> {
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

/// A line of the list.
struct Row {
    name: TenantName,
    /// `None` where the file is gone and the tenant not yet.
    file: Option<PathBuf>,
    live_keys: usize,
    state: &'static str,
}

fn list(args: &ListArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let rows = rows(files(&service)?, &Keys::open(&service.data)?)?;
    if args.output.is_json() {
        let row = |row: &Row| {
            let file = row.file.as_ref().map(|file| file.display().to_string());
            json!({ "tenant": row.name.as_str(), "state": row.state, "file": file, "live_keys": row.live_keys })
        };
        return ui.json(&rows.iter().map(row).collect());
    }
    let mut table = vec![["TENANT", "STATE", "LIVE KEYS", "FILE"].map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(|row| {
        let file = row.file.as_ref().map_or_else(|| "-".to_owned(), |file| file.display().to_string());
        vec![row.name.to_string(), row.state.to_owned(), row.live_keys.to_string(), file]
    }));
    ui.table(&table)
}

fn rows(files: Vec<TenantFile>, keys: &Keys) -> Result<Vec<Row>, CliError> {
    let removals = keys.removals().list()?;
    let removal = |name: &TenantName| removals.iter().find(|removal| removal.tenant == *name);
    let mut rows = Vec::new();
    for TenantFile { name, path, .. } in files {
        let live_keys = keys.tenant(&name).list()?.iter().filter(|key| key.revoked_at.is_none()).count();
        let state = removal(&name).map_or("active", |removal| removal.stage.name());
        rows.push(Row { name, file: Some(path), live_keys, state });
    }
    let named = |removal: &&Removal| !rows.iter().any(|row| row.name == removal.tenant);
    let gone: Vec<_> = removals.iter().filter(named).collect();
    rows.extend(gone.into_iter().map(|removal| Row {
        name: removal.tenant.clone(),
        file: None,
        live_keys: 0,
        state: removal.stage.name(),
    }));
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}
