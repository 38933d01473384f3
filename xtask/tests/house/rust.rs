//! Just enough knowledge of Rust's text to tell code from comments, strings
//! and tests, without a parser.

use crate::tree::{files_below, read, with_ending};
use regex::Regex;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A source file.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Comments, the insides of strings, and tests are blank; lines are kept.
    pub(crate) code: String,
}

/// The sources that a crate ships: without test modules in files of their own.
pub(crate) fn shipped(crate_folder: &Path) -> Vec<Source> {
    let paths = with_ending(files_below(&crate_folder.join("src")), "rs");
    let texts: Vec<(PathBuf, String)> =
        paths.into_iter().map(|path| (path.clone(), code_of(&read(&path)))).collect();
    let tests: HashSet<PathBuf> = texts.iter().flat_map(|(path, code)| test_files(path, code)).collect();
    let is_test = |path: &Path| path.ancestors().any(|part| tests.contains(&part.with_extension("")));
    texts.into_iter().filter(|(path, _)| !is_test(path)).map(|(path, code)| source(path, &code)).collect()
}

fn source(path: PathBuf, code: &str) -> Source {
    Source { path, code: blank(code, &test_ranges(code)) }
}

/// Paths, without ending, of modules that only tests see.
fn test_files(path: &Path, code: &str) -> Vec<PathBuf> {
    let declared = Regex::new(r"#\[cfg\(test\)\]\s*(?:pub(?:\([a-z]+\))?\s+)?mod\s+(\w+)\s*;").unwrap();
    let is_folder_root =
        path.file_stem().is_some_and(|stem| ["lib", "main", "mod"].iter().any(|name| stem == *name));
    let folder = if is_folder_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    declared.captures_iter(code).map(|found| folder.join(&found[1])).collect()
}

/// Items under `#[cfg(test)]`.
fn test_ranges(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        if ranges.last().is_none_or(|last| start >= last.end) {
            ranges.push(start..end_of_item(code, start + attribute.len()));
        }
    }
    ranges
}

fn blank(code: &str, ranges: &[std::ops::Range<usize>]) -> String {
    let blank = |(at, char): (usize, char)| match char {
        '\n' => '\n',
        _ if ranges.iter().any(|range| range.contains(&at)) => ' ',
        _ => char,
    };
    code.char_indices().map(blank).collect()
}

/// End of the item that begins at `from`: its closing brace, or a semicolon
/// outside all brackets.
pub(crate) fn end_of_item(code: &str, from: usize) -> usize {
    let mut braces = 0_usize;
    let mut others = 0_usize;
    for (at, char) in code[from..].char_indices() {
        match char {
            '(' | '[' => others += 1,
            ')' | ']' => others = others.saturating_sub(1),
            '{' => braces += 1,
            '}' if braces <= 1 => return from + at + 1,
            '}' => braces -= 1,
            ';' if braces == 0 && others == 0 => return from + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The text, as long as it was, with comments and strings blank.
fn code_of(text: &str) -> String {
    let token = Regex::new(concat!(
        r#"(?s)//[^\n]*|(?P<open>/\*)|\bb?c?r(?P<hashes>#*)"|"(?:[^"\\]|\\.)*""#,
        r#"|'(?:[^'\\]|\\[^u]|\\u\{[^}]*\})'"#,
    ))
    .unwrap();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = token.captures_at(text, at) {
        let whole = found.get(0).unwrap();
        code.push_str(&text[at..whole.start()]);
        at = whole.end();
        if let Some(hashes) = found.name("hashes") {
            let close = format!("\"{}", hashes.as_str());
            at = text[at..].find(&close).map_or(text.len(), |length| at + length + close.len());
        } else if found.name("open").is_some() {
            at = end_of_comment(text, at);
        }
        push_blank(&mut code, &text[whole.start()..at]);
    }
    code.push_str(&text[at..]);
    code
}

/// Block comments nest.
fn end_of_comment(text: &str, from: usize) -> usize {
    let mut depth = 1;
    let mut at = from;
    while depth > 0 {
        let Some(next) = text[at..].find(['/', '*']).map(|found| at + found) else { return text.len() };
        depth = match text.get(next..next + 2) {
            Some("/*") => depth + 1,
            Some("*/") => depth - 1,
            _ => {
                at = next + 1;
                continue;
            }
        };
        at = next + 2;
    }
    at
}

/// Blanks as many bytes, so that places in code and text are the same.
fn push_blank(code: &mut String, text: &str) {
    code.extend(text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}

#[test]
fn comments_strings_and_tests_are_told_from_code() {
    let text = r###"
        /// Says "std::fs" /* in a comment.
        fn a<'a>(x: &'a str) -> char { let _ = "std::fs { \" {"; '"' } // {
        /* one /* two */ { "still" */ const B: &str = r#"raw " {"#; fn b() {}
        #[cfg(test)]
        mod tests { fn c() { let _ = "in a test"; } }
        fn after() {}
    "###;
    let source = source(PathBuf::new(), &code_of(text));
    assert_eq!(source.code.len(), text.len());
    for gone in ["std::fs", "still", "raw", "mod tests"] {
        assert!(!source.code.contains(gone), "{gone}");
    }
    for kept in ["fn a<'a>(x: &'a str)", "fn b() {}", "fn after() {}"] {
        assert!(source.code.contains(kept), "{kept}");
    }
    assert_eq!(source.code.matches('{').count(), source.code.matches('}').count());
}

#[test]
fn test_modules_in_files_of_their_own_are_found() {
    let code = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\npub(crate) mod fixture;\nmod shipped;";
    let found = test_files(Path::new("src/lib.rs"), code);
    assert_eq!(found, [Path::new("src/tests"), Path::new("src/fixture")]);
    assert_eq!(test_files(Path::new("src/a.rs"), code)[0], Path::new("src/a/tests"));
}
