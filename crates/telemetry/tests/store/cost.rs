//! What it costs those who hand over rows, and what reading back holds.

use crate::made::{BEGIN_MS, DAY_MS, Hand, observation, recorder, tenant, window};
use openclaw_telemetry::{Dropped, Kind, Store};
use std::time::Instant;

/// `cargo test --release -p openclaw-telemetry -- --ignored --nocapture cost`
#[test]
#[ignore = "a measurement"]
fn cost_of_an_observation() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(BEGIN_MS);
    let recorder = recorder(folder.path(), &hand);
    let (name, client) = (tenant("acme"), observation("a client of some length", BEGIN_MS, 1.5));
    for threads in [1, 2] {
        let (rows, turns) = (1000_u32, 300);
        let mut best = f64::MAX;
        for _ in 0..turns {
            let begin = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for _ in 0..rows {
                            let row = openclaw_telemetry::ObservationRow {
                                client_id: (*client.client_id).into(),
                                ..client.clone()
                            };
                            recorder.observation(&name, row);
                        }
                    });
                }
            });
            best = best.min(begin.elapsed().as_nanos() as f64 / f64::from(rows));
            recorder.flush();
        }
        eprintln!("{threads} threads: {best:.0} ns an observation");
    }
    assert_eq!(recorder.counts().dropped(Kind::Observations, Dropped::QueueFull), 0);
}

/// Writes two million windows, merges them, reads them back.
#[test]
#[ignore = "a measurement"]
fn cost_of_reading_back() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(BEGIN_MS + DAY_MS / 2);
    let recorder = recorder(folder.path(), &hand);
    let begin = Instant::now();
    for turn in 0..400_i64 {
        let id = |client: u64| client.wrapping_mul(0x1234_5678_9abd) & 0xffff_ffff_ffff;
        let rows = (0..5000).map(|client| (tenant("acme"), window(id(client), BEGIN_MS + turn * 12_000)));
        recorder.windows(rows.collect());
        recorder.flush();
    }
    recorder.stop();
    drop(recorder);
    eprintln!("written after {:?}", begin.elapsed());
    let store = Store::at(folder.path());
    let begin = Instant::now();
    let tended = store.tend(openclaw_alert::Timestamp::from_nanos((BEGIN_MS + 2 * DAY_MS) * 1_000_000), 90);
    eprintln!("merged after {:?}: {tended:?}", begin.elapsed());
    let begin = Instant::now();
    let mut rows = 0;
    for series in store.windows(&crate::made::query(u64::MAX)).unwrap() {
        rows += series.unwrap().rows.len();
    }
    eprintln!("{rows} windows read back after {:?}", begin.elapsed());
    assert_eq!(rows, 2_000_000);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    eprintln!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
}

/// Seconds of processor time that this process has used.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let numbers: Vec<f64> = stat.split(' ').skip(13).take(2).map(|ticks| ticks.parse().unwrap()).collect();
    (numbers[0] + numbers[1]) / 100.0
}

/// Thirty days of ten thousand clients are more windows than a test can write:
/// one merged file is linked under as many names as there would be. Every
/// 300th client is read. `DAYS=3` takes a tenth of all.
#[test]
#[ignore = "a measurement"]
fn cost_of_reading_a_month() {
    const CLIENTS: u64 = 7_281;
    const WINDOWS: i64 = 36;
    const FILES: usize = 275;
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(BEGIN_MS + DAY_MS / 2);
    let recorder = recorder(folder.path(), &hand);
    for turn in 0..WINDOWS {
        let id = |client: u64| client.wrapping_mul(0x1234_5678_9abd) & 0xffff_ffff_ffff;
        let rows = (0..CLIENTS).map(|client| (tenant("acme"), window(id(client), BEGIN_MS + turn * 12_000)));
        recorder.windows(rows.collect());
        recorder.flush();
    }
    recorder.stop();
    drop(recorder);
    let store = Store::at(folder.path());
    let _ = store.tend(openclaw_alert::Timestamp::from_nanos((BEGIN_MS + 2 * DAY_MS) * 1_000_000), 90);
    let tenant = folder.path().join("windows/tenant=acme");
    let file = |day: &std::path::Path| {
        let files = std::fs::read_dir(day).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|kind| kind == "parquet")).collect::<Vec<_>>()
    };
    let first = file(&tenant.join("day=2026-03-01"));
    assert_eq!(first.len(), 1, "{first:?}");
    let bytes = std::fs::metadata(&first[0]).unwrap().len();
    let days: u64 = std::env::var("DAYS").map_or(30, |days| days.parse().unwrap());
    for day in 1..=days {
        let day = tenant.join(format!("day=2026-03-{day:02}"));
        std::fs::create_dir_all(&day).unwrap();
        for number in 0..FILES {
            let name = format!("{:08}.parquet", 100_000 + number);
            std::fs::hard_link(&first[0], day.join(name)).unwrap();
        }
    }
    let (begin, begin_s) = (Instant::now(), cpu_s());
    let took = || format!("{:.1?}, {:.1} s of them at work", begin.elapsed(), cpu_s() - begin_s);
    let windows = store.windows(&crate::made::query(240_000 * days)).unwrap();
    let (all, share) = (windows.rows_in_files(), windows.share());
    eprintln!("{all} windows, {bytes} bytes a file, listed after {}; share {share:.5}", took());
    let rows: usize = windows.map(|series| series.unwrap().rows.len()).sum();
    eprintln!("{rows} windows read back after {}", took());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    eprintln!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
}
