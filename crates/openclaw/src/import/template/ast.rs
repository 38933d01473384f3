//! A Go template as a tree.

use std::ops::Range;

/// The `-` at either side of an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trim {
    pub(super) before: bool,
    pub(super) after: bool,
}

/// Where an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) trim: Trim,
    pub(super) line: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Comment(Tag, String),
    /// Prints, declares or assigns.
    Action(Tag, Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(Tag, String, Option<Pipe>),
    Break(Tag),
    Continue(Tag),
    Define(Define),
    /// Defines and shows.
    Block(Tag, Define, Pipe),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) tag: Tag,
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Option<Otherwise>,
    pub(super) end: Tag,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Otherwise {
    pub(super) tag: Tag,
    /// For `else if`, the one branch, which ends where the whole does.
    pub(super) body: Vec<Node>,
    pub(super) chained: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Define {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) body: Vec<Node>,
    /// Its text in the file.
    pub(super) source: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipe {
    /// Names with `$`.
    pub(super) targets: Vec<String>,
    /// `=` and not `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// A function or value, and its arguments.
pub(super) type Command = Vec<Operand>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) head: Head,
    /// `.A.B` after it.
    pub(super) fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Head {
    Dot,
    Variable(String),
    Function(String),
    Text(String),
    Whole(i64),
    Fraction(f64),
    Bool(bool),
    Nil,
    Paren(Pipe),
}
