//! Measurements, not tests: run them alone, optimised, on a quiet machine,
//! with `cargo test --release -p openclaw-journal --test measure -- --ignored
//! --nocapture --test-threads 1`. `TMPDIR` chooses the disk.

mod common;

use common::{append, block_on, eventually, frame};
use openclaw_alert::Timestamp;
use openclaw_journal::{Log, Options, Position, RealDisk, Writer};
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

fn log(folder: &tempfile::TempDir) -> Log {
    let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
    let (writer, _) = Writer::open(disk, Options::default(), Timestamp::from_secs(1)).unwrap();
    let log = Log::start(writer).unwrap();
    eventually("segments and reserve are there", || folder.path().join("reserve").exists());
    log
}

/// CPU time of all threads of the process that still run.
fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    Duration::from_nanos(stats.filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok()).sum())
}

#[test]
#[ignore = "a measurement"]
fn cost_of_an_append() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder);
    let payload = vec![7; 600];
    let mut nanos: Vec<u128> = Vec::new();
    for number in 0..300_000 {
        if log.pending_bytes() > 4 << 20 {
            log.wait(log.durable()).unwrap();
            block_on(log.committed(append(&log, &frame(1, number, &payload)))).unwrap();
        }
        let begin = Instant::now();
        log.append(&frame(1, number, &payload)).unwrap();
        nanos.push(begin.elapsed().as_nanos());
    }
    let mean = nanos.iter().sum::<u128>() / nanos.len() as u128;
    nanos.sort_unstable();
    let at = |share: usize| nanos[nanos.len() * share / 1000];
    eprintln!("append of 600 B: mean {mean} ns, p50 {} p99 {} p99.9 {}", at(500), at(990), at(999));
}

#[test]
#[ignore = "a measurement"]
fn commits_of_closed_loops() {
    for threads in [1, 8, 64] {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        let (begin, cpu_before) = (Instant::now(), cpu());
        let end = begin + Duration::from_secs(3);
        let mut cpu_used = Duration::ZERO;
        thread::scope(|scope| {
            let run = || {
                let payload = vec![7; 600];
                let mut waits = Vec::new();
                while Instant::now() < end {
                    let begin = Instant::now();
                    log.wait(append(&log, &frame(1, 0, &payload))).unwrap();
                    waits.push(begin.elapsed().as_micros());
                }
                waits
            };
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            common::pause(end - Instant::now() - Duration::from_millis(50));
            cpu_used = cpu() - cpu_before;
            let mut waits: Vec<u128> = running.into_iter().flat_map(|one| one.join().unwrap()).collect();
            waits.sort_unstable();
            let stats = log.stats();
            let commits = stats.syncs.count();
            eprintln!(
                "{threads} threads: {} appends/s, {} commits/s, {:?} CPU a commit; append to durable p50 {} p99 {} us; sync p50 {:?} p99 {:?}",
                waits.len() / 3,
                commits / 3,
                cpu_used / commits as u32,
                waits[waits.len() / 2],
                waits[waits.len() * 99 / 100],
                stats.syncs.quantile(0.5),
                stats.syncs.quantile(0.99),
            );
        });
    }
}

#[test]
#[ignore = "a measurement"]
fn throughput_of_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder);
    let payload = vec![7; 60_000];
    let (begin, cpu_before) = (Instant::now(), cpu());
    let mut last = Position::START;
    for number in 0..10_000 {
        while log.pending_bytes() > 8 << 20 {
            block_on(log.committed(last)).unwrap();
        }
        last = append(&log, &frame(1, number, &payload));
    }
    log.wait(last).unwrap();
    let (took, used) = (begin.elapsed(), cpu() - cpu_before);
    let mebibytes = log.stats().bytes as f64 / f64::from(1 << 20);
    eprintln!("600 MB in frames of 60 kB: {:.0} MiB/s, {used:?} CPU", mebibytes / took.as_secs_f64());
    log.shutdown();
    let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
    drop(log);
    let begin = Instant::now();
    let (writer, _) = Writer::open(disk, Options::default(), Timestamp::from_secs(1)).unwrap();
    let opened = begin.elapsed();
    let begin = Instant::now();
    let frames = writer.read_from(Position::START).count();
    eprintln!(
        "opened (no snapshot, all scanned) in {opened:?}, {frames} frames read in {:?}",
        begin.elapsed()
    );
}
