//! What clients did is on the disk after the service has ended, for its
//! commands and for other tools, and goes with its tenant.

use crate::support::server::SILENT;
use crate::support::{Folder, until};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[expect(clippy::disallowed_methods, reason = "this is the client's clock")]
fn observations(seconds_ago: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() - seconds_ago;
    let row = |client: usize| {
        let at = openclaw_alert::Timestamp::from_secs(now.cast_signed());
        format!(r#"{{"client_id":"c{client}","timestamp":"{at}","response_time_ms":12.5,"status_code":200}}"#)
    };
    format!("[{}]", (0..50).map(row).collect::<Vec<_>>().join(","))
}

#[test]
fn observations_are_kept_and_go_with_their_tenant() {
    let folder = Folder::new(&[("acme", SILENT), ("globex", SILENT)]);
    let server = folder.serve();
    let (acme, globex, operator) =
        (folder.key("acme", "limit"), folder.key("globex", "limit"), folder.operator_key());
    until("keys are known", || server.get("/metrics", &operator).status == 200);
    for key in [&acme, &globex] {
        server.post("/api/v1/observations", key, &observations(5)).expect(202);
    }
    // Of a time that is not kept.
    server.post("/api/v1/observations", &acme, &observations(200 * 86_400)).expect(202);
    let dropped = r#"openclaw_telemetry_rows_dropped_total{kind="observations",reason="out_of_time"} 50"#;
    until("rows out of time are counted", || server.get("/metrics", &operator).text().contains(dropped));
    server.stop();
    let telemetry = folder.path().join("data/telemetry");
    let kept = files(&telemetry);
    assert!(!kept.is_empty() && kept.iter().all(|path| path.extension().unwrap() == "parquet"), "{kept:?}");
    for tenant in ["acme", "globex"] {
        let of_tenant = telemetry.join("observations").join(format!("tenant={tenant}"));
        assert!(!files(&of_tenant).is_empty(), "{tenant}");
    }
    let told = folder.run(&["model", "extract", "--days", "2", "--output", "rows.parquet"]);
    assert!(told.starts_with("0 rows from 0 windows of 0 clients"), "{told}");
    let server = folder.serve();
    folder.run(&["tenant", "remove", "acme", "--erase"]);
    until("nothing is left of it", || !telemetry.join("observations/tenant=acme").exists());
    assert!(!files(&telemetry.join("observations/tenant=globex")).is_empty());
    server.stop();
}
