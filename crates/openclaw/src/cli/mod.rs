//! The command line.

mod check;
mod clock;
mod compare;
mod error;
mod import;
mod jwt;
mod key;
mod model;
mod passthrough;
mod replay;
mod route;
mod schema;
mod score;
pub(crate) mod serve;
mod source;
mod template;
mod tenant;
mod tenant_remove;
mod tenant_template;
mod ui;

pub(crate) use clock::now;
pub(crate) use error::CliError;
pub(crate) use ui::Ui;

use crate::config::Environment;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The multi-tenant front door for alerts: takes them in the formats that
/// tools already send, keeps them, rates them, routes and delivers them.
#[derive(Debug, Parser)]
#[command(name = "openclaw", version, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 wrong usage.\n\nExample: openclaw demo")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the whole service at work on made-up tenants
    Demo(DemoArgs),
    /// Runs the service
    Serve(ServeArgs),
    /// Validates the settings, tenants included, and reports all faults at once
    Check(check::CheckArgs),
    /// Prints the JSON Schema of a settings file
    Schema(schema::SchemaArgs),
    /// Turns the settings of other programs into a tenant's
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Makes, judges and brings out the model that sets clients' limits
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Break-glass: sends a tenant's alerts straight to its default receiver
    Passthrough(passthrough::PassthroughArgs),
    /// Says what is different from a running Alertmanager
    Compare(compare::CompareArgs),
    /// Runs recorded alerts through other settings
    Replay(replay::ReplayArgs),
    /// Says where alerts go
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// Adds, lists and removes tenants and their keys
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Tries message templates
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Scores alerts from standard input, without any history
    #[command(alias = "rate")]
    Score(score::ScoreArgs),
}

/// Arguments of `openclaw demo`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw demo --once")]
pub(crate) struct DemoArgs {
    /// Keep everything in this folder instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Replay in virtual time, print a summary as JSON and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Replay these alerts: JSON lines or an incident CSV, gzip or plain
    #[arg(long, value_name = "FILE")]
    pub(crate) alerts: Option<PathBuf>,
    /// Port of the console and API; 0 for any free one
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}

/// Arguments of `openclaw serve`.
#[derive(Debug, Args)]
#[command(after_help = "Example: openclaw serve --config /etc/openclaw/openclaw.yaml")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// What this process does, as a comma list
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all", value_name = "ROLES")]
    pub(crate) role: Vec<Role>,
    /// Takes the sockets over from the process that runs on this data folder, which then ends
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// A part of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Everything
    All,
    /// Takes alerts and answers the API
    Gateway,
    /// Rates alerts
    Rater,
    /// Routes and delivers alerts
    Router,
    /// Trains models
    Trainer,
    /// Serves the console
    Console,
    /// The rate limiter alone
    Edge,
}

/// Where the settings are.
#[derive(Debug, Args)]
pub(crate) struct ConfigArg {
    /// The main settings file
    #[arg(long = "config", default_value = "openclaw.yaml", value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// How data is printed.
#[derive(Debug, Args)]
pub(crate) struct OutputArg {
    /// How data is printed
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    output: Output,
}

/// A form of printed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

impl OutputArg {
    fn is_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// Carries out one command.
pub(crate) fn run(command: Command, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    match command {
        Command::Demo(args) => crate::demo::run(&args, ui),
        Command::Serve(args) => serve::run(&args, environment, ui),
        Command::Check(args) => check::run(&args, environment, ui),
        Command::Schema(args) => schema::run(&args, ui),
        Command::Import(command) => import::run(command, ui),
        Command::Model(command) => model::run(command, environment, ui),
        Command::Passthrough(args) => passthrough::run(&args, environment, ui),
        Command::Compare(args) => compare::run(&args, environment, ui),
        Command::Replay(args) => replay::run(&args, environment, ui),
        Command::Route(command) => route::run(command, environment, ui),
        Command::Tenant(command) => tenant::run(command, environment, ui),
        Command::Template(command) => template::run(command, ui),
        Command::Score(args) => score::run(&args, environment, ui),
    }
}
