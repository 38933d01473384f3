//! Sends alerts to a server with Alertmanager's API v2 on this machine, takes
//! what it sends to its webhook receiver, and measures both. `run` beside this
//! package starts the servers and calls it.

mod alerts;
mod client;
mod disk;
mod error;
mod figures;
mod ingest;
mod latency;
mod process;
mod query;
mod sink;
mod storm;
mod table;

use crate::client::{Header, Loopback};
use crate::error::LoadError;
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measures one thing and prints it as one line of JSON.
#[derive(Debug, Parser)]
#[command(name = "alert-load", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a port that is free now
    FreePort,
    /// Waits until the server says that it is ready
    Ready(ReadyArgs),
    /// Posts alerts as fast as answers come
    Ingest(IngestArgs),
    /// Posts new alerts one after the other and times the answers
    Latency(LatencyArgs),
    /// Posts new alerts one after the other and times their notifications
    Notify(NotifyArgs),
    /// Takes notifications for a while and counts them
    Sink(SinkArgs),
    /// Counts what the server lists; can add a silence first
    Query(QueryArgs),
    /// Prints a process's memory
    Memory(MemoryArgs),
    /// Lists all alerts and groups, and what that costs the server
    Listing(ListingArgs),
    /// Times a quiet tenant's posts, alone and beside another tenant's storm
    Storm(storm::StormArgs),
    /// Times small synced writes in a folder
    Disk(DiskArgs),
    /// Makes a table of the lines in a file
    Table(TableArgs),
}

/// The server under load.
#[derive(Debug, Args)]
struct Target {
    /// Address of the server, on this machine
    #[arg(long, value_name = "ADDRESS")]
    to: Loopback,
    /// A header for each request, `Name: value`
    #[arg(long, env = "BENCH_HEADER", hide_env_values = true)]
    header: Option<Header>,
}

#[derive(Debug, Args)]
struct ReadyArgs {
    #[command(flatten)]
    target: Target,
    /// The server's process: no wait once it has ended
    #[arg(long)]
    pid: Option<u32>,
    /// Longest wait
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[derive(Debug, Args)]
struct IngestArgs {
    #[command(flatten)]
    target: Target,
    /// The server's process, for its CPU
    #[arg(long)]
    pid: Option<u32>,
    /// Address for the server's notifications
    #[arg(long)]
    sink: Option<Loopback>,
    /// Alerts to send
    #[arg(long)]
    alerts: usize,
    /// How many of them differ; the rest repeat those
    #[arg(long)]
    distinct: usize,
    /// Alerts a request
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Connections
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// First send the alerts that differ once, unmeasured
    #[arg(long)]
    prime: bool,
    /// Send as resolved
    #[arg(long)]
    resolved: bool,
    /// When the alerts started, for calls that repeat another's; now unless set
    #[arg(long)]
    started_at: Option<jiff::Timestamp>,
    /// Makes alerts differ from those of other calls
    #[arg(long)]
    prefix: String,
    /// Longest wait, after the last answer, for the sink to be told of each alert
    #[arg(long, default_value_t = 40)]
    told_seconds: u64,
}

#[derive(Debug, Args)]
struct LatencyArgs {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 500)]
    samples: usize,
    #[arg(long)]
    prefix: String,
}

#[derive(Debug, Args)]
struct NotifyArgs {
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    sink: Loopback,
    #[arg(long, default_value_t = 40)]
    samples: usize,
    #[arg(long)]
    prefix: String,
}

#[derive(Debug, Args)]
struct SinkArgs {
    #[arg(long)]
    sink: Loopback,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

#[derive(Debug, Args)]
struct QueryArgs {
    #[command(flatten)]
    target: Target,
    /// First add a silence that matches nothing sent here
    #[arg(long)]
    add_silence: bool,
}

#[derive(Debug, Args)]
struct MemoryArgs {
    #[arg(long)]
    pid: u32,
}

#[derive(Debug, Args)]
struct ListingArgs {
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    pid: u32,
}

#[derive(Debug, Args)]
struct DiskArgs {
    #[arg(long)]
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct TableArgs {
    file: PathBuf,
    /// Name of the peer in the heading
    #[arg(long, default_value = "Alertmanager")]
    peer: String,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(LoadError::Runtime).and_then(|runtime| runtime.block_on(run(Cli::parse())));
    let mut out = std::io::stdout().lock();
    match result.and_then(|text| writeln!(out, "{}", text.trim_end()).map_err(LoadError::Print)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done when standard error is closed too.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<String, LoadError> {
    let line = match cli.command {
        Command::FreePort => return client::free_port().map(|port| port.to_string()),
        Command::Table(args) => return table::of_file(&args.file, &args.peer),
        Command::Ready(args) => query::ready(&args).await?,
        Command::Ingest(args) => ingest::run(&args).await?,
        Command::Latency(args) => latency::post(&args).await?,
        Command::Notify(args) => latency::notify(&args).await?,
        Command::Sink(args) => sink::count_for(args.sink, Duration::from_secs(args.seconds)).await?,
        Command::Query(args) => query::run(&args).await?,
        Command::Memory(args) => memory(args.pid)?,
        Command::Listing(args) => query::listing(&args).await?,
        Command::Storm(args) => storm::run(args).await?,
        Command::Disk(args) => disk::measure(&args.folder)?,
    };
    Ok(line.to_string())
}

fn memory(pid: u32) -> Result<Value, LoadError> {
    let memory = process::memory(pid)?;
    Ok(json!({ "rss_mib": memory.rss_mib, "peak_mib": memory.peak_mib }))
}
