//! `openclaw check`

use super::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment, TenantConfig};
use clap::Args;
use serde_json::{Value, json};

/// Arguments of `openclaw check`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw check --config examples/openclaw.yaml")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    output: OutputArg,
}

pub(super) fn run(args: &CheckArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let loaded = config::load(&args.config.file, environment).and_then(|settings| {
        settings.service.check_tls()?;
        Ok(settings)
    });
    let settings = match loaded {
        Ok(settings) => settings,
        Err(faults) => {
            if args.output.is_json() {
                ui.json(&json!({ "valid": false, "faults": faults.iter().map(fault).collect::<Vec<_>>() }))?;
            }
            return Err(faults.into());
        }
    };
    if args.output.is_json() {
        let tenants: Vec<&str> = settings.tenants.iter().map(name).collect();
        return ui.json(&json!({ "valid": true, "tenants": tenants }));
    }
    let told = settings.tenants.iter().filter(|tenant| tenant.takes_alerts);
    let receivers: usize = told.map(|tenant| tenant.receivers.len()).sum();
    ui.line(format_args!(
        "{} is valid: {}, {}",
        args.config.file.display(),
        counted(settings.tenants.len(), "tenant"),
        counted(receivers, "receiver")
    ))
}

fn fault(fault: &config::Fault) -> Value {
    json!({
        "place": fault.place.to_string(),
        "message": fault.problem.to_string(),
        "hint": fault.problem.hint(),
    })
}

fn name(tenant: &TenantConfig) -> &str {
    tenant.pipeline.name.as_str()
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
