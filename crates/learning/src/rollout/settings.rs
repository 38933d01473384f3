//! How a model comes to everybody.

use openclaw_admission::Part;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Steps at most.
const STEPS_MAX: usize = 16;

/// Whose limits a model sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stage(u8);

impl Stage {
    /// Nobody's: it predicts, and what it would have done is compared.
    pub const SHADOW: Self = Self(0);
    /// Everybody's.
    pub const ALL: Self = Self(100);

    /// Of so many clients in a hundred; none beyond a hundred.
    #[must_use]
    pub fn of_percent(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// The part of clients whose limits it sets.
    #[must_use]
    pub fn part(self) -> Part {
        Part::of_percent(self.0.into())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::SHADOW { f.write_str("shadow") } else { write!(f, "{}%", self.0) }
    }
}

/// One step on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whose limits the model sets.
    pub stage: Stage,
    /// How long it does at least.
    pub hold: Duration,
    /// Clients' windows that are seen at least.
    pub windows: u64,
}

/// How a model comes to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Step>", into = "Vec<Step>")]
pub struct Settings {
    steps: Vec<Step>,
}

/// Why steps lead nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// None, or too many.
    #[error("`{count}` steps; give 2 to {STEPS_MAX}")]
    Count {
        /// How many.
        count: usize,
    },
    /// They don't rise.
    #[error("steps are not in rising order at `{stage}`; begin in shadow and end with `100%`")]
    Order {
        /// Where.
        stage: Stage,
    },
}

impl Settings {
    /// Rising steps from shadow to everybody.
    ///
    /// # Errors
    /// Where they are none.
    pub fn new(steps: Vec<Step>) -> Result<Self, SettingsError> {
        if !(2..=STEPS_MAX).contains(&steps.len()) {
            return Err(SettingsError::Count { count: steps.len() });
        }
        let falls = steps.windows(2).find(|pair| pair[0].stage >= pair[1].stage).map(|pair| pair[1].stage);
        let (first, last) = (steps[0].stage, steps[steps.len() - 1].stage);
        let wrong =
            falls.or((first != Stage::SHADOW).then_some(first)).or((last != Stage::ALL).then_some(last));
        wrong.map_or(Ok(Self { steps }), |stage| Err(SettingsError::Order { stage }))
    }

    /// In order; the first is in shadow, the last has everybody.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl TryFrom<Vec<Step>> for Settings {
    type Error = SettingsError;

    fn try_from(steps: Vec<Step>) -> Result<Self, SettingsError> {
        Self::new(steps)
    }
}

impl From<Settings> for Vec<Step> {
    fn from(settings: Settings) -> Self {
        settings.steps
    }
}

impl Default for Settings {
    /// Two hours in shadow, then an hour at 5, 25, 50 and 100 %.
    fn default() -> Self {
        let step = |(percent, hours): (u8, u64)| Step {
            stage: Stage(percent),
            hold: Duration::from_secs(hours * 3600),
            windows: 2_000,
        };
        Self { steps: [(0, 2), (5, 1), (25, 1), (50, 1), (100, 1)].map(step).to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_from_shadow_to_everybody() {
        let settings = |stages: &[u8]| {
            let step = |stage: &u8| Step { stage: Stage(*stage), hold: Duration::ZERO, windows: 0 };
            Settings::new(stages.iter().map(step).collect())
        };
        assert!(settings(&[0, 5, 100]).is_ok());
        assert_eq!(settings(&[100]), Err(SettingsError::Count { count: 1 }));
        assert_eq!(settings(&[5, 100]), Err(SettingsError::Order { stage: Stage(5) }));
        assert_eq!(settings(&[0, 50, 25, 100]), Err(SettingsError::Order { stage: Stage(25) }));
        assert_eq!(settings(&[0, 50]), Err(SettingsError::Order { stage: Stage(50) }));
        assert_eq!(Settings::new(Settings::default().steps), Ok(Settings::default()));
    }
}
