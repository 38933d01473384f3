//! Actions into a tree.

use super::Loss;
use super::ast::{Branch, Command, Define, Head, Node, Operand, Otherwise, Pipe, Tag, Trim};
use super::lexer::{Piece, Word, pieces};

/// Deeper nesting than anybody writes, and little enough for any stack.
const DEPTH_MAX: usize = 60;

pub(super) fn parse(text: &str) -> Result<Vec<Node>, Loss> {
    let mut parser = Parser { pieces: pieces(text)?, at: 0, depth: 0 };
    let (nodes, stop) = parser.nodes()?;
    match stop {
        None => Ok(nodes),
        Some(stop) => Err(loss(stop.tag.line, format!("`{}` without a beginning", stop.word))),
    }
}

/// Every named template, also those of blocks, in order.
pub(super) fn defines(nodes: &[Node]) -> Vec<&Define> {
    let mut found = Vec::new();
    for node in nodes {
        match node {
            Node::Define(define) | Node::Block(_, define, _) => {
                found.push(define);
                found.extend(defines(&define.body));
            }
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                found.extend(defines(&branch.body));
                found.extend(branch.otherwise.iter().flat_map(|otherwise| defines(&otherwise.body)));
            }
            _ => {}
        }
    }
    found
}

/// Parts that are shown, with their lines; those of `{{ block }}` define
/// themselves.
pub(super) fn calls(nodes: &[Node]) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for node in nodes {
        match node {
            Node::Template(tag, name, _) => found.push((tag.line, name.as_str())),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                found.extend(calls(&branch.body));
                found.extend(branch.otherwise.iter().flat_map(|otherwise| calls(&otherwise.body)));
            }
            _ => {}
        }
    }
    found
}

fn loss(line: usize, reason: impl Into<String>) -> Loss {
    Loss { line, reason: reason.into() }
}

struct Parser<'t> {
    pieces: Vec<Piece<'t>>,
    at: usize,
    depth: usize,
}

/// `end` or `else`, which the branch that it ends must read.
struct Stop {
    word: String,
    tag: Tag,
    rest: Vec<Word>,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    If,
    With,
    Range,
}

impl Kind {
    fn node(self, branch: Branch) -> Node {
        match self {
            Kind::If => Node::If(branch),
            Kind::With => Node::With(branch),
            Kind::Range => Node::Range(branch),
        }
    }
}

