//! DuckDB, pandas and polars read the files as they stand.

use crate::made::{BEGIN_MS, DAY_MS, Hand, observation, recorder, tenant, window};
use std::path::Path;
use std::process::Command;

/// Where `scripts/test` puts Python packages for tests.
fn python() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/readers")
}

#[test]
fn other_tools_read_the_files() {
    let packages = python();
    if !packages.is_dir() {
        assert!(
            std::env::var_os("CI").is_none(),
            "DuckDB, pandas and polars are not there: run scripts/test"
        );
        eprintln!("left out: DuckDB, pandas and polars are not there; run scripts/test");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(BEGIN_MS + DAY_MS + DAY_MS / 2);
    let recorder = recorder(folder.path(), &hand);
    let (mut refused, mut tokens, mut took) = (0, 0_u64, 0.0_f64);
    for at in 0..600_i64 {
        let name = tenant(if at % 2 == 0 { "acme" } else { "globex" });
        let at_ms = BEGIN_MS + at * DAY_MS / 400;
        let row = window(at.cast_unsigned() % 9, at_ms);
        refused += row.refused;
        tokens += row.ticks.iter().map(|tick| u64::from(*tick)).sum::<u64>();
        recorder.windows(vec![(name.clone(), row)]);
        let row = observation(&format!("cliënt {}", at % 5), at_ms, at as f32 / 4.0);
        took += f64::from(row.response_time_ms);
        recorder.observation(&name, row);
        if at % 20 == 19 {
            recorder.flush();
        }
    }
    recorder.stop();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/readers.py");
    let wanted = [600.to_string(), refused.to_string(), tokens.to_string(), took.to_string()];
    let output = Command::new("python3")
        .arg(script)
        .arg(folder.path())
        .args(wanted)
        .env("PYTHONPATH", packages)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
