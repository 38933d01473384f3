//! A metric's name exists once in the code and once in `docs/metrics.md`.

use crate::report;
use crate::tree::{files_below, packages, read, relative, root};
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;

/// What exporters add to a family's name.
const SUFFIXES: [&str; 4] = ["_total", "_bucket", "_sum", "_count"];

/// Names in the text that are not those of packages.
fn names_in(text: &str, packages: &BTreeSet<String>) -> BTreeSet<String> {
    let name = Regex::new(r"\bopenclaw_[a-z0-9_]*[a-z0-9]").unwrap();
    name.find_iter(text).map(|found| family(found.as_str())).filter(|name| !packages.contains(name)).collect()
}

fn family(name: &str) -> String {
    SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
}

/// Names that the server registers, with the prefix and the unit that the
/// library adds.
fn in_code() -> BTreeSet<String> {
    let names: BTreeSet<String> = files_below(&root().join("crates/server/src/observe"))
        .iter()
        .flat_map(|path| registered(&read(path)))
        .collect();
    assert!(
        !names.is_empty(),
        "no metric is found in crates/server/src/observe: bring xtask/tests/house/metrics.rs up to date"
    );
    names
}

fn registered(code: &str) -> Vec<String> {
    let plain = Regex::new(r#"\.register\(\s*"(\w+)""#).unwrap();
    let with_unit =
        Regex::new(r#"\.register_with_unit\(\s*"(\w+)",\s*"(?:[^"\\]|\\.)*",\s*(?:Unit::)?(\w+)"#).unwrap();
    let plain = plain.captures_iter(code).map(|found| format!("openclaw_{}", &found[1]));
    let with_unit = with_unit
        .captures_iter(code)
        .map(|found| format!("openclaw_{}_{}", &found[1], found[2].to_lowercase()));
    plain.chain(with_unit).map(|name| family(&name)).collect()
}

/// What the project's packages are called in code.
fn packages_in_code() -> BTreeSet<String> {
    packages().iter().map(|package| package.name.replace('-', "_")).collect()
}

#[test]
fn metrics_are_documented_and_the_documented_exist() {
    let code = in_code();
    let documented = fs::read_to_string(root().join("docs/metrics.md")).unwrap_or_default();
    let documented = names_in(&documented, &packages_in_code());
    let missing = code.difference(&documented).map(|name| format!("`{name}` is not in docs/metrics.md"));
    let invented =
        documented.difference(&code).map(|name| format!("`{name}` of docs/metrics.md is not in the code"));
    let faults: Vec<String> = missing.chain(invented).collect();
    report(
        &faults,
        "give each metric a line in docs/metrics.md: name, labels, what it says, what to do about it",
    );
}

#[test]
fn dashboards_ask_for_metrics_that_exist() {
    let (code, packages) = (in_code(), packages_in_code());
    let mut faults = Vec::new();
    for path in files_below(&root().join("deploy/dashboards")) {
        for name in names_in(&read(&path), &packages).difference(&code) {
            faults.push(format!("{}: `{name}` is not in the code", relative(&path)));
        }
    }
    report(&faults, "ask for a metric that exists");
}

#[test]
fn names_are_found() {
    let packages = BTreeSet::from(["openclaw_alert".to_owned()]);
    let text =
        "# TYPE openclaw_requests_total counter; openclaw_alert; rate(openclaw_lag_seconds_bucket[5m])";
    assert_eq!(
        names_in(text, &packages).into_iter().collect::<Vec<_>>(),
        ["openclaw_lag_seconds", "openclaw_requests"]
    );
    let code = r#"r.register("alerts", "Says \"so\"", x); r.register_with_unit("lag", "How, long", Unit::Seconds, y);
        r.register_with_unit(
            "sync", "Time", seconds(), z)"#;
    assert_eq!(registered(code), ["openclaw_alerts", "openclaw_lag_seconds", "openclaw_sync_seconds"]);
}
