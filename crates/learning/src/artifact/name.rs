//! What a model is called: by the day it was made on.

use openclaw_alert::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `model-YYYYMMDD`, with `.1`, `.2` and so on for more of one day. Later
/// names are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ModelName {
    /// `YYYYMMDD` as a number.
    day: u32,
    /// 0 for the day's first.
    number: u32,
}

/// Text that names no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no model: write `model-YYYYMMDD`, or `model-YYYYMMDD.1` for the day's second")]
pub struct ModelNameError {
    text: String,
}

const NUMBER_MAX: u32 = 9_999;

impl ModelName {
    /// The first of a day (in UTC).
    #[must_use]
    pub fn first_of(at: Timestamp) -> Self {
        let mut text = Vec::new();
        at.write_rfc3339(&mut text, 0);
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).take(8);
        Self { day: digits.fold(0, |day, digit| day * 10 + u32::from(digit - b'0')), number: 0 }
    }

    /// The first name of a day that comes after all that are taken.
    #[must_use]
    pub fn next(at: Timestamp, taken: impl IntoIterator<Item = Self>) -> Self {
        let first = Self::first_of(at);
        let last = taken.into_iter().filter(|name| name.day == first.day).max();
        last.map_or(first, |last| Self { number: last.number.saturating_add(1), ..first })
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("model-")?;
        let (day, number) = match rest.split_once('.') {
            Some((day, number)) => {
                (day, plain_number(number).filter(|number| (1..=NUMBER_MAX).contains(number))?)
            }
            None => (rest, 0),
        };
        let (year, month, date) = (day.get(..4)?, day.get(4..6)?, day.get(6..)?);
        // The calendar is known to the reader of times.
        openclaw_alert::Zoned::parse(&format!("{year}-{month}-{date}T00:00:00Z")).ok()?;
        Some(Self { day: day.parse().ok()?, number })
    }
}

/// Without signs and leading zeros, so that a name has one spelling.
fn plain_number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_plain { text.parse().ok() } else { None }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => write!(f, "model-{:08}", self.day),
            number => write!(f, "model-{:08}.{number}", self.day),
        }
    }
}

impl FromStr for ModelName {
    type Err = ModelNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| ModelNameError { text: text.chars().take(80).collect() })
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for ModelName {
    type Error = ModelNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModelName {
        text.parse().unwrap()
    }

    #[test]
    fn names_have_one_spelling_and_an_order() {
        let in_order = [
            "model-20251231.12",
            "model-20261122",
            "model-20261122.2",
            "model-20261122.10",
            "model-20261123",
        ];
        for text in in_order {
            assert_eq!(name(text).to_string(), text);
        }
        assert!(in_order.windows(2).all(|two| name(two[0]) < name(two[1])));
        for wrong in [
            "",
            "model",
            "model-",
            "model-2026112",
            "model-202611221",
            "model-20261322",
            "model-20260230",
            "model-20261122.",
            "model-20261122.0",
            "model-20261122.01",
            "model-20261122.+1",
            "model-+0261122",
            "model-20261122.10000",
            "Model-20261122",
            "model-20261122 ",
            "../model-20261122",
            "model-é0261122",
        ] {
            assert!(wrong.parse::<ModelName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_has_room_for_more() {
        let at = Timestamp::from_secs(1_795_305_600);
        assert_eq!(ModelName::first_of(at), name("model-20261122"));
        assert_eq!(ModelName::next(at, [name("model-20261121.7")]), name("model-20261122"));
        let taken = [name("model-20261122.2"), name("model-20261122"), name("model-20261123.5")];
        assert_eq!(ModelName::next(at, taken), name("model-20261122.3"));
    }
}
