//! Values as text, the way Go prints them.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// A call that can't be carried out.
pub(super) fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

pub(super) fn text_argument<'v>(function: &str, value: &'v Value) -> Result<&'v str, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok("");
    }
    value.as_str().ok_or_else(|| invalid(format!("`{function}` takes text, not `{value}`")))
}

/// What `{{ value }}` prints: nothing for nothing, `[a b]` for lists.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    push_text(&mut out, value, 0);
    out
}

/// Deeper lists than this are printed as `…`.
const DEPTH_MAX: usize = 8;

pub(super) fn push_text(out: &mut String, value: &Value, depth: usize) {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => {}
        ValueKind::String => out.push_str(value.as_str().unwrap_or_default()),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(number) => out.push_str(&float(number)),
            Err(_) => out.push_str(&value.to_string()),
        },
        ValueKind::Seq if super::data::is_ours(value) => out.push_str(&value.to_string()),
        ValueKind::Seq | ValueKind::Iterable => push_list(out, value, depth),
        _ => out.push_str(&value.to_string()),
    }
}

fn push_list(out: &mut String, value: &Value, depth: usize) {
    if depth == DEPTH_MAX {
        out.push('…');
        return;
    }
    out.push('[');
    for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        push_text(out, &item, depth + 1);
    }
    out.push(']');
}

/// The shortest text that reads back as the same number, with an exponent
/// from 1e21 and below 1e-4, as in Go.
pub(super) fn float(number: f64) -> String {
    let magnitude = number.abs();
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        return exponent(&format!("{number:e}"));
    }
    format!("{number}")
}

/// Go writes two digits and a sign: `1e-05`, `1e+21`.
pub(super) fn exponent(text: &str) -> String {
    let Some((mantissa, power)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = match power.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', power),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_gos() {
        for (number, want) in [
            (5.0, "5"),
            (-0.25, "-0.25"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(float(number), want);
        }
    }

    #[test]
    fn lists_and_nothing() {
        assert_eq!(text(&Value::from(vec!["a", "b"])), "[a b]");
        assert_eq!(text(&Value::from(())), "");
        assert_eq!(text(&Value::UNDEFINED), "");
        assert_eq!(text(&Value::from(true)), "true");
    }
}
