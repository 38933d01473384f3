//! A night in the life of the model: what was recorded becomes a model that
//! passes its gates, is published and begun with; drifted traffic stops it.

use crate::support::server::{SERVICE, SILENT, ServeOptions};
use crate::support::{Folder, until};
use openclaw_admission::{TICKS, Window};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_learning::Random;
use openclaw_telemetry::{ClientId, Recorder, RecorderOptions, WindowRow};
use serde_json::Value;
use std::num::NonZeroU32;
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;
const WINDOW_MS: i64 = 12_000;
const CLIENTS: u64 = 40;

#[expect(clippy::disallowed_methods, reason = "telemetry is of these days")]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn row(client: u64, index: u32, at_ms: i64, ticks: [u32; TICKS]) -> WindowRow {
    let counted = Window::of(ticks.map(|count| count as f32));
    let asked = ticks.iter().copied().map(u64::from).sum();
    WindowRow {
        client_id: ClientId(client.wrapping_mul(0x9E37_79B9_7F4A) & 0xffff_ffff_ffff),
        policy: "api".into(),
        at_ms,
        before: index.min(100) as u8,
        ticks,
        allowed: asked,
        refused: 0,
        cost: asked,
        rate_per_s: 100.0,
        burst: 1000,
        advised_rate_per_s: 100.0,
        advised_burst: 1000,
        is_strained: false,
        counted: counted.count,
        counted_burst: counted.burst,
        answered: 200,
        own_faults: 2,
        latency: -1.0,
        model: "plain".into(),
        weight: 1.0,
    }
}

/// Some ninety days of settings, none of training's own, and nobody who trained
/// last night.
pub(crate) fn after_a_missed_night(service: &str) -> Folder {
    let folder = Folder::with_service(service, &[("acme", SILENT)]);
    record_nights(&folder);
    let since = r#"{"since":"2026-01-01T00:00:00Z","last":null}"#;
    std::fs::write(folder.path().join("data/training.json"), since).unwrap();
    folder
}

/// What a good model can be learned from.
pub(crate) fn record_nights(folder: &Folder) {
    record(folder, 6, 400, |_| 1.0);
    record(folder, 1, 300, |_| 1.0);
}

/// Windows of every client from so many days ago on; `times` what they usually ask.
pub(crate) fn record(folder: &Folder, days_ago: i64, windows: u32, times: impl Fn(u32) -> f64) {
    let now = now_ms();
    let clock = Arc::new(move || Timestamp::from_nanos(now * 1_000_000));
    let options = RecorderOptions { retention_days: 90, max_rows_per_s: NonZeroU32::new(1 << 20).unwrap() };
    let recorder = Recorder::start(folder.path().join("data/telemetry"), options, clock).unwrap();
    let (tenant, mut random) = (TenantName::new("acme").unwrap(), Random::new(days_ago.cast_unsigned()));
    for client in 1..=CLIENTS {
        let mean = 2.0 + client as f64;
        let window = |index: u32| {
            let ticks = std::array::from_fn(|_| random.poisson(mean * times(index)) as u32);
            let at_ms = now - days_ago * DAY_MS + i64::from(index) * WINDOW_MS;
            (tenant.clone(), row(client, index, at_ms, ticks))
        };
        recorder.windows((0..windows).map(window).collect());
        recorder.flush();
    }
    recorder.stop();
}

#[test]
fn what_was_recorded_becomes_a_model_that_is_begun_with() {
    let folder = after_a_missed_night(SERVICE);
    let operator = folder.operator_key();
    let server = folder.serve();
    let metrics = || server.get("/metrics", &operator).expect(200).text();
    until("the missed run is caught up", || metrics().contains("openclaw_training_runs_total"));
    let reports: Vec<_> = std::fs::read_dir(folder.path().join("data/training/reports")).unwrap().collect();
    let report = reports[0].as_ref().unwrap().path();
    let gates: Value = serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap();
    let published = r#"openclaw_training_runs_total{outcome="published"} 1"#;
    assert!(metrics().contains(published), "{gates:#}");
    let html = std::fs::read_to_string(report.join("report.html")).unwrap();
    assert!(html.contains("Every gate that could be asked passed"), "{html}");
    let asked = gates["gates"].as_array().unwrap();
    assert!(asked.iter().all(|gate| gate["left_out"].is_null()), "{gates:#}");
    until("the model is in shadow", || {
        server.get("/api/v1/models", &operator).expect(200).json()["rollout"]["stage"] == "shadow"
    });
    server.stop();
}

#[test]
fn drifted_traffic_stops_a_model_and_too_little_makes_none() {
    let folder = Folder::new(&[("acme", SILENT)]);
    record(&folder, 9, 20, |_| 1.0);
    let said: Value = serde_json::from_str(&folder.run(&["model", "retrain", "--output", "json"])).unwrap();
    assert_eq!(said["outcome"], "too_little", "{said}");
    record(&folder, 6, 400, |_| 1.0);
    // Another kind of traffic these days: long silences, then everything at once.
    record(&folder, 1, 300, |index| if index % 9 == 0 { 40.0 } else { 0.05 });
    let said: Value = serde_json::from_str(&folder.run(&["model", "retrain", "--output", "json"])).unwrap();
    assert_eq!(said["outcome"], "refused", "{said}");
    let failed: Vec<&str> = said["failed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(failed.iter().any(|gate| gate.starts_with("drift of")), "{failed:?}");
    assert_eq!(folder.run(&["model", "list", "--output", "json"]).matches("\"name\"").count(), 0);
    let arguments = ["model", "retrain"];
    let output = folder.command(&ServeOptions::default()).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
