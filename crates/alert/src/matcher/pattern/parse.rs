//! RE2's grammar, with the flags that Go's `regexp` package sets.

use super::class;
use super::names;
use super::scan::{CodePoint, Scan, write_point};
use super::{PATTERN_BYTES_MAX, PatternError};
use std::borrow::Cow;
use std::fmt::Write;

/// Groups inside each other.
pub(super) const DEPTH_MAX: usize = 100;

/// Classes such as `\pL`, of which each is hundreds of ranges.
const UNICODE_CLASSES_MAX: usize = 100;

/// Code points of ranges whose case is folded, in all: each costs time.
const FOLDED_MAX: u32 = 0x3_0000;

/// The most often that a part may be repeated, counted repetitions inside
/// each other multiplied.
const REPEAT_MAX: u32 = 1000;

/// A class without members.
const NOTHING: &str = "[^\\x{0}-\\x{10FFFF}]";

/// A piece of a pattern. Greed and captures are left out: neither changes
/// whether a whole text matches.
#[derive(Debug)]
pub(super) enum Node {
    /// This character.
    Literal(char),
    /// Anything else that can't be taken apart, in the engine's words.
    Atom(Cow<'static, str>),
    /// `min` times or more, up to `max`.
    Repeat { node: Box<Node>, min: u32, max: Option<u32>, counted: bool },
    /// One after the other.
    Concat(Vec<Node>),
    /// Any of these.
    Alternate(Vec<Node>),
}

/// Reads a pattern.
pub(super) fn parse(pattern: &str) -> Result<Node, PatternError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::TooLong { bytes: pattern.len(), bytes_max: PATTERN_BYTES_MAX });
    }
    let unicode_classes = pattern.matches("\\p").count() + pattern.matches("\\P").count();
    if unicode_classes > UNICODE_CLASSES_MAX {
        return Err(PatternError::TooManyClasses { classes_max: UNICODE_CLASSES_MAX });
    }
    let mut parser = Parser {
        scan: Scan::new(pattern),
        flags: Flags::default(),
        group: Group::default(),
        outer: Vec::new(),
        folded: 0,
    };
    let mut repeated = false;
    while let Some(next) = parser.scan.peek() {
        repeated = parser.step(next, repeated)?;
    }
    if !parser.outer.is_empty() {
        let what = "`(` is not closed; write `\\(` for the character";
        return Err(PatternError::Invalid { offset: parser.group.offset, what });
    }
    Ok(parser.group.close())
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    many_lines: bool,
    dot_takes_newline: bool,
}

/// A group that is still open.
#[derive(Debug, Default)]
struct Group {
    /// Where its `(` is.
    offset: usize,
    /// In force before it.
    flags: Flags,
    branches: Vec<Node>,
    parts: Vec<Node>,
}

impl Group {
    fn end_branch(&mut self) {
        self.branches.push(Node::Concat(std::mem::take(&mut self.parts)));
    }

    fn close(mut self) -> Node {
        if self.branches.is_empty() {
            return Node::Concat(self.parts);
        }
        self.end_branch();
        Node::Alternate(self.branches)
    }
}

struct Parser<'a> {
    scan: Scan<'a>,
    flags: Flags,
    group: Group,
    outer: Vec<Group>,
    /// Code points of all ranges whose case was folded.
    folded: u32,
}

