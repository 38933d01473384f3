//! A templates file holds named parts: `{% define "name" %} … {% enddefine %}`.

use std::ops::Range;

/// A named part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section<'t> {
    pub(super) name: &'t str,
    pub(super) text: &'t str,
    /// Where the text begins, from 1.
    pub(super) line: usize,
}

/// A file that can't be taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SectionError {
    pub(super) line: usize,
    pub(super) detail: String,
}

/// One `{% define … %}` or `{% enddefine %}`.
struct Tag<'t> {
    range: Range<usize>,
    /// None at the end of a part.
    name: Option<&'t str>,
    /// `-` at the side of the text inside.
    trims: bool,
}

/// All parts, and the faults of those that could not be read.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, SectionError> {
    let mut sections = Vec::new();
    let mut open: Option<Tag<'_>> = None;
    let mut at = 0;
    while let Some(tag) = next_tag(text, at, open.is_some())? {
        at = tag.range.end;
        open = match (open.take(), tag.name) {
            (None, Some(_)) => Some(tag),
            (Some(start), None) => {
                sections.push(section(text, &start, &tag));
                None
            }
            (Some(_), Some(name)) => {
                let detail = format!(
                    "`{}` is defined inside of another: close that with `{{% enddefine %}}`",
                    name.escape_debug()
                );
                return Err(SectionError { line: line_of(text, tag.range.start), detail });
            }
            (None, None) => {
                let detail = "`{% enddefine %}` without `{% define \"name\" %}`".to_owned();
                return Err(SectionError { line: line_of(text, tag.range.start), detail });
            }
        };
    }
    match open {
        None => Ok(sections),
        Some(start) => {
            let detail = "`{% define %}` is never closed: add `{% enddefine %}`".to_owned();
            Err(SectionError { line: line_of(text, start.range.start), detail })
        }
    }
}

fn section<'t>(text: &'t str, start: &Tag<'t>, end: &Tag<'_>) -> Section<'t> {
    let mut inside = &text[start.range.end..end.range.start];
    let mut from = start.range.end;
    if start.trims {
        from += inside.len() - inside.trim_start().len();
        inside = inside.trim_start();
    }
    if end.trims {
        inside = inside.trim_end();
    }
    Section { name: start.name.unwrap_or_default(), text: inside, line: line_of(text, from) }
}

pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// The next tag from `at` on, over comments and raw text and, inside of a part,
/// over code. Beside parts is text that nobody reads.
fn next_tag(text: &str, mut at: usize, is_inside: bool) -> Result<Option<Tag<'_>>, SectionError> {
    while let Some(found) = text[at..].find('{') {
        let start = at + found;
        let rest = &text[start..];
        at = match rest.as_bytes().get(1) {
            Some(b'#') => rest.find("#}").map_or(text.len(), |end| start + end + 2),
            Some(b'%') => match tag(text, start)? {
                Found::Tag(tag) => return Ok(Some(tag)),
                Found::Raw(end) => end,
                Found::Other if is_inside => code_end(text, start, "%}")?,
                Found::Other => start + 2,
            },
            Some(b'{') if is_inside => code_end(text, start, "}}")?,
            _ => start + 1,
        };
    }
    Ok(None)
}

/// Where the code that begins at `start` ends: what looks like a mark inside of
/// its quotes or brackets is none.
fn code_end(text: &str, start: usize, mark: &str) -> Result<usize, SectionError> {
    let (bytes, mut at, mut depth) = (text.as_bytes(), start + 2, 0_usize);
    while let Some(byte) = bytes.get(at) {
        if depth == 0 && bytes[at..].starts_with(mark.as_bytes()) {
            return Ok(at + mark.len());
        }
        match byte {
            b'"' | b'\'' => at = closing_quote(bytes, at),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    let detail = format!("what begins here is never closed: add `{mark}`");
    Err(SectionError { line: line_of(text, start), detail })
}

/// Where the text ends whose quote is at this place.
fn closing_quote(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            byte if *byte == bytes[start] => break,
            _ => {}
        }
        at += 1;
    }
    at
}

