//! Classes of characters: `[a-z]`, `\d`, `\pL`, `[[:alpha:]]`.

use super::PatternError;
use super::names;
use super::scan::{CodePoint, Scan, write_point};

/// Code points that no text holds.
const SURROGATES: (CodePoint, CodePoint) = (0xd800, 0xdfff);

/// `\d`, `\W`, `\pN`, `\p{Greek}` after their backslash, as the inside of a
/// class; `None` for other escapes, which are left unread.
pub(super) fn escaped(scan: &mut Scan<'_>) -> Result<Option<String>, PatternError> {
    let Some(letter) = scan.peek() else { return Ok(None) };
    if let 'p' | 'P' = letter {
        return unicode(scan).map(Some);
    }
    let members = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        // Without the vertical tab, unlike `[[:space:]]`.
        's' => "\\t\\n\\x0C\\r\\x20",
        'w' => "0-9A-Za-z_",
        _ => return Ok(None),
    };
    scan.next();
    Ok(Some(class(letter.is_ascii_uppercase(), members)))
}

fn class(negated: bool, members: &str) -> String {
    format!("[{}{members}]", if negated { "^" } else { "" })
}

fn unicode(scan: &mut Scan<'_>) -> Result<String, PatternError> {
    let start = *scan;
    let mut negated = scan.next() == Some('P');
    let mut letter = [0; 4];
    let name = match scan.next() {
        Some('{') => scan.until("}"),
        Some(single) => Some(&*single.encode_utf8(&mut letter)),
        None => None,
    };
    let Some(name) = name else { return start.fault("`\\p` is followed by a letter or `{name}`") };
    let name = match name.strip_prefix('^') {
        Some(rest) => {
            negated = !negated;
            rest
        }
        None => name,
    };
    match names::unicode_class(name) {
        Some(members) => Ok(class(negated, &members)),
        None => start.fault("unknown Unicode class; use a category such as `L` or a script such as `Greek`"),
    }
}

/// What stands in brackets, in the engine's words.
#[derive(Debug, Default)]
pub(super) struct Bracketed {
    negated: bool,
    /// Classes inside the class.
    classes: String,
    /// Characters and ranges.
    ranges: String,
    /// Code points that the ranges span: what folding their case costs.
    pub(super) span: u32,
}

impl Bracketed {
    /// Ranges beside classes stand in brackets of their own: the engine then
    /// folds the case of each once, and not that of the whole again.
    pub(super) fn text(&self) -> String {
        match (self.classes.is_empty(), self.ranges.is_empty()) {
            (true, true) if self.negated => "[\\x{0}-\\x{10FFFF}]".to_owned(),
            (true, true) => "[^\\x{0}-\\x{10FFFF}]".to_owned(),
            (true, false) => class(self.negated, &self.ranges),
            (false, true) => class(self.negated, &self.classes),
            (false, false) => class(self.negated, &format!("{}[{}]", self.classes, self.ranges)),
        }
    }
}

/// Reads `[…]`.
pub(super) fn bracketed(scan: &mut Scan<'_>) -> Result<Bracketed, PatternError> {
    let start = *scan;
    scan.next();
    let mut members = Bracketed { negated: scan.eat("^"), ..Bracketed::default() };
    // `]` is a member where it comes first.
    let mut first = true;
    while first || scan.peek() != Some(']') {
        first = false;
        if scan.peek().is_none() {
            return start.fault("`[` is not closed; write `\\[` for the character");
        }
        member(scan, &mut members)?;
    }
    scan.next();
    Ok(members)
}

/// Reads a named class, an escaped one, a character or a range.
fn member(scan: &mut Scan<'_>, members: &mut Bracketed) -> Result<(), PatternError> {
    if let Some(named) = posix(scan)? {
        members.classes.push_str(&named);
        return Ok(());
    }
    let mut ahead = *scan;
    if ahead.eat("\\")
        && let Some(escaped) = escaped(&mut ahead)?
    {
        *scan = ahead;
        members.classes.push_str(&escaped);
        return Ok(());
    }
    range(scan, members)
}

/// `[:alpha:]` and `[:^alpha:]`.
fn posix(scan: &mut Scan<'_>) -> Result<Option<String>, PatternError> {
    let start = *scan;
    let mut ahead = *scan;
    if !ahead.eat("[:") {
        return Ok(None);
    }
    // Without `:]` the `[` is a member.
    let Some(name) = ahead.until(":]") else { return Ok(None) };
    *scan = ahead;
    let plain = name.strip_prefix('^').unwrap_or(name);
    match names::posix_class(plain) {
        Some(members) => Ok(Some(class(plain.len() != name.len(), members))),
        None => start.fault("unknown class; use one such as `[:alpha:]` or `[:digit:]`"),
    }
}

fn range(scan: &mut Scan<'_>, members: &mut Bracketed) -> Result<(), PatternError> {
    let start = *scan;
    let low = point(scan, &start)?;
    let mut high = low;
    let mut ahead = *scan;
    if ahead.eat("-") && ahead.peek().is_some_and(|next| next != ']') {
        high = point(&mut ahead, &start)?;
        *scan = ahead;
    }
    if high < low {
        return start.fault("a range in `[…]` ends before it starts");
    }
    members.span = members.span.saturating_add(high - low);
    write_range(&mut members.ranges, low, high);
    Ok(())
}

fn point(scan: &mut Scan<'_>, start: &Scan<'_>) -> Result<CodePoint, PatternError> {
    match scan.next() {
        Some('\\') => scan.escape(),
        Some(char) => Ok(char.into()),
        None => start.fault("`[` is not closed; write `\\[` for the character"),
    }
}

/// Leaves surrogates out, which the engine doesn't know.
fn write_range(members: &mut String, low: CodePoint, high: CodePoint) {
    let is_surrogate = |point: CodePoint| (SURROGATES.0..=SURROGATES.1).contains(&point);
    let low = if is_surrogate(low) { SURROGATES.1 + 1 } else { low };
    let high = if is_surrogate(high) { SURROGATES.0 - 1 } else { high };
    if low > high {
        return;
    }
    write_point(members, low);
    members.push('-');
    write_point(members, high);
}
