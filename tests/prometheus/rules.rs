//! The alert rules that ship, by Prometheus's own tool: each fires when it
//! should and stays silent otherwise.

use crate::support::programs::is_there;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rules' files, and those of their tests.
fn files() -> [Vec<PathBuf>; 2] {
    let folder = fs::read_dir(root().join("deploy/prometheus")).unwrap();
    let ends_with = |file: &PathBuf, ending: &str| file.to_string_lossy().ends_with(ending);
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| ends_with(file, ".yaml"));
    let (tests, rules): (Vec<_>, _) = files.into_iter().partition(|file| ends_with(file, ".rules.test.yaml"));
    [rules, tests]
}

#[track_caller]
fn passes(arguments: &[&str], files: &[PathBuf]) {
    let output = Command::new("promtool").args(arguments).args(files).output().unwrap();
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && !files.is_empty(), "{arguments:?}: {}", told.concat());
}

fn read(files: &[PathBuf]) -> String {
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn rules_fire_when_they_should() {
    if !is_there("promtool", &["--version"]) {
        return;
    }
    let [rules, tests] = files();
    passes(&["check", "rules", "--lint-fatal"], &rules);
    passes(&["test", "rules"], &tests);
}

#[test]
fn every_rule_is_seen_to_fire_and_to_be_silent() {
    let [rules, tests] = files();
    let (rules, tests) = (read(&rules), read(&tests));
    let names: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!names.is_empty());
    for name in names {
        let fires = tests.contains(&format!("alertname: {name}\n        exp_alerts:"));
        assert!(fires, "no test sees `{name}` fire: add one to deploy/prometheus/*.rules.test.yaml");
        let is_silent = tests.contains(&format!("alertname: {name} }}"));
        assert!(is_silent, "no test sees `{name}` silent: add one to deploy/prometheus/*.rules.test.yaml");
    }
}

#[test]
fn rules_ask_for_metrics_that_there_are() {
    let [rules, tests] = files();
    let documented = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let named = |text: &str| -> BTreeSet<String> {
        let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
        let words = text.split(|char| !is_part(char)).filter(|word| word.starts_with("openclaw_"));
        words.map(str::to_owned).collect()
    };
    let unknown: Vec<_> = named(&(read(&rules) + &read(&tests)))
        .into_iter()
        .filter(|name| !["{", "`"].iter().any(|end| documented.contains(&format!("`{name}{end}"))))
        .collect();
    assert!(unknown.is_empty(), "not in docs/metrics.md: {unknown:?}");
}
