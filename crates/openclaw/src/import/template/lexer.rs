//! Text and actions, and the words inside of actions.

use super::Loss;
use super::ast::Trim;

/// A stretch of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Action { words: Vec<Word>, trim: Trim, line: usize, start: usize, end: usize },
    Comment { text: &'t str, trim: Trim, line: usize },
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// `.name`
    Field(String),
    /// A dot alone.
    Dot,
    /// `$name` or `$`
    Variable(String),
    Name(String),
    Text(String),
    Whole(i64),
    Fraction(f64),
    Pipe,
    Open,
    Close,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// Parts words; kept since `.A .B` isn't `.A.B`.
    Space,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Loss> {
    let mut pieces = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        if start > at {
            pieces.push(Piece::Text(&text[at..start]));
        }
        line += breaks(&text[at..start]);
        let (piece, end) = action(text, start, line)?;
        line += breaks(&text[start..end]);
        pieces.push(piece);
        at = end;
    }
    if at < text.len() {
        pieces.push(Piece::Text(&text[at..]));
    }
    Ok(pieces)
}

fn breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn loss(line: usize, reason: impl Into<String>) -> Loss {
    Loss { line, reason: reason.into() }
}

fn action(text: &str, start: usize, line: usize) -> Result<(Piece<'_>, usize), Loss> {
    let mut from = start + 2;
    let inside = &text[from..];
    let before = inside.starts_with('-') && inside[1..].starts_with(SPACES);
    if before {
        from += 2;
    }
    let rest = text[from..].trim_start_matches(SPACES);
    if let (Some(body), true) = (rest.strip_prefix("/*"), before || text[from..].starts_with("/*")) {
        return comment(text, body, before, line);
    }
    let mut scanner = Scanner { text, at: from, line, words: Vec::new() };
    let after = scanner.scan()?;
    let trim = Trim { before, after };
    let end = scanner.at;
    Ok((Piece::Action { words: scanner.words, trim, line, start, end }, end))
}

fn comment<'t>(text: &'t str, body: &'t str, before: bool, line: usize) -> Result<(Piece<'t>, usize), Loss> {
    let (said, rest) = body.split_once("*/").ok_or_else(|| loss(line, "a comment is never closed"))?;
    let (after, rest) = match rest.trim_start_matches(SPACES) {
        trimmed if trimmed.starts_with("-}}") && rest.starts_with(SPACES) => (true, &trimmed[3..]),
        _ => {
            let rest = rest.strip_prefix("}}");
            (false, rest.ok_or_else(|| loss(line, "a comment must end in `*/}}`"))?)
        }
    };
    let piece = Piece::Comment { text: said, trim: Trim { before, after }, line };
    Ok((piece, text.len() - rest.len()))
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    words: Vec<Word>,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Reads up to the end; says whether what follows is trimmed.
    fn scan(&mut self) -> Result<bool, Loss> {
        loop {
            let rest = self.rest();
            if rest.starts_with("}}") {
                self.at += 2;
                return Ok(false);
            }
            let spaces = rest.len() - rest.trim_start_matches(SPACES).len();
            if spaces > 0 {
                if rest[spaces..].starts_with("-}}") {
                    self.at += spaces + 3;
                    return Ok(true);
                }
                self.at += spaces;
                self.words.push(Word::Space);
                continue;
            }
            let word = self.word()?;
            self.words.push(word);
        }
    }

    fn word(&mut self) -> Result<Word, Loss> {
        let Some(first) = self.rest().chars().next() else {
            return Err(loss(self.line, "an action is never closed: `}}` is missing"));
        };
        let two = self.rest().chars().nth(1);
        match first {
            '"' => self.quoted(),
            '`' => self.raw(),
            '\'' => self.character(),
            '$' => {
                self.at += 1;
                let name = self.name();
                Ok(Word::Variable(format!("${name}")))
            }
            '.' if !two.is_some_and(|char| char.is_ascii_digit()) => {
                self.at += 1;
                let name = self.name();
                Ok(if name.is_empty() { Word::Dot } else { Word::Field(name) })
            }
            '|' => self.sign(1, Word::Pipe),
            '(' => self.sign(1, Word::Open),
            ')' => self.sign(1, Word::Close),
            ',' => self.sign(1, Word::Comma),
            ':' if two == Some('=') => self.sign(2, Word::Declare),
            '=' => self.sign(1, Word::Assign),
            first if first.is_ascii_digit() || matches!(first, '.' | '+' | '-') => self.number(),
            first if first.is_alphanumeric() || first == '_' => Ok(Word::Name(self.name())),
            other => Err(loss(self.line, format!("unexpected `{}` in an action", other.escape_debug()))),
        }
    }

    fn sign(&mut self, bytes: usize, word: Word) -> Result<Word, Loss> {
        self.at += bytes;
        Ok(word)
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        self.at += end;
        name
    }

    fn raw(&mut self) -> Result<Word, Loss> {
        let inside = &self.rest()[1..];
        let end = inside.find('`').ok_or_else(|| loss(self.line, "a raw text is never closed"))?;
        // Go leaves carriage returns out of raw text.
        let text = inside[..end].replace('\r', "");
        self.at += end + 2;
        Ok(Word::Text(text))
    }

    fn quoted(&mut self) -> Result<Word, Loss> {
        let (text, length) = unquoted(&self.rest()[1..], '"', self.line)?;
        self.at += 1 + length;
        Ok(Word::Text(text))
    }

    fn character(&mut self) -> Result<Word, Loss> {
        let (text, length) = unquoted(&self.rest()[1..], '\'', self.line)?;
        self.at += 1 + length;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) => Ok(Word::Whole(i64::from(u32::from(char)))),
            _ => Err(loss(self.line, "a character in single quotes must be one: use double quotes for text")),
        }
    }

    fn number(&mut self) -> Result<Word, Loss> {
        let rest = self.rest();
        let is_power = |before: Option<char>| matches!(before, Some('e' | 'E'));
        let mut end = 0;
        let mut before = None;
        for char in rest.chars() {
            let sign = matches!(char, '+' | '-') && (end == 0 || is_power(before));
            if !(sign || char.is_ascii_alphanumeric() || matches!(char, '.' | '_')) {
                break;
            }
            before = Some(char);
            end += char.len_utf8();
        }
        let text = rest[..end].replace('_', "");
        self.at += end;
        parse_number(&text)
            .ok_or_else(|| loss(self.line, format!("`{text}` is no number that can be carried over")))
    }
}

