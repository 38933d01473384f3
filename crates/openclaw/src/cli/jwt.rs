//! `openclaw tenant jwt`

use super::clock::{now, to_second};
use super::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment, parse_duration};
use clap::Args;
use openclaw_alert::TenantName;
use openclaw_server::{NewToken, sign};
use openclaw_state::Scopes;
use serde_json::json;
use std::time::Duration;

const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Arguments of `openclaw tenant jwt`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw tenant jwt acme --scopes ingest --ttl 30d")]
pub(crate) struct JwtArgs {
    /// Whose token
    #[arg(value_parser = TenantName::new)]
    tenant: TenantName,
    /// What it may be used for: ingest, read, respond, limit, operator
    #[arg(long, value_name = "LIST", default_value = "ingest,read")]
    scopes: Scopes,
    /// How long it holds
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    /// Whom it is for: silences, feedback and logs name it
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

fn ttl(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).filter(|span| (Duration::from_secs(1)..=TTL_MAX).contains(span));
    span.ok_or_else(|| "expected a duration from `1s` to `10y`, such as `1h` or `30d`".to_owned())
}

pub(super) fn run(args: &JwtArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let name = &args.tenant;
    let settings = config::load(&args.config.file, environment)?;
    let tenant = settings.tenants.into_iter().find(|tenant| tenant.pipeline.name == *name);
    let tenant = tenant.ok_or_else(|| CliError::NoTenant { name: name.clone() })?;
    let settings = tenant.tokens.ok_or_else(|| CliError::NoJwt { name: name.clone() })?;
    let from = now();
    let subject = args.subject.as_deref();
    let token =
        sign(&settings, &NewToken { tenant: name, scopes: args.scopes, subject, from, ttl: args.ttl })?;
    if !args.output.is_json() {
        return ui.line(token);
    }
    ui.json(&json!({
        "token": token,
        "tenant": name.as_str(),
        "scopes": args.scopes.iter().map(openclaw_state::Scope::name).collect::<Vec<_>>(),
        "expires_at": to_second(from.plus(args.ttl)),
    }))
}
