//! Asks rate limiters on this machine, measures what that costs them, and is
//! itself the small servers that they are compared with. `run` beside this
//! package starts the servers and calls it.

#![expect(clippy::disallowed_methods, reason = "what is waited for is another process, which sends no event")]

mod batch;
mod error;
mod figures;
mod fill;
mod grpc;
mod measure;
mod paced;
mod process;
mod request;
mod serve;
mod start;
mod table;
mod wrk;

use crate::error::LoadError;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures one thing and prints it as one line of JSON.
#[derive(Debug, Parser)]
#[command(name = "peers-load", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a port that is free now
    FreePort,
    /// Waits until a server listens
    Ready(start::ReadyArgs),
    /// Starts a server and times how long it takes to be ready
    Start(start::StartArgs),
    /// Serves: what others are compared with
    Serve(serve::ServeArgs),
    /// HTTP as fast as answers come
    Http(wrk::WrkArgs),
    /// gRPC as fast as answers come
    Grpc(grpc::GrpcArgs),
    /// Many decisions a call, as fast as answers come
    Batch(batch::BatchArgs),
    /// HTTP at a constant rate
    Paced(paced::PacedArgs),
    /// Asks once for each client
    Fill(fill::FillArgs),
    /// Prints the middle of one server's values
    Median(MedianArgs),
    /// Makes tables of the lines in a file
    Table(TableArgs),
}

#[derive(Debug, Args)]
struct MedianArgs {
    file: PathBuf,
    #[arg(long)]
    phase: String,
    #[arg(long)]
    who: String,
    #[arg(long)]
    key: String,
}

#[derive(Debug, Args)]
struct TableArgs {
    file: PathBuf,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let printed = |text: String| writeln!(out, "{}", text.trim_end()).map_err(LoadError::Print);
    match run(Cli::parse().command).and_then(printed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done when standard error is closed too.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<String, LoadError> {
    match command {
        Command::FreePort => start::free_port().map(|port| port.to_string()),
        Command::Ready(args) => start::ready(&args).map(line),
        Command::Start(args) => start::run(&args).map(line),
        Command::Serve(args) => serve::run(&args).map(|()| String::new()),
        Command::Http(args) => wrk::run(&args).map(line),
        Command::Grpc(args) => block_on(grpc::run(&args)).map(line),
        Command::Batch(args) => batch::run(&args).map(line),
        Command::Paced(args) => paced::run(&args).map(line),
        Command::Fill(args) => fill::run(&args).map(line),
        Command::Median(args) => table::median_of(&args.file, &args.phase, &args.who, &args.key),
        Command::Table(args) => table::of_file(&args.file),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, LoadError>>) -> Result<T, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(LoadError::Runtime)?.block_on(work)
}

/// Figures are plain numbers, which always have a text.
fn line(figures: impl Serialize) -> String {
    serde_json::to_string(&figures).unwrap_or_default()
}
