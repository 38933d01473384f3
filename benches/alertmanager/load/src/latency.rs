//! One alert after the other.

use crate::alerts::Alerts;
use crate::client::Connection;
use crate::error::LoadError;
use crate::figures::{millis, quantile, rounded};
use crate::sink::Sink;
use crate::{LatencyArgs, NotifyArgs, query};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Long enough that one sample's work is over before the next begins.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Not counted: the first requests pay for what is set up once.
const WARM_UP: usize = 20;

/// POST to its answer.
pub(crate) async fn post(args: &LatencyArgs) -> Result<Value, LoadError> {
    let syncs_before = query::syncs(&args.target).await;
    let mut connection = Connection::open(args.target.to, args.target.header.as_ref()).await?;
    let alerts = Alerts::firing(&args.prefix);
    let mut samples = Vec::with_capacity(args.samples);
    for number in 0..WARM_UP + args.samples {
        let sample = post_one(&mut connection, &alerts, number).await?;
        if number >= WARM_UP {
            samples.push(millis(sample));
        }
    }
    Ok(json!({
        "samples": samples.len(),
        "post_ms_p50": quantile(&mut samples, 0.5).map(rounded),
        "post_ms_p99": quantile(&mut samples, 0.99).map(rounded),
        "syncs": query::syncs_since(&args.target, syncs_before).await,
    }))
}

/// Time to the answer of one alert's POST.
pub(crate) async fn post_one(
    connection: &mut Connection,
    alerts: &Alerts,
    number: usize,
) -> Result<Duration, LoadError> {
    let body = alerts.body(number..=number);
    let start = Instant::now();
    let answer = connection.post("/api/v2/alerts", body).await?;
    let elapsed = start.elapsed();
    answer.accepted("/api/v2/alerts")?;
    Ok(elapsed)
}

/// POST to the notification at the webhook.
pub(crate) async fn notify(args: &NotifyArgs) -> Result<Value, LoadError> {
    let sink = Sink::start(args.sink).await?;
    let syncs_before = query::syncs(&args.target).await;
    let mut connection = Connection::open(args.target.to, args.target.header.as_ref()).await?;
    let alerts = Alerts::firing(&args.prefix);
    let mut samples = Vec::with_capacity(args.samples);
    for number in 0..args.samples {
        let start = Instant::now();
        post_one(&mut connection, &alerts, number).await?;
        if let Some(told_at) = sink.first_told(&alerts.id(number), LONGEST_WAIT).await {
            samples.push(millis(told_at.saturating_duration_since(start)));
        }
        tokio::time::sleep(PAUSE).await;
    }
    if samples.is_empty() {
        return Err(LoadError::NoSamples { wanted: args.samples });
    }
    Ok(json!({
        "samples": samples.len(),
        "never_told": args.samples - samples.len(),
        "notify_ms_p50": quantile(&mut samples, 0.5).map(rounded),
        "notify_ms_p95": quantile(&mut samples, 0.95).map(rounded),
        "syncs": query::syncs_since(&args.target, syncs_before).await,
    }))
}
