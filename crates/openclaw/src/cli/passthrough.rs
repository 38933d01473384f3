//! `openclaw passthrough`

use super::clock::now;
use super::{CliError, ConfigArg, Ui, tenant};
use crate::config::{self, Environment};
use clap::Args;
use openclaw_alert::{TenantName, TenantNameError};
use openclaw_state::Keys;
use std::str::FromStr;

/// Arguments of `openclaw passthrough`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw passthrough --tenant acme\n\n\
    Works beside a running server, which follows within a second, and without one.")]
pub(crate) struct PassthroughArgs {
    /// Whose alerts; `all` for every tenant, those that are added later included
    #[arg(long, value_name = "TENANT")]
    tenant: Whose,
    /// Back to the routes that are configured
    #[arg(long)]
    off: bool,
    /// Who says so, for the record
    #[arg(long, value_name = "NAME", default_value = "command line")]
    by: String,
    #[command(flatten)]
    config: ConfigArg,
}

/// One tenant or all.
#[derive(Debug, Clone)]
enum Whose {
    All,
    One(TenantName),
}

impl FromStr for Whose {
    type Err = TenantNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" { Ok(Self::All) } else { TenantName::new(text).map(Self::One) }
    }
}

pub(super) fn run(args: &PassthroughArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let service = config::load_service(&args.config.file, environment)?;
    let known: Vec<TenantName> = tenant::files(&service)?.into_iter().map(|file| file.name).collect();
    if let Whose::One(name) = &args.tenant
        && !known.contains(name)
    {
        return Err(CliError::NoTenant { name: name.clone() });
    }
    let keys = Keys::open(&service.data)?;
    let (switches, is_on) = (keys.passthrough(), !args.off);
    let tenants = match &args.tenant {
        Whose::All => {
            switches.set_all(is_on, &args.by, now())?;
            known
        }
        Whose::One(name) => {
            switches.set(name, is_on, &args.by, now())?;
            vec![name.clone()]
        }
    };
    for tenant in &tenants {
        match is_on {
            true => ui.line(format_args!("{tenant}: all alerts go straight to the default receiver"))?,
            false => ui.line(format_args!("{tenant}: alerts go where the routes say"))?,
        }
    }
    Ok(())
}
