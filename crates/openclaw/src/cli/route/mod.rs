//! `openclaw route test`

mod draw;
mod verdict;

use super::clock::now;
use super::{CliError, ConfigArg, OutputArg, Ui};
use crate::config::{self, Environment, TenantConfig};
use clap::{Args, Subcommand};
use openclaw_alert::{Labels, LabelsBuilder, MatchOp, Matcher, TenantName};
use openclaw_pipeline::TenantSettings;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use verdict::Tested;

/// Longest line of a file of cases.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What to do about routes.
#[derive(Debug, Subcommand)]
pub(crate) enum RouteCommand {
    /// Says which receivers an alert would reach, and why
    Test(TestArgs),
}

/// Arguments of `openclaw route test`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: openclaw route test --tenant acme alertname=DiskFull severity=critical --score 0.4"
)]
pub(crate) struct TestArgs {
    /// Whose routes
    #[arg(long, value_name = "TENANT", value_parser = TenantName::new)]
    tenant: TenantName,
    /// The alert's labels
    #[arg(value_name = "LABEL=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The alert's score, from 0 to 1
    #[arg(long, value_name = "SCORE", value_parser = score)]
    score: Option<f32>,
    /// Fail unless the alert reaches exactly these receivers
    #[arg(long = "verify.receivers", value_name = "LIST", value_delimiter = ',')]
    verify: Option<Vec<String>>,
    /// Test the alerts in this file, `-` for standard input: a JSON object with `labels` and perhaps `score` a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["labels", "score", "verify"])]
    cases: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    config: ConfigArg,
}

/// As amtool reads it: name and value may be quoted.
fn label(text: &str) -> Result<(String, String), String> {
    let matcher = Matcher::parse(text).map_err(|error| error.to_string())?;
    if matcher.op() != MatchOp::Equal {
        return Err("write it as `LABEL=VALUE`".to_owned());
    }
    if matcher.name().is_empty() {
        return Err("a label needs a name".to_owned());
    }
    Ok((matcher.name().to_owned(), matcher.value().to_owned()))
}

fn score(text: &str) -> Result<f32, String> {
    let score: f32 = text.parse().map_err(|_| "a number is needed")?;
    if (0.0..=1.0).contains(&score) { Ok(score) } else { Err("a score is from 0 to 1".to_owned()) }
}

pub(super) fn run(command: RouteCommand, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let RouteCommand::Test(args) = command;
    let settings = config::load(&args.config.file, environment)?;
    let mut tenants = settings.tenants.into_iter();
    let tenant = tenants.find(|tenant| tenant.pipeline.name == args.tenant);
    let TenantConfig { pipeline, .. } =
        tenant.ok_or_else(|| CliError::NoTenant { name: args.tenant.clone() })?;
    match &args.cases {
        Some(file) => cases(file, &pipeline, ui),
        None => one(&args, &pipeline, ui),
    }
}

fn one(args: &TestArgs, settings: &TenantSettings, ui: &mut Ui) -> Result<(), CliError> {
    let pairs = args.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let labels = LabelsBuilder::encode(pairs);
    let tested = Tested::new(settings, Labels::from_encoded(&labels), args.score, now());
    if args.output.is_json() {
        ui.json(&tested.json())?;
    } else {
        draw::print(&tested, ui)?;
    }
    let Some(expected) = &args.verify else { return Ok(()) };
    let found = tested.receivers();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    if expected.iter().cloned().collect::<BTreeSet<_>>() == set(&found) {
        return Ok(());
    }
    let (expected, found) = (expected.join(","), found.join(","));
    Err(CliError::OtherReceivers { expected, found })
}

fn cases(file: &Path, settings: &TenantSettings, ui: &mut Ui) -> Result<(), CliError> {
    let unreadable = |source| CliError::Unreadable { path: file.to_owned(), source };
    let mut input: Box<dyn BufRead> = match file.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(file).map_err(unreadable)?)),
    };
    let now = now();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut bounded = input.as_mut().take(LINE_BYTES_MAX);
        if bounded.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let fail = |detail: String| CliError::Alert { place: format!("{}:{number}", file.display()), detail };
        let (labels, score) = case(&line).map_err(fail)?;
        let tested = Tested::new(settings, Labels::from_encoded(&labels), score, now);
        let routes: Vec<&str> = tested.taken.iter().map(|route| &*route.key).collect();
        ui.line(json!({ "receivers": tested.receivers(), "routes": routes }))?;
    }
    Ok(())
}

fn case(line: &[u8]) -> Result<(Vec<u8>, Option<f32>), String> {
    let case: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let labels = case.get("labels").and_then(Value::as_object).ok_or("`labels` is missing or no object")?;
    let mut builder = LabelsBuilder::default();
    for (name, value) in labels {
        let value = value.as_str().ok_or_else(|| format!("label `{}` is not text", name.escape_debug()))?;
        builder.push(name, value);
    }
    let mut encoded = Vec::new();
    builder.write(&mut encoded, true);
    match case.get("score") {
        None | Some(Value::Null) => Ok((encoded, None)),
        Some(value) => Ok((encoded, Some(score(&value.to_string())?))),
    }
}
