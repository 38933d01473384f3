//! Values: pipelines, calls and fields.

use super::ast::{Command, Head, Operand, Pipe};
use super::names::{attribute, quoted};
use super::print::Printer;

/// Also usable as filters, with the piped value last.
const FILTERS: [&str; 24] = [
    "toUpper",
    "toLower",
    "title",
    "trimSpace",
    "join",
    "match",
    "reReplaceAll",
    "safeHtml",
    "safeUrl",
    "urlUnescape",
    "urlquery",
    "html",
    "js",
    "print",
    "println",
    "printf",
    "len",
    "date",
    "tz",
    "since",
    "humanizeDuration",
    "toJson",
    "base64encode",
    "base64decode",
];

/// How tightly the parts of a value hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Logic,
    Not,
    Compare,
    Filter,
    /// Names, fields, calls and literals.
    Tight,
}

/// What a value is, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Alerts,
    Pairs,
    Labels,
    Texts,
    Unknown,
}

/// A value in our words.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) text: String,
    bond: Bond,
    pub(super) kind: Kind,
    /// Only names and fields: costs nothing to write twice.
    pub(super) is_path: bool,
}

type Result<T> = std::result::Result<T, String>;

impl Code {
    fn tight(text: impl Into<String>) -> Self {
        Self { text: text.into(), bond: Bond::Tight, kind: Kind::Unknown, is_path: false }
    }

    pub(super) fn path(text: impl Into<String>) -> Self {
        Self { is_path: true, ..Self::tight(text) }
    }

    /// The same value under another name.
    pub(super) fn named(&self, name: String) -> Self {
        Self { kind: self.kind, ..Self::path(name) }
    }

    fn of(bond: Bond, text: String) -> Self {
        Self { bond, ..Self::tight(text) }
    }

    /// In parentheses where it would come apart.
    fn within(&self, bond: Bond) -> String {
        if self.bond < bond { format!("({})", self.text) } else { self.text.clone() }
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let text = format!("{}{}", self.within(Bond::Tight), attribute(name));
        Self { text, bond: Bond::Tight, kind: self.kind_of(name), is_path: self.is_path }
    }

    fn kind_of(&self, field: &str) -> Kind {
        match (self.kind, field) {
            (Kind::Labels, "SortedPairs") => Kind::Pairs,
            (Kind::Labels | Kind::Pairs, "Names" | "Values") => Kind::Texts,
            (Kind::Labels, _) => Kind::Unknown,
            (_, "Alerts" | "Firing" | "Resolved") => Kind::Alerts,
            (_, "GroupLabels" | "CommonLabels" | "CommonAnnotations" | "Labels" | "Annotations") => {
                Kind::Labels
            }
            _ => Kind::Unknown,
        }
    }

    /// What `range` goes through.
    pub(super) fn elements(&self) -> String {
        match self.kind {
            Kind::Alerts | Kind::Pairs | Kind::Texts => self.within(Bond::Filter),
            Kind::Labels | Kind::Unknown => format!("elements({})", self.text),
        }
    }
}

impl Printer {
    /// The value of a pipeline, without its targets.
    pub(super) fn value(&mut self, pipe: &Pipe) -> Result<Code> {
        let mut piped = None;
        for command in &pipe.commands {
            piped = Some(self.command(command, piped)?);
        }
        piped.ok_or_else(|| "a value is missing".to_owned())
    }

    fn command(&mut self, command: &Command, piped: Option<Code>) -> Result<Code> {
        let Some((first, rest)) = command.split_first() else { return Err("a value is missing".to_owned()) };
        let mut args = rest.iter().map(|operand| self.operand(operand)).collect::<Result<Vec<_>>>()?;
        if let (Head::Function(name), []) = (&first.head, first.fields.as_slice()) {
            return function(name, args, piped);
        }
        args.extend(piped);
        if args.is_empty() {
            return self.operand(first);
        }
        self.method(first, &args)
    }

    /// `.StartsAt.Format "15:04"`: the last field takes the arguments.
    fn method(&mut self, operand: &Operand, args: &[Code]) -> Result<Code> {
        let Some((name, fields)) = operand.fields.split_last() else {
            return Err("a value that is no function has arguments".to_owned());
        };
        let base = self.operand(&Operand { head: operand.head.clone(), fields: fields.to_vec() })?;
        let known = ["Remove", "Format", "Add", "Sub", "Before", "After", "Equal", "Round", "Truncate"];
        if !known.contains(&name.as_str()) {
            return Err(format!("method `{name}` has no equal"));
        }
        let kind = if name == "Remove" { Kind::Labels } else { Kind::Unknown };
        // At the top the data's names stand alone; none of them is a method.
        let call = format!("{}.{name}({})", base.within(Bond::Tight), list(args));
        Ok(Code { kind, ..Code::tight(call) })
    }