impl Parser<'_> {
    fn nodes(&mut self) -> Result<(Vec<Node>, Option<Stop>), Loss> {
        self.depth += 1;
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get(self.at).cloned() {
            self.at += 1;
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(text.to_owned())),
                Piece::Comment { text, trim, line } => {
                    nodes.push(Node::Comment(Tag { trim, line }, text.to_owned()));
                }
                Piece::Action { words, trim, line, start, end } => {
                    let tag = Tag { trim, line };
                    if self.depth > DEPTH_MAX {
                        return Err(loss(line, format!("nested more than {DEPTH_MAX} deep")));
                    }
                    let (word, rest) = keyword(&words);
                    if matches!(word, "end" | "else") {
                        self.depth -= 1;
                        let stop = Stop { word: word.to_owned(), tag, rest: rest.to_vec(), start, end };
                        return Ok((nodes, Some(stop)));
                    }
                    nodes.push(self.action(word, rest, &words, tag, start)?);
                }
            }
        }
        self.depth -= 1;
        Ok((nodes, None))
    }

    fn action(
        &mut self,
        word: &str,
        rest: &[Word],
        all: &[Word],
        tag: Tag,
        start: usize,
    ) -> Result<Node, Loss> {
        match word {
            "if" => self.branch(Kind::If, rest, tag),
            "with" => self.branch(Kind::With, rest, tag),
            "range" => self.branch(Kind::Range, rest, tag),
            "break" => Ok(Node::Break(tag)),
            "continue" => Ok(Node::Continue(tag)),
            "template" => {
                let (name, rest) = text_first(rest, tag.line, "template")?;
                let pipe = if blank(rest) { None } else { Some(pipe(rest, tag.line)?) };
                Ok(Node::Template(tag, name, pipe))
            }
            "define" => {
                let (name, _) = text_first(rest, tag.line, "define")?;
                Ok(Node::Define(self.define(name, tag, start)?.0))
            }
            "block" => {
                let (name, rest) = text_first(rest, tag.line, "block")?;
                let shown = pipe(rest, tag.line)?;
                let (define, end) = self.define(name, tag, start)?;
                let trim = Trim { before: tag.trim.before, after: end.trim.after };
                Ok(Node::Block(Tag { trim, line: tag.line }, define, shown))
            }
            _ => Ok(Node::Action(tag, pipe(all, tag.line)?)),
        }
    }

    /// The body up to `end`. Its own trim marks are about its text.
    fn define(&mut self, name: String, tag: Tag, start: usize) -> Result<(Define, Tag), Loss> {
        let (mut body, stop) = self.nodes()?;
        let stop = stop.filter(|stop| stop.word == "end");
        let stop = stop.ok_or_else(|| loss(tag.line, format!("`define \"{name}\"` has no `end`")))?;
        if let (true, Some(Node::Text(text))) = (tag.trim.after, body.first_mut()) {
            *text = text.trim_start_matches([' ', '\t', '\r', '\n']).to_owned();
        }
        if let (true, Some(Node::Text(text))) = (stop.tag.trim.before, body.last_mut()) {
            *text = text.trim_end_matches([' ', '\t', '\r', '\n']).to_owned();
        }
        debug_assert!(start <= stop.start);
        Ok((Define { line: tag.line, name, body, source: start..stop.end }, stop.tag))
    }

    fn branch(&mut self, kind: Kind, words: &[Word], tag: Tag) -> Result<Node, Loss> {
        let pipe = pipe(words, tag.line)?;
        let (body, stop) = self.nodes()?;
        let stop = stop.ok_or_else(|| loss(tag.line, "an `if`, `with` or `range` has no `end`"))?;
        if stop.word == "end" {
            return Ok(kind.node(Branch { tag, pipe, body, otherwise: None, end: stop.tag }));
        }
        let (otherwise, end) = self.otherwise(kind, &stop)?;
        Ok(kind.node(Branch { tag, pipe, body, otherwise: Some(otherwise), end }))
    }

    fn otherwise(&mut self, kind: Kind, stop: &Stop) -> Result<(Otherwise, Tag), Loss> {
        let line = stop.tag.line;
        let chained = match keyword(&stop.rest) {
            ("if", rest) if kind == Kind::If => Some((Kind::If, rest)),
            ("with", rest) if kind == Kind::With => Some((Kind::With, rest)),
            _ if blank(&stop.rest) => None,
            _ => return Err(loss(line, "after `else` may follow `if`, or `with` in a `with`")),
        };
        let Some((kind, rest)) = chained else {
            let (body, end) = self.nodes()?;
            let end = end.filter(|end| end.word == "end").ok_or_else(|| loss(line, "`else` has no `end`"))?;
            return Ok((Otherwise { tag: stop.tag, body, chained: false }, end.tag));
        };
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(loss(line, format!("more than {DEPTH_MAX} times `else if`")));
        }
        // One `end` for both: its marks are shared out between them.
        let inner_tag = Tag { trim: Trim { before: false, after: stop.tag.trim.after }, line };
        let node = self.branch(kind, rest, inner_tag)?;
        self.depth -= 1;
        let Some((node, end)) = with_open_end(node) else { return Err(loss(line, "`else` has no `end`")) };
        let tag = Tag { trim: Trim { before: stop.tag.trim.before, after: false }, line };
        let outer_end = Tag { trim: Trim { before: false, after: end.trim.after }, line: end.line };
        Ok((Otherwise { tag, body: vec![node], chained: true }, outer_end))
    }
}

/// The branch without the mark after its end, and that end.
fn with_open_end(mut node: Node) -> Option<(Node, Tag)> {
    let (Node::If(branch) | Node::With(branch)) = &mut node else { return None };
    let end = branch.end;
    branch.end.trim.after = false;
    Some((node, end))
}

