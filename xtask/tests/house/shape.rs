//! Files and functions that one can take in at a glance.

use crate::report;
use crate::rust::{Source, end_of_item, shipped};
use crate::tree::{packages, relative};
use regex::Regex;

const FILE_LINES_MAX: usize = 700;
const FUNCTION_LINES_MAX: usize = 80;

fn all_shipped() -> Vec<Source> {
    packages().iter().flat_map(|package| shipped(&package.folder)).collect()
}

/// Lines up to the last one outside tests.
fn shipped_lines(code: &str) -> usize {
    code.trim_end().lines().count()
}

#[test]
fn files_are_short() {
    let faults: Vec<String> = all_shipped()
        .iter()
        .map(|source| (source, shipped_lines(&source.code)))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(source, lines)| format!("{}: {lines} lines, {FILE_LINES_MAX} at most", relative(&source.path)))
        .collect();
    report(&faults, "make the file a folder, one file for each thing that a reader would look for");
}

/// Name, first line and number of lines of each function with a body.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let start = Regex::new(r"\bfn\s+(\w+)").unwrap();
    start
        .captures_iter(code)
        .map(|found| {
            let whole = found.get(0).unwrap();
            let end = end_of_item(code, whole.end());
            let first = code[..whole.start()].matches('\n').count() + 1;
            (found[1].to_owned(), first, code[whole.start()..end].matches('\n').count() + 1)
        })
        .collect()
}

#[test]
fn functions_are_short() {
    let mut faults = Vec::new();
    for source in all_shipped() {
        for (name, first, lines) in functions(&source.code) {
            if lines > FUNCTION_LINES_MAX {
                let path = relative(&source.path);
                faults.push(format!(
                    "{path}:{first}: `{name}` has {lines} lines, {FUNCTION_LINES_MAX} at most"
                ));
            }
        }
    }
    report(&faults, "keep the branches in the function and move what they do into functions of their own");
}

#[test]
fn functions_are_measured() {
    let code = "trait T {\n  fn no_body(x: [u8; 4]);\n}\nfn two() {\n  if x { y() } }\nfn after() {}";
    let want = [("no_body", 2, 1), ("two", 4, 2), ("after", 6, 1)];
    assert_eq!(functions(code), want.map(|(name, first, lines)| (name.to_owned(), first, lines)));
    assert_eq!(shipped_lines("fn a() {}\n\n     \n\n"), 1);
}
