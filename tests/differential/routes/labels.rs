//! Label sets, and the words that make them.

use crate::random::Random;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) type Labels = BTreeMap<String, String>;

/// Names that both parsers take.
pub(super) const CLASSIC_NAMES: [&str; 6] = ["alertname", "severity", "team", "zone", "a_b", "_x1"];

/// Names that must be quoted, or that only the newer parser takes bare.
pub(super) const OTHER_NAMES: [&str; 5] = ["service.name", "größe", "with space", "日本", "1st"];

pub(super) const VALUES: [&str; 18] = [
    "",
    "a",
    "b",
    "db",
    "DB",
    "api-1",
    "api-22",
    "1.5",
    "x y",
    "ö",
    "öö",
    "日本語",
    "qu\"ote",
    "back\\slash",
    "two\nlines",
    "a,b",
    "{a}",
    "a=b",
];

/// Regexes, each with a value that it matches.
pub(super) const REGEXES: [(&str, &str); 21] = [
    ("a|b", "b"),
    ("api-.*", "api-22"),
    (".*", ""),
    (".+", "x y"),
    ("", ""),
    ("[a-c]", "b"),
    ("(?i)db", "DB"),
    (r"\d+(\.\d+)?", "1.5"),
    ("ö+", "öö"),
    ("日.*", "日本語"),
    ("a.b", "a=b"),
    ("^a$", "a"),
    (r"(db|api)-?\d*", "db"),
    (r"\pL+", "ö"),
    ("[^a]", "b"),
    ("a{1,2}", "a"),
    (r"x\sy", "x y"),
    ("(?:db|DB)?", ""),
    ("two.lines", "two\nlines"),
    ("(?s)two.lines", "two\nlines"),
    (r#"qu"ote"#, "qu\"ote"),
];

/// Lines that only one of the parsers takes, that both take in another way, or
/// that neither does.
pub(super) const ODD_LINES: [&str; 40] = [
    "a_b=\"b\",team=\"a\"",
    "a_b=\"b\", team=\"a\",",
    "{a_b=\"b\",}",
    "{ a_b = \"b\" , team = \"a\" }",
    "{}",
    "",
    "a_b=",
    "a_b=\"\"",
    "=b",
    "a_b==b",
    "a_b=b=c",
    "a_b~b",
    "a_b=~(a",
    "a_b=~\"(a\"",
    "a_b=~\"a{2,1}\"",
    "a_b=~\"(?P<x>a|b)\"",
    "a_b=~\"[[:alpha:]]+\"",
    r#"a_b=~"\\bdb\\b""#,
    r#"a_b=~"\Qa,b\E""#,
    r#"a_b="\u0061""#,
    r#"a_b="\x61""#,
    r#"a_b="a\tb""#,
    r#"a_b="\"a\"""#,
    r#"a_b=\"a\""#,
    r#"a_b="a"#,
    r#"a_b=a""#,
    "a_b='a'",
    "a_b=`a`",
    "'a_b'=a",
    "größe=ö",
    "service.name=db",
    "1st=a",
    "日本!~\"日.*\"",
    "a_b=a b",
    "a_b=a,team=b",
    "{a_b=a",
    "a_b=a}",
    "a_b=~db|DB",
    "a_b=!x",
    "a_b!=~x",
];

pub(super) fn name(random: &mut Random) -> &'static str {
    if random.percent(75) { random.pick(&CLASSIC_NAMES) } else { random.pick(&OTHER_NAMES) }
}

/// Labels without any wish.
pub(super) fn noise(random: &mut Random) -> Labels {
    (0..random.below(3)).map(|_| (name(random).to_owned(), random.pick(&VALUES).to_owned())).collect()
}

/// Sets with one label less, or an easier value.
pub(super) fn smaller(labels: &Labels) -> Vec<Labels> {
    let without = |name: &String| {
        let mut smaller = labels.clone();
        smaller.remove(name);
        smaller
    };
    labels.keys().map(without).collect()
}

pub(super) fn json(labels: &Labels) -> Value {
    serde_json::to_value(labels).unwrap()
}

/// A name or value in double quotes, as every matcher parser reads it.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!("\"{escaped}\"")
}

/// The labels as arguments of a command line.
pub(super) fn words(labels: &Labels) -> Vec<String> {
    labels.iter().map(|(name, value)| format!("{}={}", quoted(name), quoted(value))).collect()
}
