//! The parts of a time interval, each with its text form.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Text that is no part of a time interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntervalError {
    /// Not of the form that the part has.
    Form {
        /// The text, shortened.
        text: String,
        /// What the part is, with an example.
        expected: &'static str,
    },
    /// A range that ends before it starts.
    Order {
        /// The text, shortened.
        text: String,
    },
    /// A day of the month that counts from the end, up to one that counts
    /// from the start.
    MixedEnds {
        /// The text, shortened.
        text: String,
    },
    /// No time zone of this name.
    Location {
        /// The name, shortened.
        text: String,
    },
}

impl fmt::Display for IntervalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { text, expected } => write!(f, "`{text}` is not {expected}"),
            Self::Order { text } => {
                write!(f, "`{text}` ends before it starts; write two ranges to go around the end")
            }
            Self::MixedEnds { text } => write!(
                f,
                "`{text}` starts with a day counted from the month's end; its end must be negative too"
            ),
            Self::Location { text } => {
                write!(f, "`{text}` is not a time zone; use a name such as `Europe/Berlin` or `UTC`")
            }
        }
    }
}

impl std::error::Error for IntervalError {}

/// Bytes of a text that an error repeats.
const SHOWN_CHARS: usize = 80;

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect()
}

fn form<T>(text: &str, expected: &'static str) -> Result<T, IntervalError> {
    Err(IntervalError::Form { text: shown(text), expected })
}

fn order<T>(text: &str) -> Result<T, IntervalError> {
    Err(IntervalError::Order { text: shown(text) })
}

/// A minute of the day, `00:00` to `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinuteOfDay(u16);

impl MinuteOfDay {
    /// The day's end.
    pub const END: Self = Self(24 * 60);

    /// Minutes since midnight.
    #[must_use]
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl FromStr for MinuteOfDay {
    type Err = IntervalError;

    /// Reads two digits, a colon, two digits.
    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let minutes = match text.as_bytes() {
            [h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) => {
                let number = |tens: &u8, ones: &u8| u16::from(tens - b'0') * 10 + u16::from(ones - b'0');
                Some((number(h1, h2), number(m1, m2)))
            }
            _ => None,
        };
        match minutes {
            Some((hours @ 0..24, minutes @ 0..60)) => Ok(Self(hours * 60 + minutes)),
            Some((24, 0)) => Ok(Self::END),
            _ => form(text, "a time of day from `00:00` to `24:00`, such as `09:30`"),
        }
    }
}

impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// From a minute of the day up to another one, without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    start: MinuteOfDay,
    end: MinuteOfDay,
}

impl TimeRange {
    /// Reads `start_time` and `end_time`.
    ///
    /// # Errors
    /// Names the text that is no time of day, or both where the end is not
    /// after the start.
    pub fn parse(start: &str, end: &str) -> Result<Self, IntervalError> {
        let range = Self { start: start.parse()?, end: end.parse()? };
        if range.start >= range.end {
            return order(&format!("{start} to {end}"));
        }
        Ok(range)
    }

    /// The first minute.
    #[must_use]
    pub fn start(&self) -> MinuteOfDay {
        self.start
    }

    /// The first minute after it.
    #[must_use]
    pub fn end(&self) -> MinuteOfDay {
        self.end
    }

    pub(super) fn contains(&self, time: Time) -> bool {
        let minute =
            MinuteOfDay(u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs()));
        self.start <= minute && minute < self.end
    }
}

/// A day of the week; weeks start on Sunday, as in Alertmanager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// `sunday`
    Sunday,
    /// `monday`
    Monday,
    /// `tuesday`
    Tuesday,
    /// `wednesday`
    Wednesday,
    /// `thursday`
    Thursday,
    /// `friday`
    Friday,
    /// `saturday`
    Saturday,
}

impl Weekday {
    const ALL: [Self; 7] = [
        Self::Sunday,
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
    ];

    /// Its English name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sunday => "sunday",
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
        }
    }

    pub(crate) fn of(day: jiff::civil::Weekday) -> Self {
        Self::ALL[usize::from(day.to_sunday_zero_offset().unsigned_abs()) % Self::ALL.len()]
    }

    /// Days from `earlier` to the next day of this name, 0 to 6.
    pub(crate) fn days_after(self, earlier: Self) -> i8 {
        (self as i8 - earlier as i8).rem_euclid(7)
    }

    fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.name() == text)
    }
}

