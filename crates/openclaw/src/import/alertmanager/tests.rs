use super::out::{Line, Out, print};
use super::source::{Source, entries, items};
use super::templates::is_match;
use super::{go_duration, verify};
use crate::config::{Node, Value};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn file() -> Arc<Path> {
    Path::new("x.yml").into()
}

#[test]
fn durations_are_read_as_go_does() {
    for (text, want_ms) in [
        ("10s", 10_000),
        ("1.5s", 1500),
        ("1m30s", 90_000),
        ("1h0.5m", 3_630_000),
        ("+5ms", 5),
        ("0", 0),
        ("1000000", 1),
        (".5s", 500),
    ] {
        assert_eq!(go_duration(text), Some(Duration::from_millis(want_ms)), "{text}");
    }
    for bad in ["", "s", "1", "1d", "-1s", "1 s", "1.s.", "1s1", "..s", "99999999999h"] {
        let want = (bad == "1").then(|| Duration::from_nanos(1));
        assert_eq!(go_duration(bad), want, "{bad}");
    }
}

#[test]
fn file_names_match_as_in_go() {
    let check = |pattern: &str, name: &str, want: bool| {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(is_match(&chars(pattern), &chars(name)), want, "{pattern} {name}");
    };
    check("*.tmpl", "a.tmpl", true);
    check("*.tmpl", ".tmpl", true);
    check("*.tmpl", "a.tmplx", false);
    check("a?c", "abc", true);
    check("a?c", "ac", false);
    check("[a-c]*", "bx", true);
    check("[^a-c]*", "bx", false);
    check("[^a-c]*", "x", true);
    check("\\*", "*", true);
    check("\\*", "a", false);
    check("[a", "a", false);
    check("**a*", "xxaxx", true);
    check("", "", true);
}

/// The tree that a value printed means.
fn tree(source: &Source<'_>, node: &Node) -> Out {
    match &node.value {
        Value::List(_) => {
            let list: Vec<Line> = items(node).iter().map(|item| Line::Item(tree(source, item))).collect();
            if list.is_empty() { Out::word("[]") } else { Out::Block(list) }
        }
        Value::Section(_) => {
            let pair =
                |entry: &crate::config::Entry| Line::Pair(entry.key.clone(), tree(source, &entry.node));
            let pairs: Vec<Line> = entries(node).iter().map(pair).collect();
            if pairs.is_empty() { Out::word("{}") } else { Out::Block(pairs) }
        }
        Value::Text(text) => Out::Text(text.clone()),
        _ => Out::Word(source.text(node).unwrap_or_default()),
    }
}

/// Without the comments, which mean nothing.
fn without_comments(value: &Out) -> Out {
    let Out::Block(lines) = value else { return value.clone() };
    let kept = lines.iter().filter_map(|line| match line {
        Line::Comment(_) => None,
        Line::Pair(key, value) => Some(Line::Pair(key.clone(), without_comments(value))),
        Line::Item(value) => Some(Line::Item(without_comments(value))),
    });
    Out::Block(kept.collect())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ \n\tab#:'\"|>&*!%@-]{0,12}",
        "(true|null|no|on|1.5|0x1|~|=|<<|\\.\\.\\.|2020-01-01|1:5|y)",
        "[a-z]{1,5}(\n[ a-z]{0,5}){1,3}\n?",
    ]
}

fn any_out() -> impl Strategy<Value = Out> {
    let leaf =
        prop_oneof![any_text().prop_map(Out::Text), Just(Out::word("5m")).prop_map(|_| Out::word("true"))];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let comment = "[ -~é]{0,20}".prop_map(Line::Comment);
        let item = prop_oneof![4 => inner.clone().prop_map(Line::Item), 1 => comment.clone()];
        let pair = (any_text(), inner);
        let pairs = prop::collection::btree_map(pair.0, pair.1, 1..4).prop_map(|pairs| {
            pairs.into_iter().map(|(key, value)| Line::Pair(key, value)).collect::<Vec<_>>()
        });
        let pairs = (pairs, prop::option::of(comment)).prop_map(|(mut pairs, comment)| {
            pairs.splice(0..0, comment);
            Out::Block(pairs)
        });
        let items = prop::collection::vec(item, 1..4)
            .prop_filter("a list of comments is none", |items| {
                items.iter().any(|line| matches!(line, Line::Item(_)))
            })
            .prop_map(Out::Block);
        prop_oneof![pairs, items]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(value in any_out()) {
        let text = print(&[Line::Pair("key".to_owned(), value.clone())]);
        let source = Source::parse(&text, &file()).map_err(|fault| TestCaseError::fail(format!("{fault}\n{text}")))?;
        let found = tree(&source, &entries(&source.root)[0].node);
        prop_assert_eq!(found, without_comments(&value), "{}", text);
    }

    #[test]
    fn any_file_is_safe(text in "(route|receivers|global|match|name|-|:|\\{|\\}|\\[|\\]| |\n|a|5|'|<<|&a|\\*a|templates){0,40}") {
        if let Ok(source) = Source::parse(&text, &file()) {
            let _ = verify::faults(&source);
        }
    }

    #[test]
    fn any_duration_is_safe(text: String) {
        let _ = go_duration(&text);
    }
}
