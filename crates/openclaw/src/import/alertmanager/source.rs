//! The file that is imported: its values as Alertmanager reads them.

use crate::config::{Entry, Fault, Node, Place, Problem, Value, yaml};
use std::path::Path;
use std::sync::Arc;

/// A file's text and tree.
pub(super) struct Source<'a> {
    lines: Vec<&'a str>,
    pub(super) root: Node,
}

impl<'a> Source<'a> {
    pub(super) fn parse(text: &'a str, file: &Arc<Path>) -> Result<Self, Fault> {
        let root = yaml::parse_old(text, file)?;
        Ok(Self { lines: text.lines().collect(), root })
    }

    /// The text of a value that is one word or more; `None` for lists and
    /// sections. Numbers and flags as they are written: `1.10` is a label's
    /// value too.
    pub(super) fn text(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) | Value::Variable(text) => Some(text.clone()),
            Value::Null => Some(String::new()),
            Value::Number(digits) => Some(self.written(&node.place).unwrap_or_else(|| digits.clone())),
            Value::Flag(flag) => Some(self.written(&node.place).unwrap_or_else(|| flag.to_string())),
            Value::List(_) | Value::Section(_) => None,
        }
    }

    fn written(&self, place: &Place) -> Option<String> {
        let Place::Line { line, column, .. } = place else { return None };
        let line = self.lines.get(usize::try_from(*line).ok()?.checked_sub(1)?)?;
        let start = usize::try_from(*column).ok()?.checked_sub(1)?;
        let is_plain = |char: &char| char.is_ascii_alphanumeric() || "+-._".contains(*char);
        let word: String = line.chars().skip(start).take_while(is_plain).collect();
        (!word.is_empty()).then_some(word)
    }
}

/// The entries of a section, none for anything else.
pub(super) fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Section(entries) => entries,
        _ => &[],
    }
}

/// The items of a list, none for anything else.
pub(super) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => &[],
    }
}

/// The value of a key, where it isn't empty.
pub(super) fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let entry = entries(node).iter().find(|entry| entry.key == key)?;
    (!is_empty(&entry.node)).then_some(&entry.node)
}

/// Nothing, or text without letters. A section left empty is set.
pub(super) fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

/// A fault in the file.
pub(super) fn refused(place: &Place, detail: impl Into<String>) -> Fault {
    Fault { place: place.clone(), problem: Problem::Alertmanager { detail: detail.into() } }
}
