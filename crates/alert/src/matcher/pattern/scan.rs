//! Reading a pattern from left to right: characters, escapes and numbers.

use super::PatternError;

/// A code point as RE2 counts them: surrogates, which text never holds, too.
pub(super) type CodePoint = u32;

/// The last code point.
pub(super) const CODE_POINT_MAX: CodePoint = 0x10_ffff;

/// A place in a pattern.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    whole: &'a str,
    offset: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(whole: &'a str) -> Self {
        Self { whole, offset: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.whole[self.offset..]
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.offset += char.len_utf8();
        Some(char)
    }

    /// Takes `text` where it comes next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.offset += if found { text.len() } else { 0 };
        found
    }

    /// Takes what stands before `end`, and `end` itself.
    pub(super) fn until(&mut self, end: &str) -> Option<&'a str> {
        let (inside, _) = self.rest().split_once(end)?;
        self.offset += inside.len() + end.len();
        Some(inside)
    }

    /// A fault at this place.
    pub(super) fn fault<T>(&self, what: &'static str) -> Result<T, PatternError> {
        Err(PatternError::Invalid { offset: self.offset, what })
    }

    /// What follows a backslash and stands for one code point.
    pub(super) fn escape(&mut self) -> Result<CodePoint, PatternError> {
        let start = *self;
        match self.escaped() {
            Some(point) => Ok(point),
            None if start.rest().is_empty() => start.fault("a backslash at the end; write `\\\\`"),
            None => start.fault("unknown escape; write `\\\\` for a backslash"),
        }
    }

    fn escaped(&mut self) -> Option<CodePoint> {
        match self.next()? {
            first @ '1'..='7' if matches!(self.peek(), Some('0'..='7')) => Some(self.octal(first)),
            '0' => Some(self.octal('0')),
            'x' => self.hex(),
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            other => (other.is_ascii() && !other.is_ascii_alphanumeric()).then_some(other.into()),
        }
    }

    /// Up to two digits more.
    fn octal(&mut self, first: char) -> CodePoint {
        let mut point = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|char| char.to_digit(8)) else { break };
            self.next();
            point = point * 8 + digit;
        }
        point
    }

    /// `FF` or `{10FFFF}`.
    fn hex(&mut self) -> Option<CodePoint> {
        if !self.eat("{") {
            let (high, low) = (self.next()?.to_digit(16)?, self.next()?.to_digit(16)?);
            return Some(high * 16 + low);
        }
        let digits = self.until("}").filter(|digits| !digits.is_empty())?;
        digits.chars().try_fold(0, |point: CodePoint, digit| {
            let point = point * 16 + digit.to_digit(16)?;
            (point <= CODE_POINT_MAX).then_some(point)
        })
    }

    /// A number without leading zeros; beyond the largest repetition its
    /// exact value doesn't matter.
    pub(super) fn number(&mut self) -> Option<u32> {
        let rest = self.rest();
        let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        self.offset += digits.len();
        Some(digits.parse().unwrap_or(u32::MAX))
    }
}

/// Writes a code point so that the engine takes it for itself.
pub(super) fn write_point(out: &mut String, point: CodePoint) {
    match char::from_u32(point) {
        Some(plain) if plain.is_ascii_alphanumeric() => out.push(plain),
        _ => out.push_str(&format!("\\x{{{point:X}}}")),
    }
}
