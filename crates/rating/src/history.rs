//! What is remembered of the past, decaying with time and with newer events.

use openclaw_alert::Timestamp;
use openclaw_alert::codec::{Corrupt, Put, Reader};
use std::time::Duration;

const DAY_SECONDS: f32 = 86_400.0;
/// Evidence fades to 1/e in this time: a half-life of 30 days.
const EVIDENCE_FADE_SECONDS: f32 = 43.28 * DAY_SECONDS;
/// A count of "the last day": what is older fades.
const COUNT_FADE_SECONDS: f32 = DAY_SECONDS;
/// Alerts that went away by themselves count as dismissed ones, up to this many.
const UNSEEN_EVIDENCE_MAX: f32 = 3.0;
/// So many of them make half of that.
const UNSEEN_EVIDENCE_HALF: f32 = 30.0;
/// Unseen alerts remembered, at most.
const UNSEEN_MAX: f32 = 1000.0;

fn faded(from: Timestamp, to: Timestamp, fade_seconds: f32) -> f32 {
    (-to.since(from).as_secs_f32() / fade_seconds).exp()
}

/// What people did with the alerts of a kind, a source or a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Outcomes {
    /// Judged by people, by weight.
    judged: f32,
    /// Of these, needed a person.
    needed: f32,
    /// Resolved by themselves with nobody acting.
    unseen: f32,
    /// Responses with a time, by weight.
    responses: f32,
    /// Sum of ln minutes of these.
    ln_minutes: f32,
    updated_at: Timestamp,
}

/// An estimate that starts from a wider level's: `strength` judgements' worth.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prior {
    pub(crate) mean: f32,
    pub(crate) strength: f32,
}

impl Outcomes {
    /// As it has faded by `now`.
    pub(crate) fn at(&self, now: Timestamp) -> Self {
        let keep = faded(self.updated_at, now, EVIDENCE_FADE_SECONDS);
        Self {
            judged: self.judged * keep,
            needed: self.needed * keep,
            unseen: self.unseen * keep,
            responses: self.responses * keep,
            ln_minutes: self.ln_minutes * keep,
            updated_at: self.updated_at.max(now),
        }
    }

    /// Counts a judgement; at most the last `memory` count.
    pub(crate) fn judge(&mut self, now: Timestamp, weight: f32, needed: bool, memory: f32) {
        *self = self.at(now);
        let keep = 1.0 - weight / memory;
        self.judged = self.judged * keep + weight;
        self.needed = self.needed * keep + if needed { weight } else { 0.0 };
        // Somebody cares for this kind, one way or the other: silence says less now.
        self.unseen *= 1.0 - weight / UNSEEN_EVIDENCE_HALF;
    }

    /// Counts how fast somebody came.
    pub(crate) fn respond(&mut self, now: Timestamp, weight: f32, after: Duration, memory: f32) {
        *self = self.at(now);
        let keep = 1.0 - weight / memory;
        self.responses = self.responses * keep + weight;
        self.ln_minutes = self.ln_minutes * keep + weight * ln_minutes(after);
    }

    /// Counts an alert that went away by itself.
    pub(crate) fn pass_unseen(&mut self, now: Timestamp, weight: f32) {
        *self = self.at(now);
        self.unseen = (self.unseen + weight).min(UNSEEN_MAX);
    }

    /// Share that needed a person.
    pub(crate) fn needed_rate(&self, prior: Prior) -> f32 {
        let ignored = UNSEEN_EVIDENCE_MAX * self.unseen / (self.unseen + UNSEEN_EVIDENCE_HALF);
        (self.needed + prior.strength * prior.mean) / (self.judged + ignored + prior.strength)
    }

    /// Mean of ln minutes to a response.
    pub(crate) fn ln_minutes(&self, prior: Prior) -> f32 {
        (self.ln_minutes + prior.strength * prior.mean) / (self.responses + prior.strength)
    }

    /// For people, after so many episodes.
    pub(crate) fn told(&self, episodes: f32) -> openclaw_alert::Past {
        let count = |number: f32| number.round() as u32;
        openclaw_alert::Past {
            episodes: count(episodes),
            judged: count(self.judged),
            needed: count(self.needed),
            response_minutes: (self.responses >= 0.5).then(|| (self.ln_minutes / self.responses).exp()),
        }
    }

    pub(crate) fn judged(&self) -> f32 {
        self.judged
    }

    pub(crate) fn unseen(&self) -> f32 {
        self.unseen
    }

    pub(crate) fn responses(&self) -> f32 {
        self.responses
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for value in [self.judged, self.needed, self.unseen, self.responses, self.ln_minutes] {
            out.put_f32(value);
        }
        out.put_signed(self.updated_at.nanos());
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            judged: finite(reader)?,
            needed: finite(reader)?,
            unseen: finite(reader)?,
            responses: finite(reader)?,
            ln_minutes: finite(reader)?,
            updated_at: Timestamp::from_nanos(reader.signed()?),
        })
    }
}

/// ln minutes, from 6 seconds to 60 days: beyond these it is no response time.
fn ln_minutes(after: Duration) -> f32 {
    (after.as_secs_f32() / 60.0).clamp(0.1, 86_400.0).ln()
}

/// A number that a snapshot holds. Anything not finite would spread.
pub(crate) fn finite(reader: &mut Reader<'_>) -> Result<f32, Corrupt> {
    let value = reader.f32()?;
    if value.is_finite() { Ok(value) } else { Err(Corrupt("number is not finite")) }
}

/// How often something began, counted over about the last day.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct DayCount {
    count: f32,
    updated_at: Timestamp,
}

impl DayCount {
    pub(crate) fn at(&self, now: Timestamp) -> f32 {
        self.count * faded(self.updated_at, now, COUNT_FADE_SECONDS)
    }

    pub(crate) fn add(&mut self, now: Timestamp) {
        self.count = self.at(now) + 1.0;
        self.updated_at = self.updated_at.max(now);
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.put_f32(self.count);
        out.put_signed(self.updated_at.nanos());
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { count: finite(reader)?, updated_at: Timestamp::from_nanos(reader.signed()?) })
    }
}
