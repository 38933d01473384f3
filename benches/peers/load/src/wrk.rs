//! A closed loop over HTTP: wrk, told what to send by a script.

use crate::error::LoadError;
use crate::figures::{Figures, Percentiles};
use crate::measure::Meter;
use crate::request::{Loopback, RequestArgs};
use clap::Args;
use std::path::PathBuf;
use std::process::Command;

#[derive(Debug, Args)]
pub(crate) struct WrkArgs {
    /// Address of the server, on this machine
    #[arg(long)]
    to: Loopback,
    #[command(flatten)]
    request: RequestArgs,
    /// The server's processes; their children count with them
    #[arg(long)]
    server: Vec<u32>,
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Clients, in random order
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// The script beside `run`
    #[arg(long)]
    script: PathBuf,
    #[arg(long, default_value = "wrk")]
    wrk: PathBuf,
}

pub(crate) fn run(args: &WrkArgs) -> Result<Figures, LoadError> {
    let meter = Meter::start(&args.server);
    let output = Command::new(&args.wrk)
        .args(["-t2", "-c", &args.connections.to_string(), "-d", &format!("{}s", args.seconds)])
        .args(["--timeout", "5s", "-s"])
        .arg(&args.script)
        .arg(format!("http://{}/", args.to.0))
        .env("PEERS_REQUEST", args.request.template()?)
        .env("PEERS_CLIENTS", args.clients.to_string())
        .output()
        .map_err(|source| LoadError::Program { program: args.wrk.clone(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = read(&text).ok_or_else(|| LoadError::Figures {
        program: args.wrk.clone(),
        output: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
    })?;
    meter.figures(
        found.requests,
        found.span_us / 1e6,
        found.refused / found.requests as f64,
        found.percentiles,
    )
}

struct Found {
    requests: u64,
    span_us: f64,
    refused: f64,
    percentiles: Percentiles,
}

/// The script's last line.
fn read(text: &str) -> Option<Found> {
    let line = text.lines().find_map(|line| line.strip_prefix("FIGURES "))?;
    let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    let &[requests, span_us, refused, p50_us, p95_us, p99_us, p999_us] = numbers.as_slice() else {
        return None;
    };
    let percentiles = Percentiles { p50_us, p95_us, p99_us, p999_us };
    (requests > 0.0).then_some(Found { requests: requests as u64, span_us, refused, percentiles })
}

#[test]
fn the_script_is_understood() {
    let found = read("Running\nFIGURES 10 2000 1 5 6 7 8.5\n").unwrap();
    assert_eq!((found.requests, found.span_us, found.refused), (10, 2000.0, 1.0));
    assert_eq!((found.percentiles.p50_us, found.percentiles.p999_us), (5.0, 8.5));
    assert!(read("FIGURES 0 1 1 1 1 1 1").is_none() && read("unable to connect").is_none());
}
