//! Times of the day, week, month and year: Alertmanager's time intervals.

mod parts;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use openclaw_alert::Timestamp;
use std::sync::Arc;

pub use parts::{
    DayOfMonthRange, IntervalError, Location, MinuteOfDay, MonthRange, TimeRange, Weekday, WeekdayRange,
    YearRange,
};

/// One interval: all of the parts that are set hold at once.
///
/// A part that is `None` holds always; one that is an empty list never does,
/// as in Alertmanager. One thing differs: Alertmanager 0.31 takes a month in
/// which clocks go forward for a day shorter, so that `-1` is March 30th in
/// Berlin and the 31st is no day of the month; here it is the 31st.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeInterval {
    /// Times of the day.
    pub times: Option<Vec<TimeRange>>,
    /// Days of the week.
    pub weekdays: Option<Vec<WeekdayRange>>,
    /// Days of the month.
    pub days_of_month: Option<Vec<DayOfMonthRange>>,
    /// Months.
    pub months: Option<Vec<MonthRange>>,
    /// Years.
    pub years: Option<Vec<YearRange>>,
    /// Where these times are local; UTC where unset.
    pub location: Option<Location>,
}

impl TimeInterval {
    /// Builds from parts; an empty list leaves its part unset.
    #[must_use]
    pub fn new(
        times: Vec<TimeRange>,
        weekdays: Vec<WeekdayRange>,
        days_of_month: Vec<DayOfMonthRange>,
        months: Vec<MonthRange>,
        years: Vec<YearRange>,
        location: Option<Location>,
    ) -> Self {
        Self {
            times: set(times),
            weekdays: set(weekdays),
            days_of_month: set(days_of_month),
            months: set(months),
            years: set(years),
            location,
        }
    }

    /// Whether `at` lies in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        let Some(local) = local_time(at, self.location.as_ref().map(Location::zone)) else { return false };
        let date = local.date();
        any(self.times.as_deref(), |times| times.contains(local.time()))
            && any(self.days_of_month.as_deref(), |days| days.contains(date))
            && any(self.months.as_deref(), |months| months.contains(date.month()))
            && any(self.weekdays.as_deref(), |days| days.contains(date.weekday()))
            && any(self.years.as_deref(), |years| years.contains(date.year()))
    }
}

fn set<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn any<T>(list: Option<&[T]>, holds: impl Fn(&T) -> bool) -> bool {
    list.is_none_or(|list| list.iter().any(holds))
}

fn local_time(at: Timestamp, zone: Option<&TimeZone>) -> Option<DateTime> {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(at.nanos())).ok()?;
    Some(zone.unwrap_or(&TimeZone::UTC).to_datetime(instant))
}

/// Intervals under the name that routes and silences use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedIntervals {
    /// The name.
    pub name: Arc<str>,
    /// Any of these.
    pub intervals: Vec<TimeInterval>,
}

impl NamedIntervals {
    /// Whether `at` lies in any of them.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.intervals.iter().any(|interval| interval.contains(at))
    }
}
