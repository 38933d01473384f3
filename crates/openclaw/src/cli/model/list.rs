//! `openclaw model list`

use super::{repository, wait};
use crate::cli::clock::now;
use crate::cli::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment};
use clap::Args;
use openclaw_alert::Timestamp;
use openclaw_learning::publish::{Listed, Standing};
use serde_json::{Value, json};
use std::time::Duration;

/// Arguments of `openclaw model list`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw model list --output json")]
pub(crate) struct ListArgs {
    /// How many, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: &ListArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let repository = repository(&args.config.file, environment)?;
    let models = wait(repository.list(args.limit))?;
    if args.output.is_json() {
        return ui.json(&models.iter().map(as_json).collect());
    }
    if models.is_empty() {
        return ui.note("there are no models yet: `openclaw model push` adds one");
    }
    let head = ["NAME", "AGE", "DIGEST", "SIGNED BY", "QUANTILE", "ROWS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(models.iter().map(|model| row(model, now())));
    ui.table(&rows)
}

fn as_json(model: &Listed) -> Value {
    json!({
        "name": model.name,
        "created_at": model.created_at.map(|at| at.to_string()),
        "digest": model.digest,
        "signed_by": match model.standing {
            Standing::Signed(key) => Some(key.to_string()),
            Standing::Untrusted | Standing::Unsigned => None,
        },
        "standing": word(model.standing),
        "quantile": model.quantile,
        "rows": model.rows,
    })
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Signed(_) => "signed",
        Standing::Untrusted => "untrusted",
        Standing::Unsigned => "unsigned",
    }
}

fn row(model: &Listed, now: Timestamp) -> Vec<String> {
    let signed_by = match model.standing {
        Standing::Signed(key) => key.to_string(),
        other => word(other).to_owned(),
    };
    let quantile = model.quantile.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let rows = model.rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
    let age = model.created_at.map_or_else(|| "-".to_owned(), |at| age(now.since(at)));
    vec![model.name.to_string(), age, model.digest.short(), signed_by, quantile, rows]
}

/// The largest unit alone.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let unit = [86_400, 3600, 60, 1].into_iter().find(|unit| seconds >= *unit).unwrap_or(1);
    config::format_duration(Duration::from_secs(seconds / unit * unit))
}
