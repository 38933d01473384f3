//! The tree as a template of ours.
//!
//! Go's variables live in blocks, Jinja's mostly don't: each gets a name that
//! nothing else in sight has. One that is assigned again lives in a
//! `namespace`, since a plain `set` inside of a loop ends with its turn.

use super::Loss;
use super::ast::{Branch, Node, Otherwise, Pipe, Tag, Trim};
use super::expression::{Code, Kind};
use super::names::{fresh, quoted};
use openclaw_delivery::template::ALERTMANAGER_NAMES;
use std::collections::BTreeSet;

type Result<T> = std::result::Result<T, String>;

/// A variable in sight.
struct Variable {
    /// With `$`.
    name: String,
    code: Code,
    id: usize,
}

pub(super) struct Printer {
    out: String,
    losses: Vec<Loss>,
    /// None at the top of a field, where the data's names stand alone.
    dots: Vec<Option<Code>>,
    variables: Vec<Variable>,
    /// Names of ours in sight.
    active: Vec<String>,
    /// Declarations counted, so that a second pass knows the first one's.
    declared: usize,
    assigned: BTreeSet<usize>,
    loops: usize,
}

impl Printer {
    /// For the text of a setting: data is at the top.
    pub(super) fn of_field() -> Self {
        Self::new(None)
    }

    /// For a named part: data is in `dot`.
    pub(super) fn of_define() -> Self {
        Self::new(Some(Code::path("dot")))
    }

    fn new(dot: Option<Code>) -> Self {
        Self {
            out: String::new(),
            losses: Vec::new(),
            dots: vec![dot],
            variables: Vec::new(),
            active: Vec::new(),
            declared: 0,
            assigned: BTreeSet::new(),
            loops: 0,
        }
    }

    /// Twice: the first pass finds the variables that are assigned again.
    pub(super) fn translate(mut self, nodes: &[Node]) -> std::result::Result<String, Vec<Loss>> {
        let root = self.dots[0].clone();
        self.nodes(nodes);
        if !self.assigned.is_empty() && self.losses.is_empty() {
            let assigned = self.assigned;
            self = Self { assigned, ..Self::new(root) };
            self.nodes(nodes);
        }
        if self.losses.is_empty() { Ok(self.out) } else { Err(self.losses) }
    }

    pub(super) fn dot(&self) -> Option<Code> {
        self.dots.last().cloned().flatten()
    }

    /// What a variable stands for; `None` is the data at the top.
    pub(super) fn variable(&self, name: &str) -> Result<Option<Code>> {
        if name == "$" {
            return Ok(self.dots[0].clone());
        }
        let found = self.variables.iter().rev().find(|variable| variable.name == name);
        found
            .map(|variable| Some(variable.code.clone()))
            .ok_or_else(|| format!("variable `{name}` is never set"))
    }

