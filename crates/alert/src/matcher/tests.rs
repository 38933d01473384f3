//! The files under `vectors/` hold what Alertmanager 0.31.1 answered: a line
//! is text and answer, `null` where it refused.

use super::*;
use crate::LabelsBuilder;
use proptest::prelude::*;
use serde_json::{Value, json};

fn vectors(lines: &str) -> impl Iterator<Item = Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn parts(matcher: &Matcher) -> Value {
    json!([matcher.name(), matcher.op().symbol(), matcher.value(), matcher.to_string()])
}

#[test]
fn one_matcher_reads_as_in_alertmanager() {
    for vector in vectors(include_str!("vectors/one.jsonl")) {
        let found = Matcher::parse(vector[0].as_str().unwrap());
        assert_eq!(found.map_or(Value::Null, |found| parts(&found)), vector[1], "{vector}");
    }
}

#[test]
fn a_list_reads_as_in_alertmanager() {
    for vector in vectors(include_str!("vectors/list.jsonl")) {
        let found = Matcher::parse_list(vector[0].as_str().unwrap());
        assert_eq!(found.map_or(Value::Null, |found| display_list(&found).into()), vector[1], "{vector}");
    }
}

#[test]
fn a_regex_matches_as_in_go() {
    for vector in vectors(include_str!("vectors/regex.jsonl")) {
        let matcher = Matcher::new("a", MatchOp::Regex, vector[0].as_str().unwrap());
        assert_eq!(matcher.is_err(), vector[1].is_null(), "{vector}: {matcher:?}");
        let Ok(matcher) = matcher else { continue };
        for (texts, want) in [(&vector[1], true), (&vector[2], false)] {
            for text in texts.as_array().unwrap() {
                assert_eq!(matcher.matches_value(text.as_str().unwrap()), want, "{vector} on {text}");
            }
        }
    }
}

#[test]
fn what_go_takes_and_we_do_not_is_said() {
    for (pattern, want) in [
        ("a)(b", "bad regex at byte 1: `)` without `(`; write `\\)` for the character"),
        ("\\pL{1000}", "regex compiles to more than 1 MiB; use smaller repetitions"),
        ("a*(?i)*", "regex is not supported: a repetition of a repetition; put the inner one in `(?:…)`"),
        (&"\\pL".repeat(101), "regex has more than 100 classes such as `\\pL`; write fewer"),
        (
            &format!("(?i){}", "[!-\\x{ffff}]".repeat(5)),
            "regex has too many wide ranges under `(?i)`; take them out of it",
        ),
        (&"(".repeat(200), "regex has more than 100 groups inside each other"),
        (&"a".repeat(70_000), "regex of 70000 bytes is longer than 65536; split it"),
    ] {
        let error = Matcher::new("a", MatchOp::Regex, pattern).unwrap_err();
        assert_eq!(error.detail, want);
    }
}

#[test]
fn a_fault_says_where() {
    for (pattern, want) in [
        ("a(b|c", "bad regex at byte 1: `(` is not closed; write `\\(` for the character"),
        ("ab**", "bad regex at byte 3: a repetition of a repetition; put the inner one in `(?:…)`"),
        ("é[a-", "bad regex at byte 2: `[` is not closed; write `\\[` for the character"),
        ("\\d\\y", "bad regex at byte 3: unknown escape; write `\\\\` for a backslash"),
    ] {
        assert_eq!(Matcher::new("a", MatchOp::Regex, pattern).unwrap_err().detail, want);
    }
}

#[test]
fn a_reading_that_only_we_refuse_does_not_let_the_other_count() {
    // The older syntax takes `a)(b` with a comma after it, the newer one without.
    let error = Matcher::parse("foo=~a)(b,").unwrap_err();
    assert!(error.detail.contains("without `(`"), "{error}");
}

#[test]
fn absent_is_empty() {
    let bytes = LabelsBuilder::encode([("foo", "bar")]);
    let labels = Labels::from_encoded(&bytes);
    for (text, want) in [("foo=bar", true), ("absent=", true), ("absent!=", false), ("absent!~a", true)] {
        assert_eq!(Matcher::parse(text).unwrap().matches(labels), want, "{text}");
    }
}

#[test]
fn only_positive_matchers_count_as_empty_for_a_silence() {
    for (text, want) in [
        ("a=", true),
        ("a=b", false),
        ("a=~.*", true),
        ("a=~|b", true),
        ("a=~.+", false),
        ("a!=b", false),
        ("a!~b", false),
    ] {
        assert_eq!(Matcher::parse(text).unwrap().matches_empty_for_silence(), want, "{text}");
    }
}

#[test]
fn sorts_by_name_value_and_operator() {
    let mut found = Matcher::parse_list("b=a,a!=c,a!~b,a=~b,a!=b,a=b").unwrap();
    found.sort();
    assert_eq!(display_list(&found), r#"{a="b",a!="b",a=~"b",a!~"b",a!="c",b="a"}"#);
}

#[test]
fn text_beyond_the_bound_is_refused_without_repeating_it() {
    let error = Matcher::parse_list(&"a=b,".repeat(MATCHER_BYTES_MAX)).unwrap_err();
    assert_eq!(error.text.len(), 80);
}

fn any_op() -> impl Strategy<Value = MatchOp> {
    prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual)]
}

/// Pieces of patterns in any order, most of them not well formed.
const PIECES: &str = r"([ab|()*+?.^$&~-]|\[|\]|\\[a-zA-Z0-9]|\(\?[imsU-]{0,2}[:)]|\{[0-9],?\}|é){0,12}";

proptest! {
    #[test]
    fn what_is_written_is_read(
        matchers in proptest::collection::vec(("\\PC+|[a-z]+|.+", any_op(), any::<String>()), 1..4)
    ) {
        let matchers: Vec<Matcher> =
            matchers.iter().map(|(name, op, value)| Matcher::new(name, *op, value).unwrap()).collect();
        prop_assert_eq!(&Matcher::parse(&matchers[0].to_string()).unwrap(), &matchers[0]);
        prop_assert_eq!(Matcher::parse_list(&display_list(&matchers)).unwrap(), matchers);
    }

    #[test]
    fn literals_agree_with_the_engine(pattern in "[ab|()]{0,12}", text in "[ab]{0,4}") {
        if let Ok(regex) = anchored(&pattern) {
            let matcher = Matcher::new("a", MatchOp::Regex, &pattern).unwrap();
            prop_assert_eq!(matcher.matches_value(&text), regex.is_match(&text));
        }
    }

    #[test]
    fn the_engine_takes_all_that_is_written_for_it(pattern in PIECES) {
        if let Err(error @ PatternError::NotCompiled { .. }) = anchored(&pattern) {
            prop_assert!(error.to_string().contains("repetition of a repetition"), "{}", error);
        }
    }

    #[test]
    fn any_text_is_safe(text: String, pattern in "[\\[\\](){}*?\\\\Qpx:^E|a-]{0,20}") {
        let _ = (Matcher::parse(&text), Matcher::parse_list(&text), anchored(&text), anchored(&pattern));
    }
}
