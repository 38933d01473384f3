//! A limit of which a replica may hold another share than an equal one.

use super::{Entry, Grant, Share, SharedKey, wanted};

/// How far demand moves in a round towards what was asked in it.
const FOLLOW: f64 = 0.5;

/// Rounds after which a limit that nobody pressed counts as calm.
const CALM_ROUNDS: u32 = 20;

/// A limit on which nothing changed is reported each so many rounds, well
/// within the time that the ledger keeps it.
const REFRESH_ROUNDS: u32 = 5;

/// A share is changed for no less than such a part of it.
const STEP: u32 = 64;

/// What was said last that was answered.
#[derive(Debug, Clone, Copy)]
struct Said {
    held: Share,
    demand: u64,
    rounds_ago: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Hot {
    pub(super) held: Share,
    tokens_per_s: f64,
    demand_of_others: u64,
    rounds_calm: u32,
    said: Option<Said>,
    is_called: bool,
}

impl Hot {
    /// Where this replica has the demand.
    pub(super) fn pressed(held: Share) -> Self {
        Self { rounds_calm: 0, ..Self::called(held) }
    }

    /// Where another one has.
    pub(super) fn called(held: Share) -> Self {
        Self {
            held,
            tokens_per_s: 0.0,
            demand_of_others: 0,
            rounds_calm: CALM_ROUNDS,
            said: None,
            is_called: false,
        }
    }

    pub(super) fn begin_round(&mut self) {
        self.tokens_per_s *= 1.0 - FOLLOW;
        self.rounds_calm = self.rounds_calm.saturating_add(1);
        if let Some(said) = &mut self.said {
            said.rounds_ago = said.rounds_ago.saturating_add(1);
        }
    }

    pub(super) fn observe(&mut self, tokens_per_s: f64, is_pressed: bool) {
        self.tokens_per_s += tokens_per_s * FOLLOW;
        if is_pressed {
            self.rounds_calm = 0;
        }
    }

    /// Somebody waits for a report.
    pub(super) fn call(&mut self) {
        self.is_called = true;
    }

    /// What was said is not known any more.
    pub(super) fn forget_said(&mut self) {
        self.said = None;
    }

    pub(super) fn cap(&mut self, most: Share) {
        self.held = self.held.min(most);
        self.said = None;
    }

    /// In thousandths of tokens a second; none of a limit that is calm, so that
    /// it can be forgotten.
    fn demand(&self) -> u64 {
        if self.is_calm() { 0 } else { (self.tokens_per_s * 1000.0) as u64 }
    }

    fn is_calm(&self) -> bool {
        self.rounds_calm >= CALM_ROUNDS
    }

    fn wanted(&self, replicas: u32) -> Share {
        wanted::share(self.demand(), self.demand_of_others, replicas)
    }

    /// What there is to say, if anything.
    pub(super) fn entry(&self, key: SharedKey, replicas: u32) -> Option<Entry> {
        let wanted = self.wanted(replicas);
        let equal = Share::among(replicas);
        let is_last =
            self.said.is_some() && self.is_calm() && self.demand_of_others == 0 && self.held == equal;
        let entry = Entry { key, held: self.held, wanted, demand: self.demand(), is_last };
        (is_last || self.is_news(&entry)).then_some(entry)
    }

    fn is_news(&self, entry: &Entry) -> bool {
        let Some(said) = self.said else { return true };
        self.is_called
            || said.rounds_ago >= REFRESH_ROUNDS
            || said.held != self.held
            || entry.wanted.parts() > self.held.parts() + self.held.parts() / STEP
            || entry.demand.abs_diff(said.demand) > said.demand / 8
    }

    pub(super) fn granted(&mut self, entry: &Entry, grant: Grant) {
        self.is_called = false;
        self.held = self.held.max(grant.share);
        self.demand_of_others = grant.demand_of_others;
        self.said = Some(Said { held: self.held, demand: entry.demand, rounds_ago: 0 });
    }

    /// Lowers to what is wanted; whether it was by so much that others should
    /// hear of it at once.
    pub(super) fn lower(&mut self, replicas: u32) -> bool {
        let (held, wanted) = (self.held.parts(), self.wanted(replicas));
        if self.said.is_none() || wanted.parts() + held / STEP >= held {
            return false;
        }
        self.held = wanted;
        wanted.parts() < held - held / 4
    }
}
