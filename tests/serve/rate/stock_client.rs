//! A stock Python client, as people's own checks use one.

use super::world;
use crate::support::programs;
use std::process::Command;

#[test]
fn a_thousand_questions_without_a_credential_are_all_allowed() {
    if !programs::is_there("python3", &["-c", "import urllib.request"]) {
        return;
    }
    let world = world();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/serve/rate/stock_client.py");
    let output =
        Command::new("python3").arg(script).arg(format!("http://{}", world.server.address)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
