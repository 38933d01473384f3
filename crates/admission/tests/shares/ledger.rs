//! What the script in Redis does, in Rust: `crates/server/src/shares/ledger.lua`
//! is held to this by a test with a real Redis.

use openclaw_admission::shares::{Answer, Entry, Grant, Report, Share, SharedKey, WHOLE};
use std::collections::{BTreeMap, BTreeSet};

/// Calls are kept as long, and rounds must come within a third of it.
const CALLS_MS: u64 = 2000;
const PAUSE_MS: u64 = 300;

#[derive(Debug, Clone, Default)]
struct Member {
    seen_ms: u64,
    turn: u64,
    /// Has lowered to the epoch.
    has_acked: bool,
}

#[derive(Debug, Clone)]
struct Held {
    epoch: u64,
    share: u32,
    demand: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    id: u64,
    epoch: u64,
    last_ms: u64,
    /// Nobody is left out before.
    calm_until_ms: u64,
    /// Nothing is opened before.
    shut_until_ms: u64,
    members: BTreeMap<String, Member>,
    keys: BTreeMap<SharedKey, BTreeMap<String, Held>>,
    calls: BTreeMap<SharedKey, u64>,
}

impl Ledger {
    /// One report and its answer; nothing where it comes late.
    pub(crate) fn round(&mut self, me: &str, report: &Report, lease_ms: u64, now_ms: u64) -> Option<Answer> {
        if self.members.get(me).is_some_and(|member| report.turn <= member.turn) {
            return None;
        }
        self.begin(report, lease_ms, now_ms);
        self.keep_members(me, report, lease_ms, now_ms);
        let is_current = report.epoch == self.epoch && report.ledger == self.id;
        let member = self.members.entry(me.to_owned()).or_default();
        (member.seen_ms, member.turn) = (now_ms, report.turn);
        member.has_acked |= is_current;
        let is_open = now_ms >= self.shut_until_ms && self.members.values().all(|member| member.has_acked);
        let grants = match is_current {
            true => report.entries.iter().map(|entry| self.grant(me, entry, is_open, now_ms)).collect(),
            false => Vec::new(),
        };
        self.calls.retain(|_, at| *at + CALLS_MS >= now_ms);
        let called = self.calls.iter().filter(|(_, at)| **at >= report.calls_since).map(|(key, _)| *key);
        Some(Answer {
            epoch: self.epoch,
            ledger: self.id,
            members: self.members.keys().cloned().collect(),
            is_open,
            at: now_ms,
            grants,
            called: called.collect(),
        })
    }

    fn begin(&mut self, report: &Report, lease_ms: u64, now_ms: u64) {
        if self.epoch == 0 {
            self.id = now_ms * 1000;
            self.epoch = report.epoch.max(1);
            self.calm_until_ms = now_ms + lease_ms;
            let seen = Member { seen_ms: now_ms, ..Member::default() };
            self.members = report.members.iter().map(|name| (name.clone(), seen.clone())).collect();
        } else if now_ms < self.last_ms || now_ms > self.last_ms + PAUSE_MS {
            // Nobody could be heard meanwhile.
            self.calm_until_ms = now_ms + lease_ms;
            self.members.values_mut().for_each(|member| member.seen_ms = now_ms);
        }
        self.last_ms = now_ms;
    }

    fn keep_members(&mut self, me: &str, report: &Report, lease_ms: u64, now_ms: u64) {
        let before = self.members.len();
        if now_ms >= self.calm_until_ms {
            self.members.retain(|name, member| name == me || member.seen_ms + lease_ms >= now_ms);
        }
        let mut has_changed = self.members.len() != before || !self.members.contains_key(me);
        self.members.entry(me.to_owned()).or_default();
        if report.epoch > self.epoch {
            // What it knows is newer: others of that time may yet come.
            self.epoch = report.epoch;
            (self.calm_until_ms, self.shut_until_ms) = (now_ms + lease_ms, now_ms + lease_ms);
            has_changed = true;
        }
        if has_changed {
            self.epoch += 1;
            self.members.values_mut().for_each(|member| member.has_acked = false);
        }
    }

    fn grant(&mut self, me: &str, entry: &Entry, is_open: bool, now_ms: u64) -> Grant {
        let equal = Share::among(self.members.len() as u32).parts();
        let of_key = self.keys.entry(entry.key).or_default();
        of_key.retain(|name, _| self.members.contains_key(name));
        let (mut sum, mut demand_of_others) = (0, 0);
        for name in self.members.keys().filter(|name| *name != me) {
            let held = of_key.get(name).filter(|held| held.epoch == self.epoch);
            sum += held.map_or(equal, |held| held.share);
            demand_of_others += held.map_or(0, |held| held.demand);
        }
        let (held, wanted) = (entry.held.parts(), entry.wanted.parts());
        let free = WHOLE.saturating_sub(sum);
        let granted = if is_open { held.max(wanted.min(free)) } else { held };
        if entry.is_last {
            of_key.remove(me);
        } else {
            let kept = Held { epoch: self.epoch, share: granted, demand: entry.demand };
            of_key.insert(me.to_owned(), kept);
            if granted < wanted {
                self.calls.insert(entry.key, now_ms);
            }
        }
        Grant { share: Share::of_parts(granted), demand_of_others }
    }

    /// A replica has ended, and says so.
    pub(crate) fn leave(&mut self, me: &str) {
        if self.members.remove(me).is_some() {
            self.epoch += 1;
            self.members.values_mut().for_each(|member| member.has_acked = false);
        }
    }

    /// Who is counted.
    #[allow(dead_code, reason = "each test program uses its own part of this")]
    pub(crate) fn members(&self) -> BTreeSet<String> {
        self.members.keys().cloned().collect()
    }
}
