//! When a digest goes out.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use openclaw_alert::Timestamp;
use std::fmt;
use std::time::Duration;

/// Every so often, counted from a time of day in a time zone: `every: 1d, at:
/// "09:00", timezone: Europe/Berlin`; `every: 6h, at: "09:00"` is 3, 9, 15 and
/// 21 o'clock.
#[derive(Debug, Clone, PartialEq)]
pub struct DigestSchedule {
    every: Duration,
    at: Time,
    zone: TimeZone,
}

/// Settings that are no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestScheduleError {
    /// `every` is outside 1 minute … 1 day, or does not divide a day.
    Every,
    /// `at` is no time of day.
    At(String),
    /// `timezone` is not known.
    Zone(String),
}

impl fmt::Display for DigestScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("`every` must be a part of a day between `1m` and `1d`, such as `6h`"),
            Self::At(at) => write!(f, "`at: {at}` is not a time of day such as `09:00`"),
            Self::Zone(zone) => {
                write!(f, "`timezone: {zone}` is not known; use a name such as `Europe/Berlin` or `UTC`")
            }
        }
    }
}

impl std::error::Error for DigestScheduleError {}

const DAY: Duration = Duration::from_secs(86_400);

impl DigestSchedule {
    /// Checks and builds.
    ///
    /// # Errors
    /// Names the part that is wrong.
    pub fn new(every: Duration, at: &str, zone: &str) -> Result<Self, DigestScheduleError> {
        let whole = every.subsec_nanos() == 0
            && every.as_secs() >= 60
            && DAY.as_secs().is_multiple_of(every.as_secs().max(1));
        if !whole {
            return Err(DigestScheduleError::Every);
        }
        let at = Time::strptime("%H:%M", at).map_err(|_| DigestScheduleError::At(at.to_owned()))?;
        let zone = TimeZone::get(zone).map_err(|_| DigestScheduleError::Zone(zone.to_owned()))?;
        Ok(Self { every, at, zone })
    }

    /// The first time after `now` that the digest is due. Times of day that a
    /// clock change skips or repeats are taken as jiff resolves them.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        let fallback = now.plus(self.every);
        let Ok(instant) = jiff::Timestamp::from_nanosecond(i128::from(now.nanos())) else { return fallback };
        let today = instant.to_zoned(self.zone.clone()).date();
        let times_a_day = DAY.as_secs() / self.every.as_secs();
        // Yesterday and tomorrow too: the day's first time may lie in either.
        let candidates = (-1_i64..=1).flat_map(|day| (0..times_a_day).map(move |n| (day, n)));
        candidates
            .filter_map(|(day, n)| {
                let start = today.checked_add(jiff::Span::new().days(day)).ok()?.to_datetime(self.at);
                let due = start.checked_add(self.every.checked_mul(n as u32)?).ok()?;
                let nanos = due.to_zoned(self.zone.clone()).ok()?.timestamp().as_nanosecond();
                Some(Timestamp::from_nanos(i64::try_from(nanos).ok()?))
            })
            .filter(|due| *due > now)
            .min()
            .unwrap_or(fallback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::Zoned;

    fn check(every_h: u64, zone: &str, now: &str, want: &str) {
        let schedule = DigestSchedule::new(Duration::from_secs(every_h * 3600), "09:00", zone).unwrap();
        let next = schedule.next_after(Zoned::parse(now).unwrap().at);
        assert_eq!(next.to_string(), want);
    }

    #[test]
    fn counts_from_the_time_of_day_in_its_zone() {
        check(24, "UTC", "2026-05-01T08:59:59Z", "2026-05-01T09:00:00.000Z");
        check(24, "UTC", "2026-05-01T09:00:00Z", "2026-05-02T09:00:00.000Z");
        check(6, "UTC", "2026-05-01T22:00:00Z", "2026-05-02T03:00:00.000Z");
        check(24, "Europe/Berlin", "2026-03-28T09:00:00Z", "2026-03-29T07:00:00.000Z");
        check(24, "America/New_York", "2026-05-01T00:00:00Z", "2026-05-01T13:00:00.000Z");
    }

    #[test]
    fn nonsense_is_refused() {
        let hour = Duration::from_secs(3600);
        assert_eq!(DigestSchedule::new(hour * 7, "09:00", "UTC"), Err(DigestScheduleError::Every));
        assert_eq!(DigestSchedule::new(hour, "25:00", "UTC"), Err(DigestScheduleError::At("25:00".into())));
        assert_eq!(
            DigestSchedule::new(hour, "09:00", "Mars/Base"),
            Err(DigestScheduleError::Zone("Mars/Base".into()))
        );
    }
}
