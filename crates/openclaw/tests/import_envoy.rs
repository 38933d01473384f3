//! Settings of envoyproxy/ratelimit, and what `openclaw import
//! envoy-ratelimit` makes of them.

use std::path::Path;
use std::process::{Command, Output};

fn import(case: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(["import", "envoy-ratelimit", case])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/envoy"))
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn rules_are_carried_over_and_differences_listed() {
    let output = import("edge.yml");
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("edge", String::from_utf8(output.stdout).unwrap());
    insta::assert_snapshot!("edge_remarks", String::from_utf8(output.stderr).unwrap());
}

#[test]
fn what_is_refused_there_is_refused_here() {
    let output = import("faults.yml");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    insta::assert_snapshot!("faults", String::from_utf8(output.stderr).unwrap());
}
