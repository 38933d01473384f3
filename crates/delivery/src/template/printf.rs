//! `printf` with the verbs that messages use.

use super::value::{exponent, float, invalid, text};
use minijinja::{Error, Value};

/// Wider fields than this are cut to it.
const WIDTH_MAX: usize = 1000;

/// One `%-08.3f`.
#[derive(Debug, Default, Clone, Copy)]
struct Verb {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

/// The format's text with `args` in the place of its verbs.
pub(super) fn printf(format: &str, args: &[Value]) -> Result<String, Error> {
    let mut out = String::with_capacity(format.len());
    let mut chars = format.chars().peekable();
    let mut used = 0;
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let verb = read_verb(&mut chars);
        if verb.letter == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = args.get(used) else {
            out.push_str(&format!("%!{}(MISSING)", verb.letter));
            continue;
        };
        used += 1;
        push_padded(&mut out, &verb, &shown(&verb, value)?);
    }
    Ok(out)
}

fn read_verb(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Verb {
    let mut verb = Verb::default();
    while let Some(flag) = chars.next_if(|char| "-0+ #".contains(*char)) {
        match flag {
            '-' => verb.left = true,
            '0' => verb.zero = true,
            '+' => verb.plus = true,
            ' ' => verb.space = true,
            _ => verb.sharp = true,
        }
    }
    verb.width = read_number(chars).unwrap_or_default();
    if chars.next_if_eq(&'.').is_some() {
        verb.precision = Some(read_number(chars).unwrap_or_default());
    }
    verb.letter = chars.next().unwrap_or('%');
    verb
}

fn read_number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        let digit = digit as usize - '0' as usize;
        number = Some((number.unwrap_or(0_usize) * 10 + digit).min(WIDTH_MAX));
    }
    number
}

fn shown(verb: &Verb, value: &Value) -> Result<String, Error> {
    let text = match verb.letter {
        'v' if value.is_number() && !value.is_integer() => float(number(verb, value)?),
        'v' if value.is_undefined() || value.is_none() => "<nil>".to_owned(),
        'v' | 's' => cut(text(value), verb.precision),
        'q' => go_quoted(&cut(text(value), verb.precision)),
        'd' => integer(verb, value)?.to_string(),
        'x' | 'X' => hex(verb, value)?,
        'c' => character(verb, value)?,
        'o' => format!("{:o}", integer(verb, value)?),
        'b' => format!("{:b}", integer(verb, value)?),
        'U' => format!("U+{:04X}", integer(verb, value)?),
        't' if matches!(value.kind(), minijinja::value::ValueKind::Bool) => text(value),
        'f' | 'F' => fixed(number(verb, value)?, verb.precision.unwrap_or(6)),
        'e' => exponent(&format!("{:.*e}", verb.precision.unwrap_or(6), number(verb, value)?)),
        'g' => match verb.precision {
            Some(digits) => general(number(verb, value)?, digits.max(1)),
            None => float(number(verb, value)?),
        },
        letter => return Err(invalid(format!("`%{letter}` can't print `{value}`"))),
    };
    let signed = verb.plus && value.is_number() && !text.starts_with(['-', '+']);
    let spaced = verb.space && value.is_number() && !text.starts_with(['-', '+']);
    Ok(match (signed, spaced) {
        (true, _) => format!("+{text}"),
        (false, true) => format!(" {text}"),
        _ => text,
    })
}

fn fixed(number: f64, digits: usize) -> String {
    if number.is_finite() { format!("{number:.digits$}") } else { float(number) }
}

fn integer(verb: &Verb, value: &Value) -> Result<i64, Error> {
    if let Some(span) = value.downcast_object_ref::<super::time::Span>() {
        return Ok(span.0);
    }
    let whole = value.is_integer().then(|| i64::try_from(value.clone()).ok()).flatten();
    whole.ok_or_else(|| invalid(format!("`%{}` takes a whole number, not `{value}`", verb.letter)))
}

fn number(verb: &Verb, value: &Value) -> Result<f64, Error> {
    // Text, and whole numbers as Go keeps them apart from others.
    let number = if value.is_number() { f64::try_from(value.clone()).ok() } else { None };
    number.ok_or_else(|| invalid(format!("`%{}` takes a number, not `{value}`", verb.letter)))
}

fn hex(verb: &Verb, value: &Value) -> Result<String, Error> {
    let lower = match value.as_str() {
        Some(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        None => match integer(verb, value)? {
            negative @ ..0 => format!("-{:x}", negative.unsigned_abs()),
            number => format!("{number:x}"),
        },
    };
    Ok(if verb.letter == 'X' { lower.to_uppercase() } else { lower })
}

fn character(verb: &Verb, value: &Value) -> Result<String, Error> {
    let code = u32::try_from(integer(verb, value)?).ok().and_then(char::from_u32);
    Ok(code.unwrap_or(char::REPLACEMENT_CHARACTER).to_string())
}

fn cut(text: String, chars_max: Option<usize>) -> String {
    match chars_max {
        Some(max) => text.chars().take(max).collect(),
        None => text,
    }
}

fn push_padded(out: &mut String, verb: &Verb, text: &str) {
    let missing = verb.width.saturating_sub(text.chars().count());
    if verb.left {
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', missing));
        return;
    }
    if verb.zero {
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(digits);
        return;
    }
    out.extend(std::iter::repeat_n(' ', missing));
    out.push_str(text);
}

/// `%.<digits>g`: so many digits, without zeros at the end.
pub(super) fn general(number: f64, digits: usize) -> String {
    if !number.is_finite() || number == 0.0 {
        return float(number);
    }
    let scientific = format!("{:.*e}", digits - 1, number);
    let power: i32 = scientific.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    if power < -4 || power >= digits as i32 {
        let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return exponent(&format!("{}e{power}", without_zeros(mantissa)));
    }
    let decimals = (digits as i32 - 1 - power).max(0) as usize;
    without_zeros(&format!("{number:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// In double quotes, with Go's escapes.
pub(super) fn go_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            control if (control as u32) < 0x20 || control == '\u{7f}' => {
                out.push_str(&format!("\\x{:02x}", control as u32));
            }
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_gos() {
        let check = |format: &str, args: &[Value], want: &str| {
            assert_eq!(printf(format, args).unwrap(), want, "{format}");
        };
        check("%s is %d%%", &["cpu".into(), 93.into()], "cpu is 93%");
        check("[%5s|%-5s|%.2s]", &["ab".into(), "ab".into(), "abc".into()], "[   ab|ab   |ab]");
        check("%05d %+d %x %X", &[(-42).into(), 7.into(), 255.into(), "az".into()], "-0042 +7 ff 617A");
        check(
            "%.2f %g %e %v",
            &[1.005.into(), 1e21.into(), 1.5.into(), 2.0.into()],
            "1.00 1e+21 1.500000e+00 2",
        );
        check("%q %t %v", &["a\"\n".into(), true.into(), vec!["a", "b"].into()], "\"a\\\"\\n\" true [a b]");
        check("%s %s", &["one".into()], "one %!s(MISSING)");
        check("%c", &[0x1f600.into()], "😀");
        assert!(printf("%d", &["x".into()]).is_err());
        assert!(printf("%f", &["x".into()]).is_err());
        assert_eq!(printf("%9999d", &[1.into()]).unwrap().len(), WIDTH_MAX);
    }
}
