//! The older syntax: classic names, bare values that may hold almost
//! anything, and single backslashes that stand for themselves.

use super::{MatchOp, Parts};

/// The white space of the older syntax, ASCII alone.
const SPACE: [char; 5] = ['\t', '\n', '\x0c', '\r', ' '];

/// Reads any number of matchers; `{` and `}` may each be missing.
pub(super) fn parse_list(text: &str) -> Result<Vec<Parts>, &'static str> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    pieces(text).into_iter().map(parse).collect()
}

/// Cuts at the commas outside of quotes.
fn pieces(text: &str) -> Vec<&str> {
    let (mut found, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (index, char) in text.char_indices() {
        match char {
            ',' if !quoted => {
                found.push(&text[start..index]);
                start = index + 1;
            }
            // A comma in quotes leaves a backslash before it pending.
            ',' => {}
            '"' => {
                quoted ^= !escaped;
                escaped = false;
            }
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        found.push(last);
    }
    found
}

/// Reads one matcher.
pub(super) fn parse(text: &str) -> Result<Parts, &'static str> {
    let text = text.trim_matches(SPACE);
    let end = text.find(|char: char| !is_name(char)).unwrap_or(text.len());
    let name = &text[..end];
    if name.is_empty() || name.starts_with(|char: char| char.is_ascii_digit()) {
        return Err("expected a label name");
    }
    let rest = text[end..].trim_start_matches(SPACE);
    let (op, symbol) = MatchOp::starting(rest).ok_or("expected one of `=`, `!=`, `=~`, `!~`")?;
    let value = unescape(rest[symbol.len()..].trim_start_matches(SPACE))?;
    Ok(Parts { name: name.to_owned(), op, value })
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_' || char == ':'
}

fn unescape(raw: &str) -> Result<String, &'static str> {
    let inner = match raw.strip_prefix('"') {
        Some(opened) => body_of_quoted(opened).ok_or("a quote is not closed")?,
        None => raw,
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => return Err("a quote inside a value must be written `\\\"`"),
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(plain @ ('"' | '\\')) => out.push(plain),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    Ok(out)
}

/// What stands before a closing quote that no backslash escapes.
fn body_of_quoted(opened: &str) -> Option<&str> {
    let body = opened.strip_suffix('"')?;
    let backslashes = body.bytes().rev().take_while(|&byte| byte == b'\\').count();
    (backslashes % 2 == 0).then_some(body)
}
