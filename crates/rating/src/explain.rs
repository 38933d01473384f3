//! A score in plain words.

use crate::AlertFacts;
use crate::model::{Model, Past};
use crate::severity::Severity;
use openclaw_alert::{FACTOR_COUNT, FACTORS, Score, logistic};

/// Why an alert has its score, factor by factor in the order of
/// [`FACTORS`].
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Every factor, also those that added nothing.
    pub factors: [Factor; FACTOR_COUNT],
}

/// One factor of a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// Its name, one of [`FACTORS`].
    pub name: &'static str,
    /// What was found, as people would say it.
    pub value: FactorValue,
    /// What it added to the logit.
    pub contribution: f32,
    /// One plain sentence.
    pub sentence: String,
}

/// A factor's value.
#[derive(Debug, Clone, PartialEq)]
pub enum FactorValue {
    /// A number; its unit is in the sentence.
    Number(f32),
    /// A word of the sender's.
    Text(String),
}

impl Model {
    /// Puts `score` into words. Contributions are those of the score; values
    /// are what the model knows now, so both agree for a score just given.
    #[must_use]
    pub fn explain(&self, facts: &AlertFacts<'_>, score: &Score) -> Explanation {
        let past = self.past_of(facts);
        let told = [
            base(score.contributions[0]),
            severity(facts),
            reliability(&past),
            response_time(&past),
            recurrence(&past),
            novelty(&past),
            similarity(),
        ];
        let mut factors = FACTORS.into_iter().zip(score.contributions);
        let factors = told.map(|(value, sentence)| {
            let (name, contribution) = factors.next().unwrap_or_default();
            Factor { name, value, contribution, sentence }
        });
        Explanation { factors }
    }
}

type Told = (FactorValue, String);

fn base(contribution: f32) -> Told {
    let share = logistic(contribution);
    let sentence = format!("Before anything else is known, {} % of alerts need a person.", percent(share));
    (FactorValue::Number(share), sentence)
}

fn severity(facts: &AlertFacts<'_>) -> Told {
    let (severity, text) = Severity::of(&facts.labels);
    match severity {
        Severity::Unknown => {
            let sentence = "No label says how severe it is.".to_owned();
            (FactorValue::Text("unknown".to_owned()), sentence)
        }
        _ => {
            let word: String = text.chars().take(80).collect();
            let sentence = format!("The sender calls it `{}`.", word.escape_debug());
            (FactorValue::Text(word), sentence)
        }
    }
}

fn reliability(past: &Past) -> Told {
    let share = percent(past.needed_rate);
    let judged = past.kind_judged;
    let mut sentence = if judged < 0.5 {
        format!("Nobody has judged alerts of this kind yet; {share} % of them are expected to need a person.")
    } else {
        format!("Judged by about {judged:.0} earlier alerts of this kind, {share} % need a person.")
    };
    if past.kind_unseen >= 0.5 {
        let unseen = past.kind_unseen;
        sentence.push_str(&format!(" About {unseen:.0} went away by themselves."));
    }
    (FactorValue::Number(past.needed_rate), sentence)
}

fn response_time(past: &Past) -> Told {
    let (kind, tenant) = (past.response_minutes, past.tenant_minutes);
    let sentence = if past.kind_responses < 0.25 {
        format!("No response to this kind has been timed yet; others take {}.", duration(tenant))
    } else {
        format!("People take {} to respond to this kind, {} to others.", duration(kind), duration(tenant))
    };
    (FactorValue::Number(kind), sentence)
}

fn recurrence(past: &Past) -> Told {
    let (alert, kind) = (past.alert_per_day, past.kind_per_day);
    let sentence =
        format!("This very alert began {alert:.1} times in the last day, its kind {kind:.1} times.");
    (FactorValue::Number(alert), sentence)
}

fn novelty(past: &Past) -> Told {
    let sentence = if past.kind_episodes == 0.0 {
        "This kind of alert has never been seen before.".to_owned()
    } else {
        format!("This kind of alert has been seen {:.0} times.", past.kind_episodes)
    };
    (FactorValue::Number(past.novelty), sentence)
}

fn similarity() -> Told {
    (FactorValue::Number(0.0), "Similar alerts are not compared.".to_owned())
}

fn percent(share: f32) -> String {
    format!("{:.0}", share * 100.0)
}

fn duration(minutes: f32) -> String {
    if minutes < 90.0 {
        format!("{minutes:.0} min")
    } else if minutes < 48.0 * 60.0 {
        format!("{:.0} h", minutes / 60.0)
    } else {
        format!("{:.0} days", minutes / 1440.0)
    }
}
