//! Alertmanager's template functions.
//!
//! Each can be called with Go's order of arguments, `match("^a", x)`, and used
//! as a filter, where the piped value is the last argument: `x | match("^a")`.

use super::data::{NOW, to_json};
use super::printf::printf;
use super::time::{Moment, humanize_duration, moment_argument};
use super::value::{invalid, text, text_argument};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use jiff::tz::TimeZone;
use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, State, Value};
use regex::{Regex, RegexBuilder};

/// A compiled expression may take this much.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// Longest list that `elements(number)` makes.
const COUNT_MAX: i64 = 10_000;

type Function = fn(&State<'_, '_>, &[Value]) -> Result<Value, Error>;

/// By name; the second list also as filters.
const FUNCTIONS: [(&str, Function); 8] = [
    ("stringSlice", |_, args| Ok(args.iter().map(text).collect())),
    ("index", |_, args| index(args)),
    ("slice", |_, args| slice(args)),
    ("now", |state, _| now(state)),
    ("elements", |_, args| elements(one("elements", args)?)),
    ("pairs", |_, args| pairs(one("pairs", args)?)),
    ("eq", |_, args| Ok(args.iter().skip(1).any(|other| *other == args[0]).into())),
    ("nothing", |_, _| Ok(Value::from(()))),
];

const FILTERS: [(&str, Function); 24] = [
    ("toUpper", |_, args| on_text("toUpper", args, str::to_uppercase)),
    ("toLower", |_, args| on_text("toLower", args, str::to_lowercase)),
    ("title", |_, args| on_text("title", args, title)),
    ("trimSpace", |_, args| on_text("trimSpace", args, |text| text.trim().to_owned())),
    ("join", |_, args| join(args)),
    ("match", |_, args| Ok(regex("match", args)?.is_match(last_text("match", args)?).into())),
    ("reReplaceAll", |_, args| replace_all(args)),
    ("safeHtml", |_, args| Ok(Value::from_safe_string(text(one("safeHtml", args)?)))),
    ("safeUrl", |_, args| Ok(one("safeUrl", args)?.clone())),
    ("urlUnescape", |_, args| url_unescape(last_text("urlUnescape", args)?)),
    ("urlquery", |_, args| Ok(url_escaped(&printed(args)).into())),
    ("html", |_, args| Ok(Value::from_safe_string(html_escaped(&printed(args))))),
    ("js", |_, args| Ok(js_escaped(&printed(args)).into())),
    ("print", |_, args| Ok(printed(args).into())),
    ("println", |_, args| Ok((args.iter().map(text).collect::<Vec<_>>().join(" ") + "\n").into())),
    ("printf", |_, args| match args {
        [format, rest @ ..] => printf(text_argument("printf", format)?, rest).map(Value::from),
        [] => Err(arguments("printf", "a format")),
    }),
    ("len", |_, args| length(one("len", args)?)),
    ("date", |_, args| match args {
        [layout, at] => Ok(moment_argument("date", at)?.format(text_argument("date", layout)?).into()),
        _ => Err(arguments("date", "a layout and a time")),
    }),
    ("tz", |_, args| in_zone(args)),
    ("since", |_, args| Ok(Value::from_object(moment_argument("since", one("since", args)?)?.since()))),
    ("humanizeDuration", |_, args| humanize_duration(one("humanizeDuration", args)?).map(Value::from)),
    ("toJson", |_, args| json(one("toJson", args)?)),
    ("base64encode", |_, args| on_text("base64encode", args, |text| URL_SAFE.encode(text))),
    ("base64decode", |_, args| base64_decoded(last_text("base64decode", args)?)),
];

/// Makes them known, and `default`, for which empty text is nothing too.
pub(super) fn add(environment: &mut Environment<'static>) {
    for (name, function) in FUNCTIONS.into_iter().chain(FILTERS) {
        environment
            .add_function(name, move |state: &mut State<'_, '_>, args: Rest<Value>| function(state, &args));
    }
    for (name, function) in FILTERS {
        let filter = move |state: &mut State<'_, '_>, piped: Value, args: Rest<Value>| {
            let mut args = args.to_vec();
            args.push(piped);
            function(state, &args)
        };
        environment.add_filter(name, filter);
    }
    environment.add_filter("default", |value: Value, other: Option<Value>| {
        if value.is_true() { value } else { other.unwrap_or_else(|| "".into()) }
    });
}

