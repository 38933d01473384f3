//! One replica's side.

use super::hot::Hot;
use super::{Share, SharedKey};
use std::collections::BTreeMap;

/// Limits of which a replica holds another share than an equal one, at a time.
pub const HOT_MAX: usize = 1024;

/// As many of them by its own demand; the rest is for those of others.
pub const OWN_HOT_MAX: usize = 512;

/// What a replica tells the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Greater with each report: one that comes late is let pass.
    pub turn: u64,
    /// The epoch that it has lowered to; 0 for none yet.
    pub epoch: u64,
    /// The ledger that it knows this from.
    pub ledger: u64,
    /// The replicas of that epoch.
    pub members: Vec<String>,
    /// Calls since then are of interest.
    pub calls_since: u64,
    /// What it holds and wants.
    pub entries: Vec<Entry>,
}

/// What a replica tells about one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub key: SharedKey,
    /// It won't give out more until it is answered.
    pub held: Share,
    /// It would like as much.
    pub wanted: Share,
    /// Thousandths of tokens a second that are asked of it.
    pub demand: u64,
    /// It is back at an equal part, and will say no more.
    pub is_last: bool,
}

/// What the ledger says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The epoch that is.
    pub epoch: u64,
    /// Which ledger says so: one that has lost its memory is another.
    pub ledger: u64,
    /// The replicas of this epoch.
    pub members: Vec<String>,
    /// All of them have lowered to it.
    pub is_open: bool,
    /// When this was said, for [`Report::calls_since`].
    pub at: u64,
    /// In the order of the report's entries; empty where the report was of
    /// another epoch or ledger.
    pub grants: Vec<Grant>,
    /// Limits on which somebody waits for others' reports.
    pub called: Vec<SharedKey>,
}

/// What the ledger says to one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// What may be held from now on.
    pub share: Share,
    /// What is asked of all others, in thousandths of tokens a second.
    pub demand_of_others: u64,
}

/// One replica: what it may give out of every limit.
#[derive(Debug, Default)]
pub struct Replica {
    turn: u64,
    epoch: u64,
    ledger: u64,
    members: Vec<String>,
    is_open: bool,
    calls_since: u64,
    share: Share,
    hot: BTreeMap<SharedKey, Hot>,
    asked: Vec<Entry>,
}

impl Replica {
    /// One that nobody has heard of yet: it holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it holds of a limit.
    #[must_use]
    pub fn share(&self, key: SharedKey) -> Share {
        self.hot.get(&key).map_or(self.share, |hot| hot.held)
    }

    /// What it holds of every limit that isn't hot.
    #[must_use]
    pub fn share_of_most(&self) -> Share {
        self.share
    }

    /// Limits of which it may hold another share, with that share.
    pub fn hot(&self) -> impl Iterator<Item = (SharedKey, Share)> {
        self.hot.iter().map(|(key, hot)| (*key, hot.held))
    }

    /// How many replicas there are, itself among them; 0 before it is heard of.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.members.len()
    }

    /// Whether it has got its part of every limit.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        self.is_open
    }

    /// Holds as much of every limit without anybody's word: where no ledger has
    /// been reached since the start.
    pub fn presume(&mut self, share: Share) {
        if self.share == Share::NONE {
            self.share = share;
        }
    }

    /// Begins a round, in which all demand is told anew.
    pub fn begin_round(&mut self) {
        self.hot.values_mut().for_each(Hot::begin_round);
    }

    /// What was asked of a limit since the last round; pressed, where the share
    /// was nearly used up.
    pub fn observe(&mut self, key: SharedKey, tokens_per_s: f64, is_pressed: bool) {
        if is_pressed && self.hot.len() < OWN_HOT_MAX {
            self.hot.entry(key).or_insert(Hot::pressed(self.share));
        }
        if let Some(hot) = self.hot.get_mut(&key) {
            hot.observe(tokens_per_s, is_pressed);
        }
    }

    /// What to tell the ledger now.
    pub fn report(&mut self) -> Report {
        let replicas = self.members.len() as u32;
        let entries = self.hot.iter().filter_map(|(key, hot)| hot.entry(*key, replicas));
        self.asked = if self.epoch == 0 { Vec::new() } else { entries.collect() };
        self.turn += 1;
        Report {
            turn: self.turn,
            epoch: self.epoch,
            ledger: self.ledger,
            members: self.members.clone(),
            calls_since: self.calls_since,
            entries: self.asked.clone(),
        }
    }

    /// Takes on what the ledger says to the last report. Whether to report again
    /// at once, since somebody waits for it.
    pub fn answered(&mut self, answer: Answer) -> bool {
        let mut again = self.follow_epoch(&answer);
        let asked = std::mem::take(&mut self.asked);
        for (entry, grant) in asked.iter().zip(answer.grants) {
            self.granted(entry, grant);
        }
        let replicas = self.members.len() as u32;
        for hot in self.hot.values_mut() {
            again |= hot.lower(replicas);
        }
        for key in answer.called {
            again |= self.call(key);
        }
        self.calls_since = answer.at;
        again
    }

    fn follow_epoch(&mut self, answer: &Answer) -> bool {
        let (is_new, is_other) = (answer.epoch != self.epoch, answer.ledger != self.ledger);
        let equal = Share::among(answer.members.len() as u32);
        if is_new {
            self.share = self.share.min(equal);
            self.hot.values_mut().for_each(|hot| hot.cap(equal));
            self.members.clone_from(&answer.members);
        }
        if is_other {
            self.hot.values_mut().for_each(Hot::forget_said);
        }
        (self.epoch, self.ledger, self.is_open) = (answer.epoch, answer.ledger, answer.is_open);
        if self.is_open {
            self.share = equal;
        }
        is_new || is_other
    }

    fn granted(&mut self, entry: &Entry, grant: Grant) {
        if entry.is_last && self.is_open && self.share == entry.held {
            self.hot.remove(&entry.key);
        } else if let Some(hot) = self.hot.get_mut(&entry.key) {
            hot.granted(entry, grant);
        }
    }

    /// Whether it is the first call.
    fn call(&mut self, key: SharedKey) -> bool {
        if let Some(hot) = self.hot.get_mut(&key) {
            hot.call();
            return false;
        }
        let has_room = self.hot.len() < HOT_MAX;
        if has_room {
            self.hot.insert(key, Hot::called(self.share));
        }
        has_room
    }
}