    fn operand(&mut self, operand: &Operand) -> Result<Code> {
        let mut fields = operand.fields.iter();
        let base = match &operand.head {
            Head::Dot | Head::Variable(_) => {
                let scope = match &operand.head {
                    Head::Variable(name) => self.variable(name)?,
                    _ => self.dot(),
                };
                match (scope, fields.as_slice().first()) {
                    (Some(code), _) => code,
                    (None, None) => Code::path("dot"),
                    (None, Some(name)) => {
                        fields.next();
                        self.root_field(name)?
                    }
                }
            }
            Head::Paren(pipe) => {
                if !pipe.targets.is_empty() {
                    return Err("a variable set inside of parentheses has no equal: set it before".to_owned());
                }
                self.value(pipe)?
            }
            Head::Function(name) => function(name, Vec::new(), None)?,
            Head::Text(text) => Code::tight(quoted(text)),
            Head::Whole(number) => Code::of(sign_bond(*number < 0), number.to_string()),
            Head::Fraction(number) => Code::of(sign_bond(*number < 0.0), format!("{number:?}")),
            Head::Bool(value) => Code::tight(value.to_string()),
            Head::Nil => Code::tight("none"),
        };
        Ok(fields.fold(base, |code, name| code.field(name)))
    }
}

/// A sign binds less than a field or a filter.
fn sign_bond(negative: bool) -> Bond {
    if negative { Bond::Not } else { Bond::Tight }
}

fn list(args: &[Code]) -> String {
    args.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn function(name: &str, mut args: Vec<Code>, piped: Option<Code>) -> Result<Code> {
    if FILTERS.contains(&name) {
        return Ok(filter(name, &args, piped));
    }
    args.extend(piped);
    let (first, rest) = match args.split_first() {
        Some((first, rest)) => (first.clone(), rest.to_vec()),
        None if name == "now" => return Ok(Code::tight("now()")),
        None if matches!(name, "list" | "stringSlice") => return Ok(Code::tight("[]")),
        None if name == "dict" => return Ok(Code::tight("{}")),
        None => return Err(unknown(name)),
    };
    match name {
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => comparison(name, &first, &rest),
        "and" | "or" => Ok(logic(name, &args)),
        "not" => Ok(Code::of(Bond::Not, format!("not {}", first.within(Bond::Not)))),
        "index" => Ok(index(first, &rest)),
        "slice" => Ok(Code::tight(format!("slice({})", list(&args)))),
        "stringSlice" | "list" => Ok(Code { kind: Kind::Texts, ..Code::tight(format!("[{}]", list(&args))) }),
        "append" => Ok(Code::of(Bond::Logic, format!("{} + [{}]", first.within(Bond::Filter), list(&rest)))),
        "dict" => dictionary(&args),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> String {
    format!("function `{name}` has no equal here")
}

fn filter(name: &str, args: &[Code], piped: Option<Code>) -> Code {
    match piped {
        None => Code::tight(format!("{name}({})", list(args))),
        Some(piped) => {
            let args = if args.is_empty() { String::new() } else { format!("({})", list(args)) };
            Code::of(Bond::Filter, format!("{} | {name}{args}", piped.within(Bond::Filter)))
        }
    }
}

fn comparison(name: &str, first: &Code, rest: &[Code]) -> Result<Code> {
    let sign = match name {
        "eq" => "==",
        "ne" => "!=",
        "lt" => "<",
        "le" => "<=",
        "gt" => ">",
        _ => ">=",
    };
    match rest {
        [other] => {
            let text = format!("{} {sign} {}", first.within(Bond::Filter), other.within(Bond::Filter));
            Ok(Code::of(Bond::Compare, text))
        }
        [_, _, ..] if name == "eq" => {
            let text = format!("{} in [{}]", first.within(Bond::Filter), list(rest));
            Ok(Code::of(Bond::Compare, text))
        }
        _ => Err(format!("`{name}` needs two values")),
    }
}

fn logic(name: &str, args: &[Code]) -> Code {
    match args {
        [only] => only.clone(),
        _ => {
            let parts: Vec<_> = args.iter().map(|arg| arg.within(Bond::Not)).collect();
            Code::of(Bond::Logic, parts.join(&format!(" {name} ")))
        }
    }
}

fn index(first: Code, keys: &[Code]) -> Code {
    keys.iter().fold(first, |code, key| {
        let is_path = code.is_path && key.bond == Bond::Tight;
        Code { is_path, ..Code::tight(format!("{}[{}]", code.within(Bond::Tight), key.text)) }
    })
}

fn dictionary(args: &[Code]) -> Result<Code> {
    if !args.len().is_multiple_of(2) {
        return Err("`dict` needs a value for each key".to_owned());
    }
    let pairs: Vec<_> = args.chunks(2).map(|pair| format!("{}: {}", pair[0].text, pair[1].text)).collect();
    Ok(Code::tight(format!("{{{}}}", pairs.join(", "))))
}
