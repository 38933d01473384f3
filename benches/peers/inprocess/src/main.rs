//! Our limiter beside other libraries, in one process. Prints the table of
//! docs/benchmarks.md: nanoseconds of CPU that a thread spends on a decision, in
//! rounds in which the limiters take turns, and bytes a key.
//!
//! Another thread gives new parameters once a second to those that can take them.

mod allocation;
mod subject;
mod table;

use crate::allocation::live_bytes;
use crate::subject::{Client, Subject};
use crate::table::{Cost, Row};
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Decisions for which the clock is read once, as for one wake-up of a server.
const BATCH: usize = 64;

#[derive(Debug, Parser)]
#[command(name = "peers-inprocess")]
struct Cli {
    /// Clients, each with a key of its own
    #[arg(long, default_value_t = 1_000_000)]
    clients: usize,
    /// Decisions a thread and round
    #[arg(long, default_value_t = 1_000_000)]
    decisions: usize,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Keys that are asked for once at the end, to see what grows
    #[arg(long, default_value_t = 1_000_000)]
    random: usize,
    /// Only these: governor, throttlecrab, pingora, flat, clock, nested, adaptive, learned, names
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// What is measured: in which order clients come, on how many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    is_zipf: bool,
    threads: u16,
}

const CASES: [Case; 4] = [
    Case { is_zipf: false, threads: 1 },
    Case { is_zipf: false, threads: 2 },
    Case { is_zipf: true, threads: 1 },
    Case { is_zipf: true, threads: 2 },
];

fn main() -> ExitCode {
    let rows = measure(&Cli::parse());
    match write!(std::io::stdout().lock(), "{}", table::of(&rows)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn measure(cli: &Cli) -> Vec<Row> {
    let clients: Vec<Client> = (0..cli.clients).map(Client::new).collect();
    let start = Instant::now();
    let mut rows = Vec::new();
    let mut subjects = Vec::new();
    for make in subject::all(&cli.only) {
        let before = live_bytes();
        let subject = make(cli.clients);
        clients.iter().for_each(|client| _ = black_box(subject.decide(0, client, 1)));
        let bytes_a_key = live_bytes().saturating_sub(before) as f64 / cli.clients as f64;
        rows.push(Row::new(subject.name(), bytes_a_key));
        subjects.push(subject);
    }
    let orders = CASES.map(|case| orders(case, cli));
    for _ in 0..cli.rounds {
        for (at, orders) in orders.iter().enumerate() {
            for (subject, row) in subjects.iter().zip(&mut rows) {
                row.costs[at].push(round(subject.as_ref(), &clients, orders, start));
            }
        }
    }
    for (subject, row) in subjects.iter().zip(&mut rows) {
        row.growth_mib = growth_mib(subject.as_ref(), cli, start);
    }
    rows
}

/// One subject on as many threads as there are orders, while its parameters change.
fn round(subject: &dyn Subject, clients: &[Client], orders: &[Vec<u32>], start: Instant) -> Cost {
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            // At once, since a round may be shorter than a second.
            for turn in 1.. {
                subject.rewrite(turn, nanos_since(start));
                if is_done.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        });
        let deciders: Vec<_> = (0..)
            .zip(orders)
            .map(|(thread, order)| scope.spawn(move || decide_all(subject, clients, order, thread, start)))
            .collect();
        let costs = deciders.into_iter().filter_map(|decider| decider.join().ok());
        let sum = costs.fold(Cost::default(), Cost::plus);
        drop(done);
        sum.divided_by(orders.len())
    })
}

fn decide_all(subject: &dyn Subject, clients: &[Client], order: &[u32], thread: u16, start: Instant) -> Cost {
    let before = thread_cpu_nanos();
    let mut refused = 0_u64;
    for batch in order.chunks(BATCH) {
        let nanos = nanos_since(start);
        for client in batch {
            refused += u64::from(!subject.decide(thread, &clients[*client as usize], nanos));
        }
    }
    let count = order.len() as f64;
    Cost { nanos: (thread_cpu_nanos() - before) as f64 / count, refused_share: refused as f64 / count }
}

/// What as many clients as nobody has seen cost, each asking once.
fn growth_mib(subject: &dyn Subject, cli: &Cli, start: Instant) -> f64 {
    let before = live_bytes();
    for number in 0..cli.random {
        let client = Client::new(cli.clients + number);
        black_box(subject.decide(0, &client, nanos_since(start)));
    }
    live_bytes().saturating_sub(before) as f64 / (1024.0 * 1024.0)
}

fn nanos_since(start: Instant) -> u64 {
    start.elapsed().as_nanos() as u64
}

/// Wall time would be that of the machine's other work too.
fn thread_cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// One order a thread.
fn orders(case: Case, cli: &Cli) -> Vec<Vec<u32>> {
    (0..case.threads).map(|thread| order(case, cli.clients, cli.decisions, thread)).collect()
}

/// Places of clients in the order in which they ask. Zipf with exponent 1, by
/// the inverse of its harmonic sum; the same clients are busy on each thread.
fn order(case: Case, clients: usize, decisions: usize, thread: u16) -> Vec<u32> {
    let mut shuffle = Numbers(42);
    let mut places: Vec<u32> = (0..clients as u32).collect();
    for at in (1..clients).rev() {
        places.swap(at, (shuffle.share() * (at + 1) as f64) as usize);
    }
    let mut numbers = Numbers(0xabcd + u64::from(thread));
    let log = (clients as f64).ln();
    let rank = |share: f64| match case.is_zipf {
        true => (share * log).exp() as usize - 1,
        false => (share * clients as f64) as usize,
    };
    (0..decisions).map(|_| places[rank(numbers.share()).min(clients - 1)]).collect()
}

/// Numbers without order, the same in each run: xorshift.
struct Numbers(u64);

impl Numbers {
    /// At least 0 and below 1.
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn some_clients_are_busier() {
    let most = |is_zipf| {
        let order = order(Case { is_zipf, threads: 1 }, 100, 10_000, 0);
        let mut counts = [0; 100];
        order.iter().for_each(|place| counts[*place as usize] += 1);
        counts.into_iter().max().unwrap()
    };
    assert!(most(false) < 160 && (1300..1800).contains(&most(true)));
}

#[test]
fn each_allows_what_is_far_from_its_limit() {
    let clients: Vec<Client> = (0..100).map(Client::new).collect();
    let orders = vec![order(CASES[1], 100, 1000, 0), order(CASES[1], 100, 1000, 1)];
    for make in subject::all(&[]) {
        let subject = make(100);
        let cost = round(subject.as_ref(), &clients, &orders, Instant::now());
        assert!(cost.nanos > 1.0 && cost.refused_share == 0.0, "{}: {cost:?}", subject.name());
    }
}