fn arguments(function: &str, takes: &str) -> Error {
    invalid(format!("`{function}` takes {takes}"))
}

fn one<'v>(function: &str, args: &'v [Value]) -> Result<&'v Value, Error> {
    match args {
        [value] => Ok(value),
        _ => Err(arguments(function, "one argument")),
    }
}

fn last_text<'v>(function: &str, args: &'v [Value]) -> Result<&'v str, Error> {
    text_argument(function, args.last().ok_or_else(|| arguments(function, "text"))?)
}

fn on_text(function: &str, args: &[Value], with: impl Fn(&str) -> String) -> Result<Value, Error> {
    Ok(with(text_argument(function, one(function, args)?)?).into())
}

/// Each word with a capital and the rest small.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for char in text.chars() {
        let of_word = char.is_alphanumeric() || (inside && matches!(char, '\'' | '’' | '_'));
        if !of_word {
            out.push(char);
        } else if inside {
            out.extend(char.to_lowercase());
        } else {
            out.extend(char.to_uppercase());
        }
        inside = of_word;
    }
    out
}

fn join(args: &[Value]) -> Result<Value, Error> {
    let [separator, list] = args else { return Err(arguments("join", "a separator and a list")) };
    let texts: Vec<String> = list.try_iter()?.map(|item| text(&item)).collect();
    Ok(texts.join(text_argument("join", separator)?).into())
}

fn regex(function: &str, args: &[Value]) -> Result<Regex, Error> {
    let pattern =
        args.first().filter(|_| args.len() > 1).ok_or_else(|| arguments(function, "a pattern and text"))?;
    RegexBuilder::new(text_argument(function, pattern)?)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| invalid(format!("`{function}`: not a regular expression: {error}")))
}

fn replace_all(args: &[Value]) -> Result<Value, Error> {
    let [_, with, subject] = args else {
        return Err(arguments("reReplaceAll", "a pattern, a replacement and text"));
    };
    let (with, subject) = (text_argument("reReplaceAll", with)?, text_argument("reReplaceAll", subject)?);
    Ok(regex("reReplaceAll", args)?.replace_all(subject, with).into_owned().into())
}

fn printed(args: &[Value]) -> String {
    let mut out = String::new();
    for (index, value) in args.iter().enumerate() {
        let is_text = |value: &Value| value.kind() == ValueKind::String;
        if index > 0 && !is_text(value) && !is_text(&args[index - 1]) {
            out.push(' ');
        }
        out.push_str(&text(value));
    }
    out
}

fn url_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn url_unescape(text: &str) -> Result<Value, Error> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|digit| char::from(digit?).to_digit(16));
                let [Some(high), Some(low)] = digits else {
                    return Err(invalid("`urlUnescape`: `%` without two hexadecimal digits"));
                };
                out.push((high << 4 | low) as u8);
            }
            byte => out.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned().into())
}

/// As Go's `html` does.
pub(crate) fn html_escaped(text: &str) -> String {
    escaped(text, |char| {
        Some(match char {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '\'' => "&#39;",
            '"' => "&#34;",
            '\0' => "\u{fffd}",
            _ => return None,
        })
    })
}

fn js_escaped(text: &str) -> String {
    escaped(text, |char| {
        Some(match char {
            '\\' => "\\\\",
            '\'' => "\\'",
            '"' => "\\\"",
            '<' => "\\u003C",
            '>' => "\\u003E",
            '&' => "\\u0026",
            '=' => "\\u003D",
            '\n' => "\\u000A",
            '\r' => "\\u000D",
            '\t' => "\\u0009",
            _ => return None,
        })
    })
}

fn escaped(text: &str, escape: fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match escape(char) {
            Some(instead) => out.push_str(instead),
            None => out.push(char),
        }
    }
    out
}

fn length(value: &Value) -> Result<Value, Error> {
    let length = value.as_str().map(str::len).or_else(|| value.len());
    match length {
        Some(length) => Ok(length.into()),
        None if value.is_undefined() || value.is_none() => Ok(0.into()),
        None => Err(invalid(format!("`len` takes text or a list, not `{value}`"))),
    }
}

fn index(args: &[Value]) -> Result<Value, Error> {
    let [value, keys @ ..] = args else { return Err(arguments("index", "a list or labels, and a key")) };
    keys.iter().try_fold(value.clone(), |value, key| Ok(value.get_item(key).unwrap_or_default()))
}

