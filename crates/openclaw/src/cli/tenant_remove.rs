//! `openclaw tenant remove`

use super::clock::now;
use super::{CliError, ConfigArg, Ui, tenant};
use crate::config::{self, Environment, TenantFile};
use clap::Args;
use openclaw_alert::TenantName;
use openclaw_state::Keys;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A removal that waits longer for receivers is one that was forgotten.
const WITHIN_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Arguments of `openclaw tenant remove`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw tenant remove acme --erase\n\n\
    Works beside a running server, which follows within a second, and without one: the next one follows. \
    `openclaw tenant list` shows how far it has come.")]
pub(crate) struct RemoveArgs {
    /// The tenant's name
    #[arg(value_parser = TenantName::new)]
    name: TenantName,
    /// Overwrite all that is kept of it, instead of letting it go with time
    #[arg(long)]
    erase: bool,
    /// How long messages about the end of its alerts may take to be delivered
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = span)]
    within: Duration,
    #[command(flatten)]
    config: ConfigArg,
}

fn span(text: &str) -> Result<Duration, String> {
    let span = config::parse_duration(text).filter(|span| *span <= WITHIN_MAX);
    span.ok_or_else(|| "write a span of at most `30d`, such as `30m` or `1h`".to_owned())
}

pub(super) fn run(args: &RemoveArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let RemoveArgs { name, erase, within, .. } = args;
    let service = config::load_service(&args.config.file, environment)?;
    if let Some(section) = service.names(name) {
        return Err(CliError::TenantInUse { name: name.clone(), section });
    }
    let file = tenant::files(&service)?.into_iter().find(|file| file.name == *name);
    let keys = Keys::open(&service.data)?;
    // Data may outlive a file, so that erasure needs none.
    if file.is_none() && !erase && keys.removals().of(name)?.is_none() {
        return Err(CliError::NoTenant { name: name.clone() });
    }
    keys.removals().ask(name, *erase, *within, now())?;
    ui.line(format_args!("tenant `{name}`: its keys are revoked, and nothing is taken in any more"))?;
    let what_goes = if *erase { "all that is kept of it is erased" } else { "its settings are forgotten" };
    ui.line(format_args!("a server ends its alerts and tells who was told of them; then {what_goes}"))?;
    file.map_or(Ok(()), |file| put_away(&file, *erase, ui))
}

/// The settings: a file, or a folder with one in it.
fn put_away(file: &TenantFile, erase: bool, ui: &mut Ui) -> Result<(), CliError> {
    let path = whole(&file.path);
    let away = beside(path);
    let done = match (erase, path.is_dir()) {
        (false, _) => fs::rename(path, &away),
        (true, false) => fs::remove_file(path),
        (true, true) => fs::remove_dir_all(path),
    };
    match done {
        Ok(()) if erase => ui.line(format_args!("removed `{}`", path.display())),
        Ok(()) => ui.line(format_args!("`{}` is now `{}`", path.display(), away.display())),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            ui.note(format_args!(
                "`{}` may not be removed here: whoever keeps it removes it; until then the name stays taken",
                path.display()
            ))
        }
        Err(source) => Err(CliError::File { path: path.to_owned(), source }),
    }
}

/// What holds the settings: `NAME.yaml`, or the folder of `NAME/tenant.yaml`.
fn whole(path: &Path) -> &Path {
    match (path.file_name(), path.parent()) {
        (Some(name), Some(folder)) if name == "tenant.yaml" => folder,
        _ => path,
    }
}

/// A name that no tenant can have.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    name.push(".removed");
    path.with_file_name(name)
}
