//! The newer syntax: names and values quoted or bare, any UTF-8.
//! `[{] name op value [, …] [,] [}]`.

use super::quote::unquote;
use super::{MatchOp, Parts};

/// Characters that bare text can't hold.
pub(super) fn is_reserved(char: char) -> bool {
    char.is_whitespace() || "{}!=~,\\\"'`".contains(char)
}

#[derive(Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    Op(MatchOp),
    Text(String),
}

/// Reads any number of matchers.
pub(super) fn parse(text: &str) -> Result<Vec<Parts>, &'static str> {
    let mut tokens = tokens(text)?;
    let open = tokens.first() == Some(&Token::Open);
    let closed = tokens.len() > usize::from(open) && tokens.last() == Some(&Token::Close);
    match (open, closed) {
        (true, false) => return Err("`{` is not closed"),
        (false, true) => return Err("`}` without `{`"),
        _ => {}
    }
    let end = tokens.len() - usize::from(closed);
    matchers(tokens.drain(usize::from(open)..end))
}

fn matchers(mut tokens: impl Iterator<Item = Token>) -> Result<Vec<Parts>, &'static str> {
    let mut found = Vec::new();
    while let Some(first) = tokens.next() {
        let Token::Text(name) = first else { return Err("expected a label name") };
        let Some(Token::Op(op)) = tokens.next() else { return Err("expected one of `=`, `!=`, `=~`, `!~`") };
        let Some(Token::Text(value)) = tokens.next() else { return Err("expected a value") };
        found.push(Parts { name, op, value });
        if !matches!(tokens.next(), None | Some(Token::Comma)) {
            return Err("expected `,` or the end after a matcher");
        }
    }
    Ok(found)
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '{' => (Token::Open, 1),
            '}' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '=' | '!' => operator(rest)?,
            '"' => quoted(rest)?,
            _ if is_reserved(first) => {
                return Err("a backslash, `~`, `'` or backquote must be inside quotes");
            }
            _ => bare(rest),
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

fn operator(text: &str) -> Result<(Token, usize), &'static str> {
    let (op, symbol) =
        MatchOp::starting(text).ok_or("`!` must be followed by `=` or `~`, as in `!=` or `!~`")?;
    Ok((Token::Op(op), symbol.len()))
}

fn bare(text: &str) -> (Token, usize) {
    let end = text.find(is_reserved).unwrap_or(text.len());
    (Token::Text(text[..end].to_owned()), end)
}

fn quoted(text: &str) -> Result<(Token, usize), &'static str> {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                let text =
                    unquote(&text[..=index]).ok_or("bad escape in quotes; write a backslash as `\\\\`")?;
                return Ok((Token::Text(text), index + 1));
            }
            _ => {}
        }
    }
    Err("a quote is not closed")
}
