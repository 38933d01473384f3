//! Text of strangers on a line of ours.

/// Appends `text` on one line, at most `units_max` UTF-16 units of it once
/// `escape` has replaced what it names; what is cut ends in `…`.
pub(crate) fn push_clipped(
    out: &mut String,
    text: &str,
    units_max: usize,
    escape: fn(char) -> Option<&'static str>,
) {
    let mut units = 0;
    // Where to cut so that the ellipsis still fits.
    let mut cut = out.len();
    for char in text.chars().filter(|&char| !reorders(char)) {
        let char = if char.is_control() { ' ' } else { char };
        let escaped = escape(char);
        units += escaped.map_or(char.len_utf16(), str::len);
        if units > units_max {
            out.truncate(cut);
            out.push('…');
            return;
        }
        match escaped {
            Some(text) => out.push_str(text),
            None => out.push(char),
        }
        if units < units_max {
            cut = out.len();
        }
    }
}

/// Appends `text` with its lines, at most `units_max` UTF-16 units of it; what
/// is cut ends in `…`.
pub(crate) fn push_clipped_lines(out: &mut String, text: &str, units_max: usize) {
    if units(text) <= units_max {
        out.push_str(text);
        return;
    }
    let mut units_left = units_max.saturating_sub(1);
    for char in text.chars() {
        let Some(rest) = units_left.checked_sub(char.len_utf16()) else { break };
        units_left = rest;
        out.push(char);
    }
    out.push('…');
}

/// Whether it can be an address on the web, all of it.
pub(crate) fn is_web(url: &str) -> bool {
    let is_plain = !url.contains(|char: char| char.is_whitespace() || char.is_control());
    is_plain && ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme))
}

pub(crate) fn as_it_is(_: char) -> Option<&'static str> {
    None
}

/// Length as chat services count it.
pub(crate) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Marks that change the direction of text, with which a label could make a
/// line read as something else.
fn reorders(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clipped(text: &str, units_max: usize) -> String {
        let mut out = String::from("> ");
        push_clipped(&mut out, text, units_max, |char| (char == '&').then_some("&amp;"));
        out.split_off(2)
    }

    #[test]
    fn cuts_between_characters_and_never_inside_an_escape() {
        for (text, units_max, want) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("a😀b", 3, "a…"),
            ("a😀", 3, "a😀"),
            ("a&b", 6, "a…"),
            ("a&b", 7, "a&amp;b"),
            ("&", 4, "…"),
            ("a\nb\u{1b}[2J\u{202e}c", 99, "a b [2Jc"),
            ("", 1, ""),
        ] {
            assert_eq!(clipped(text, units_max), want, "{text:?} {units_max}");
        }
    }

    #[test]
    fn lines_stay_and_the_end_is_cut() {
        for (text, units_max, want) in
            [("a\nb", 3, "a\nb"), ("a\nbc", 3, "a\n…"), ("a😀b", 3, "a…"), ("", 1, "")]
        {
            let mut out = String::new();
            push_clipped_lines(&mut out, text, units_max);
            assert_eq!(out, want);
        }
    }

    proptest! {
        #[test]
        fn never_longer_and_never_shorter_than_needed(text: String, units_max in 1_usize..40) {
            let out = clipped(&text, units_max);
            let whole = clipped(&text, usize::MAX);
            prop_assert!(units(&out) <= units_max);
            prop_assert_eq!(out == whole, units(&whole) <= units_max);
            prop_assert!(whole.starts_with(out.trim_end_matches('…')));
        }
    }
}
