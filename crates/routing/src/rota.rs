//! Who is on call: people take turns, at the same time of the day by the
//! clocks where they are.

use crate::interval::{Location, MinuteOfDay, Weekday};
use jiff::civil::{Date, DateTime};
use openclaw_alert::Timestamp;
use std::fmt;
use std::sync::Arc;

/// People of one rota.
pub const PEOPLE_MAX: usize = 100;

/// Overrides of one rota.
pub const OVERRIDES_MAX: usize = 1000;

/// Weeks of one turn.
pub const WEEKS_MAX: u8 = 8;

/// How long a turn is, and the day on which it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A new person each day.
    Day,
    /// A new person after so many weeks.
    Weeks {
        /// 1 to [`WEEKS_MAX`].
        weeks: u8,
        /// The day of the handover.
        handover: Weekday,
    },
}

impl Turn {
    fn days(self) -> i32 {
        match self {
            Self::Day => 1,
            Self::Weeks { weeks, .. } => 7 * i32::from(weeks),
        }
    }
}

/// Somebody takes over for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// From here on.
    pub from: Timestamp,
    /// Up to here, without it.
    pub until: Timestamp,
    /// Who; need not be one of the people of the rota.
    pub person: Arc<str>,
}

/// What a rota is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotaSettings {
    /// Its name.
    pub name: Arc<str>,
    /// Whose clocks count.
    pub timezone: Location,
    /// Length of a turn.
    pub every: Turn,
    /// Time of day of the handover.
    pub handover_at: MinuteOfDay,
    /// `2026-01-05`: the first handover is on this day, or the first one
    /// after it that is the handover's day of the week.
    pub starts: String,
    /// Who takes turns, in this order.
    pub people: Vec<Arc<str>>,
    /// Exceptions; where two overlap the later in the list counts.
    pub overrides: Vec<Override>,
}

/// Settings that are no rota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotaError {
    /// `every` is no number of weeks that a turn may have.
    Every {
        /// As set.
        weeks: u8,
    },
    /// `handover` is the end of a day.
    Handover,
    /// `starts` is no date.
    Starts {
        /// As set, shortened.
        text: String,
    },
    /// `people` are none or too many.
    PeopleCount {
        /// How many.
        count: usize,
    },
    /// `people` has somebody without a name.
    PersonEmpty,
    /// `overrides` are too many.
    OverrideCount {
        /// How many.
        count: usize,
    },
    /// One of `overrides` ends before it starts.
    OverrideOrder {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// One of `overrides` names nobody.
    OverridePerson {
        /// Its place in the list, from 0.
        index: usize,
    },
}

impl fmt::Display for RotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { weeks } => {
                write!(f, "`every: {weeks}w` is not a turn; use `1d`, or `1w` to `{WEEKS_MAX}w`")
            }
            Self::Handover => {
                f.write_str("`handover` at `24:00` is no time of its day; use `00:00` of the next")
            }
            Self::Starts { text } => {
                write!(f, "`starts: {text}` is not a date from 1970 to 2200 such as `2026-01-05`")
            }
            Self::PeopleCount { count } => {
                write!(f, "`people` has {count} names; a rota has 1 to {PEOPLE_MAX}")
            }
            Self::PersonEmpty => f.write_str("`people` has an empty name; remove it"),
            Self::OverrideCount { count } => {
                write!(f, "`overrides` has {count} entries, more than {OVERRIDES_MAX}; remove past ones")
            }
            Self::OverrideOrder { index } => {
                write!(f, "`overrides[{index}]` must have its `until` after its `from`")
            }
            Self::OverridePerson { index } => write!(f, "`overrides[{index}]` has an empty `person`"),
        }
    }
}

impl std::error::Error for RotaError {}

/// People who take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rota {
    settings: RotaSettings,
    /// When the first person's first turn begins, by local clocks.
    first_handover: DateTime,
}

impl Rota {
    /// Checks and builds.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn new(settings: RotaSettings) -> Result<Self, RotaError> {
        check_turn(&settings)?;
        check_people(&settings.people)?;
        check_overrides(&settings.overrides)?;
        let first_handover = first_handover(&settings)?;
        Ok(Self { settings, first_handover })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// What it was made from.
    #[must_use]
    pub fn settings(&self) -> &RotaSettings {
        &self.settings
    }

