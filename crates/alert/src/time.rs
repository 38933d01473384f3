//! Points in time as senders write them: RFC 3339, to the nanosecond.

use std::fmt;
use std::time::Duration;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Nanoseconds since 1970 in UTC, leap seconds left out; 1677 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest point.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest point; stands for "never" in deadlines.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From seconds since 1970.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// Later by `span`, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(span)))
    }

    /// Earlier by `span`, at least [`Timestamp::MIN`].
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos_of(span)))
    }

    /// Time passed since `earlier`; zero where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// Appends RFC 3339 in UTC with `digits` (0 to 9) of a second's fraction.
    pub fn write_rfc3339(self, out: &mut Vec<u8>, digits: usize) {
        Zoned { at: self, offset_minutes: 0 }.write_rfc3339(out, digits);
    }
}

fn nanos_of(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// Milliseconds in UTC, as Alertmanager's API writes times.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(24);
        self.write_rfc3339(&mut out, 3);
        f.write_str(std::str::from_utf8(&out).unwrap_or_default())
    }
}

/// A point in time and the offset in which its sender wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Zoned {
    /// The point.
    pub at: Timestamp,
    /// Minutes east of UTC; 0 for `Z`.
    pub offset_minutes: i16,
}

/// Text that is not an RFC 3339 date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 date-time such as `2026-01-31T09:00:00Z`")
    }
}

impl std::error::Error for TimestampError {}

impl Zoned {
    /// A point in UTC.
    #[must_use]
    pub fn utc(at: Timestamp) -> Self {
        Self { at, offset_minutes: 0 }
    }

    /// Reads RFC 3339: `T`, `t` or a space between date and time, any number
    /// of fraction digits (beyond nine are cut), `Z` or an offset. Years
    /// outside the range of [`Timestamp`] become its ends, so that Go's zero
    /// time `0001-01-01T00:00:00Z` is accepted.
    ///
    /// # Errors
    /// [`TimestampError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        parse(text.as_bytes()).ok_or(TimestampError)
    }

    /// Appends RFC 3339 in the offset kept, with `digits` (0 to 9) of a
    /// second's fraction.
    pub fn write_rfc3339(self, out: &mut Vec<u8>, digits: usize) {
        let local = self.at.0.saturating_add(i64::from(self.offset_minutes) * 60 * NANOS_PER_SECOND);
        let seconds = local.div_euclid(NANOS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let second_of_day = seconds.rem_euclid(86_400);
        push_digits(out, year, 4);
        out.push(b'-');
        push_digits(out, month, 2);
        out.push(b'-');
        push_digits(out, day, 2);
        out.push(b'T');
        push_digits(out, second_of_day / 3600, 2);
        out.push(b':');
        push_digits(out, second_of_day / 60 % 60, 2);
        out.push(b':');
        push_digits(out, second_of_day % 60, 2);
        if digits > 0 {
            out.push(b'.');
            let divisor = 10_i64.pow(9 - digits.min(9) as u32);
            push_digits(out, local.rem_euclid(NANOS_PER_SECOND) / divisor, digits.min(9));
        }
        push_offset(out, self.offset_minutes);
    }
}

fn push_digits(out: &mut Vec<u8>, value: i64, width: usize) {
    let mut divisor = 10_i64.pow(width as u32 - 1);
    for _ in 0..width {
        out.push(b'0' + (value / divisor % 10) as u8);
        divisor /= 10;
    }
}

fn push_offset(out: &mut Vec<u8>, minutes: i16) {
    if minutes == 0 {
        out.push(b'Z');
        return;
    }
    out.push(if minutes < 0 { b'-' } else { b'+' });
    let minutes = i64::from(minutes.unsigned_abs());
    push_digits(out, minutes / 60, 2);
    out.push(b':');
    push_digits(out, minutes % 60, 2);
}

fn parse(text: &[u8]) -> Option<Zoned> {
    let (date_time, mut rest) = text.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| date_time[at] != byte)
        || !matches!(date_time[10], b'T' | b't' | b' ')
    {
        return None;
    }
    let field = |from: usize, to: usize| number(&date_time[from..to]);
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut fraction = 0_i64;
    if let Some((b'.' | b',', digits)) = rest.split_first() {
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        let kept = length.min(9);
        fraction = number(&digits[..kept])? * 10_i64.pow(9 - kept as u32);
        rest = &digits[length..];
    }
    let offset_minutes = parse_offset(rest)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
        - i64::from(offset_minutes) * 60;
    let nanos = (i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(fraction))
        .clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Some(Zoned { at: Timestamp(nanos as i64), offset_minutes })
}

fn parse_offset(text: &[u8]) -> Option<i16> {
    match text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = (hours * 60 + minutes) as i16;
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0_i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant, "chrono-compatible low-level date algorithms".
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse, from the same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_index + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(zoned: Zoned, digits: usize) -> String {
        let mut out = Vec::new();
        zoned.write_rfc3339(&mut out, digits);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keeps_the_senders_offset() {
        let zoned = Zoned::parse("2026-03-01T12:30:00.123456789+05:30").unwrap();
        assert_eq!(show(zoned, 9), "2026-03-01T12:30:00.123456789+05:30");
        assert_eq!(zoned.at.to_string(), "2026-03-01T07:00:00.123Z");
    }

    #[test]
    fn gos_zero_time_is_accepted() {
        assert_eq!(Zoned::parse("0001-01-01T00:00:00Z").unwrap().at, Timestamp::MIN);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "2026",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+0100",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00:00Zx",
            "éééééééééééééééééééé",
        ] {
            assert!(Zoned::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(nanos in -6_000_000_000_000_000_000_i64..6_000_000_000_000_000_000) {
            let text = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
            let ours = show(Zoned::utc(Timestamp(nanos)), 9);
            prop_assert_eq!(ours.parse::<jiff::Timestamp>().unwrap(), text);
            prop_assert_eq!(Zoned::parse(&text.to_string()).unwrap().at, Timestamp(nanos));
        }

        #[test]
        fn any_text_is_safe(text: String) {
            let _ = Zoned::parse(&text);
        }
    }
}
