//! Hours, days, weeks and months as people in a place count them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// So that sums of times never overflow: the year 2262.
const END_NANOS_MAX: u64 = 1 << 63;

/// How often a quota begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// At each full hour of the place's clocks.
    Hour,
    /// At midnight.
    Day,
    /// At Monday's midnight.
    Week,
    /// At the midnight of each month's first day.
    Month,
}

impl Period {
    /// As settings write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The period that `now` is in; nanoseconds of Unix time. None beyond the
    /// year 2554.
    #[must_use]
    pub fn around(self, zone: &TimeZone, now_nanos: u64) -> Option<Range<u64>> {
        let now = Timestamp::from_nanosecond(i128::from(now_nanos)).ok()?.to_zoned(zone.clone());
        let nanos = |at: Timestamp| u64::try_from(at.as_nanosecond().max(0)).ok();
        let (start, end) = self.bounds(&now)?;
        Some(nanos(start)?..nanos(end)?)
    }

    fn bounds(self, now: &Zoned) -> Option<(Timestamp, Timestamp)> {
        let midnight = now.start_of_day().ok()?;
        let (first, days) = match self {
            Self::Hour => return hour(now),
            Self::Day => (midnight, 1.day()),
            Self::Week => {
                let since_monday = now.weekday().to_monday_zero_offset();
                (midnight.checked_sub(since_monday.days()).ok()?, 1.week())
            }
            Self::Month => (midnight.first_of_month().ok()?, 1.month()),
        };
        // A midnight that a place's clocks leave out is the first moment after.
        let first = first.start_of_day().ok()?;
        let next = first.checked_add(days).ok()?.start_of_day().ok()?;
        Some((first.timestamp(), next.timestamp()))
    }
}

/// An hour that clocks show twice is two hours.
fn hour(now: &Zoned) -> Option<(Timestamp, Timestamp)> {
    let into = (now.timestamp().as_second() + i64::from(now.offset().seconds())).rem_euclid(3600);
    let second = Timestamp::from_second(now.timestamp().as_second()).ok()?;
    let start = second.checked_sub(SignedDuration::from_secs(into)).ok()?;
    Some((start, start.checked_add(SignedDuration::from_hours(1)).ok()?))
}

/// The period that now is in, remembered until it ends, so that a decision
/// looks at no calendar.
#[derive(Debug, Default)]
pub(super) struct Current {
    end_nanos: AtomicU64,
}

impl Current {
    /// When the period ends that `now` is in. A clock that goes back finds the
    /// period that it has been in already.
    pub(super) fn end_nanos(&self, period: Period, zone: &TimeZone, now_nanos: u64) -> u64 {
        let end = self.end_nanos.load(Ordering::Relaxed);
        if now_nanos < end {
            return end;
        }
        let end = period.around(zone, now_nanos).map_or(END_NANOS_MAX, |around| around.end);
        self.end_nanos.fetch_max(end, Ordering::Relaxed).max(end)
    }
}

/// A number that no other period of the same kind has, and that grows: quarters
/// of an hour, since clocks differ by no less.
pub(super) fn number(end_nanos: u64) -> u32 {
    (end_nanos / 1_000_000_000).div_ceil(900) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_nanosecond() as u64
    }

    fn around(period: Period, zone: &str, now: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let range = period.around(&zone, nanos(now)).unwrap();
        let shown = |at: u64| Timestamp::from_nanosecond(i128::from(at)).unwrap().to_string();
        format!("{} .. {}", shown(range.start), shown(range.end))
    }

    #[test]
    fn edges() {
        use Period::{Day, Hour, Month, Week};
        for (period, zone, now, want) in [
            (Day, "UTC", "2026-02-28T23:59:59.999999999Z", "2026-02-28T00:00:00Z .. 2026-03-01T00:00:00Z"),
            (Day, "UTC", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z .. 2026-03-02T00:00:00Z"),
            // Days of 23 and of 25 hours.
            (Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z .. 2026-03-29T22:00:00Z"),
            (Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z .. 2026-10-25T23:00:00Z"),
            // A day that begins at one o'clock, and the day before it.
            (Day, "America/Santiago", "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z .. 2026-09-07T03:00:00Z"),
            (Day, "America/Santiago", "2026-09-06T03:59:59Z", "2026-09-05T04:00:00Z .. 2026-09-06T04:00:00Z"),
            // A day that was never there.
            (Day, "Pacific/Apia", "2011-12-31T00:00:00Z", "2011-12-30T10:00:00Z .. 2011-12-31T10:00:00Z"),
            (Month, "UTC", "2028-02-29T10:00:00Z", "2028-02-01T00:00:00Z .. 2028-03-01T00:00:00Z"),
            (Month, "UTC", "2026-12-31T23:00:00Z", "2026-12-01T00:00:00Z .. 2027-01-01T00:00:00Z"),
            (Month, "Europe/Berlin", "2026-12-31T23:00:00Z", "2026-12-31T23:00:00Z .. 2027-01-31T23:00:00Z"),
            (Month, "Europe/Berlin", "2026-03-31T12:00:00Z", "2026-02-28T23:00:00Z .. 2026-03-31T22:00:00Z"),
            (Week, "UTC", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z .. 2026-11-23T00:00:00Z"),
            (Week, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-18T22:00:00Z .. 2026-10-25T23:00:00Z"),
            (Hour, "UTC", "2026-01-01T10:59:59.5Z", "2026-01-01T10:00:00Z .. 2026-01-01T11:00:00Z"),
            (Hour, "Asia/Kolkata", "2026-01-01T10:59:59Z", "2026-01-01T10:30:00Z .. 2026-01-01T11:30:00Z"),
            // Two o'clock comes twice.
            (Hour, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z .. 2026-10-25T01:00:00Z"),
            (Hour, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z .. 2026-10-25T02:00:00Z"),
        ] {
            assert_eq!(around(period, zone, now), want, "{period:?} {zone} {now}");
        }
    }

    #[test]
    fn beyond_what_can_be_told_the_period_is_one() {
        assert_eq!(Period::Month.around(&TimeZone::UTC, u64::MAX), None);
        assert_eq!(Current::default().end_nanos(Period::Month, &TimeZone::UTC, u64::MAX), END_NANOS_MAX);
    }

    proptest! {
        #[test]
        fn periods_follow_each_other(
            seconds in 1_600_000_000_u64..2_500_000_000,
            zone in prop::sample::select(vec![
                "UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe",
                "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Chatham",
            ]),
            period in prop::sample::select(vec![Period::Hour, Period::Day, Period::Week, Period::Month]),
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let now = seconds * 1_000_000_000;
            let this = period.around(&zone, now).unwrap();
            prop_assert!(this.contains(&now));
            let next = period.around(&zone, this.end).unwrap();
            prop_assert!(next.contains(&this.end));
            prop_assert!(number(this.end) < number(next.end));
            if period != Period::Hour {
                prop_assert_eq!(next.start, this.end);
                prop_assert_eq!(period.around(&zone, this.end - 1).unwrap(), this.clone());
            }
            let current = Current::default();
            prop_assert_eq!(current.end_nanos(period, &zone, now), this.end);
            prop_assert_eq!(current.end_nanos(period, &zone, this.end - 1), this.end);
            prop_assert_eq!(current.end_nanos(period, &zone, this.end), next.end);
            prop_assert_eq!(current.end_nanos(period, &zone, now), next.end);
        }
    }
}
