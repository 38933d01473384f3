//! What is asked of a model, and what it did.

use crate::evaluate::closed::ClosedReport;
use serde::Serialize;

/// One thing that is asked of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gate {
    /// What, in a word.
    pub name: String,
    /// What is measured, and in what.
    pub measures: String,
    /// What was measured; nothing where it couldn't be.
    pub value: Option<f64>,
    /// What it may be.
    pub bound: Bound,
    /// Why it was not asked this time.
    pub left_out: Option<String>,
}

/// What a measure may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Not above.
    AtMost(f64),
    /// Not below.
    AtLeast(f64),
    /// Not below the first, not above the second.
    Between(f64, f64),
}

/// What became of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It doesn't, or a number is none.
    Failed,
    /// There is nothing to measure it on.
    LeftOut,
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Between(least, most) => (least..=most).contains(&value),
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::Between(least, most) => write!(f, "from {least} to {most}"),
        }
    }
}

impl Gate {
    /// With what was measured.
    #[must_use]
    pub fn measured(name: &str, measures: &str, value: f64, bound: Bound) -> Self {
        Self { name: name.into(), measures: measures.into(), value: Some(value), bound, left_out: None }
    }

    /// That couldn't be asked.
    #[must_use]
    pub fn left_out(name: &str, measures: &str, bound: Bound, why: &str) -> Self {
        Self { name: name.into(), measures: measures.into(), value: None, bound, left_out: Some(why.into()) }
    }

    /// What became of it. A measure that is no number fails.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.value, &self.left_out) {
            (Some(value), _) if self.bound.holds(value) => Verdict::Passed,
            (None, Some(_)) => Verdict::LeftOut,
            _ => Verdict::Failed,
        }
    }
}

/// All that was asked of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which model.
    pub model: String,
    /// Gate by gate.
    pub gates: Vec<Gate>,
    /// All limiters in simulated worlds; nothing where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worlds: Option<ClosedReport>,
}

impl Report {
    /// Whether it may be published: no gate failed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The gates that don't hold.
    pub fn failed(&self) -> impl Iterator<Item = &Gate> {
        self.gates.iter().filter(|gate| gate.verdict() == Verdict::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_fails() {
        let verdict = |value, bound| Gate::measured("g", "m", value, bound).verdict();
        assert_eq!(verdict(f64::NAN, Bound::AtMost(1.0)), Verdict::Failed);
        assert_eq!(verdict(f64::NAN, Bound::AtLeast(0.0)), Verdict::Failed);
        assert_eq!(verdict(0.5, Bound::Between(0.4, 0.6)), Verdict::Passed);
        assert_eq!(verdict(0.7, Bound::Between(0.4, 0.6)), Verdict::Failed);
    }

    #[test]
    fn what_was_left_out_stops_nothing_and_is_told() {
        let gate = Gate::left_out("drift", "PSI", Bound::AtMost(0.25), "no telemetry yet");
        assert_eq!(gate.verdict(), Verdict::LeftOut);
        assert!(Report { model: "m".into(), gates: vec![gate], worlds: None }.is_passed());
    }
}
