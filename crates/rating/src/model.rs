//! One tenant's model: counts of the past, and the weights on them.

use crate::features::{
    ALERT_RECURRENCE, AlertFacts, BASE, INPUT_COUNT, Inputs, KIND_RECURRENCE, Keys, NOVELTY, RELIABILITY,
    RESPONSE, SEVERITY, SEVERITY_IS,
};
use crate::history::{DayCount, Outcomes, Prior, finite};
use crate::recent::Recent;
use crate::severity::Severity;
use crate::weights::Weights;
use openclaw_alert::codec::{Corrupt, Put, Reader};
use openclaw_alert::{Feedback, Score, Timestamp};
use std::time::Duration;

/// Kinds of alert, and as many single alerts, that a model remembers. Beyond
/// it the one not seen or judged for longest is forgotten.
pub const KINDS_MAX: usize = 20_000;
const SOURCES_MAX: usize = 1_000;

/// Judgements that an estimate of each level rests on, at most.
const KIND_MEMORY: f32 = 30.0;
const SOURCE_MEMORY: f32 = 200.0;
const TENANT_MEMORY: f32 = 400.0;

/// How many judgements of its own a level needs to count as much as the level
/// above it.
const KIND_STRENGTH: f32 = 5.0;
const SOURCE_STRENGTH: f32 = 8.0;
const TENANT_STRENGTH: f32 = 20.0;
const RESPONSE_STRENGTH: f32 = 4.0;

/// Without history, half of all alerts need somebody, who comes in 30 minutes.
const NEEDED_RATE_START: f32 = 0.5;
const LN_MINUTES_START: f32 = 3.4;

/// Judgements that may move the weights, the tenant and the source at once,
/// and how many more with each hour. Those beyond it still count for their
/// own kind, so that a burst can spoil no more than that.
const BUDGET_MAX: f32 = 100.0;
const BUDGET_PER_HOUR: f32 = 20.0;

const NOVELTY_FADE_DAYS: f32 = 14.0;
const FORMAT: u8 = 1;

/// One tenant's rating model. `Model::default()` has no history.
#[derive(Debug, Clone)]
pub struct Model {
    weights: Weights,
    tenant: Outcomes,
    sources: Recent<Outcomes>,
    kinds: Recent<Kind>,
    alerts: Recent<Alert>,
    budget: Budget,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            weights: Weights::default(),
            tenant: Outcomes::default(),
            sources: Recent::new(SOURCES_MAX),
            kinds: Recent::new(KINDS_MAX),
            alerts: Recent::new(KINDS_MAX),
            budget: Budget::default(),
        }
    }
}

/// What is remembered of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Kind {
    outcomes: Outcomes,
    recurrence: DayCount,
    episodes: f32,
    first_seen_at: Timestamp,
}

/// What is remembered of one label set.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Alert {
    recurrence: DayCount,
    /// The inputs that change by being seen, as they were when its last
    /// episode was rated: the judgement that comes later is about these.
    rated_at: Timestamp,
    rated: Sightings,
}

/// Inputs that count sightings.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sightings {
    alert_recurrence: f32,
    kind_recurrence: f32,
    novelty: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Budget {
    left: f32,
    updated_at: Timestamp,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: BUDGET_MAX, updated_at: Timestamp::MIN }
    }
}

impl Budget {
    fn take(&mut self, now: Timestamp, amount: f32) -> bool {
        let hours = now.since(self.updated_at).as_secs_f32() / 3600.0;
        self.updated_at = self.updated_at.max(now);
        self.left = (self.left + hours * BUDGET_PER_HOUR).min(BUDGET_MAX);
        let enough = self.left >= amount;
        if enough {
            self.left -= amount;
        }
        enough
    }
}

/// The past of an alert as numbers that people understand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    /// Share of its kind that needed somebody, 0..1.
    pub(crate) needed_rate: f32,
    pub(crate) kind_judged: f32,
    pub(crate) kind_unseen: f32,
    pub(crate) kind_responses: f32,
    pub(crate) response_minutes: f32,
    pub(crate) tenant_minutes: f32,
    /// Times this very alert began in about the last day.
    pub(crate) alert_per_day: f32,
    pub(crate) kind_per_day: f32,
    pub(crate) kind_episodes: f32,
    /// 1 for what was never seen, falling to 0.
    pub(crate) novelty: f32,
}

impl Past {
    fn sightings(&self) -> Sightings {
        Sightings {
            alert_recurrence: (1.0 + self.alert_per_day).ln(),
            kind_recurrence: (1.0 + self.kind_per_day).ln(),
            novelty: self.novelty,
        }
    }
}

impl Model {
    /// How likely the alert is to need a person. Asked before
    /// [`Model::seen`], so that an alert does not count as its own repeat.
    #[must_use]
    pub fn rate(&self, facts: &AlertFacts<'_>) -> Score {
        let past = self.past(Keys::of(facts), facts.at);
        self.weights.score(&inputs(facts, &past, past.sightings()))
    }

