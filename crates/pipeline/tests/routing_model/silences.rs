//! Silences by their rules.

use super::Model;
use super::plain::{Labels, Match, all_hold};

/// A silence as people post it.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    /// The one to change, by the order in which they were set.
    pub(crate) of: Option<usize>,
    pub(crate) matchers: Vec<Match>,
    /// From now; from the present start of the one to change where `None`.
    pub(crate) starts_in: Option<i64>,
    pub(crate) ends_in: i64,
    pub(crate) receivers: Vec<&'static str>,
    pub(crate) until_resolved: bool,
    pub(crate) during: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub(crate) struct Silence {
    pub(crate) matchers: Vec<Match>,
    pub(crate) starts_at: u64,
    pub(crate) ends_at: u64,
    pub(crate) receivers: Vec<&'static str>,
    pub(crate) until_resolved: bool,
    pub(crate) during: Option<&'static str>,
}

impl Silence {
    pub(crate) fn is_active(&self, now: u64) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    pub(crate) fn state(&self, now: u64) -> &'static str {
        match now {
            _ if now < self.starts_at => "pending",
            _ if now < self.ends_at => "active",
            _ => "expired",
        }
    }
}

impl Model {
    pub(crate) fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// When the posted one is to start and to end.
    pub(crate) fn times_of(&self, posted: &Posted) -> (u64, u64) {
        let later = |seconds: i64| self.now.saturating_add_signed(seconds);
        let present = posted.of.map(|of| self.silences[of].starts_at);
        let starts_at = posted.starts_in.map(later).or(present).unwrap_or(self.now);
        (starts_at, later(posted.ends_in))
    }

    /// Gives its number; `None` where it is refused.
    pub(crate) fn set_silence(&mut self, posted: &Posted) -> Option<usize> {
        self.tenant_is_known = true;
        let set = self.place_silence(posted);
        self.settle();
        set
    }

    fn place_silence(&mut self, posted: &Posted) -> Option<usize> {
        let (now, (starts_at, ends_at)) = (self.now, self.times_of(posted));
        let matches_nothing = Labels::new();
        let for_all = |matcher: &Match| matcher.is_negated || !matcher.holds(&matches_nothing);
        if starts_at >= ends_at || ends_at < now || !posted.matchers.iter().any(for_all) {
            return None;
        }
        let new = Silence {
            matchers: posted.matchers.clone(),
            starts_at,
            ends_at,
            receivers: posted.receivers.clone(),
            until_resolved: posted.until_resolved,
            during: posted.during,
        };
        if let Some(of) = posted.of {
            let old = &mut self.silences[of];
            let stays = old.matchers == new.matchers
                && match old.state(now) {
                    "active" => starts_at == old.starts_at,
                    "pending" => starts_at >= now,
                    _ => false,
                };
            if stays {
                *old = new;
                return Some(of);
            }
            old.expire(now);
        }
        // Its past was told already.
        self.silences.push(Silence { starts_at: starts_at.max(now), ..new });
        Some(self.silences.len() - 1)
    }

    pub(crate) fn expire_silence(&mut self, number: usize) {
        let now = self.now;
        self.silences[number].expire(now);
        self.settle();
    }

    pub(super) fn end_silences(&mut self) {
        for number in std::mem::take(&mut self.maybe_over) {
            let silence = &self.silences[number];
            let mut firing = self.alerts.iter().filter(|(_, alert)| alert.fires);
            let holds = firing.any(|(labels, _)| all_hold(&silence.matchers, labels));
            if silence.is_active(self.now) && !holds {
                self.silences[number].expire(self.now);
            }
        }
    }

    /// Silences in force that match, for one receiver or for any.
    pub(super) fn silences_of(&self, labels: &Labels, receiver: Option<&'static str>) -> Vec<usize> {
        let holds = |silence: &Silence| {
            let during = silence.during.map(|name| self.setup.times.get(name));
            silence.is_active(self.now)
                && all_hold(&silence.matchers, labels)
                && receiver.is_none_or(|one| silence.receivers.is_empty() || silence.receivers.contains(&one))
                && during.is_none_or(|times| times.is_some_and(|times| times.contain(self.now)))
        };
        let found = self.silences.iter().enumerate().filter(|(_, silence)| holds(silence));
        found.map(|(number, _)| number).collect()
    }
}

impl Silence {
    fn expire(&mut self, now: u64) {
        match self.state(now) {
            "pending" => (self.starts_at, self.ends_at) = (now, now),
            "active" => self.ends_at = now,
            _ => {}
        }
    }
}
