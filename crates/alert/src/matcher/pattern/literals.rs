//! Patterns that name a handful of texts: `a|b|c`, `node-(1|2)`.

use super::parse::Node;
use std::cmp::Ordering;

/// Texts that a group in the middle of a pattern may multiply out to.
const PRODUCT_MAX: usize = 64;

/// Up to so many texts are compared one by one.
const SCANNED_MAX: usize = 8;

/// The texts that a pattern matches, sorted by length, then bytes: most
/// comparisons then are of lengths alone.
#[derive(Debug, Clone)]
pub(in crate::matcher) struct Literals(Box<[Box<str>]>);

impl Literals {
    /// `None` where the pattern matches others as well, or too many.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let mut texts = texts(node)?;
        texts.sort_unstable_by(|one, other| order(one, other));
        texts.dedup();
        Some(Self(texts.into_iter().map(String::into_boxed_str).collect()))
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        if self.0.len() <= SCANNED_MAX {
            return self.0.iter().any(|known| **known == *text);
        }
        self.0.binary_search_by(|known| order(known, text)).is_ok()
    }
}

fn order(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

fn texts(node: &Node) -> Option<Vec<String>> {
    match node {
        Node::Literal(char) => Some(vec![char.to_string()]),
        Node::Concat(parts) => parts.iter().try_fold(vec![String::new()], append),
        Node::Alternate(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.append(&mut texts(branch)?);
            }
            Some(all)
        }
        Node::Atom(_) | Node::Repeat { .. } => None,
    }
}

/// Every head with every text of the next part.
fn append(mut heads: Vec<String>, part: &Node) -> Option<Vec<String>> {
    if let Node::Literal(char) = part {
        heads.iter_mut().for_each(|head| head.push(*char));
        return Some(heads);
    }
    let tails = texts(part)?;
    if heads == [""] {
        return Some(tails);
    }
    if heads.len() * tails.len() > PRODUCT_MAX {
        return None;
    }
    Some(heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))).collect())
}