    /// An episode of this alert starts.
    pub fn seen(&mut self, facts: &AlertFacts<'_>) {
        let keys = Keys::of(facts);
        let rated = self.past(keys, facts.at).sightings();
        let alert = self.alerts.touch(keys.alert);
        alert.recurrence.add(facts.at);
        (alert.rated_at, alert.rated) = (facts.at, rated);
        let kind = self.kinds.touch(keys.kind);
        if kind.episodes == 0.0 {
            kind.first_seen_at = facts.at;
        }
        kind.recurrence.add(facts.at);
        kind.episodes += 1.0;
    }

    /// Somebody acted on an alert. `facts` are those it was rated by.
    pub fn learn(&mut self, facts: &AlertFacts<'_>, feedback: Feedback, acted_at: Timestamp) {
        let keys = Keys::of(facts);
        let (needed, weight) = (feedback.was_needed(), weight_of(feedback));
        let response = needed.then(|| acted_at.since(facts.at));
        let count = |outcomes: &mut Outcomes, weight: f32, memory: f32| {
            outcomes.judge(acted_at, weight, needed, memory);
            if let Some(after) = response {
                outcomes.respond(acted_at, weight, after, memory);
            }
        };
        if self.budget.take(acted_at, weight) {
            let inputs = self.inputs_to_learn(facts, keys, acted_at);
            let news = weight * self.news(keys, acted_at);
            self.weights.learn(&inputs, needed, news.sqrt());
            count(self.sources.touch(keys.source), news, SOURCE_MEMORY);
            count(&mut self.tenant, news, TENANT_MEMORY);
        }
        count(&mut self.kinds.touch(keys.kind).outcomes, weight, KIND_MEMORY);
    }

    /// An alert went away after `lasted` with nobody acting on it: weak
    /// evidence that nobody needed to, the weaker the longer it lasted. It
    /// counts for its kind alone, and even without end no more than a few
    /// dismissals: people also mend things without saying so here.
    pub fn resolved_unseen(&mut self, facts: &AlertFacts<'_>, lasted: Duration) {
        let hours = lasted.as_secs_f32() / 3600.0;
        let kind = self.kinds.touch(Keys::of(facts).kind);
        kind.outcomes.pass_unseen(facts.at.plus(lasted), 0.25 + 0.75 / (1.0 + hours));
    }

    /// About how many bytes of memory the model holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.sources.memory_bytes()
            + self.kinds.memory_bytes()
            + self.alerts.memory_bytes()
    }

    /// What became of earlier alerts of the same kind.
    #[must_use]
    pub fn past_of_kind(&self, facts: &AlertFacts<'_>) -> openclaw_alert::Past {
        let kind = self.kinds.get(Keys::of(facts).kind).copied().unwrap_or_default();
        kind.outcomes.at(facts.at).told(kind.episodes)
    }

    pub(crate) fn past_of(&self, facts: &AlertFacts<'_>) -> Past {
        self.past(Keys::of(facts), facts.at)
    }

    fn past(&self, keys: Keys, now: Timestamp) -> Past {
        let kind = self.kinds.get(keys.kind).copied().unwrap_or_default();
        let source = self.sources.get(keys.source).copied().unwrap_or_default();
        let (tenant, source, outcomes) = (self.tenant.at(now), source.at(now), kind.outcomes.at(now));
        let tenant_rate = tenant.needed_rate(Prior { mean: NEEDED_RATE_START, strength: TENANT_STRENGTH });
        let source_rate = source.needed_rate(Prior { mean: tenant_rate, strength: SOURCE_STRENGTH });
        let tenant_minutes = tenant.ln_minutes(Prior { mean: LN_MINUTES_START, strength: RESPONSE_STRENGTH });
        let kind_minutes = outcomes.ln_minutes(Prior { mean: tenant_minutes, strength: RESPONSE_STRENGTH });
        Past {
            needed_rate: outcomes.needed_rate(Prior { mean: source_rate, strength: KIND_STRENGTH }),
            kind_judged: outcomes.judged(),
            kind_unseen: outcomes.unseen(),
            kind_responses: outcomes.responses(),
            response_minutes: kind_minutes.exp(),
            tenant_minutes: tenant_minutes.exp(),
            alert_per_day: self.alerts.get(keys.alert).map_or(0.0, |alert| alert.recurrence.at(now)),
            kind_per_day: kind.recurrence.at(now),
            kind_episodes: kind.episodes,
            novelty: novelty(&kind, now),
        }
    }

    /// Outcomes as they stand now, so that the tenth of ten equal judgements
    /// teaches little; sightings as they stood when the alert was rated.
    fn inputs_to_learn(&self, facts: &AlertFacts<'_>, keys: Keys, now: Timestamp) -> Inputs {
        let past = self.past(keys, now);
        let rated = self.alerts.get(keys.alert).filter(|alert| alert.rated_at == facts.at);
        let sightings = rated.map_or_else(|| self.past(keys, facts.at).sightings(), |alert| alert.rated);
        inputs(facts, &past, sightings)
    }

    /// How much one more judgement of a kind says about other kinds, 0..1:
    /// less with each, so that one noisy kind does not stand for its source.
    fn news(&self, keys: Keys, now: Timestamp) -> f32 {
        let judged = self.kinds.get(keys.kind).map_or(0.0, |kind| kind.outcomes.at(now).judged());
        1.0 / (1.0 + judged)
    }

    /// Appends the model as [`Model::read`] takes it, bit for bit.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.put_u8(FORMAT);
        self.weights.write(out);
        self.tenant.write(out);
        out.put_f32(self.budget.left);
        out.put_signed(self.budget.updated_at.nanos());
        write_table(out, &self.sources, Outcomes::write);
        write_table(out, &self.kinds, Kind::write);
        write_table(out, &self.alerts, Alert::write);
    }

    /// Reads what [`Model::write`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`] for anything else.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        if reader.u8()? != FORMAT {
            return Err(Corrupt("rating model of another format"));
        }
        Ok(Self {
            weights: Weights::read(reader)?,
            tenant: Outcomes::read(reader)?,
            budget: Budget { left: finite(reader)?, updated_at: Timestamp::from_nanos(reader.signed()?) },
            sources: read_table(reader, SOURCES_MAX, Outcomes::read)?,
            kinds: read_table(reader, KINDS_MAX, Kind::read)?,
            alerts: read_table(reader, KINDS_MAX, Alert::read)?,
        })
    }
}

