//! Each client once, to see what it costs in memory.

use crate::error::LoadError;
use crate::process;
use crate::request::{Connection, KEY, Loopback, RequestArgs, client};
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(crate) struct FillArgs {
    /// Address of the server, on this machine
    #[arg(long)]
    to: Loopback,
    #[command(flatten)]
    request: RequestArgs,
    /// The server's processes; their children count with them
    #[arg(long)]
    server: Vec<u32>,
    #[arg(long, default_value_t = 1_000_000)]
    clients: usize,
}

/// Requests on the way at a time.
const PIPELINED: usize = 64;

pub(crate) fn run(args: &FillArgs) -> Result<Value, LoadError> {
    let before = process::rss_mib(&args.server);
    let template = args.request.template()?;
    let mut connection = Connection::open(args.to)?;
    let mut refused = 0_usize;
    for first in (0..args.clients).step_by(PIPELINED) {
        let clients = first..args.clients.min(first + PIPELINED);
        let requests: String = clients.clone().map(|number| template.replace(KEY, &client(number))).collect();
        connection.send(requests.as_bytes())?;
        for _ in clients {
            refused += usize::from(!connection.answer()?.0.is_good());
        }
    }
    let after = process::rss_mib(&args.server);
    Ok(json!({
        "clients": args.clients,
        "refused_share": refused as f64 / args.clients as f64,
        "rss_before_mib": before,
        "rss_mib": after,
        "bytes_a_client": (after - before) * 1024.0 * 1024.0 / args.clients as f64,
    }))
}