impl FromStr for Weekday {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        Self::named(&text.to_lowercase()).map_or_else(|| form(text, "a day of the week such as `monday`"), Ok)
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Both ends of `a:b`, or of `a` alone, in lower case.
fn ends<T: Copy>(text: &str, member: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    let text = text.to_lowercase();
    match text.split_once(':') {
        Some((first, last)) => Some((member(first)?, member(last)?)),
        None => member(&text).map(|only| (only, only)),
    }
}

fn write_ends<T: fmt::Display + PartialEq + Copy>(
    f: &mut fmt::Formatter<'_>,
    first: T,
    last: T,
) -> fmt::Result {
    if first == last { write!(f, "{first}") } else { write!(f, "{first}:{last}") }
}

/// Days of the week, both ends included: `monday:friday`, `sunday`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeekdayRange {
    first: Weekday,
    last: Weekday,
}

impl WeekdayRange {
    pub(super) fn contains(self, day: jiff::civil::Weekday) -> bool {
        (self.first..=self.last).contains(&Weekday::of(day))
    }
}

impl FromStr for WeekdayRange {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        match ends(text, Weekday::named) {
            None => form(text, "a day of the week or a range of them, such as `monday:friday`"),
            Some((first, last)) if first > last => order(text),
            Some((first, last)) => Ok(Self { first, last }),
        }
    }
}

impl fmt::Display for WeekdayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ends(f, self.first, self.last)
    }
}

/// Days of the month, both ends included; negative ones count from the
/// month's end: `1:5`, `-3:-1`, `1:-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayOfMonthRange {
    first: i8,
    last: i8,
}

impl DayOfMonthRange {
    /// Days beyond the month's end are cut off.
    pub(super) fn contains(self, date: Date) -> bool {
        let in_month = |day: i8| if day < 0 { date.days_in_month() + day + 1 } else { day };
        (in_month(self.first)..=in_month(self.last)).contains(&date.day())
    }
}

impl FromStr for DayOfMonthRange {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let day = |text: &str| text.parse().ok().filter(|day| (-31..=31).contains(day) && *day != 0);
        let Some((first, last)) = ends(text, day) else {
            return form(
                text,
                "a day of the month, 1 to 31 or -31 to -1, or a range such as `1:5` or `-3:-1`",
            );
        };
        if first < 0 && last > 0 {
            return Err(IntervalError::MixedEnds { text: shown(text) });
        }
        // Of the shortest month: what is reversed there may hold in a longer one.
        let in_february = |day: i8| if day < 0 { 28 + day } else { day };
        if in_february(first) > in_february(last) {
            return order(text);
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for DayOfMonthRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ends(f, self.first, self.last)
    }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Months, both ends included, by name or number: `january`, `1:3`,
/// `march:may`. Numbers that no month has are taken, as Alertmanager does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthRange {
    first: i64,
    last: i64,
}

impl MonthRange {
    pub(super) fn contains(self, month: i8) -> bool {
        (self.first..=self.last).contains(&i64::from(month))
    }
}

fn month(text: &str) -> Option<i64> {
    let named = (1..).zip(MONTHS).find(|(_, name)| *name == text);
    named.map(|(number, _)| number).or_else(|| text.parse().ok())
}

impl FromStr for MonthRange {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        match ends(text, month) {
            None => form(text, "a month or a range of them, such as `january`, `1:3` or `march:may`"),
            Some((first, last)) if first > last => order(text),
            Some((first, last)) => Ok(Self { first, last }),
        }
    }
}

/// By number, as Alertmanager writes them.
impl fmt::Display for MonthRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ends(f, self.first, self.last)
    }
}

/// Years, both ends included: `2026`, `2026:2028`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YearRange {
    first: i64,
    last: i64,
}

impl YearRange {
    pub(super) fn contains(self, year: i16) -> bool {
        (self.first..=self.last).contains(&i64::from(year))
    }
}

impl FromStr for YearRange {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        match ends(text, |text| text.parse().ok()) {
            None => form(text, "a year or a range of them, such as `2026:2028`"),
            Some((first, last)) if first > last => order(text),
            Some((first, last)) => Ok(Self { first, last }),
        }
    }
}

impl fmt::Display for YearRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ends(f, self.first, self.last)
    }
}

/// A time zone by its IANA name. `Local` and empty text are UTC: where the
/// program runs must not change who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    name: Arc<str>,
    zone: TimeZone,
}

impl Location {
    /// The name, as written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl FromStr for Location {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let zone = match text {
            "" | "Local" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| IntervalError::Location { text: shown(text) })?,
        };
        Ok(Self { name: text.into(), zone })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