fn keyword(words: &[Word]) -> (&str, &[Word]) {
    let words = without_spaces(words);
    match words.split_first() {
        Some((Word::Name(name), rest)) => (name, rest),
        _ => ("", words),
    }
}

fn without_spaces(words: &[Word]) -> &[Word] {
    let start = words.iter().position(|word| *word != Word::Space).unwrap_or(words.len());
    let end = words.iter().rposition(|word| *word != Word::Space).map_or(start, |last| last + 1);
    &words[start..end]
}

fn blank(words: &[Word]) -> bool {
    without_spaces(words).is_empty()
}

fn text_first<'w>(words: &'w [Word], line: usize, of: &str) -> Result<(String, &'w [Word]), Loss> {
    match without_spaces(words).split_first() {
        Some((Word::Text(name), rest)) => Ok((name.clone(), rest)),
        _ => Err(loss(line, format!("`{of}` needs a name in quotes"))),
    }
}

fn pipe(words: &[Word], line: usize) -> Result<Pipe, Loss> {
    let mut reader = Reader { words: without_spaces(words), at: 0, line, depth: 0 };
    let pipe = reader.pipe()?;
    if reader.at < reader.words.len() {
        return Err(loss(line, "a `)` without `(`"));
    }
    Ok(pipe)
}

struct Reader<'w> {
    words: &'w [Word],
    at: usize,
    line: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(&Word::Space) {
            self.at += 1;
        }
    }

    fn pipe(&mut self) -> Result<Pipe, Loss> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(loss(self.line, format!("nested more than {DEPTH_MAX} deep")));
        }
        let (targets, assigns) = self.targets();
        let mut commands = vec![self.command()?];
        while self.peek() == Some(&Word::Pipe) {
            self.at += 1;
            commands.push(self.command()?);
        }
        self.depth -= 1;
        Ok(Pipe { targets, assigns, commands })
    }

    /// `$a, $b :=`, or nothing where no such sign follows.
    fn targets(&mut self) -> (Vec<String>, bool) {
        let start = self.at;
        let mut targets = Vec::new();
        loop {
            self.skip_spaces();
            let Some(Word::Variable(name)) = self.peek() else { break };
            targets.push(name.clone());
            self.at += 1;
            self.skip_spaces();
            match self.peek() {
                Some(Word::Comma) => self.at += 1,
                Some(sign @ (Word::Declare | Word::Assign)) => {
                    let assigns = *sign == Word::Assign;
                    self.at += 1;
                    return (targets, assigns);
                }
                _ => break,
            }
        }
        self.at = start;
        (Vec::new(), false)
    }

    fn command(&mut self) -> Result<Command, Loss> {
        let mut command = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                None | Some(Word::Pipe | Word::Close) => break,
                Some(_) => command.push(self.operand()?),
            }
        }
        if command.is_empty() {
            return Err(loss(self.line, "a value is missing"));
        }
        Ok(command)
    }

    fn operand(&mut self) -> Result<Operand, Loss> {
        let word = self.words[self.at].clone();
        self.at += 1;
        let mut fields = Vec::new();
        let head = match word {
            Word::Dot => Head::Dot,
            Word::Field(name) => {
                fields.push(name);
                Head::Dot
            }
            Word::Variable(name) => Head::Variable(name),
            Word::Name(name) => match name.as_str() {
                "true" | "false" => Head::Bool(name == "true"),
                "nil" => Head::Nil,
                _ => Head::Function(name),
            },
            Word::Text(text) => Head::Text(text),
            Word::Whole(number) => Head::Whole(number),
            Word::Fraction(number) => Head::Fraction(number),
            Word::Open => {
                let pipe = self.pipe()?;
                if self.peek() != Some(&Word::Close) {
                    return Err(loss(self.line, "a `(` is never closed"));
                }
                self.at += 1;
                Head::Paren(pipe)
            }
            _ => return Err(loss(self.line, "a sign stands where a value should")),
        };
        while let Some(Word::Field(name)) = self.peek() {
            fields.push(name.clone());
            self.at += 1;
        }
        Ok(Operand { head, fields })
    }
}
