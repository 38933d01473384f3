//! `kill -9` while files are written and merged: what is there is whole.

use crate::made::{BEGIN_MS, DAY_MS, Hand, all_series, recorder, tenant, window};
use openclaw_alert::Timestamp;
use openclaw_telemetry::Store;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const FOLDER: &str = "TELEMETRY_OF_THE_KILLED";

/// The process that is killed: file after file, and merges between.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let hand = Hand::at(BEGIN_MS + DAY_MS / 2);
    let recorder = recorder(folder.as_ref(), &hand);
    let store = Store::at(&folder);
    for file in 0..10_000_i64 {
        let rows = (0..5).map(|row| (tenant("acme"), window(row, BEGIN_MS + file * 1000)));
        recorder.windows(rows.collect());
        recorder.flush();
        eprintln!("whole {}", file + 1);
        if file % 7 == 0 {
            let _ = store.tend(Timestamp::from_nanos((BEGIN_MS + 2 * DAY_MS) * 1_000_000), 90);
        }
    }
}

#[test]
fn what_is_there_after_a_kill_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut least = 0;
    for turn in 1..=4_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::writes_until_it_is_killed", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("whole ")?.parse::<u64>().ok());
        let files = said.find(|files| *files >= 5 + turn * 7).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let files = said.last().unwrap_or(files);
        least += files * 5;
        let rows: u64 =
            all_series(&Store::at(folder.path())).iter().map(|series| series.rows.len() as u64).sum();
        // The last one may have been moved in and not told of.
        assert!((least..=least + 5).contains(&rows), "{rows} rows, {least} had been told of");
        least = rows;
    }
}
