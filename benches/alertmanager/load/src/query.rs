//! Small questions to a server.

use crate::client::{Answer, Connection};
use crate::error::LoadError;
use crate::figures::{median, millis, rounded};
use crate::{ListingArgs, QueryArgs, ReadyArgs, Target, process};
use jiff::{SignedDuration, Timestamp};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ASK_EVERY: Duration = Duration::from_millis(2);

/// Counts the server's commits, an fdatasync each.
const SYNC_COUNTER: &str = "openclaw_journal_commits_total";

pub(crate) async fn ready(args: &ReadyArgs) -> Result<Value, LoadError> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(args.seconds) && args.pid.is_none_or(process::is_running) {
        if is_ready(&args.target).await {
            return Ok(json!({ "ready_ms": rounded(millis(start.elapsed())) }));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Err(LoadError::NotReady { address: args.target.to.0.to_string(), seconds: start.elapsed().as_secs() })
}

async fn is_ready(target: &Target) -> bool {
    let Ok(mut connection) = Connection::open(target.to, target.header.as_ref()).await else { return false };
    connection.get("/-/ready").await.is_ok_and(|answer| answer.status.is_success())
}

pub(crate) async fn run(args: &QueryArgs) -> Result<Value, LoadError> {
    let mut connection = Connection::open(args.target.to, args.target.header.as_ref()).await?;
    let silence = if args.add_silence {
        Some(connection.post("/api/v2/silences", silence()).await?.status.as_u16())
    } else {
        None
    };
    let start = Instant::now();
    let alerts = connection.get("/api/v2/alerts").await?;
    let alerts_ms = rounded(millis(start.elapsed()));
    let silences = connection.get("/api/v2/silences").await?;
    Ok(json!({
        "alerts": length(&alerts),
        "alerts_ms": alerts_ms,
        "silences": length(&silences),
        "silence_status": silence,
    }))
}

/// What whole listings cost the server, and how long the first page of ours
/// takes; none where there is no such page.
pub(crate) async fn listing(args: &ListingArgs) -> Result<Value, LoadError> {
    const FIRST_PAGES: usize = 21;
    let mut connection = Connection::open(args.target.to, args.target.header.as_ref()).await?;
    let alerts = cost(&mut connection, "/api/v2/alerts", args.pid).await?;
    let groups = cost(&mut connection, "/api/v2/alerts/groups", args.pid).await?;
    let mut pages_ms = Vec::new();
    for _ in 0..FIRST_PAGES {
        let start = Instant::now();
        let page = connection.get("/api/v1/alerts").await?;
        pages_ms.extend(page.status.is_success().then(|| millis(start.elapsed())));
    }
    Ok(json!({
        "alerts": alerts.entries,
        "alerts_cpu_s": rounded(alerts.cpu_s),
        "alerts_growth_mib": rounded(alerts.growth_mib),
        "groups_cpu_s": rounded(groups.cpu_s),
        "groups_growth_mib": rounded(groups.growth_mib),
        "first_page_ms_p50": median(&mut pages_ms).map(rounded),
    }))
}

struct Cost {
    entries: Option<usize>,
    cpu_s: f64,
    /// At its highest, over what was resident before.
    growth_mib: f64,
}

async fn cost(connection: &mut Connection, path: &str, pid: u32) -> Result<Cost, LoadError> {
    process::forget_peak(pid)?;
    let (memory, cpu) = (process::memory(pid)?, process::cpu(pid)?);
    let answer = connection.get(path).await?;
    let cpu_s = process::cpu(pid)?.saturating_sub(cpu).as_secs_f64();
    let growth_mib = process::memory(pid)?.peak_mib - memory.rss_mib;
    Ok(Cost { entries: length(&answer), cpu_s, growth_mib })
}

/// Entries of a list; none where the server refused.
fn length(answer: &Answer) -> Option<usize> {
    let list = serde_json::from_slice::<Vec<IgnoredAny>>(&answer.body);
    list.ok().filter(|_| answer.status.is_success()).map(|list| list.len())
}

fn silence() -> String {
    let now = Timestamp::now();
    let matcher = json!({ "name": "bench_none", "value": "x", "isRegex": false, "isEqual": true });
    json!({
        "matchers": [matcher],
        "startsAt": now.to_string(),
        "endsAt": (now + SignedDuration::from_hours(1)).to_string(),
        "createdBy": "bench",
        "comment": "matches nothing that is sent",
    })
    .to_string()
}

/// How often the server has synced since it started; none where it doesn't say.
pub(crate) async fn syncs(target: &Target) -> Option<u64> {
    let mut connection = Connection::open(target.to, target.header.as_ref()).await.ok()?;
    let answer = connection.get("/metrics").await.ok().filter(|answer| answer.status.is_success())?;
    syncs_in(std::str::from_utf8(&answer.body).ok()?)
}

/// How often it has synced since then.
pub(crate) async fn syncs_since(target: &Target, before: Option<u64>) -> Option<u64> {
    Some(syncs(target).await?.saturating_sub(before?))
}

fn syncs_in(page: &str) -> Option<u64> {
    page.lines().find_map(|line| {
        let (series, value) = line.split_once(' ')?;
        let family = series.split('{').next().unwrap_or(series);
        let value: f64 = value.split(' ').next()?.parse().ok()?;
        (family == SYNC_COUNTER).then_some(value as u64)
    })
}

#[test]
fn syncs_are_read_off_the_page() {
    let page = "# TYPE openclaw_journal_commits_total counter\nopenclaw_journal_commits_total 41\n";
    assert_eq!(syncs_in(page), Some(41));
    assert_eq!(syncs_in("alertmanager_alerts 3\n"), None);
}
