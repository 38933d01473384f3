//! `openclaw tenant key`

use super::clock::{now, to_second};
use super::{CliError, ConfigArg, OutputArg, Ui, tenant};
use crate::config::{self, Environment};
use clap::{Args, Subcommand};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_state::{
    KEY_ID_LENGTH, KeyId, KeyInfo, KeyName, KeyTextError, Keys, NewKey, Scopes, StateError,
};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What to do about keys. All of it works offline and beside a running server,
/// which follows within a second.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Makes a key and shows it once
    Add(AddArgs),
    /// Lists a tenant's keys, or the operators' without a tenant
    List(ListArgs),
    /// Ends a key
    Revoke(RevokeArgs),
}

/// Arguments of `openclaw tenant key add`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw tenant key add acme --scopes ingest,read --output json")]
pub(crate) struct AddArgs {
    /// Whose key; leave out for an operator's key of no tenant
    #[arg(value_parser = TenantName::new)]
    tenant: Option<TenantName>,
    /// What it may be used for: ingest, read, respond, limit, operator
    #[arg(long, value_name = "LIST")]
    scopes: Scopes,
    /// What it is for; two keys of one name may live at a time [default: the scopes]
    #[arg(long, value_name = "NAME", value_parser = KeyName::new)]
    name: Option<KeyName>,
    /// Write the key to this new file instead of showing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

/// Arguments of `openclaw tenant key list`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw tenant key list acme")]
pub(crate) struct ListArgs {
    /// Whose keys; leave out for the operators'
    #[arg(value_parser = TenantName::new)]
    tenant: Option<TenantName>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

/// Arguments of `openclaw tenant key revoke`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw tenant key revoke oc4fGh71Qz")]
pub(crate) struct RevokeArgs {
    /// The key's id, its first ten characters; the whole key will do
    #[arg(value_parser = id_of)]
    id: KeyId,
    #[command(flatten)]
    config: ConfigArg,
}

/// Whoever finds a leaked key has the whole of it at hand.
fn id_of(text: &str) -> Result<KeyId, KeyTextError> {
    match text.parse() {
        Err(KeyTextError::WholeKey) => text.chars().take(KEY_ID_LENGTH).collect::<String>().parse(),
        result => result,
    }
}

pub(super) fn run(command: KeyCommand, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    match command {
        KeyCommand::Add(args) => add(args, environment, ui),
        KeyCommand::List(args) => list(&args, environment, ui),
        KeyCommand::Revoke(args) => revoke(&args, environment, ui),
    }
}

fn add(args: AddArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    if let Some(name) = &args.tenant
        && !tenant::files(&service)?.iter().any(|file| file.name == *name)
    {
        return Err(CliError::NoTenant { name: name.clone() });
    }
    let keys = Keys::open(&service.data)?;
    if let Some(name) = &args.tenant
        && let Some(removal) = keys.removals().of(name)?
    {
        return Err(CliError::BeingRemoved { name: name.clone(), stage: removal.stage });
    }
    let target = args.key_file.as_deref().map(KeyFile::create).transpose()?;
    let made = make(&keys, args.tenant.as_ref(), args.name, args.scopes, target)?;
    if args.output.is_json() { ui.json(&made.json()) } else { made.print(ui) }
}

/// A new file that only its owner can read, made before the key so that a key
/// is never made and then lost; removed again when no key was made.
pub(super) struct KeyFile {
    path: PathBuf,
    file: fs::File,
}

impl KeyFile {
    pub(super) fn create(path: &Path) -> Result<Self, CliError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match file {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(source) => Err(CliError::File { path: path.to_owned(), source }),
        }
    }

    fn fill(&mut self, new: &NewKey) -> Result<(), CliError> {
        writeln!(self.file, "{}", new.key.expose())
            .and_then(|()| self.file.sync_all())
            .map_err(|source| CliError::File { path: self.path.clone(), source })
    }

