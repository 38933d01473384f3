//! YAML text to a tree in which every key and value knows its place. The only
//! module that knows the YAML library, its limits on depth, aliases and size
//! included.
//!
//! The tree, not the settings' types, is what the library reads: a type stops
//! at its first fault, and all of a file's faults are to be told together.

use super::fault::{Fault, Place};
use super::problem::Problem;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Sections and lists within each other.
const DEPTH_MAX: usize = 100;

/// One value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// What a value may be.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    /// Digits as they were understood.
    Number(String),
    Text(String),
    /// Text of an environment variable: it may stand for a number or a flag.
    Variable(String),
    List(Vec<Node>),
    Section(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) | Self::Variable(_) => "text",
            Self::List(_) => "a list",
            Self::Section(_) => "keys and values",
        }
    }
}

/// Reads one document.
pub(crate) fn parse(text: &str, file: &Arc<Path>) -> Result<Node, Fault> {
    // `off` is a word in these files, and `yes` no answer.
    read(text, file, true)
}

/// Reads one document of another program, as YAML 1.1 has it: `yes` is true.
pub(crate) fn parse_old(text: &str, file: &Arc<Path>) -> Result<Node, Fault> {
    read(text, file, false)
}

fn read(text: &str, file: &Arc<Path>, strict_booleans: bool) -> Result<Node, Fault> {
    // A level of routes takes two.
    let budget = serde_saphyr::budget! { max_depth: DEPTH_MAX };
    let options =
        serde_saphyr::options! { with_snippet: false, strict_booleans: strict_booleans, budget: budget };
    let tree: Tree =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| fault(&error, file))?;
    Ok(placed(tree, file))
}

struct Tree(Spanned<Shape>);

enum Shape {
    Leaf(Value),
    List(Vec<Tree>),
    Section(Vec<(Spanned<String>, Tree)>),
}

fn placed(tree: Tree, file: &Arc<Path>) -> Node {
    let place = place_of(tree.0.referenced, file);
    let value = match tree.0.value {
        Shape::Leaf(value) => value,
        Shape::List(items) => Value::List(items.into_iter().map(|item| placed(item, file)).collect()),
        Shape::Section(entries) => {
            let entry = |(key, value): (Spanned<String>, Tree)| Entry {
                key_place: place_of(key.referenced, file),
                key: key.value,
                node: placed(value, file),
            };
            Value::Section(entries.into_iter().map(entry).collect())
        }
    };
    Node { value, place }
}

fn place_of(location: Location, file: &Arc<Path>) -> Place {
    Place::Line { file: file.clone(), line: location.line(), column: location.column() }
}

fn fault(error: &serde_saphyr::Error, file: &Arc<Path>) -> Fault {
    let located = error.location().filter(|location| location.line() > 0);
    let place = located.map_or_else(|| Place::Whole(file.clone()), |at| place_of(at, file));
    // The place stands before the message already, and options are no concern
    // of whoever writes a settings file.
    let detail = error.without_snippet().to_string();
    let detail = detail.split(" at line ").next().unwrap_or(&detail);
    let detail = detail.split(", set ").next().unwrap_or(detail).split("; use ").next().unwrap_or(detail);
    let detail = match detail.strip_prefix("budget breached: ") {
        Some(breach) if breach.starts_with("Depth") => {
            format!("more than {DEPTH_MAX} sections and lists within each other")
        }
        Some(breach) => format!("too much for one file: {}", breach.split(' ').next().unwrap_or(breach)),
        None => detail.to_owned(),
    };
    Fault { place, problem: Problem::Yaml { detail } }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Tree)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl ShapeVisitor {
    fn number<E>(digits: impl fmt::Display) -> Result<Shape, E> {
        Ok(Shape::Leaf(Value::Number(digits.to_string())))
    }
}

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Leaf(Value::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Shape, E> {
        Ok(Shape::Leaf(Value::Flag(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Shape, E> {
        Self::number(number)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
        Self::number(number)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Shape, E> {
        Self::number(number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::Leaf(Value::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Shape::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
        let mut section = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            section.push(entry);
        }
        Ok(Shape::Section(section))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file() -> Arc<Path> {
        Path::new("x.yaml").into()
    }

    fn fault_of(text: &str) -> String {
        parse(text, &file()).unwrap_err().to_string()
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let node = parse("a: 1\nb:\n  - 'x'\n  - {c: true, d: off}\n", &file()).unwrap();
        let Value::Section(entries) = node.value else { panic!("a section") };
        assert_eq!(entries[0].key_place.to_string(), "x.yaml:1:1");
        assert_eq!(entries[0].node.place.to_string(), "x.yaml:1:4");
        let Value::List(items) = &entries[1].node.value else { panic!("a list") };
        assert_eq!(items[0].place.to_string(), "x.yaml:3:5");
        let Value::Section(inner) = &items[1].value else { panic!("a section") };
        assert_eq!(inner[0].node.place.to_string(), "x.yaml:4:9");
        assert!(matches!(inner[0].node.value, Value::Flag(true)));
        assert!(matches!(&inner[1].node.value, Value::Text(word) if word == "off"));
    }

    #[test]
    fn faults_are_short_and_placed() {
        assert_eq!(fault_of("a: 1\na: 2\n"), "x.yaml:2:1: duplicate mapping key: a");
        assert_eq!(fault_of("a: 1\n---\nb: 2\n"), "x.yaml:3:1: multiple YAML documents detected");
        assert_eq!(fault_of("a: [1\nb"), "x.yaml:1:4: unclosed bracket '['");
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = format!("*a{},", level - 1).repeat(9);
            bomb += &format!("a{level}: &a{level} [{before}]\n");
        }
        assert!(parse(&bomb, &file()).is_err());
        assert!(parse(&"[".repeat(100_000), &file()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in ".{0,200}", yaml in "[-a-c:{}\\[\\]\"'&*|>#!? \n\t0-9]{0,60}") {
            let _ = (parse(&text, &file()), parse(&yaml, &file()));
        }
    }
}