    pub(super) fn root_field(&self, name: &str) -> Result<Code> {
        if !ALERTMANAGER_NAMES.contains(&name) {
            return Err(format!("`.{name}` is not a part of the data"));
        }
        let mut code = Code::path("dot").field(name);
        code.text = name.to_owned();
        Ok(code)
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            if let Err((line, reason)) = self.node(node) {
                self.losses.push(Loss { line, reason });
            }
        }
    }

    fn node(&mut self, node: &Node) -> std::result::Result<(), (usize, String)> {
        let (line, result) = match node {
            Node::Text(text) => {
                self.text(text);
                return Ok(());
            }
            Node::Comment(tag, text) => {
                self.comment(*tag, text);
                return Ok(());
            }
            Node::Action(tag, pipe) => (tag.line, self.action(*tag, pipe)),
            Node::If(branch) => (branch.tag.line, self.if_branch(branch, "if").map(drop)),
            Node::With(branch) => (branch.tag.line, self.with_branch(branch)),
            Node::Range(branch) => (branch.tag.line, self.range(branch)),
            Node::Template(tag, name, pipe) => (tag.line, self.include(*tag, name, pipe.as_ref())),
            Node::Block(tag, define, pipe) => (tag.line, self.include(*tag, &define.name, Some(pipe))),
            Node::Break(tag) => (tag.line, self.leave(*tag, "break")),
            Node::Continue(tag) => (tag.line, self.leave(*tag, "continue")),
            Node::Define(define) => {
                (define.line, Err("`define` inside of another template has no equal".to_owned()))
            }
        };
        result.map_err(|reason| (line, reason))
    }

    /// Marks of Jinja that were text to Go become text again.
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find("{%").into_iter().chain(rest.find("{#")).min() {
            self.out.push_str(&rest[..at]);
            self.out.push_str(&format!("{{{{ {} }}}}", quoted(&rest[at..at + 2])));
            rest = &rest[at + 2..];
        }
        self.out.push_str(rest);
    }

    fn comment(&mut self, tag: Tag, text: &str) {
        let (before, after) = marks(tag.trim);
        self.out.push_str(&format!(
            "{{#{before} {} {after}#}}",
            text.trim().replace("#}", "# }").trim_matches('-')
        ));
    }

    fn statement(&mut self, trim: Trim, inside: &str) {
        let (before, after) = marks(trim);
        self.out.push_str(&format!("{{%{before} {inside} {after}%}}"));
    }

    fn action(&mut self, tag: Tag, pipe: &Pipe) -> Result<()> {
        let value = self.value(pipe)?;
        match pipe.targets.as_slice() {
            [] => {
                let (before, after) = marks(tag.trim);
                // A map's brace would close the mark.
                let gap = if value.text.ends_with('}') { " " } else { "" };
                self.out.push_str(&format!("{{{{{before} {}{gap} {after}}}}}", value.text));
                Ok(())
            }
            [name] if pipe.assigns => self.assign(tag, name, &value),
            [name] => {
                let set = self.declare(name, &value);
                self.statement(tag.trim, &set);
                Ok(())
            }
            _ => Err("two variables can be set by `range` only".to_owned()),
        }
    }

    /// The statement that sets a new variable.
    fn declare(&mut self, name: &str, value: &Code) -> String {
        let ours = fresh(name.trim_start_matches('$'), &self.active);
        let id = self.declared;
        self.declared += 1;
        let (code, set) = if self.assigned.contains(&id) {
            let code = value.named(format!("{ours}.value"));
            (code, format!("set {ours} = namespace(value={})", value.text))
        } else {
            let code = value.named(ours.clone());
            (code, format!("set {ours} = {}", value.text))
        };
        self.active.push(ours);
        self.variables.push(Variable { name: name.to_owned(), code, id });
        set
    }

    fn assign(&mut self, tag: Tag, name: &str, value: &Code) -> Result<()> {
        let found = self.variables.iter().rev().find(|variable| variable.name == name);
        let found = found.ok_or_else(|| format!("variable `{name}` is never set"))?;
        if found.id == usize::MAX {
            return Err(format!("`{name}` belongs to its `range`: assigning to it has no equal"));
        }
        let set = format!("set {} = {}", found.code.text, value.text);
        self.assigned.insert(found.id);
        self.statement(tag.trim, &set);
        Ok(())
    }

    /// What is set in `inside` is out of sight after it.
    fn scoped<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let (variables, active) = (self.variables.len(), self.active.len());
        let result = inside(self);
        self.variables.truncate(variables);
        self.active.truncate(active);
        result
    }

    /// A condition, after the statement that sets its variable.
    fn condition(&mut self, tag: Tag, pipe: &Pipe, word: &str) -> Result<()> {
        let value = self.value(pipe)?;
        let (trim, text) = match pipe.targets.as_slice() {
            [] => (tag.trim, value.text),
            [name] if !pipe.assigns => {
                let set = self.declare(name, &value);
                self.statement(Trim { before: tag.trim.before, after: false }, &set);
                (
                    Trim { before: false, after: tag.trim.after },
                    self.variable(name)?.map_or(value.text, |code| code.text),
                )
            }
            _ => return Err("a condition that assigns has no equal: assign before it".to_owned()),
        };
        self.statement(trim, &format!("{word} {text}"));
        Ok(())
    }

    /// With `elif` the one `endif` is written by the outermost branch: the
    /// answer says whether its end trims what stands before it.
    fn if_branch(&mut self, branch: &Branch, word: &str) -> Result<bool> {
        self.scoped(|printer| {
            printer.condition(branch.tag, &branch.pipe, word)?;
            printer.block(&branch.body);
            let before = printer.otherwise(branch.otherwise.as_ref())? || branch.end.trim.before;
            if word == "if" {
                printer.statement(Trim { before, after: branch.end.trim.after }, "endif");
            }
            Ok(before)
        })
    }

    /// Nodes with variables of their own.
    fn block(&mut self, nodes: &[Node]) {
        let (variables, active) = (self.variables.len(), self.active.len());
        self.nodes(nodes);
        self.variables.truncate(variables);
        self.active.truncate(active);
    }

    fn otherwise(&mut self, otherwise: Option<&Otherwise>) -> Result<bool> {
        let Some(Otherwise { tag, body, chained }) = otherwise else { return Ok(false) };
        if let (true, [Node::If(branch)]) = (chained, body.as_slice())
            && branch.pipe.targets.is_empty()
        {
            let trim = Trim { before: tag.trim.before, after: branch.tag.trim.after };
            let branch = Branch { tag: Tag { trim, line: tag.line }, ..branch.clone() };
            return self.if_branch(&branch, "elif");
        }
        self.statement(tag.trim, "else");
        self.block(body);
        Ok(false)
    }

    fn with_branch(&mut self, branch: &Branch) -> Result<()> {
        self.scoped(|printer| {
            let value = printer.value(&branch.pipe)?;
            let dot = printer.with_target(branch, value)?;
            printer.dots.push(Some(dot));
            printer.block(&branch.body);
            printer.dots.pop();
            printer.otherwise(branch.otherwise.as_ref())?;
            printer.statement(branch.end.trim, "endif");
            Ok(())
        })
    }

    /// Opens a `with`; gives what the dot stands for in it.
    fn with_target(&mut self, branch: &Branch, value: Code) -> Result<Code> {
        let trim = branch.tag.trim;
        let name = match branch.pipe.targets.as_slice() {
            [] if value.is_path => {
                self.statement(trim, &format!("if {}", value.text));
                return Ok(value);
            }
            [] => wish(&value, "it"),
            [name] if !branch.pipe.assigns => name.clone(),
            _ => return Err("a `with` that assigns has no equal: assign before it".to_owned()),
        };
        let set = self.declare(&name, &value);
        self.statement(Trim { before: trim.before, after: false }, &set);
        let dot = self.variable(&name)?.ok_or_else(|| "a variable is lost".to_owned())?;
        self.statement(Trim { before: false, after: trim.after }, &format!("if {}", dot.text));
        Ok(dot)
    }

    fn range(&mut self, branch: &Branch) -> Result<()> {
        if branch.pipe.assigns {
            return Err("a `range` that assigns has no equal: declare with `:=`".to_owned());
        }
        let list = self.value(&branch.pipe)?;
        self.scoped(|printer| {
            let dot = printer.open_loop(branch, &list)?;
            printer.dots.push(Some(dot));
            printer.loops += 1;
            printer.nodes(&branch.body);
            printer.loops -= 1;
            printer.dots.pop();
            Ok(())
        })?;
        if let Some(otherwise) = &branch.otherwise {
            self.otherwise(Some(otherwise))?;
        }
        self.statement(branch.end.trim, "endfor");
        Ok(())
    }

    fn open_loop(&mut self, branch: &Branch, list: &Code) -> Result<Code> {
        let names: Vec<String> = branch.pipe.targets.clone();
        match names.as_slice() {
            [] => {
                let element = self.loop_variable("$", &element_wish(list));
                self.statement(branch.tag.trim, &format!("for {} in {}", element.text, list.elements()));
                Ok(element)
            }
            [name] => {
                let element = self.loop_variable(name, name);
                self.statement(branch.tag.trim, &format!("for {} in {}", element.text, list.elements()));
                Ok(element)
            }
            [key, name] => {
                let key = self.loop_variable(key, key);
                let element = self.loop_variable(name, name);
                let head = format!("for {}, {} in pairs({})", key.text, element.text, list.text);
                self.statement(branch.tag.trim, &head);
                Ok(element)
            }
            _ => Err("`range` sets two variables at most".to_owned()),
        }
    }

    fn loop_variable(&mut self, name: &str, wish: &str) -> Code {
        let ours = fresh(wish.trim_start_matches('$'), &self.active);
        self.active.push(ours.clone());
        let code = Code::path(ours);
        if name != "$" {
            self.variables.push(Variable { name: name.to_owned(), code: code.clone(), id: usize::MAX });
        }
        code
    }

    fn leave(&mut self, tag: Tag, word: &str) -> Result<()> {
        if self.loops == 0 {
            return Err(format!("`{word}` outside of a `range`"));
        }
        self.statement(tag.trim, word);
        Ok(())
    }

    /// In a frame of its own: what the part sets must not be seen here.
    fn include(&mut self, tag: Tag, name: &str, pipe: Option<&Pipe>) -> Result<()> {
        let data = match pipe {
            None => "none".to_owned(),
            Some(pipe) if !pipe.targets.is_empty() => {
                return Err("a variable set in `template` has no equal: set it before".to_owned());
            }
            Some(pipe) => self.value(pipe)?.text,
        };
        self.statement(Trim { before: tag.trim.before, after: false }, &format!("with dot = {data}"));
        self.statement(Trim::default(), &format!("include {}", quoted(name)));
        self.statement(Trim { before: false, after: tag.trim.after }, "endwith");
        Ok(())
    }
}

fn marks(trim: Trim) -> (&'static str, &'static str) {
    (if trim.before { "-" } else { "" }, if trim.after { "-" } else { "" })
}

fn wish(value: &Code, otherwise: &str) -> String {
    match value.kind {
        Kind::Labels => "labels".to_owned(),
        Kind::Alerts => "alerts".to_owned(),
        _ => otherwise.to_owned(),
    }
}

fn element_wish(list: &Code) -> String {
    let name = match list.kind {
        Kind::Alerts => "alert",
        Kind::Pairs => "pair",
        Kind::Texts if list.text.ends_with("Names") => "name",
        Kind::Texts | Kind::Labels => "value",
        Kind::Unknown => "item",
    };
    name.to_owned()
}