    fn discard(&self) {
        // What is left is an empty file; the error that led here is told.
        let _ = fs::remove_file(&self.path);
    }
}

/// A key just made, and where its text goes.
pub(super) struct Made {
    new: NewKey,
    tenant: Option<TenantName>,
    name: KeyName,
    scopes: Scopes,
    created_at: Timestamp,
    file: Option<PathBuf>,
}

/// Makes a key. Named after its scopes unless told otherwise, so that keys for
/// different uses never stand in each other's way.
pub(super) fn make(
    keys: &Keys,
    tenant: Option<&TenantName>,
    name: Option<KeyName>,
    scopes: Scopes,
    mut target: Option<KeyFile>,
) -> Result<Made, CliError> {
    let created_at = now();
    let result = name_of(name, scopes).map_err(CliError::from).and_then(|name| {
        let owned = tenant.map_or_else(|| keys.operators(), |tenant| keys.tenant(tenant));
        let new = owned.add(&name, scopes, created_at)?;
        if let Some(file) = &mut target
            && let Err(error) = file.fill(&new)
        {
            owned.revoke(new.id, created_at)?;
            return Err(error);
        }
        Ok((new, name))
    });
    if result.is_err()
        && let Some(file) = &target
    {
        file.discard();
    }
    let (new, name) = result?;
    Ok(Made { new, tenant: tenant.cloned(), name, scopes, created_at, file: target.map(|file| file.path) })
}

fn name_of(name: Option<KeyName>, scopes: Scopes) -> Result<KeyName, KeyTextError> {
    name.map_or_else(|| KeyName::new(&scopes.to_string()), Ok)
}

impl Made {
    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "id": self.new.id.as_str(),
            "tenant": self.tenant.as_ref().map(TenantName::as_str),
            "name": self.name.as_str(),
            "scopes": names(self.scopes),
            "created_at": to_second(self.created_at),
        });
        match &self.file {
            Some(path) => value["key_file"] = path.display().to_string().into(),
            None => value["key"] = self.new.key.expose().into(),
        }
        value
    }

    pub(super) fn print(&self, ui: &mut Ui) -> Result<(), CliError> {
        match &self.file {
            Some(path) => ui.line(format_args!("key {}: wrote `{}`", self.new.id, path.display()))?,
            None => ui.line(format_args!("key, shown only now: {}", self.new.key.expose()))?,
        }
        ui.line(format_args!("scopes: {}", self.scopes))
    }
}

fn names(scopes: Scopes) -> Vec<&'static str> {
    scopes.iter().map(openclaw_state::Scope::name).collect()
}

fn list(args: &ListArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let keys = Keys::open(&service.data)?;
    let owned = args.tenant.as_ref().map_or_else(|| keys.operators(), |tenant| keys.tenant(tenant));
    let listed = owned.list()?;
    if args.output.is_json() {
        return ui.json(&listed.iter().map(key_json).collect());
    }
    let mut table =
        vec![["ID", "NAME", "SCOPES", "CREATED", "LAST USED", "REVOKED"].map(str::to_owned).to_vec()];
    table.extend(listed.iter().map(|key| {
        let [created_at, last_used_at, revoked_at] = [Some(key.created_at), key.last_used_at, key.revoked_at]
            .map(|at| at.map_or("-".to_owned(), to_second));
        vec![
            key.id.to_string(),
            key.name.to_string(),
            key.scopes.to_string(),
            created_at,
            last_used_at,
            revoked_at,
        ]
    }));
    ui.table(&table)
}

fn key_json(key: &KeyInfo) -> Value {
    json!({
        "id": key.id.as_str(),
        "tenant": key.tenant.as_ref().map(TenantName::as_str),
        "name": key.name.as_str(),
        "scopes": names(key.scopes),
        "created_at": to_second(key.created_at),
        "last_used_at": key.last_used_at.map(to_second),
        "revoked_at": key.revoked_at.map(to_second),
    })
}

fn revoke(args: &RevokeArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    Keys::open(&service.data)?.revoke(args.id, now()).map_err(|error: StateError| CliError::from(error))?;
    ui.line(format_args!("key {} no longer works", args.id))
}
