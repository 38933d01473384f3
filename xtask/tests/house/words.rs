//! Words that must not stay behind in any file.

use crate::report;
use crate::tree::{files_below, read, relative, root};
use regex::Regex;
use std::path::Path;

/// A pattern and what to do about it. They are put together here so that this
/// file doesn't hold what it looks for.
const BANNED: [(&str, &str); 4] = [
    (concat!(r"\bto", r"do!|\bunimpl", r"emented!"), "write it, or leave the feature out"),
    (concat!(r"\bFIX", r"ME\b|\bX", r"XX\b"), "mend it, or describe the limit in docs/"),
    (
        concat!(r#"(?m)(?:^|[\s"'`=(:,>])/(?:wo"#, r"rk|fa", r"rm|ro", r"ot|ho", r"me)/"),
        "a path of one machine: take it from an argument, or make it relative",
    ),
    (concat!(r"#\[ign", r"ore\]"), r#"say why: #[ignore = "needs a server"]"#),
];

const TEXT_ENDINGS: [&str; 19] = [
    "rs", "toml", "md", "sh", "yaml", "yml", "json", "jsonl", "snap", "txt", "html", "css", "js", "ts", "py",
    "tf", "conf", "proto", "sql",
];

fn is_text(path: &Path) -> bool {
    match path.extension() {
        Some(ending) => TEXT_ENDINGS.iter().any(|text| ending == *text),
        // Scripts and Dockerfiles.
        None => true,
    }
}

fn faults_in(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (pattern, remedy) in BANNED {
        for found in Regex::new(pattern).unwrap().find_iter(text) {
            let line = text[..found.end()].matches('\n').count() + 1;
            faults.push(format!("{path}:{line}: `{}`: {remedy}", found.as_str().trim()));
        }
    }
    faults
}

#[test]
fn no_file_holds_a_banned_word() {
    let files = files_below(&root()).into_iter().filter(|path| is_text(path));
    let faults: Vec<String> = files.flat_map(|path| faults_in(&relative(&path), &read(&path))).collect();
    report(&faults, "as each line says");
}

#[test]
fn a_banned_word_is_seen() {
    let bad = [
        concat!("fn a() { to", "do!() }"),
        concat!("// FIX", "ME later"),
        concat!("path = \"/ro", "ot/x\""),
        concat!("/ho", "me/me/x"),
        concat!("#[ign", "ore]\nfn a() {}"),
    ];
    for text in bad {
        assert_eq!(faults_in("f", text).len(), 1, "{text}");
    }
    let good = [
        concat!("https://host/wo", "rk/x"),
        "crates/home/x",
        "mktemp XXXXXX",
        "#[ignore = \"slow\"]",
        "/homes/",
    ];
    for text in good {
        assert!(faults_in("f", text).is_empty(), "{text}");
    }
}
