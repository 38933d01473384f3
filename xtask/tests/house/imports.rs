//! Who may import whom: an alert's way goes downwards, and the core does no I/O.

use crate::report;
use crate::rust::shipped;
use crate::tree::{Package, packages, relative};
use regex::Regex;

/// Each crate with the crates of ours that its shipped code may be built from.
const MAY_IMPORT: [(&str, &[&str]); 19] = [
    ("alert", &[]),
    ("limiter", &[]),
    ("sources", &["alert"]),
    ("admission", &["alert", "limiter"]),
    ("rating", &["alert"]),
    ("routing", &["alert"]),
    ("journal", &["alert"]),
    ("state", &["alert"]),
    ("telemetry", &["alert"]),
    ("similar", &["alert"]),
    ("pipeline", &["alert", "sources", "admission", "rating", "routing"]),
    ("delivery", &["alert", "state"]),
    ("learning", &["alert", "limiter", "telemetry", "admission", "rating"]),
    ("sim", &["alert", "sources", "admission", "rating", "routing", "pipeline", "journal"]),
    ("server", BELOW_SERVER),
    ("openclaw", BELOW_OPENCLAW),
    // Its load must not share faults with the code that it measures.
    ("bench-alertmanager", &[]),
    ("bench-peers", &[]),
    ("bench-inprocess", &["limiter"]),
];

const BELOW_SERVER: &[&str] = &[
    "alert",
    "limiter",
    "sources",
    "admission",
    "rating",
    "routing",
    "journal",
    "state",
    "telemetry",
    "similar",
    "pipeline",
    "delivery",
    "learning",
];

const BELOW_OPENCLAW: &[&str] = &[
    "alert",
    "limiter",
    "sources",
    "admission",
    "rating",
    "routing",
    "journal",
    "state",
    "telemetry",
    "similar",
    "pipeline",
    "delivery",
    "learning",
    "server",
];

/// Crates that are plain functions of (state, event, time).
const PURE: [&str; 7] = ["alert", "limiter", "sources", "admission", "rating", "routing", "pipeline"];

/// Libraries with clocks, files, sockets or threads in them.
const IMPURE_LIBRARIES: [&str; 20] = [
    "async-trait",
    "axum",
    "crossbeam-channel",
    "futures",
    "futures-util",
    "getrandom",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "nix",
    "rand",
    "rayon",
    "reqwest",
    "rusqlite",
    "rustix",
    "socket2",
    "tempfile",
    "tokio",
    "tower",
];

const IMPURE_PATHS: &str =
    r"std\s*::\s*(?:fs|net|os|process|thread|env)\b|\bSystemTime\b|\bInstant\s*::\s*now\b";

fn allowed(package: &Package) -> Option<&'static [&'static str]> {
    MAY_IMPORT.iter().find(|(name, _)| *name == package.short_name()).map(|(_, allowed)| *allowed)
}

fn faults_of(package: &Package, ours: &[&str]) -> Vec<String> {
    let name = &package.name;
    let Some(allowed) = allowed(package) else {
        return vec![format!("`{name}` has no line in the table of who may import whom")];
    };
    let of_ours = package.dependencies.iter().filter(|dependency| ours.contains(&dependency.as_str()));
    of_ours
        .filter(|dependency| {
            let short = dependency.strip_prefix("openclaw-").unwrap_or(dependency);
            !allowed.contains(&short)
        })
        .map(|dependency| format!("`{name}` imports `{dependency}`"))
        .collect()
}

#[test]
fn crates_import_downwards_only() {
    let packages = packages();
    let ours: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let others = packages.iter().filter(|package| package.name != "xtask");
    let faults: Vec<String> = others.flat_map(|package| faults_of(package, &ours)).collect();
    report(
        &faults,
        "move what is shared into `crates/alert`, or the use into a crate further down; \
         a new crate gets a line in `MAY_IMPORT` (xtask/tests/house/imports.rs)",
    );
}

#[test]
fn pure_crates_depend_on_no_library_with_io() {
    let faults: Vec<String> = pure_packages()
        .iter()
        .flat_map(|package| {
            let impure = package.dependencies.iter().filter(|name| IMPURE_LIBRARIES.contains(&name.as_str()));
            impure.map(|library| format!("`{}` depends on `{library}`", package.name)).collect::<Vec<_>>()
        })
        .collect();
    report(&faults, "do the I/O in `crates/server` and pass its result in");
}

#[test]
fn pure_crates_touch_no_clock_file_socket_or_thread() {
    let impure = Regex::new(IMPURE_PATHS).unwrap();
    let mut faults = Vec::new();
    for source in pure_packages().iter().flat_map(|package| shipped(&package.folder)) {
        for (index, line) in source.code.lines().enumerate() {
            if let Some(found) = impure.find(line) {
                faults.push(format!("{}:{}: `{}`", relative(&source.path), index + 1, found.as_str()));
            }
        }
    }
    report(&faults, "take the time, bytes or names as an argument; the host in `crates/server` has them");
}

fn pure_packages() -> Vec<Package> {
    let pure: Vec<Package> =
        packages().into_iter().filter(|package| PURE.contains(&package.short_name())).collect();
    assert_eq!(
        pure.len(),
        PURE.len(),
        "a pure crate was renamed: bring `PURE` (xtask/tests/house/imports.rs) up to date"
    );
    pure
}

#[test]
fn a_breach_is_seen() {
    let package = |name: &str, dependency: &str| Package {
        name: name.to_owned(),
        description: String::new(),
        folder: Default::default(),
        dependencies: vec![dependency.to_owned()],
    };
    let ours = ["openclaw-alert", "openclaw-routing", "openclaw-server"];
    assert_eq!(faults_of(&package("openclaw-rating", "openclaw-routing"), &ours).len(), 1);
    assert_eq!(faults_of(&package("openclaw-new", "openclaw-alert"), &ours).len(), 1);
    assert!(faults_of(&package("openclaw-rating", "openclaw-alert"), &ours).is_empty());
    assert!(faults_of(&package("openclaw", "openclaw-server"), &ours).is_empty());
    let impure = Regex::new(IMPURE_PATHS).unwrap();
    assert!(
        impure.is_match("use std::fs;") && impure.is_match("Instant::now()") && !impure.is_match("std::fmt")
    );
}
