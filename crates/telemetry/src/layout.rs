//! Where files are: `KIND/tenant=NAME/day=YYYY-MM-DD/NUMBERS.parquet`.
//!
//! A file's name says which numbers it holds. One that has been made of several
//! holds all of theirs, so that a file whose numbers another has as well is
//! nothing but what a crash has left of it.

use openclaw_alert::{TenantName, Timestamp, Zoned};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DAY_SECONDS: i64 = 86_400;
const SUFFIX: &str = ".parquet";

/// What rows tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// How requests ended.
    Observations,
    /// What clients were allowed, window by window.
    Windows,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Observations, Self::Windows];

    /// As folders and metrics name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Observations => "observations",
            Self::Windows => "windows",
        }
    }
}

/// A day of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// The day of a point in time.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.secs().div_euclid(DAY_SECONDS))
    }

    /// From `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let day = Self::of(Zoned::parse(&format!("{text}T00:00:00Z")).ok()?.at);
        (day.to_string() == text).then_some(day)
    }

    /// That many days before.
    #[must_use]
    pub fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub(i64::from(days)))
    }

    /// When it begins.
    #[must_use]
    pub fn begin(self) -> Timestamp {
        Timestamp::from_secs(self.0.saturating_mul(DAY_SECONDS))
    }

    pub(crate) fn end(self) -> Timestamp {
        self.begin().plus(Duration::from_secs(DAY_SECONDS as u64))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        self.begin().write_rfc3339(&mut text, 0);
        f.write_str(std::str::from_utf8(&text[..10]).unwrap_or_default())
    }
}

/// One tenant's rows of one day.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) tenant: TenantName,
    pub(crate) day: Day,
}

impl Place {
    /// Below the folder of all.
    pub(crate) fn folder(&self) -> PathBuf {
        tenant_folder(self.kind, &self.tenant).join(format!("day={}", self.day))
    }
}

pub(crate) fn tenant_folder(kind: Kind, tenant: &TenantName) -> PathBuf {
    // A tenant's name has nothing in it that would have to be escaped.
    Path::new(kind.name()).join(format!("tenant={tenant}"))
}

pub(crate) fn tenant_of(folder: &str) -> Option<TenantName> {
    TenantName::new(folder.strip_prefix("tenant=")?).ok()
}

pub(crate) fn day_of(folder: &str) -> Option<Day> {
    Day::parse(folder.strip_prefix("day=")?)
}

/// The numbers of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Span {
    pub(crate) fn one(number: u32) -> Self {
        Self { first: number, last: number }
    }

    pub(crate) fn is_one(self) -> bool {
        self.first == self.last
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let numbers = name.strip_suffix(SUFFIX)?;
        let span = match numbers.split_once('-') {
            Some((first, last)) => Self { first: first.parse().ok()?, last: last.parse().ok()? },
            None => Self::one(numbers.parse().ok()?),
        };
        (span.to_string() == name).then_some(span)
    }

    fn holds(self, other: Self) -> bool {
        self != other && self.first <= other.first && other.last <= self.last
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_one() {
            true => write!(f, "{:08}{SUFFIX}", self.first),
            false => write!(f, "{:08}-{:08}{SUFFIX}", self.first, self.last),
        }
    }
}

/// In order: files that count, and those whose rows others have as well.
pub(crate) fn sifted(mut spans: Vec<Span>) -> (Vec<Span>, Vec<Span>) {
    spans.sort_unstable_by_key(|span| (span.first, std::cmp::Reverse(span.last)));
    let mut widest: Option<Span> = None;
    spans.into_iter().partition(|span| {
        let is_held = widest.is_some_and(|widest| widest.holds(*span));
        if !is_held {
            widest = Some(*span);
        }
        !is_held
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn days_and_names_are_read_as_written(day in -100_000_i64..100_000, first in any::<u32>(), more in 0_u32..99) {
            let day = Day(day);
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
            prop_assert_eq!(Day::of(day.begin()), day);
            prop_assert_eq!(Day::of(Timestamp::from_nanos(day.end().nanos() - 1)), day);
            let span = Span { first, last: first.saturating_add(more) };
            prop_assert_eq!(Span::parse(&span.to_string()), Some(span));
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in ["1.parquet", "00000001.parquet.tmp", "00000001-00000001.parquet", "a.parquet"] {
            assert_eq!(Span::parse(name), None, "{name}");
        }
        for day in ["2026-2-03", "2026-02-30", "", "yesterday", "2026-02-03T00:00:00Z"] {
            assert_eq!(Day::parse(day), None, "{day}");
        }
    }

    #[test]
    fn what_another_holds_does_not_count() {
        let span = |first, last| Span { first, last };
        let all = vec![span(3, 3), span(0, 2), span(1, 1), span(0, 0), span(4, 9), span(5, 6), span(2, 2)];
        let (count, left) = sifted(all);
        assert_eq!(count, [span(0, 2), span(3, 3), span(4, 9)]);
        assert_eq!(left, [span(0, 0), span(1, 1), span(2, 2), span(5, 6)]);
    }
}
