//! An open loop over HTTP: requests leave at set times, whatever became of those
//! before them, and each is timed from when it was due. So a server that stands
//! still for a moment is charged for all that should have been asked meanwhile.

use crate::error::LoadError;
use crate::figures::Samples;
use crate::measure::{Meter, Numbers};
use crate::process;
use crate::request::{Connection, Loopback, RequestArgs, client};
use clap::Args;
use serde_json::{Value, json};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(crate) struct PacedArgs {
    /// Address of the server, on this machine
    #[arg(long)]
    to: Loopback,
    #[command(flatten)]
    request: RequestArgs,
    /// The server's processes; their children count with them
    #[arg(long)]
    server: Vec<u32>,
    /// Requests a second, over all connections
    #[arg(long)]
    rate: f64,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Clients, in random order
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
}

/// One line of JSON after another: a stretch of `seconds` each, `stretches` times.
pub(crate) fn run(args: &PacedArgs) -> Result<Value, LoadError> {
    let meter = Meter::start(&args.server);
    let samples = stretch(args)?;
    let faults = samples.faults;
    let figures = meter.of(samples.all)?;
    let mut value = serde_json::to_value(figures).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("rate".to_owned(), json!(args.rate));
        object.insert("server_errors".to_owned(), json!(faults));
    }
    Ok(value)
}

#[derive(Debug, Default)]
struct Paced {
    all: Samples,
    /// Answers of 500 and above, and exchanges that broke off.
    faults: u64,
}

/// The rate is kept over all connections; each has its own timetable.
fn stretch(args: &PacedArgs) -> Result<Paced, LoadError> {
    let template = args.request.template()?;
    let start = Instant::now() + Duration::from_millis(20);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for index in 0..args.connections {
            let (send, template) = (send.clone(), &template);
            scope.spawn(move || send.send(one_connection(args, template, index, start)));
        }
    });
    drop(send);
    receive.into_iter().try_fold(Paced::default(), |mut sum, part| {
        let part = part?;
        sum.all.merge(part.all);
        sum.faults += part.faults;
        Ok(sum)
    })
}

fn one_connection(
    args: &PacedArgs,
    template: &str,
    index: usize,
    start: Instant,
) -> Result<Paced, LoadError> {
    let mut connection = Connection::open(args.to)?;
    let mut numbers = Numbers::new(index);
    let mut paced = Paced::default();
    let every = Duration::from_secs_f64(args.connections as f64 / args.rate);
    let mut due = start + every.mul_f64(index as f64 / args.connections as f64);
    let end = start + Duration::from_secs(args.seconds);
    while due < end {
        let request = template.replace(crate::request::KEY, &client(numbers.below(args.clients)));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        connection.send(request.as_bytes())?;
        let (status, _) = connection.answer()?;
        paced.all.add(due.elapsed(), status.is_good());
        paced.faults += u64::from(status.0 >= 500);
        due += every;
    }
    Ok(paced)
}

/// Asks once for each client, several at a time, and says what that costs in memory.
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

pub(crate) fn fill(args: &FillArgs) -> Result<Value, LoadError> {
    let before = process::rss_mib(&args.server);
    let template = args.request.template()?;
    let mut connection = Connection::open(args.to)?;
    let mut refused = 0_usize;
    for first in (0..args.clients).step_by(PIPELINED) {
        let clients = first..args.clients.min(first + PIPELINED);
        let requests: String =
            clients.clone().map(|number| template.replace(crate::request::KEY, &client(number))).collect();
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
