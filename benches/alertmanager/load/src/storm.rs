//! One tenant's storm, as another tenant feels it.

use crate::alerts::Alerts;
use crate::client::{Connection, Header, Loopback};
use crate::error::LoadError;
use crate::figures::{median, millis, quantile, rounded};
use crate::latency::post_one;
use crate::process::own_thread_cpu;
use crate::{Target, query};
use clap::Args;
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Arguments of `storm`.
#[derive(Debug, Args)]
pub(crate) struct StormArgs {
    #[command(flatten)]
    target: Target,
    /// The storming tenant's header; the target's own where tenants don't exist
    #[arg(long, env = "BENCH_STORM_HEADER", hide_env_values = true)]
    storm_header: Option<Header>,
    /// New alerts a second of the storm
    #[arg(long)]
    alerts_per_s: usize,
    /// The quiet tenant's requests, alone and again in the storm
    #[arg(long, default_value_t = 2000)]
    requests: usize,
    /// How often both are measured, one after the other
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    #[arg(long)]
    prefix: String,
}

const QUIET_EVERY: Duration = Duration::from_millis(5);
const BATCH: usize = 100;
const CONNECTIONS: usize = 4;
/// The storm has to leave the machine to the server: at most half a core.
const CPU_SHARE_MAX: f64 = 0.5;
const IDLE: Duration = Duration::from_millis(1);

pub(crate) async fn run(args: StormArgs) -> Result<Value, LoadError> {
    let syncs_before = query::syncs(&args.target).await;
    let mut quiet = Quiet::open(&args).await?;
    let (mut ratios, mut alone, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    let mut storms = Vec::new();
    for pair in 0..args.pairs {
        let calm = quiet.p99(args.requests).await?;
        let storm = Storm::start(&args, pair);
        let stormy = quiet.p99(args.requests).await;
        storms.push(storm.stop()?);
        let stormy = stormy?;
        ratios.push(rounded(stormy / calm));
        alone.push(calm);
        beside.push(stormy);
    }
    let mean = |value: fn(&Blown) -> f64| {
        rounded(storms.iter().map(value).sum::<f64>() / storms.len().max(1) as f64)
    };
    Ok(json!({
        "p99_ratios": ratios.clone(),
        "p99_ratio": median(&mut ratios).map(rounded),
        "quiet_ms_p99_alone": median(&mut alone).map(rounded),
        "quiet_ms_p99_in_storm": median(&mut beside).map(rounded),
        "storm_alerts_per_s": mean(Blown::alerts_per_s),
        "storm_refused_share": mean(Blown::refused_share),
        "storm_cpu_share": mean(|blown| blown.cpu_share),
        "syncs": query::syncs_since(&args.target, syncs_before).await,
    }))
}

/// The tenant that must not notice.
struct Quiet {
    connection: Connection,
    alerts: Alerts,
    next: usize,
}

impl Quiet {
    async fn open(args: &StormArgs) -> Result<Self, LoadError> {
        let connection = Connection::open(args.target.to, args.target.header.as_ref()).await?;
        Ok(Self { connection, alerts: Alerts::firing(&format!("{}-quiet", args.prefix)), next: 0 })
    }

    /// Requests come at a steady pace; one that has to wait for the answer to
    /// the last is late from when it was due, so that a stall counts whole.
    async fn p99(&mut self, requests: usize) -> Result<f64, LoadError> {
        let mut samples = Vec::with_capacity(requests);
        let mut due = Instant::now();
        for _ in 0..requests {
            let late = due.elapsed();
            tokio::time::sleep_until(due.into()).await;
            let sample = post_one(&mut self.connection, &self.alerts, self.next).await?;
            samples.push(millis(late + sample));
            self.next += 1;
            due += QUIET_EVERY;
        }
        quantile(&mut samples, 0.99).ok_or(LoadError::NoSamples { wanted: requests })
    }
}

/// What a storm came to.
#[derive(Debug, Default)]
struct Blown {
    seconds: f64,
    sent: usize,
    refused: usize,
    cpu_share: f64,
}

impl Blown {
    fn alerts_per_s(&self) -> f64 {
        self.sent as f64 / self.seconds
    }

    fn refused_share(&self) -> f64 {
        self.refused as f64 / self.sent.max(1) as f64
    }
}

/// A thread of its own, so that the quiet tenant's client is not slowed by it.
struct Storm {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Blown, LoadError>>,
}

impl Storm {
    fn start(args: &StormArgs, pair: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let header = args.storm_header.as_ref().or(args.target.header.as_ref()).cloned();
        let alerts = Alerts::firing(&format!("{}-storm{pair}", args.prefix));
        let (to, alerts_per_s, end) = (args.target.to, args.alerts_per_s as f64, is_over.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let blowing = Blowing {
                alerts,
                alerts_per_s,
                is_over: end,
                start: Instant::now(),
                cpu_start: own_thread_cpu(),
                sent: Cell::new(0),
                refused: Cell::new(0),
            };
            LocalSet::new().block_on(&runtime.map_err(LoadError::Runtime)?, blow(to, header, blowing))
        });
        Self { is_over, thread }
    }

    fn stop(self) -> Result<Blown, LoadError> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| LoadError::StormEnded)?
    }
}

