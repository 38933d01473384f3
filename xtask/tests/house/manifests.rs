//! Each package says what it is, and keeps to the workspace's lints.

use crate::report;
use crate::tree::{packages, read, relative};
use regex::Regex;

#[test]
fn packages_are_described() {
    let is_empty = |text: &str| text.len() < 10 || text.to_uppercase().starts_with("TODO");
    let faults: Vec<String> = packages()
        .iter()
        .filter(|package| is_empty(&package.description))
        .map(|package| format!("`{}` has the description `{}`", package.name, package.description))
        .collect();
    report(&faults, "say in `description` what a reader finds in the package");
}

#[test]
fn packages_keep_to_the_lints() {
    let inherits = Regex::new(r"(?m)^\[lints\]\s*\nworkspace = true$|^lints\.workspace = true$").unwrap();
    let manifests = packages().into_iter().map(|package| package.folder.join("Cargo.toml"));
    let faults: Vec<String> = manifests
        .filter(|path| !inherits.is_match(&read(path)))
        .map(|path| format!("{}: no `lints.workspace = true`", relative(&path)))
        .collect();
    report(&faults, "add `[lints]` with `workspace = true`");
}
