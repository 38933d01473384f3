//! Whether a group's integration is told now, and why.

use openclaw_alert::{Reason, Status, Timestamp};
use std::time::Duration;

/// Integrations that one receiver may have; [`Told`] keeps a bit for each.
pub const MAX_INTEGRATIONS: usize = 16;

/// Which integrations have been told something about an alert, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told(pub u16);

impl Told {
    /// Whether this integration has been told.
    #[must_use]
    pub fn has(self, integration: u16) -> bool {
        self.0 & (1 << integration) != 0
    }

    /// It has.
    pub fn set(&mut self, integration: u16) {
        self.0 |= 1 << integration;
    }

    /// It hasn't after all.
    pub fn clear(&mut self, integration: u16) {
        self.0 &= !(1 << integration);
    }
}

/// An alert's standing in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its slot among the partition's alerts.
    pub alert: u32,
    /// Who may have been told that it fires: set when a send is decided, since
    /// a receiver may have taken a message whose answer we never saw.
    pub firing: Told,
    /// Who has been told, or is being told, that it has resolved.
    pub resolved: Told,
    /// Whose message was given up and certainly not taken.
    pub missed: Told,
}

/// What a group remembers of one integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntegrationLog {
    /// When it was last told successfully, or a message to it was given up: what
    /// fires still is repeated from then on.
    pub settled_at: Option<Timestamp>,
    /// A message on its way (offset of its record).
    pub pending: Option<u64>,
    /// A newer message that waits for `pending` to end.
    pub queued: Option<u64>,
}

/// The reason to tell `integration` now, `None` where there is no news.
/// `members` gives each member with its alert's status. After Alertmanager's
/// dedup stage: news are alerts that fire and weren't told, or (with
/// `send_resolved`) resolved ones whose firing was told; otherwise what fires
/// is repeated once `repeat_interval` has passed since the last success.
pub fn flush_reason(
    members: impl Iterator<Item = (Member, Status)>,
    integration: u16,
    log: &IntegrationLog,
    send_resolved: bool,
    repeat_interval: Duration,
    now: Timestamp,
) -> Option<Reason> {
    let (mut new_firing, mut new_resolved, mut firing, mut known) = (false, false, false, false);
    for (member, status) in members {
        let decided = member.firing.has(integration);
        let told = decided && !member.missed.has(integration);
        known |= told;
        match status {
            Status::Firing => {
                firing = true;
                new_firing |= !decided;
            }
            Status::Resolved => new_resolved |= told && !member.resolved.has(integration),
        }
    }
    if new_firing {
        return Some(if known || log.settled_at.is_some() { Reason::NewAlerts } else { Reason::First });
    }
    if new_resolved && send_resolved {
        return Some(if firing { Reason::SomeResolved } else { Reason::AllResolved });
    }
    let last = log.settled_at?;
    let repeat = firing && log.pending.is_none() && last.plus(repeat_interval) <= now;
    repeat.then_some(Reason::Repeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn member(firing: u16, resolved: u16) -> Member {
        Member { alert: 0, firing: Told(firing), resolved: Told(resolved), missed: Told(0) }
    }

    fn check(
        members: &[(Member, Status)],
        delivered_h_ago: Option<u32>,
        send_resolved: bool,
        want: Option<Reason>,
    ) {
        let now = Timestamp::from_secs(1_000_000);
        let log = IntegrationLog {
            settled_at: delivered_h_ago.map(|hours| now.minus(HOUR * hours)),
            ..IntegrationLog::default()
        };
        let got = flush_reason(members.iter().copied(), 0, &log, send_resolved, HOUR * 4, now);
        assert_eq!(got, want, "{members:?}");
    }

    #[test]
    fn news_and_repeats() {
        use Status::{Firing, Resolved};
        check(&[(member(0, 0), Firing)], None, true, Some(Reason::First));
        check(&[(member(0b10, 0), Firing)], None, true, Some(Reason::First));
        check(&[(member(1, 0), Firing), (member(0, 0), Firing)], Some(1), true, Some(Reason::NewAlerts));
        check(&[(member(1, 0), Firing)], Some(1), true, None);
        check(&[(member(1, 0), Firing)], Some(4), true, Some(Reason::Repeat));
        check(&[(member(1, 0), Firing), (member(1, 0), Resolved)], Some(1), true, Some(Reason::SomeResolved));
        check(&[(member(1, 0), Resolved)], Some(1), true, Some(Reason::AllResolved));
        check(&[(member(1, 0), Resolved)], Some(1), false, None);
        check(&[(member(1, 1), Resolved)], Some(9), true, None);
        check(&[(member(0, 0), Resolved)], None, true, None);
        check(&[], Some(9), true, None);
    }
}
