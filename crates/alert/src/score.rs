//! A rating and what it is made of.

use crate::codec::{Corrupt, Put, Reader};

/// Number of factors.
pub const FACTOR_COUNT: usize = 7;

/// Names of the factors, in the order of [`Score::contributions`].
pub const FACTORS: [&str; FACTOR_COUNT] =
    ["base", "severity", "source_reliability", "response_time", "recurrence", "novelty", "similarity"];

/// Probability that a person must act, and each factor's share of its logit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// What each of [`FACTORS`] adds to the logit; their sum, in this order,
    /// is the logit exactly.
    pub contributions: [f32; FACTOR_COUNT],
}

impl Score {
    /// Sum of the contributions.
    #[must_use]
    pub fn logit(&self) -> f32 {
        self.contributions.iter().sum()
    }

    /// 0..1.
    #[must_use]
    pub fn value(&self) -> f32 {
        logistic(self.logit())
    }

    /// The two factors that move the score most, in words: `severity +0.80,
    /// novelty +0.31`. Without those that hardly move it.
    #[must_use]
    pub fn main_factors(&self) -> String {
        const LEAST: f32 = 0.005;
        let mut named: Vec<_> = FACTORS.iter().zip(self.contributions).skip(1).collect();
        named.retain(|(_, share)| share.abs() >= LEAST);
        named.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let words: Vec<_> = named.iter().take(2).map(|(name, share)| format!("{name} {share:+.2}")).collect();
        words.join(", ").replace('_', " ")
    }

    /// Appends the encoded form.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.contributions.iter().for_each(|&share| out.put_f32(share));
    }

    /// Reads what [`Score::write`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`] when the bytes end early.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let mut score = Self::default();
        for share in &mut score.contributions {
            *share = reader.f32()?;
        }
        Ok(score)
    }
}

/// 1 / (1 + e^-x).
#[must_use]
pub fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// What a person did with an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feedback {
    /// Took it on.
    Ack,
    /// Did what was needed.
    Resolve,
    /// Was not worth a person's time.
    Dismiss,
    /// Needed more than this person.
    Escalate,
}

impl Feedback {
    /// Every action with its name in the API.
    pub const ALL: [(Feedback, &'static str); 4] = [
        (Feedback::Ack, "ack"),
        (Feedback::Resolve, "resolve"),
        (Feedback::Dismiss, "dismiss"),
        (Feedback::Escalate, "escalate"),
    ];

    /// Name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From its name in the API.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(action, _)| *action)
    }

    /// From its number in records.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(action, _)| *action)
    }

    /// True where the action says that a person was needed.
    #[must_use]
    pub fn was_needed(self) -> bool {
        self != Feedback::Dismiss
    }
}
