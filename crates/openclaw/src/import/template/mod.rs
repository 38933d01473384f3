//! Go's text/template, as Alertmanager's users write it, into our Jinja.
//!
//! `lexer` cuts text and actions, `parser` makes a tree, `expression` and
//! `print` write it again. What has no equal here is a [`Loss`] with its line;
//! the original then stays as a comment, so that nothing is silently wrong.

mod ast;
mod expression;
mod lexer;
mod names;
mod parser;
mod print;
#[cfg(test)]
mod tests;

use ast::Node;
use openclaw_delivery::template::TemplateSet;
use print::Printer;
use std::collections::BTreeSet;

/// What could not be carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Line of the template, from 1.
    pub(crate) line: usize,
    /// What has no equal, and what to do.
    pub(crate) reason: String,
}

/// A file of named templates, translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TranslatedFile {
    /// A file of `{% define %}` parts; those that were lost hold their
    /// original as a comment and print nothing.
    pub(crate) text: String,
    /// What was lost, in order of line.
    pub(crate) losses: Vec<Loss>,
}

/// The named parts that there are to show: those of files, and those that the
/// service brings along.
#[derive(Debug, Default)]
pub(crate) struct Parts(BTreeSet<String>);

impl Parts {
    /// Adds those of a file; one that is no template has none.
    pub(crate) fn add(&mut self, file: &str) {
        let nodes = parser::parse(file).unwrap_or_default();
        self.0.extend(parser::defines(&nodes).into_iter().map(|define| define.name.clone()));
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(name) || TemplateSet::default().part(name).is_ok()
    }

    /// What is shown and isn't there. Go finds out when it comes to it.
    fn missing(&self, nodes: &[Node]) -> Vec<Loss> {
        let missing = parser::calls(nodes).into_iter().filter(|(_, name)| !self.has(name));
        let loss = |(line, name): (usize, &str)| Loss {
            line,
            reason: format!("no file defines the part `{}`", name.escape_debug()),
        };
        missing.map(loss).collect()
    }
}

/// Both in order of line.
fn joined(mut losses: Vec<Loss>, more: Vec<Loss>) -> Vec<Loss> {
    losses.extend(more);
    losses.sort_by_key(|loss| loss.line);
    losses
}

/// Translates nodes, which may show no others than `parts`.
fn translate(printer: Printer, nodes: &[Node], parts: Option<&Parts>) -> Result<String, Vec<Loss>> {
    let missing = parts.map_or_else(Vec::new, |parts| parts.missing(nodes));
    match printer.translate(nodes) {
        Ok(text) if missing.is_empty() => Ok(text),
        Ok(_) => Err(missing),
        Err(losses) => Err(joined(losses, missing)),
    }
}

/// Translates the text of a field, such as a receiver's `title`. Where `parts`
/// are given it may show no others.
///
/// # Errors
/// Everything in it that has no equal.
pub(crate) fn translate_field(text: &str, parts: Option<&Parts>) -> Result<String, Vec<Loss>> {
    let nodes = parser::parse(text).map_err(|loss| vec![loss])?;
    if let Some(Node::Define(define)) = nodes.iter().find(|node| matches!(node, Node::Define(_))) {
        let reason =
            format!("`define \"{}\"` inside of a setting: move it to a file of templates", define.name);
        return Err(vec![Loss { line: define.line, reason }]);
    }
    translate(Printer::of_field(), &nodes, parts)
}

/// Translates a file of `{{ define "name" }}` templates. What stands outside
/// of them is left out, since nothing can show it. Where `parts` are given it
/// may show no others.
pub(crate) fn translate_file(text: &str, parts: Option<&Parts>) -> TranslatedFile {
    let nodes = match parser::parse(text) {
        Ok(nodes) => nodes,
        Err(loss) => return TranslatedFile { text: comment(text), losses: vec![loss] },
    };
    let (mut out, mut losses) = (String::new(), Vec::new());
    for define in parser::defines(&nodes) {
        let body = translate(Printer::of_define(), &define.body, parts).unwrap_or_else(|found| {
            losses.extend(found);
            let original = text.get(define.source.clone()).unwrap_or_default();
            comment(&format!(" not translated: {} ", original.trim()))
        });
        out.push_str(&format!("{{% define {} %}}{body}{{% enddefine %}}\n", names::quoted(&define.name)));
    }
    losses.sort_by_key(|loss| loss.line);
    TranslatedFile { text: out, losses }
}

/// A comment can't hold its own end.
fn comment(text: &str) -> String {
    format!("{{#{}#}}", text.replace("#}", "# }"))
}
