//! `openclaw`: the multi-tenant front door for alerts.

#![forbid(unsafe_code)]

mod cli;
mod config;
mod demo;
mod import;
mod telemetry;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let mut ui = cli::Ui::of_process();
    let environment = config::Environment::of_process();
    let result = cli::run(cli.command, &environment, &mut ui);
    ui.conclude(result)
}
