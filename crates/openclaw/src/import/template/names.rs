//! Names and texts as our templates write them.

use openclaw_delivery::template::root_names;

/// Words of the language.
const WORDS: [&str; 34] = [
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "not",
    "and",
    "or",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "endif",
    "for",
    "endfor",
    "set",
    "with",
    "include",
    "import",
    "from",
    "as",
    "macro",
    "call",
    "filter",
    "block",
    "self",
    "super",
    "loop",
    "caller",
    "range",
    "dict",
    "namespace",
];

/// Functions of templates that a variable would hide.
const FUNCTIONS: [&str; 16] = [
    "len", "index", "slice", "now", "since", "date", "tz", "match", "join", "title", "html", "js", "pairs",
    "elements", "print", "eq",
];

fn is_word(name: &str) -> bool {
    WORDS.contains(&name)
}

/// Whether a variable of this name would hide something.
fn is_taken(name: &str) -> bool {
    is_word(name) || FUNCTIONS.contains(&name) || root_names().any(|taken| taken == name)
}

/// In double quotes with escapes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// `.name`, or `["name"]` where a dot can't be followed by it.
pub(super) fn attribute(name: &str) -> String {
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|char| char.is_ascii_alphabetic() || char == '_');
    if starts && chars.all(|char| char.is_ascii_alphanumeric() || char == '_') && !is_word(name) {
        format!(".{name}")
    } else {
        format!("[{}]", quoted(name))
    }
}

/// A variable's name from Go's, or from what it holds: not taken, and not one
/// of `active`.
pub(super) fn fresh(wish: &str, active: &[String]) -> String {
    let plain: String =
        wish.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).take(40).collect();
    let plain = match plain.chars().next() {
        Some(first) if !first.is_ascii_digit() => plain,
        _ => format!("v{plain}"),
    };
    let is_free = |name: &str| !is_taken(name) && !active.iter().any(|taken| taken == name);
    if is_free(&plain) {
        return plain;
    }
    let numbered = (2..).map(|number| format!("{plain}_{number}")).find(|name| is_free(name));
    numbered.unwrap_or(plain)
}
