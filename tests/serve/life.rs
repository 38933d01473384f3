//! A night in the life of the model: what was recorded becomes a model that
//! passes its gates, is published and begun with; drifted traffic stops it.

use crate::support::server::{SERVICE, SILENT, ServeOptions};
use crate::support::{Folder, until, until_some};
use openclaw_admission::{TICKS, Window};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_learning::Random;
use openclaw_learning::artifact::Digest;
use openclaw_telemetry::{ClientId, Recorder, RecorderOptions, WindowRow};
use serde_json::Value;
use std::num::NonZeroU32;
use std::process::Command;
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

/// The process that trains for another.
fn trainer_of(parent: u32) -> Option<u32> {
    let of = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let its_parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        (its_parent == parent.to_string() && command.contains("retrain")).then_some(pid)
    };
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(of)
}

#[test]
fn what_is_trained_is_committed_and_a_trainer_ends_with_its_service() {
    const GITOPS: &str = "listen: { http: \"127.0.0.1:0\" }\n\
        rollout: { mode: gitops, gitops: { remote: team.git, path: environments/prod/model.yaml } }\n";
    let folder = after_a_missed_night(GITOPS);
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet", "--bare", "--initial-branch=main", "team.git"]);
    let server = folder.serve();
    let trainer = until_some("it trains", || trainer_of(server.pid()));
    server.kill();
    until("the trainer is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{trainer}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
    // On a busy machine a model may look slow.
    let retrain = || {
        let said = folder.run(&["model", "retrain", "--output", "json"]);
        serde_json::from_str(&said).ok().filter(|said: &Value| said["outcome"] == "published")
    };
    let said = (0..5).find_map(|_| retrain()).expect("it is published");
    let model = said["model"].as_str().unwrap();
    let file = git(&["-C", "team.git", "show", "main:environments/prod/model.yaml"]);
    let listed: Value = serde_json::from_str(&folder.run(&["model", "list", "--output", "json"])).unwrap();
    let digest = listed[0]["digest"].as_str().unwrap();
    assert!(
        file.contains(&format!("\nversion: {model}\ndigest: {digest}\nprevious: plain\ngates: {{ passed: ")),
        "{file}"
    );
    let report =
        std::fs::read(folder.path().join(format!("data/training/reports/{model}/report.json"))).unwrap();
    assert!(file.contains(&format!("report: \"{}\"", Digest::of(&report))), "{file}");
    assert!(file.contains("\nfigures: { "), "{file}");
    assert_eq!(git(&["-C", "team.git", "log", "--format=%s", "main"]), format!("Run {model}\n"));
    assert!(!folder.path().join("data/models/proposal.json").exists());
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
