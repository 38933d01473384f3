//! Counts of a calendar's window: so many a day, a month.
//!
//! A quota is a slot of the same table, under a turned key. It can be taken over
//! once a later window of its policy has opened, and before that only where all
//! others of its 16 slots have used a larger part of what they may.

use crate::table::{Found, change_owned};
use crate::word::{self, NOW_MAX_NANOS, State, Tag, USED_MAX, WINDOW_MAX};
use crate::{Key, Limiter, PolicyId};

/// Times that a quota is looked for anew when others move it.
const TRIES: usize = 16;

/// A quota: how much may be used within a window of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Whose limit. A policy has one kind of window: one by the day and one by
    /// the month are two policies.
    pub policy: PolicyId,
    /// Who.
    pub key: Key,
    /// How much; at most 2³⁹ − 1.
    pub limit: u64,
    /// The window's number, such as the day's or the month's; at most 2²² − 1.
    pub window: u32,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaDecision {
    /// Whether it fits; then it is taken.
    pub allowed: bool,
    /// What is used of the window, this included.
    pub used: u64,
}

impl Quota {
    fn window(&self) -> u32 {
        self.window.min(WINDOW_MAX)
    }

    /// The window that is open in a slot, and what is used of it.
    fn open(&self, state: u64) -> (u32, u64) {
        match State::of(state) {
            State::Quota { window, used } if window >= self.window() => (window, used),
            _ => (self.window(), 0),
        }
    }
}

impl Limiter {
    /// Takes `cost` of what is left of the window, or nothing. A time that lies
    /// in a window before the one that was counted last counts in the last.
    pub fn take_quota(&self, quota: Quota, cost: u64, now_nanos: u64) -> QuotaDecision {
        self.clients.policies.open_quota(quota.policy, quota.window(), quota.limit);
        let limit = quota.limit.min(USED_MAX);
        self.change_quota(quota, true, now_nanos, |_, used| {
            let more = used.saturating_add(cost);
            let allowed = more <= limit;
            QuotaDecision { allowed, used: if allowed { more } else { used } }
        })
    }

    /// What [`Limiter::take_quota`] would say; takes nothing.
    #[must_use]
    pub fn peek_quota(&self, quota: Quota, cost: u64) -> QuotaDecision {
        let limit = quota.limit.min(USED_MAX);
        let mut allowed = false;
        let seen = self.change_quota(quota, false, 0, |_, used| {
            allowed = used.saturating_add(cost) <= limit;
            QuotaDecision { allowed, used }
        });
        QuotaDecision { allowed, ..seen }
    }

    /// Gives back what was taken of the window.
    pub fn refund_quota(&self, quota: Quota, cost: u64) -> QuotaDecision {
        self.change_quota(quota, false, 0, |window, used| {
            // A window that has passed has nothing to give back to.
            let back = if window == quota.window() { cost } else { 0 };
            QuotaDecision { allowed: true, used: used.saturating_sub(back) }
        })
    }

    /// Brings back what was used.
    pub(crate) fn restore_quota(&self, quota: Quota, used: u64, now_nanos: u64) -> bool {
        let told = self.change_quota(quota, true, now_nanos, |window, seen| {
            let back = if window == quota.window() { used } else { 0 };
            QuotaDecision { allowed: true, used: seen.saturating_add(back).min(USED_MAX) }
        });
        told.allowed
    }

    fn change_quota(
        &self,
        quota: Quota,
        inserts: bool,
        now_nanos: u64,
        mut change: impl FnMut(u32, u64) -> QuotaDecision,
    ) -> QuotaDecision {
        let tag = Tag::of_quota(quota.policy, quota.key);
        for _ in 0..TRIES {
            let slot = match self.clients.table.find(tag) {
                Some(slot) => slot,
                None if !inserts => return change(quota.window(), 0),
                None => match self.insert_quota(tag, now_nanos) {
                    Found::Slot(slot) => slot,
                    Found::Again => continue,
                    Found::NoRoom => break,
                },
            };
            let changed = change_owned(slot.state, slot.tag, tag, |state| {
                if State::of(state) == State::Moving && state != word::moving(tag) {
                    return None;
                }
                let (window, used) = quota.open(state);
                let decision = change(window, used);
                Some((word::of_quota(window, decision.used), decision))
            });
            if let Some(decision) = changed {
                return decision;
            }
        }
        // No room among clients that have all learned a rate: not counted.
        change(quota.window(), 0)
    }

    fn insert_quota(&self, tag: Tag, now_nanos: u64) -> Found<'_> {
        let now_nanos = now_nanos.min(NOW_MAX_NANOS);
        let unused = word::of_quota(0, 0);
        self.clients.table.insert(tag, unused, |tag, state| self.clients.policies.loss(tag, state, now_nanos))
    }
}