impl Parser<'_> {
    /// Reads one piece; true where it was a repetition.
    fn step(&mut self, next: char, repeated: bool) -> Result<bool, PatternError> {
        match next {
            '*' | '+' | '?' => return self.star(next, repeated).map(|()| true),
            '{' => return self.braces(repeated),
            '(' => self.open()?,
            ')' => self.close()?,
            '[' => {
                let class = class::bracketed(&mut self.scan)?;
                self.spend(class.span)?;
                self.push_folded(class.text());
            }
            '\\' => self.backslash()?,
            '|' => {
                self.scan.next();
                self.group.end_branch();
            }
            _ => {
                self.scan.next();
                self.plain(next);
            }
        }
        Ok(false)
    }

    fn plain(&mut self, next: char) {
        let atom = match next {
            '^' if self.flags.many_lines => "(?m:^)",
            '^' => "\\A",
            '$' if self.flags.many_lines => "(?m:$)",
            '$' => "\\z",
            '.' if self.flags.dot_takes_newline => "(?s:.)",
            '.' => "[^\\n]",
            _ => return self.literal(next.into()),
        };
        self.push(Node::Atom(atom.into()));
    }

    fn push(&mut self, node: Node) {
        self.group.parts.push(node);
    }

    fn push_folded(&mut self, text: String) {
        let text = if self.flags.fold_case { format!("(?i:{text})") } else { text };
        self.push(Node::Atom(text.into()));
    }

    /// Counts what ranges span where their case is folded.
    fn spend(&mut self, span: u32) -> Result<(), PatternError> {
        if self.flags.fold_case {
            self.folded = self.folded.saturating_add(span);
        }
        match self.folded <= FOLDED_MAX {
            true => Ok(()),
            false => Err(PatternError::FoldsTooMuch),
        }
    }

    fn literal(&mut self, point: CodePoint) {
        match char::from_u32(point) {
            // No text holds a surrogate.
            None => self.push(Node::Atom(NOTHING.into())),
            Some(char) if !self.flags.fold_case || !has_case(char) => self.push(Node::Literal(char)),
            Some(_) => {
                let mut text = String::new();
                write_point(&mut text, point);
                self.push_folded(text);
            }
        }
    }

    fn backslash(&mut self) -> Result<(), PatternError> {
        self.scan.next();
        let atom = match self.scan.peek() {
            Some('A') => "\\A",
            Some('z') => "\\z",
            Some('b') => "(?-u:\\b)",
            Some('B') => "(?-u:\\B)",
            Some('Q') => return self.quoted(),
            _ => return self.escape(),
        };
        self.scan.next();
        self.push(Node::Atom(atom.into()));
        Ok(())
    }

    fn quoted(&mut self) -> Result<(), PatternError> {
        self.scan.next();
        let start = self.scan;
        let Some(inside) = self.scan.until("\\E") else { return start.fault("`\\Q` is not closed by `\\E`") };
        inside.chars().for_each(|char| self.literal(char.into()));
        Ok(())
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        match class::escaped(&mut self.scan)? {
            Some(class) => self.push_folded(class),
            None => {
                let point = self.scan.escape()?;
                self.literal(point);
            }
        }
        Ok(())
    }

    fn star(&mut self, symbol: char, repeated: bool) -> Result<(), PatternError> {
        let start = self.scan;
        self.scan.next();
        let (min, max) = match symbol {
            '*' => (0, None),
            '+' => (1, None),
            _ => (0, Some(1)),
        };
        self.repeat(&start, repeated, (min, max), false)
    }

    /// `{2}`, `{2,}` and `{2,3}`; any other `{` is the character.
    fn braces(&mut self, repeated: bool) -> Result<bool, PatternError> {
        let start = self.scan;
        let Some((min, max)) = bounds(&mut self.scan) else {
            self.scan = start;
            self.scan.next();
            self.literal('{'.into());
            return Ok(false);
        };
        if min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || min > max) {
            return start.fault("a repetition is `{n}`, `{n,}` or `{n,m}` with n ≤ m ≤ 1000");
        }
        self.repeat(&start, repeated, (min, max), true)?;
        Ok(true)
    }

    fn repeat(
        &mut self,
        start: &Scan<'_>,
        repeated: bool,
        (min, max): (u32, Option<u32>),
        counted: bool,
    ) -> Result<(), PatternError> {
        self.scan.eat("?");
        if repeated {
            return start.fault("a repetition of a repetition; put the inner one in `(?:…)`");
        }
        let Some(node) = self.group.parts.pop() else {
            return start
                .fault("nothing to repeat before this; write a backslash before it for the character");
        };
        // RE2 takes `a*(?i)*`; without a group around the depth has no bound.
        if let Node::Repeat { .. } = node {
            let detail = "a repetition of a repetition; put the inner one in `(?:…)`".to_owned();
            return Err(PatternError::NotCompiled { detail });
        }
        let node = Node::Repeat { node: Box::new(node), min, max, counted };
        if counted && (min >= 2 || max.is_some_and(|max| max >= 2)) && !node.fits(REPEAT_MAX) {
            return start.fault("repetitions inside each other multiply to more than 1000");
        }
        self.push(node);
        Ok(())
    }

    fn open(&mut self) -> Result<(), PatternError> {
        let start = self.scan;
        self.scan.next();
        let mut inside = self.flags;
        if self.scan.eat("?") && !names::capture(&mut self.scan, &start)? {
            let (flags, opens) = flags(&mut self.scan, &start, self.flags)?;
            if !opens {
                self.flags = flags;
                return Ok(());
            }
            inside = flags;
        }
        if self.outer.len() == DEPTH_MAX {
            return Err(PatternError::TooDeep { depth_max: DEPTH_MAX });
        }
        let group = Group { offset: start.offset(), flags: self.flags, ..Group::default() };
        self.outer.push(std::mem::replace(&mut self.group, group));
        self.flags = inside;
        Ok(())
    }

    fn close(&mut self) -> Result<(), PatternError> {
        let offset = self.scan.offset();
        let Some(outer) = self.outer.pop() else { return Err(PatternError::Unbalanced { offset }) };
        self.scan.next();
        let group = std::mem::replace(&mut self.group, outer);
        self.flags = group.flags;
        self.push(group.close());
        Ok(())
    }
}

