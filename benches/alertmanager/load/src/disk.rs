//! What a synced write costs in a folder: figures of a durable server mean
//! little without it.

use crate::error::LoadError;
use crate::figures::{median, quantile, rounded};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

const WRITES: usize = 300;
const WRITE_BYTES: usize = 256;

pub(crate) fn measure(folder: &Path) -> Result<Value, LoadError> {
    let path = folder.join("fdatasync-probe");
    let micros = write_and_sync(&path);
    // The probe's own error is the one to report.
    let _ = std::fs::remove_file(&path);
    let mut micros = micros.map_err(|source| LoadError::File { path, source })?;
    Ok(json!({
        "fdatasync_us_p50": median(&mut micros).map(rounded),
        "fdatasync_us_p99": quantile(&mut micros, 0.99).map(rounded),
    }))
}

fn write_and_sync(path: &Path) -> io::Result<Vec<f64>> {
    let mut file = File::create(path)?;
    let mut micros = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let start = Instant::now();
        file.write_all(&[b'x'; WRITE_BYTES])?;
        file.sync_data()?;
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(micros)
}

#[test]
fn the_probe_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let line = measure(folder.path()).unwrap();
    assert!(line["fdatasync_us_p50"].as_f64() <= line["fdatasync_us_p99"].as_f64());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(measure(Path::new("no such folder")).is_err());
}
