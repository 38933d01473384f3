//! The tenant's file that is written: YAML with comments.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Out {
    /// Printed as it is: a number, a flag, a duration, `[]`.
    Word(String),
    /// Any text.
    Text(String),
    /// A section or a list.
    Block(Vec<Line>),
}

/// A line of a section or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Comment(String),
    Pair(String, Out),
    Item(Out),
}

impl Out {
    pub(super) fn word(text: impl std::fmt::Display) -> Self {
        Self::Word(text.to_string())
    }
}

/// The text of a file.
pub(super) fn print(lines: &[Line]) -> String {
    let mut out = String::new();
    block(lines, 0, &mut out);
    out
}

/// Comments that hold a value which isn't carried over.
pub(super) fn commented(key: &str, value: &Out) -> Vec<Line> {
    let mut text = String::new();
    block(&[Line::Pair(key.to_owned(), value.clone())], 0, &mut text);
    text.lines().map(|line| Line::Comment(line.to_owned())).collect()
}

fn block(lines: &[Line], depth: usize, out: &mut String) {
    for line in lines {
        match line {
            Line::Comment(text) => {
                indent(depth, out);
                out.push_str("# ");
                out.push_str(text);
                out.push('\n');
            }
            Line::Pair(key, value) => {
                indent(depth, out);
                out.push_str(&plain_or_quoted(key));
                out.push(':');
                after_key(value, depth, out);
            }
            Line::Item(value) => item(value, depth, out),
        }
    }
}

fn after_key(value: &Out, depth: usize, out: &mut String) {
    match value {
        Out::Block(lines) if has_values(lines) => {
            out.push('\n');
            block(lines, depth + 1, out);
        }
        // Comments alone would leave the key without a value.
        Out::Block(lines) => {
            out.push_str(" []\n");
            block(lines, depth + 1, out);
        }
        scalar => {
            out.push(' ');
            self::scalar(scalar, depth, out);
        }
    }
}

fn item(value: &Out, depth: usize, out: &mut String) {
    indent(depth, out);
    match value {
        Out::Block(lines) => match lines.first() {
            Some(Line::Pair(..)) => {
                let mut text = String::new();
                block(lines, depth + 1, &mut text);
                out.push_str("- ");
                out.push_str(text.trim_start_matches(' '));
            }
            Some(_) if has_values(lines) => {
                out.push_str("-\n");
                block(lines, depth + 1, out);
            }
            _ => {
                out.push_str("- {}\n");
                block(lines, depth + 1, out);
            }
        },
        scalar => {
            out.push_str("- ");
            self::scalar(scalar, depth, out);
        }
    }
}

fn has_values(lines: &[Line]) -> bool {
    lines.iter().any(|line| !matches!(line, Line::Comment(_)))
}

fn scalar(value: &Out, depth: usize, out: &mut String) {
    match value {
        Out::Text(text) if is_block_text(text) => {
            out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
            for line in text.lines() {
                if !line.is_empty() {
                    indent(depth + 1, out);
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        Out::Text(text) => {
            out.push_str(&plain_or_quoted(text));
            out.push('\n');
        }
        Out::Word(word) => {
            out.push_str(word);
            out.push('\n');
        }
        Out::Block(_) => {}
    }
}

/// Text of several lines that reads best as it is, and can be written so.
fn is_block_text(text: &str) -> bool {
    let lines = text.trim_end_matches('\n');
    lines.contains('\n')
        && !lines.starts_with([' ', '\n', '\t'])
        && text.len() - lines.len() <= 1
        && !text.chars().any(|char| char != '\n' && (char.is_control() || is_break(char)))
}

/// What YAML may take for the end of a line.
fn is_break(char: char) -> bool {
    matches!(char, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn plain_or_quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./@".contains(&byte))
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        text.to_owned()
    } else if text.contains(['"', '\\']) && !text.chars().any(|char| char.is_control() || is_break(char)) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        quoted(text)
    }
}

/// JSON's strings are YAML's double-quoted ones.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for char in serde_json::Value::from(text).to_string().chars() {
        match char {
            char if is_break(char) || ('\u{7f}'..'\u{a0}').contains(&char) => {
                out += &format!("\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}
