//! The map that a newcomer reads first.

use crate::report;
use crate::tree::{packages, read, relative, root};
use std::fs;
use std::path::{Path, PathBuf};

const MAP_LINES_MAX: usize = 150;

#[test]
fn the_map_is_short_and_names_every_crate() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap_or_default();
    let lines = map.lines().count();
    let mut faults = Vec::new();
    if lines == 0 || lines > MAP_LINES_MAX {
        faults.push(format!("ARCHITECTURE.md: {lines} lines, 1 to {MAP_LINES_MAX} wanted"));
    }
    for package in packages().iter().filter(|package| package.is_in_crates()) {
        let folder = package.folder.file_name().unwrap().to_string_lossy();
        if !map.contains(&format!("{folder}/")) && !map.contains(&format!("`{folder}`")) {
            faults.push(format!("ARCHITECTURE.md: `crates/{folder}` is not named"));
        }
    }
    report(&faults, "give each crate a line in ARCHITECTURE.md: what it does, and what it does not know");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let faults: Vec<String> = documents().iter().flat_map(|path| broken_links(path)).collect();
    report(&faults, "mend the link, relative to the file that it is in");
}

fn documents() -> Vec<PathBuf> {
    crate::tree::with_ending(crate::tree::files_below(&root()), "md")
}

fn broken_links(document: &Path) -> Vec<String> {
    let link = regex::Regex::new(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)").unwrap();
    let folder = document.parent().unwrap();
    link.captures_iter(&read(document))
        .map(|found| found[1].to_owned())
        .filter(|target| !folder.join(target).exists())
        .map(|target| format!("{}: `{target}` doesn't exist", relative(document)))
        .collect()
}