    /// Who is on call at a time; before the first handover it is the first
    /// person.
    #[must_use]
    pub fn on_call(&self, at: Timestamp) -> &Arc<str> {
        let holds = |instead: &&Override| instead.from <= at && at < instead.until;
        if let Some(instead) = self.settings.overrides.iter().rev().find(holds) {
            return &instead.person;
        }
        let turn = usize::try_from(self.turn(at)).unwrap_or_default();
        &self.settings.people[turn % self.settings.people.len()]
    }

    /// When somebody else may be on call next: a turn ends, or an override
    /// begins or ends. [`Timestamp::MAX`] beyond the calendar.
    #[must_use]
    pub fn next_handover(&self, at: Timestamp) -> Timestamp {
        let turn = self.start_of((self.turn(at) + 1).max(0)).unwrap_or(Timestamp::MAX);
        let overrides = self.settings.overrides.iter().flat_map(|instead| [instead.from, instead.until]);
        overrides.filter(|edge| *edge > at).fold(turn, Timestamp::min)
    }

    /// The number of the turn; negative before the first handover.
    fn turn(&self, at: Timestamp) -> i32 {
        let zone = self.settings.timezone.zone();
        let Ok(instant) = jiff::Timestamp::from_nanosecond(i128::from(at.nanos())) else { return -1 };
        let days = days_between(self.first_handover.date(), zone.to_datetime(instant).date());
        // The date tells the turn but for the hours before its day's handover,
        // and for the odd day that a zone skips.
        let near = days.div_euclid(self.settings.every.days());
        let started = |turn: i32| self.start_of(turn).is_some_and(|start| start <= at);
        (near - 1..=near + 1).rev().find(|turn| started(*turn)).unwrap_or(near - 2)
    }

    /// When a turn begins. A time of day that a clock change skips is taken
    /// as long after midnight as if it had not been; of two equal ones, the
    /// first.
    fn start_of(&self, turn: i32) -> Option<Timestamp> {
        let days = turn.checked_mul(self.settings.every.days())?;
        let local = self.first_handover.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
        let instant = self.settings.timezone.zone().to_timestamp(local).ok()?;
        Some(Timestamp::from_nanos(i64::try_from(instant.as_nanosecond()).ok()?))
    }
}

fn days_between(from: Date, to: Date) -> i32 {
    let hours = to.duration_since(from).as_hours();
    i32::try_from(hours / 24).unwrap_or(i32::MAX)
}

fn check_turn(settings: &RotaSettings) -> Result<(), RotaError> {
    match settings.every {
        Turn::Weeks { weeks, .. } if !(1..=WEEKS_MAX).contains(&weeks) => Err(RotaError::Every { weeks }),
        _ if settings.handover_at == MinuteOfDay::END => Err(RotaError::Handover),
        _ => Ok(()),
    }
}

fn check_people(people: &[Arc<str>]) -> Result<(), RotaError> {
    if !(1..=PEOPLE_MAX).contains(&people.len()) {
        return Err(RotaError::PeopleCount { count: people.len() });
    }
    if people.iter().any(|person| person.trim().is_empty()) {
        return Err(RotaError::PersonEmpty);
    }
    Ok(())
}

fn check_overrides(overrides: &[Override]) -> Result<(), RotaError> {
    if overrides.len() > OVERRIDES_MAX {
        return Err(RotaError::OverrideCount { count: overrides.len() });
    }
    for (index, instead) in overrides.iter().enumerate() {
        if instead.from >= instead.until {
            return Err(RotaError::OverrideOrder { index });
        }
        if instead.person.trim().is_empty() {
            return Err(RotaError::OverridePerson { index });
        }
    }
    Ok(())
}

fn first_handover(settings: &RotaSettings) -> Result<DateTime, RotaError> {
    let fault = || RotaError::Starts { text: settings.starts.chars().take(40).collect() };
    let starts: Date = Date::strptime("%Y-%m-%d", &settings.starts).map_err(|_| fault())?;
    if !(1970..=2200).contains(&starts.year()) {
        return Err(fault());
    }
    let wait = match settings.every {
        Turn::Day => 0,
        Turn::Weeks { handover, .. } => handover.days_after(Weekday::of(starts.weekday())),
    };
    let first = starts.checked_add(jiff::Span::new().days(wait)).map_err(|_| fault())?;
    let minutes = settings.handover_at.minutes();
    let clock = jiff::civil::time((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
    Ok(first.to_datetime(clock))
}

#[cfg(test)]
mod tests;