/// An ack may still turn out to have been for nothing.
fn weight_of(feedback: Feedback) -> f32 {
    match feedback {
        Feedback::Ack => 0.5,
        Feedback::Resolve | Feedback::Dismiss | Feedback::Escalate => 1.0,
    }
}

fn novelty(kind: &Kind, now: Timestamp) -> f32 {
    let days = now.since(kind.first_seen_at).as_secs_f32() / 86_400.0;
    let faded = if kind.episodes == 0.0 { 1.0 } else { (-days / NOVELTY_FADE_DAYS).exp() };
    faded / (1.0 + kind.episodes)
}

fn inputs(facts: &AlertFacts<'_>, past: &Past, sightings: Sightings) -> Inputs {
    let (severity, _) = Severity::of(&facts.labels);
    let mut inputs = [0.0; INPUT_COUNT];
    inputs[BASE] = 1.0;
    inputs[SEVERITY] = severity.prior_logit();
    inputs[SEVERITY_IS + severity as usize] = 1.0;
    inputs[RELIABILITY] = log_odds(past.needed_rate);
    inputs[RESPONSE] = (past.tenant_minutes / past.response_minutes).ln().clamp(-4.0, 4.0);
    inputs[ALERT_RECURRENCE] = sightings.alert_recurrence;
    inputs[KIND_RECURRENCE] = sightings.kind_recurrence;
    inputs[NOVELTY] = sightings.novelty;
    inputs
}

fn log_odds(rate: f32) -> f32 {
    (rate / (1.0 - rate)).ln().clamp(-4.0, 4.0)
}

impl Kind {
    fn write(&self, out: &mut Vec<u8>) {
        self.outcomes.write(out);
        self.recurrence.write(out);
        out.put_f32(self.episodes);
        out.put_signed(self.first_seen_at.nanos());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            outcomes: Outcomes::read(reader)?,
            recurrence: DayCount::read(reader)?,
            episodes: finite(reader)?,
            first_seen_at: Timestamp::from_nanos(reader.signed()?),
        })
    }
}

impl Alert {
    fn write(&self, out: &mut Vec<u8>) {
        self.recurrence.write(out);
        out.put_signed(self.rated_at.nanos());
        for value in [self.rated.alert_recurrence, self.rated.kind_recurrence, self.rated.novelty] {
            out.put_f32(value);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let recurrence = DayCount::read(reader)?;
        let rated_at = Timestamp::from_nanos(reader.signed()?);
        let rated = Sightings {
            alert_recurrence: finite(reader)?,
            kind_recurrence: finite(reader)?,
            novelty: finite(reader)?,
        };
        Ok(Self { recurrence, rated_at, rated })
    }
}

fn write_table<T: Default>(out: &mut Vec<u8>, table: &Recent<T>, write: fn(&T, &mut Vec<u8>)) {
    out.put_varint(table.len() as u64);
    for (key, value) in table.iter() {
        out.put_u64(key);
        write(value, out);
    }
}

fn read_table<T: Default>(
    reader: &mut Reader<'_>,
    limit: usize,
    read: fn(&mut Reader<'_>) -> Result<T, Corrupt>,
) -> Result<Recent<T>, Corrupt> {
    let count = reader.length()?;
    if count > limit {
        return Err(Corrupt("rating model with more entries than it may have"));
    }
    let mut table = Recent::new(limit);
    for _ in 0..count {
        let key = reader.u64()?;
        *table.touch(key) = read(reader)?;
    }
    Ok(table)
}