/// The storm's senders and what they share.
struct Blowing {
    alerts: Alerts,
    alerts_per_s: f64,
    is_over: Arc<AtomicBool>,
    start: Instant,
    cpu_start: Duration,
    sent: Cell<usize>,
    refused: Cell<usize>,
}

impl Blowing {
    fn is_early(&self) -> bool {
        let elapsed = self.start.elapsed();
        self.sent.get() as f64 > elapsed.as_secs_f64() * self.alerts_per_s
            || self.cpu() > elapsed.mul_f64(CPU_SHARE_MAX)
    }

    fn cpu(&self) -> Duration {
        own_thread_cpu().saturating_sub(self.cpu_start)
    }

    fn take(&self) -> String {
        let from = self.sent.replace(self.sent.get() + BATCH);
        self.alerts.body(from..from + BATCH)
    }

    fn blown(&self) -> Blown {
        let seconds = self.start.elapsed().as_secs_f64();
        let cpu_share = self.cpu().as_secs_f64() / seconds;
        Blown { seconds, sent: self.sent.get(), refused: self.refused.get(), cpu_share }
    }
}

async fn blow(to: Loopback, header: Option<Header>, blowing: Blowing) -> Result<Blown, LoadError> {
    let blowing = Rc::new(blowing);
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = Connection::open(to, header.as_ref()).await?;
        senders.push(tokio::task::spawn_local(send(connection, blowing.clone())));
    }
    for sender in senders {
        sender.await.map_err(|error| LoadError::Runtime(error.into()))??;
    }
    Ok(blowing.blown())
}

async fn send(mut connection: Connection, blowing: Rc<Blowing>) -> Result<(), LoadError> {
    while !blowing.is_over.load(Ordering::Relaxed) {
        if blowing.is_early() {
            tokio::time::sleep(IDLE).await;
            continue;
        }
        let answer = connection.post("/api/v2/alerts", blowing.take()).await?;
        if !answer.status.is_success() {
            blowing.refused.set(blowing.refused.get() + BATCH);
        }
    }
    Ok(())
}

#[test]
fn a_storm_keeps_to_its_pace() {
    let blowing = Blowing {
        alerts: Alerts::firing("s"),
        alerts_per_s: 1.0,
        is_over: Arc::default(),
        start: Instant::now(),
        cpu_start: own_thread_cpu() + Duration::from_secs(60),
        sent: Cell::new(0),
        refused: Cell::new(0),
    };
    assert!(!blowing.is_early());
    assert!(blowing.take().contains("\"s-99\""));
    assert!(blowing.is_early(), "a hundred alerts are due in a hundred seconds");
}