/// The numbers of a repetition; `None` where the text is none.
fn bounds(scan: &mut Scan<'_>) -> Option<(u32, Option<u32>)> {
    scan.next();
    let min = scan.number()?;
    let mut max = Some(min);
    if scan.eat(",") {
        max = if scan.peek() == Some('}') { None } else { Some(scan.number()?) };
    }
    scan.eat("}").then_some((min, max))
}

/// `i`, `m`, `s` and `U`, set or after `-` taken back; then `:` opens a group
/// and `)` holds for the rest of the one around.
fn flags(scan: &mut Scan<'_>, start: &Scan<'_>, before: Flags) -> Result<(Flags, bool), PatternError> {
    let (mut flags, mut set, mut any) = (before, true, false);
    while let Some(next) = scan.next() {
        match next {
            'i' => flags.fold_case = set,
            'm' => flags.many_lines = set,
            's' => flags.dot_takes_newline = set,
            'U' => {}
            '-' if set => set = false,
            ':' | ')' if set || any => return Ok((flags, next == ':')),
            _ => break,
        }
        any = next != '-';
    }
    start
        .fault("unknown group; RE2 has `(?:…)`, `(?P<name>…)`, `(?<name>…)` and the flags `i`, `m`, `s`, `U`")
}

/// Whether other characters may be its upper or lower case. The two of ASCII
/// that have relatives outside of it are letters too.
fn has_case(char: char) -> bool {
    !char.is_ascii() || char.is_ascii_alphabetic()
}

impl Node {
    /// Whether counted repetitions inside each other stay within `budget`.
    fn fits(&self, budget: u32) -> bool {
        match self {
            Self::Literal(_) | Self::Atom(_) => true,
            Self::Concat(nodes) | Self::Alternate(nodes) => nodes.iter().all(|node| node.fits(budget)),
            Self::Repeat { max: Some(0), counted: true, .. } => true,
            Self::Repeat { node, min, max, counted } => {
                let times = if *counted { max.unwrap_or(*min).max(1) } else { 1 };
                times <= budget && node.fits(budget / times)
            }
        }
    }

    /// Appends the piece in the engine's words.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Literal(char) => write_point(out, u32::from(*char)),
            Self::Atom(text) => out.push_str(text),
            Self::Concat(parts) => parts.iter().for_each(|part| part.write_inside(out)),
            Self::Alternate(branches) => {
                for (index, branch) in branches.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "|" });
                    branch.write(out);
                }
            }
            Self::Repeat { node, min, max, .. } => write_repeat(out, node, *min, *max),
        }
    }

    /// As one unit beside others.
    fn write_inside(&self, out: &mut String) {
        if !matches!(self, Self::Alternate(_)) {
            return self.write(out);
        }
        out.push_str("(?:");
        self.write(out);
        out.push(')');
    }
}

fn write_repeat(out: &mut String, node: &Node, min: u32, max: Option<u32>) {
    out.push_str("(?:");
    node.write(out);
    let written = match (min, max) {
        (0, None) => out.write_str(")*"),
        (1, None) => out.write_str(")+"),
        (0, Some(1)) => out.write_str(")?"),
        (min, None) => write!(out, "){{{min},}}"),
        (min, Some(max)) => write!(out, "){{{min},{max}}}"),
    };
    debug_assert!(written.is_ok(), "a String takes any text");
}