fn parse_number(text: &str) -> Option<Word> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let radix = |prefixes: [&str; 2], radix| {
        let digits = prefixes.into_iter().find_map(|prefix| digits.strip_prefix(prefix))?;
        i64::from_str_radix(digits, radix).ok()
    };
    let based = radix(["0x", "0X"], 16).or_else(|| radix(["0b", "0B"], 2)).or_else(|| radix(["0o", "0O"], 8));
    if let Some(whole) = based.or_else(|| digits.parse().ok()) {
        return Some(Word::Whole(sign * whole));
    }
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite())?;
    let is_whole = number.fract() == 0.0 && number < 9e15;
    Some(if is_whole { Word::Whole(sign * number as i64) } else { Word::Fraction(sign as f64 * number) })
}

/// Text with Go's escapes up to the quote, and the bytes it took with it.
fn unquoted(text: &str, quote: char, line: usize) -> Result<(String, usize), Loss> {
    let mut out = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            char if char == quote => {
                let text = String::from_utf8(out);
                let text = text.map_err(|_| loss(line, "a text isn't UTF-8 once its escapes are read"))?;
                return Ok((text, at + quote.len_utf8()));
            }
            '\n' => break,
            '\\' => {
                escape(&mut chars, &mut out).ok_or_else(|| loss(line, "an escape in a text is unknown"))?;
            }
            char => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err(loss(line, "a text in quotes is never closed"))
}

fn escape(chars: &mut std::str::CharIndices<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (_, char) = chars.next()?;
    let plain = match char {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '"' | '\'' => char as u8,
        'x' => u8::try_from(digits(chars, 2, 16)?).ok()?,
        'u' | 'U' => {
            let code = char::from_u32(digits(chars, if char == 'u' { 4 } else { 8 }, 16)?)?;
            out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(());
        }
        '0'..='7' => {
            let first = char.to_digit(8)?;
            u8::try_from(first * 64 + digits(chars, 2, 8)?).ok()?
        }
        _ => return None,
    };
    out.push(plain);
    Some(())
}

fn digits(chars: &mut std::str::CharIndices<'_>, count: usize, radix: u32) -> Option<u32> {
    let mut number = 0_u32;
    for _ in 0..count {
        number = number.checked_mul(radix)?.checked_add(chars.next()?.1.to_digit(radix)?)?;
    }
    Some(number)
}