enum Found<'t> {
    Tag(Tag<'t>),
    /// Raw text, over at this place.
    Raw(usize),
    Other,
}

fn tag(text: &str, start: usize) -> Result<Found<'_>, SectionError> {
    let inside = text[start + 2..].trim_start_matches(['-', '+']).trim_start();
    let word_len = inside.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(inside.len());
    let (word, rest) = inside.split_at(word_len);
    let name = match word {
        "define" => Some(quoted(rest)),
        "enddefine" => None,
        "raw" => {
            let end = text[start..].find("endraw").map_or(text.len(), |end| start + end);
            return Ok(Found::Raw(end));
        }
        _ => return Ok(Found::Other),
    };
    let error = |detail: &str| SectionError { line: line_of(text, start), detail: detail.to_owned() };
    let (name, rest) = match name {
        Some(None) => return Err(error("write `{% define \"name\" %}` with the name in quotes")),
        Some(Some((name, rest))) => (Some(name), rest),
        None => (None, rest),
    };
    let closing = rest.trim_start();
    let trims_end = closing.starts_with('-');
    let closing = closing.trim_start_matches(['-', '+']);
    let after = closing.strip_prefix("%}").ok_or_else(|| error("nothing may follow here but `%}`"))?;
    let end = text.len() - after.len();
    let trims_start = text.as_bytes().get(start + 2) == Some(&b'-');
    let trims = if name.is_some() { trims_end } else { trims_start };
    Ok(Found::Tag(Tag { range: start..end, name, trims }))
}

/// A name in quotes, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|char| matches!(char, '"' | '\''))?;
    let (name, rest) = text[1..].split_once(quote)?;
    (!name.is_empty() && !name.contains(['\n', '\\'])).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_found() {
        let text = "about\n{% define \"a.b\" %}x\n{% enddefine %}{# {% define \"no\" %} #}\n{%- define 'c' -%}\n y {%- enddefine -%}{% raw %}{% define \"no\" %}{% endraw %}";
        let found = sections(text).unwrap();
        assert_eq!(
            found,
            [Section { name: "a.b", text: "x\n", line: 2 }, Section { name: "c", text: "y", line: 5 },]
        );
    }

    #[test]
    fn marks_in_quotes_are_text() {
        for inside in [
            r##"{{ "{#" }}"##,
            r##"{{ '{% enddefine %}' }}"##,
            r##"{% if x == "{#" %}{% endif %}"##,
            r##"{{ "\"{#" }}"##,
            r##"{{ {"a": {"b": "}}{#"}} }}"##,
            r##"{# don't {{ #}"##,
        ] {
            let text = format!("it isn't code: {{{{ {{% define \"a\" %}}{inside}{{% enddefine %}}");
            assert_eq!(sections(&text).unwrap(), [Section { name: "a", text: inside, line: 1 }], "{inside}");
        }
    }

    #[test]
    fn faults_have_a_line() {
        for (text, line, part) in [
            ("\n{% define \"a\" %}", 2, "never closed"),
            ("{% enddefine %}", 1, "without"),
            ("{% define \"a\" %}\n{% define \"b\" %}", 2, "inside of another"),
            ("{% define a %}", 1, "in quotes"),
            ("{% define \"a\" b %}", 1, "nothing may follow"),
            ("{% define \"a\" %}\n{{ don't }}{% enddefine %}", 2, "add `}}`"),
            ("{% define \"a\" %}\n{% if (x %}{% enddefine %}", 2, "add `%}`"),
        ] {
            let error = sections(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.detail.contains(part), "{}", error.detail);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "([{%}#\"\n -]|define|enddefine|raw|endraw|é|a){0,40}") {
            let _ = sections(&text);
        }
    }
}
