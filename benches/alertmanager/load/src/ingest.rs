//! Alerts as fast as answers come.

use crate::alerts::Alerts;
use crate::client::Connection;
use crate::error::LoadError;
use crate::figures::{millis, quantile, rounded};
use crate::sink::Sink;
use crate::{IngestArgs, process, query};
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

const ALERTS: &str = "/api/v2/alerts";
const PRIME_BATCH: usize = 100;

/// What one connection saw.
#[derive(Debug, Default)]
struct Seen {
    accepted: usize,
    refused: usize,
    millis: Vec<f64>,
}

/// Work shared by the connections: the next alert to send.
struct Work {
    alerts: Alerts,
    next: Cell<usize>,
    total: usize,
    distinct: usize,
    batch: usize,
}

impl Work {
    fn take(&self) -> Option<(usize, String)> {
        let from = self.next.get();
        let count = self.batch.min(self.total - from);
        self.next.set(from + count);
        (count > 0)
            .then(|| (count, self.alerts.body((from..from + count).map(|number| number % self.distinct))))
    }
}

pub(crate) async fn run(args: &IngestArgs) -> Result<Value, LoadError> {
    let sink = match args.sink {
        Some(at) => Some(Sink::start(at).await?),
        None => None,
    };
    let alerts = alerts(args);
    if args.prime {
        prime(args, &alerts).await?;
    }
    let syncs_before = query::syncs(&args.target).await;
    let meter = Meter::start(args.pid)?;
    let seen = LocalSet::new().run_until(send_all(args, alerts)).await?;
    let (seconds, cpu_sending) = meter.read()?;
    let is_told = wait_until_told(args, sink.as_ref(), &seen).await;
    let (told_seconds, cpu_told) = meter.read()?;
    let syncs = query::syncs_since(&args.target, syncs_before).await;
    let per_100k =
        |cpu: Option<Duration>| cpu.map(|cpu| rounded(cpu.as_secs_f64() * 1e5 / seen.accepted.max(1) as f64));
    let mut millis = seen.millis;
    Ok(json!({
        "accepted": seen.accepted,
        "refused": seen.refused,
        "alerts_per_s": (seen.accepted as f64 / seconds.as_secs_f64()).round(),
        "cpu_s_per_100k": per_100k(cpu_sending),
        "cpu_s_per_100k_told": is_told.then(|| per_100k(cpu_told)).flatten(),
        "told_after_s": is_told.then(|| rounded((told_seconds - seconds).as_secs_f64())),
        "told_s": is_told.then(|| rounded(told_seconds.as_secs_f64())),
        "told_alerts": sink.map(|sink| sink.len()),
        "post_ms_p50": quantile(&mut millis, 0.5).map(rounded),
        "post_ms_p99": quantile(&mut millis, 0.99).map(rounded),
        "syncs": syncs,
    }))
}

async fn wait_until_told(args: &IngestArgs, sink: Option<&Arc<Sink>>, seen: &Seen) -> bool {
    let wanted = args.distinct.min(seen.accepted);
    match sink {
        Some(sink) => sink.reaches(wanted, Duration::from_secs(args.told_seconds)).await,
        None => false,
    }
}

fn alerts(args: &IngestArgs) -> Alerts {
    let mut alerts = Alerts::firing(&args.prefix);
    if let Some(at) = args.started_at {
        alerts = alerts.started_at(at);
    }
    if args.resolved { alerts.resolved() } else { alerts }
}

/// Makes everything that follows a repeat.
async fn prime(args: &IngestArgs, alerts: &Alerts) -> Result<(), LoadError> {
    let mut connection = Connection::open(args.target.to, args.target.header.as_ref()).await?;
    for from in (0..args.distinct).step_by(PRIME_BATCH) {
        let body = alerts.body(from..args.distinct.min(from + PRIME_BATCH));
        connection.post(ALERTS, body).await?.accepted(ALERTS)?;
    }
    Ok(())
}

async fn send_all(args: &IngestArgs, alerts: Alerts) -> Result<Seen, LoadError> {
    let work = Rc::new(Work {
        alerts,
        next: Cell::new(0),
        total: args.alerts,
        distinct: args.distinct.max(1),
        batch: args.batch.max(1),
    });
    let mut senders = Vec::new();
    for _ in 0..args.connections.max(1) {
        let connection = Connection::open(args.target.to, args.target.header.as_ref()).await?;
        senders.push(tokio::task::spawn_local(send(connection, work.clone())));
    }
    let mut all = Seen::default();
    for sender in senders {
        let seen = sender.await.map_err(|error| LoadError::Runtime(error.into()))??;
        all.accepted += seen.accepted;
        all.refused += seen.refused;
        all.millis.extend(seen.millis);
    }
    Ok(all)
}

async fn send(mut connection: Connection, work: Rc<Work>) -> Result<Seen, LoadError> {
    let mut seen = Seen::default();
    while let Some((count, body)) = work.take() {
        let start = Instant::now();
        let answer = connection.post(ALERTS, body).await?;
        seen.millis.push(millis(start.elapsed()));
        if answer.status.is_success() { seen.accepted += count } else { seen.refused += count }
    }
    Ok(seen)
}

/// Time and the server's CPU since the start.
struct Meter {
    pid: Option<u32>,
    start: Instant,
    cpu: Option<Duration>,
}

impl Meter {
    fn start(pid: Option<u32>) -> Result<Self, LoadError> {
        Ok(Self { pid, cpu: pid.map(process::cpu).transpose()?, start: Instant::now() })
    }

    fn read(&self) -> Result<(Duration, Option<Duration>), LoadError> {
        let elapsed = self.start.elapsed();
        let cpu = self.pid.map(process::cpu).transpose()?;
        Ok((elapsed, cpu.zip(self.cpu).map(|(after, before)| after.saturating_sub(before))))
    }
}

#[test]
fn work_is_shared_out_once_and_repeats_wrap() {
    let work = Work { alerts: Alerts::firing("w"), next: Cell::new(0), total: 25, distinct: 10, batch: 10 };
    let counts: Vec<usize> = std::iter::from_fn(|| work.take()).map(|(count, _)| count).collect();
    assert_eq!(counts, [10, 10, 5]);
    work.next.set(10);
    assert!(work.take().unwrap().1.contains("\"w-0\""));
}
