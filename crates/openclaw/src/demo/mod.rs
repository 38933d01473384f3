//! `openclaw demo`: a day of alerts against the real service, everything
//! embedded, in a folder of its own.
//!
//! [`events`] say what happens, [`settings`] writes the files a user would
//! write, [`sink`] stands for Slack and ServiceNow, [`player`] posts the
//! events over HTTP as their senders would.

pub(crate) mod events;
mod player;
mod settings;
mod sink;
mod summary;

use crate::cli::{CliError, DemoArgs, Ui, serve};
use crate::config::{self, Environment, LogFormat, LogLevel};
use crate::telemetry;
use events::{DemoEvent, What, file, generator};
use openclaw_alert::{Timestamp, Zoned};
use openclaw_server::{Clock, Server, SnapshotPolicy};
use player::Player;
use settings::Folder;
use sink::Sink;
use std::sync::Arc;
use std::time::Duration;

/// The day that is played.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a day takes on the screen.
const SHOW: Duration = Duration::from_secs(120);

/// The same day each time.
const SEED: u64 = 7;

pub(crate) fn run(args: &DemoArgs, ui: &mut Ui) -> Result<(), CliError> {
    telemetry::start(LogLevel::Warn, LogFormat::Text);
    let start = midnight();
    let events = events(args, start)?;
    let folder = Folder::new(args.data.clone())?;
    serve::work_runtime()?.block_on(play(args, events, start, &folder, ui))
}

/// A day in the past that never changes, so that two runs can be compared.
fn midnight() -> Timestamp {
    Zoned::parse("2026-03-02T00:00:00Z").map(|zoned| zoned.at).unwrap_or_default()
}

fn events(args: &DemoArgs, start: Timestamp) -> Result<Vec<DemoEvent>, CliError> {
    match &args.alerts {
        None => Ok(generator::day(SEED, start).collect()),
        Some(path) => {
            let events = file::open(path, start)?;
            Ok(into_a_day(events, start))
        }
    }
}

/// Moves a file's events to the demo's day; what is longer is squeezed in.
fn into_a_day(mut events: Vec<DemoEvent>, start: Timestamp) -> Vec<DemoEvent> {
    let (Some(first), Some(last)) =
        (events.first().map(|event| event.at), events.last().map(|event| event.at))
    else {
        return events;
    };
    let span = last.since(first).as_secs_f64();
    let squeeze = (DAY.as_secs_f64() / span.max(1.0)).min(1.0);
    let moved = |at: Timestamp| {
        if at < first {
            start.minus(first.since(at).mul_f64(squeeze))
        } else {
            start.plus(at.since(first).mul_f64(squeeze))
        }
    };
    for event in &mut events {
        event.at = moved(event.at);
        if let What::Post { alerts } = &mut event.what {
            for alert in alerts {
                alert.starts_at = moved(alert.starts_at);
                alert.ends_at = alert.ends_at.map(moved);
            }
        }
    }
    events
}

async fn play(
    args: &DemoArgs,
    events: Vec<DemoEvent>,
    start: Timestamp,
    folder: &Folder,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let sink = Sink::start(!args.once).await.map_err(|source| CliError::Runtime { source })?;
    let file = folder.write(&settings::tenants_of(&events), sink.address(), args.port.unwrap_or(0))?;
    let environment = Environment::default();
    let settings = config::load(&file, &environment)?;
    let source = Arc::new(serve::Files::new(&file, &environment, &settings));
    let keys = folder.make_keys(&settings)?;
    let clock = if args.once {
        Clock::manual(start)
    } else {
        Clock::fast(start, DAY.as_secs_f64() / SHOW.as_secs_f64())
    };
    let options = openclaw_server::ServerOptions {
        clock,
        snapshots: SnapshotPolicy::default(),
        grpc: None,
        ..serve::options(settings, source)
    };
    let (server, _) = Server::start(options).await?;
    let player = Player::new(&server, keys, &sink);
    if args.once {
        let played = player.in_virtual_time(events, start.plus(DAY)).await;
        let summary = summary::of(&server, &played);
        ui.json(&summary)?;
    } else {
        greet(&server, ui)?;
        tokio::select! {
            played = player.in_fast_time(events) => {
                let summary = summary::of(&server, &played);
                ui.note("The day is over. The console stays; Ctrl-C ends the demo.")?;
                ui.json(&summary)?;
                let _ = tokio::signal::ctrl_c().await;
            }
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    server.stop(Duration::from_secs(5)).await;
    Ok(())
}

fn greet(server: &Server, ui: &mut Ui) -> Result<(), CliError> {
    let address = server.address();
    ui.note(format_args!("OpenClaw Rating plays a day of alerts of three tenants in two minutes."))?;
    ui.note(format_args!("Console: http://{address}/console      Metrics: http://{address}/metrics"))?;
    ui.note(format_args!("Below is what Slack and ServiceNow would get. Ctrl-C ends it.\n"))
}
