//! When the next model is made: a cron pattern in a time zone, at most one run
//! at a time, one more try after a failure, and a missed run caught up once.

mod runs;

pub use runs::{Attempt, Ended, Outcome, Plan, Runs};

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// When runs are due.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

/// Why a schedule can't be understood.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// No cron pattern.
    #[error(
        "`{pattern}` is no cron pattern: {reason}; write five fields, such as `0 3 * * *` for 3 o'clock every night"
    )]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// No time zone of that name.
    #[error("`{zone}` is no time zone; write an IANA name such as `Europe/Vienna`")]
    Zone {
        /// What was given.
        zone: String,
    },
    /// A pattern that no time matches.
    #[error("`{pattern}` never comes; write a day that its month has")]
    Never {
        /// What was given.
        pattern: String,
    },
}

impl Schedule {
    /// A pattern of five fields (minute, hour, day, month, weekday), in a zone.
    ///
    /// # Errors
    /// [`ScheduleError`] says what can't be understood, and what could be.
    pub fn parse(pattern: &str, zone: &str) -> Result<Self, ScheduleError> {
        let cron: Cron = pattern.parse().map_err(|reason: croner::errors::CronError| {
            ScheduleError::Pattern { pattern: pattern.to_owned(), reason: reason.to_string() }
        })?;
        let zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone { zone: zone.to_owned() })?;
        let schedule = Self { cron, zone };
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never { pattern: pattern.to_owned() }),
        }
    }

    /// The first due time after `at`; none where the calendar ends.
    #[must_use]
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&at.to_zoned(self.zone.clone()), false).ok()?;
        Some(found.timestamp())
    }

    /// The last due time up to `at`, itself included.
    #[must_use]
    pub fn last_by(&self, at: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_previous_occurrence(&at.to_zoned(self.zone.clone()), true).ok()?;
        Some(found.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_night_is_a_night_in_its_zone() {
        let schedule = Schedule::parse("30 2 * * *", "Europe/Vienna").unwrap();
        let next = |from| schedule.next_after(at(from)).unwrap().to_string();
        assert_eq!(next("2026-11-22T12:00:00Z"), "2026-11-23T01:30:00Z");
        assert_eq!(next("2026-07-01T12:00:00Z"), "2026-07-02T00:30:00Z");
        assert_eq!(schedule.last_by(at("2026-11-23T01:30:00Z")), Some(at("2026-11-23T01:30:00Z")));
        assert_eq!(schedule.last_by(at("2026-11-23T01:29:59Z")), Some(at("2026-11-22T01:30:00Z")));
    }

    #[test]
    fn the_hour_that_summer_time_leaves_out_is_not_left_out() {
        let schedule = Schedule::parse("30 2 * * *", "Europe/Vienna").unwrap();
        let next = schedule.next_after(at("2026-03-28T12:00:00Z")).unwrap();
        // 2:30 isn't there on the 29th: at 3:00 or 3:30 instead, that day.
        assert!((at("2026-03-29T01:00:00Z")..=at("2026-03-29T01:30:00Z")).contains(&next), "{next}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |pattern, zone| Schedule::parse(pattern, zone).unwrap_err().to_string();
        assert!(
            said("nightly", "UTC").starts_with("`nightly` is no cron pattern"),
            "{}",
            said("nightly", "UTC")
        );
        assert!(said("0 3 * * *", "Vienna").contains("`Vienna` is no time zone"));
        assert!(said("0 0 31 2 *", "UTC").contains("never comes"));
    }
}
