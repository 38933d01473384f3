//! The list of what an Alertmanager does, and its checks.

use crate::report;
use crate::tree::{read, root};
use regex::Regex;
use std::collections::BTreeSet;

fn numbers(pattern: &str, text: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// Numbers of the lines, each at the line's beginning.
fn lines(document: &str) -> BTreeSet<String> {
    numbers(r"(?m)^- `([a-z]+\.\d+)` \S", document)
}

/// Numbers of the checks of one kind.
fn checks(kind: &str, list: &str) -> BTreeSet<String> {
    numbers(&format!(r#"(?m)^\s+{kind} "([^"]+)" [a-z]"#), list)
}

fn faults(document: &str, list: &str) -> Vec<String> {
    let lines = lines(document);
    let (both, ours) = (checks("both", list), checks("ours", list));
    let all: BTreeSet<_> = both.union(&ours).cloned().collect();
    let unchecked = lines.difference(&all).map(|number| format!("`{number}` has no check"));
    let unknown = all.difference(&lines).map(|number| format!("`{number}` is no line of the checklist"));
    let is_marked = |number: &&String| {
        let start = format!("- `{number}` ");
        document.lines().any(|line| line.starts_with(&start) && line.contains("**deviation**: "))
    };
    let unmarked = ours.iter().filter(|number| lines.contains(*number) && !is_marked(number));
    let unmarked = unmarked
        .map(|number| format!("`{number}` has checks that Alertmanager need not pass, and says no reason"));
    unchecked.chain(unknown).chain(unmarked).collect()
}

#[test]
fn each_line_of_the_checklist_has_a_check() {
    let folder = root().join("tests/compat");
    let found = faults(&read(&folder.join("CHECKLIST.md")), &read(&folder.join("list.rs")));
    report(
        &found,
        "give the line in tests/compat/CHECKLIST.md a check in tests/compat/list.rs, or the other way",
    );
}

#[test]
fn lines_without_checks_are_seen() {
    let document = "- `a.1` One.\n- `a.2` Two. **deviation**: why.\n- `a.3` Three.\n";
    let list = "x {\n    both \"a.1\" one\n    ours \"a.2\" two\n    ours \"a.3\" three\n}";
    assert_eq!(
        faults(document, list),
        ["`a.3` has checks that Alertmanager need not pass, and says no reason"]
    );
    let list = "x {\n    both \"a.1\" one\n    both \"b.1\" two\n}";
    assert_eq!(
        faults(document, list),
        ["`a.2` has no check", "`a.3` has no check", "`b.1` is no line of the checklist"]
    );
}
