//! Go's double-quoted text, which Alertmanager reads and writes.

use std::fmt::{self, Write};

/// Takes the quotes and escapes off; `None` for text that Go would refuse.
pub(super) fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '"' | '\n' => return None,
            '\\' => rest = unescape(rest, &mut out)?,
            other => push_char(&mut out, other),
        }
    }
    // Escapes write single bytes, which together need not be UTF-8.
    String::from_utf8(out).ok()
}

/// Reads what follows a backslash; gives back what is left.
fn unescape<'a>(text: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let kind = *text.as_bytes().first()?;
    let simple = match kind {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' | b'"' => kind,
        b'x' => return push_byte(text, 1, 2, 16, out),
        b'0'..=b'7' => return push_byte(text, 0, 3, 8, out),
        b'u' => return push_code_point(text, 4, out),
        b'U' => return push_code_point(text, 8, out),
        _ => return None,
    };
    out.push(simple);
    text.get(1..)
}

fn push_byte<'a>(
    text: &'a str,
    from: usize,
    digits: usize,
    radix: u32,
    out: &mut Vec<u8>,
) -> Option<&'a str> {
    out.push(u8::try_from(number(text.get(from..from + digits)?, radix)?).ok()?);
    text.get(from + digits..)
}

fn push_code_point<'a>(text: &'a str, digits: usize, out: &mut Vec<u8>) -> Option<&'a str> {
    push_char(out, char::from_u32(number(text.get(1..=digits)?, 16)?)?);
    text.get(1 + digits..)
}

/// Digits only: `from_str_radix` alone would let a sign pass.
fn number(digits: &str, radix: u32) -> Option<u32> {
    let all = digits.chars().all(|digit| digit.is_digit(radix));
    all.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

fn push_char(out: &mut Vec<u8>, char: char) {
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Writes text as Go's `strconv.Quote` does.
pub(super) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    text.chars().try_for_each(|char| write_escaped(f, char))?;
    f.write_char('"')
}

fn write_escaped(f: &mut fmt::Formatter<'_>, char: char) -> fmt::Result {
    match char {
        '"' | '\\' => write!(f, "\\{char}"),
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\x0c' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\x0b' => f.write_str("\\v"),
        ' '..='~' => f.write_char(char),
        '\0'..='\x7f' => write!(f, "\\x{:02x}", u32::from(char)),
        _ if is_printable(char) => f.write_char(char),
        '\u{80}'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(char)),
        _ => write!(f, "\\U{:08x}", u32::from(char)),
    }
}

/// Letters, marks, numbers, punctuation and symbols, as the standard library
/// tells them apart when it escapes; a mark counts when it follows a letter.
fn is_printable(char: char) -> bool {
    let mut bytes = [b'a', 0, 0, 0, 0];
    let length = 1 + char.encode_utf8(&mut bytes[1..]).len();
    let after_letter = std::str::from_utf8(&bytes[..length]).unwrap_or_default();
    after_letter.escape_debug().nth(1) == Some(char)
}

/// Writes a value in the escaping of OpenMetrics, quotes included.
pub(super) fn write_open_metrics(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '"' => f.write_str("\\\"")?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}
