//! What checks say when something is not as it should be.

use crate::suite::Outcome;
use serde_json::Value;
use std::fmt::Debug;

/// Gives the text as an error where the condition doesn't hold.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}
pub(crate) use ensure;

/// Two things are the same.
#[expect(clippy::needless_pass_by_value, reason = "what is compared is mostly made for it")]
pub(crate) fn same<T: PartialEq<U> + Debug, U: Debug>(what: &str, got: T, want: U) -> Outcome {
    ensure!(got == want, "{what}: got {got:?}, want {want:?}");
    Ok(())
}

/// The texts of a JSON array, or of one member of each of its objects.
pub(crate) fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.pointer(pointer)?.as_str().map(str::to_owned)).collect()
}

/// Names of alerts in a listing, sorted.
pub(crate) fn names(alerts: &Value) -> Vec<String> {
    let mut names = texts(alerts, "/labels/alertname");
    names.sort();
    names
}

/// A member that must be a text.
pub(crate) fn text(value: &Value, pointer: &str) -> Result<String, String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| format!("no text at {pointer} of {value}"))
}

/// A time without the zeros behind its last digit, which some writers leave out.
pub(crate) fn moment(time: &str) -> String {
    match time.strip_suffix('Z') {
        Some(digits) if digits.contains('.') => {
            digits.trim_end_matches('0').trim_end_matches('.').to_owned() + "Z"
        }
        _ => time.to_owned(),
    }
}