/// Bytes of text, as in Go; a cut inside of a character moves before it.
fn slice(args: &[Value]) -> Result<Value, Error> {
    let [value, bounds @ ..] = args else { return Err(arguments("slice", "text or a list, and bounds")) };
    let length = length(value)?.as_usize().unwrap_or_default();
    let bound = |index: usize, unset: usize| match bounds.get(index) {
        Some(bound) => bound.as_usize().filter(|bound| *bound <= length),
        None => Some(unset),
    };
    let (Some(start), Some(end)) = (bound(0, 0), bound(1, length)) else {
        return Err(invalid(format!("`slice`: bounds outside of 0 to {length}")));
    };
    if let Some(text) = value.as_str() {
        let (start, end) = (text.floor_char_boundary(start), text.floor_char_boundary(end));
        return Ok(text.get(start..end).unwrap_or_default().into());
    }
    Ok(value.try_iter()?.skip(start).take(end.saturating_sub(start)).collect())
}

fn now(state: &State<'_, '_>) -> Result<Value, Error> {
    let now = state.lookup(NOW).filter(|value| value.downcast_object_ref::<Moment>().is_some());
    now.ok_or_else(|| invalid("`now` isn't known inside of a macro: pass it as an argument"))
}

/// What Go's `range` goes through: a list's items, a map's values by key, or
/// the numbers below a count.
fn elements(value: &Value) -> Result<Value, Error> {
    Ok(entries(value)?.into_iter().map(|(_, value)| value).collect())
}

/// The same with the key or place of each.
fn pairs(value: &Value) -> Result<Value, Error> {
    Ok(entries(value)?.into_iter().map(|(key, value)| Value::from(vec![key, value])).collect())
}

fn entries(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Vec::new()),
        ValueKind::Map => {
            let keys = value.try_iter()?;
            Ok(keys.map(|key| (key.clone(), value.get_item(&key).unwrap_or_default())).collect())
        }
        ValueKind::Number => {
            let count = i64::try_from(value.clone()).unwrap_or_default().clamp(0, COUNT_MAX);
            Ok((0..count).map(|number| (number.into(), number.into())).collect())
        }
        _ => Ok(value.try_iter()?.enumerate().map(|(place, item)| (place.into(), item)).collect()),
    }
}

fn in_zone(args: &[Value]) -> Result<Value, Error> {
    let [name, at] = args else { return Err(arguments("tz", "a time zone's name and a time")) };
    let name = text_argument("tz", name)?;
    let zone = match name {
        "" | "UTC" | "Local" => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|_| {
            invalid(format!(
                "`tz`: unknown time zone `{}`: use a name such as `Europe/Paris`",
                name.escape_debug()
            ))
        })?,
    };
    Ok(Value::from_object(moment_argument("tz", at)?.in_zone(zone)))
}

fn json(value: &Value) -> Result<Value, Error> {
    let value = json_of(value, 0)?;
    let text = value.to_string();
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    Ok(text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").into())
}

fn json_of(value: &Value, depth: usize) -> Result<serde_json::Value, Error> {
    if let Some(json) = to_json(value) {
        return Ok(json);
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable if depth < 8 => {
            value.try_iter()?.map(|item| json_of(&item, depth + 1)).collect()
        }
        ValueKind::Plain | ValueKind::Seq | ValueKind::Iterable => {
            Err(invalid("`toJson` takes labels, text, numbers and lists of them"))
        }
        _ => serde_json::to_value(value).map_err(|error| invalid(format!("`toJson`: {error}"))),
    }
}

fn base64_decoded(text: &str) -> Result<Value, Error> {
    let bytes = URL_SAFE.decode(text).map_err(|_| invalid("`base64decode`: not URL-safe base64"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_with_capitals() {
        for (text, want) in
            [("", ""), ("high LATENCY", "High Latency"), ("a-b_c d'e", "A-B_c D'e"), ("éa", "Éa")]
        {
            assert_eq!(title(text), want);
        }
    }

    #[test]
    fn addresses_are_escaped_and_back() {
        assert_eq!(url_escaped("a b&c=ü~/"), "a+b%26c%3D%C3%BC~%2F");
        assert_eq!(url_unescape("a+b%26c%3D%C3%BC").unwrap().as_str(), Some("a b&c=ü"));
        assert!(url_unescape("%4").is_err());
    }
}
