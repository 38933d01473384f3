//! Whether a group's integration is told now, and why.

use crate::Integration;
use openclaw_alert::{Reason, Timestamp};
use std::time::Duration;

/// Integrations that one receiver may have at a time.
pub const MAX_INTEGRATIONS: usize = 16;

/// Numbers for a receiver's integrations, those that have left included;
/// [`Told`] keeps a bit for each.
pub const NUMBERS: u16 = 32;

/// Which integrations have been told something about an alert, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told(pub u32);

impl Told {
    /// Whether this integration has been told.
    #[must_use]
    pub fn has(self, integration: u16) -> bool {
        self.0 & (1 << (integration % NUMBERS)) != 0
    }

    /// It has.
    pub fn set(&mut self, integration: u16) {
        self.0 |= 1 << (integration % NUMBERS);
    }

    /// It hasn't after all.
    pub fn clear(&mut self, integration: u16) {
        self.0 &= !(1 << (integration % NUMBERS));
    }
}

/// Why an alert that fires is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hold {
    /// It may be told.
    #[default]
    Free,
    /// A silence holds it.
    Silenced,
    /// Another alert holds it.
    Inhibited,
    /// Its route is muted at this time.
    Muted,
}

impl Hold {
    /// Each in the order of their numbers in records.
    pub const ALL: [Self; 4] = [Self::Free, Self::Silenced, Self::Inhibited, Self::Muted];
}

/// An alert's standing in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its slot among the partition's alerts.
    pub alert: u32,
    /// Since when it could have been told, in seconds of Unix time: what
    /// escalations count from.
    pub since_s: u32,
    /// Who may have been told that it fires: set when a send is decided, since
    /// a receiver may have taken a message whose answer we never saw.
    pub firing: Told,
    /// Who has been told, or is being told, that it has resolved.
    pub resolved: Told,
    /// Whose message was given up and certainly not taken.
    pub missed: Told,
    /// Who was told that it fires, and later of others without it: news again
    /// when it may be told again.
    pub lapsed: Told,
    /// Its routes have changed: it is here only until those who were told that
    /// it fires have been told that it doesn't.
    pub is_departed: bool,
    /// What held it when the group was last looked at.
    pub hold: Hold,
}

impl Member {
    /// One that nobody has been told of.
    #[must_use]
    pub fn new(alert: u32, now: Timestamp) -> Self {
        let since_s = seconds(now);
        let none = Told::default();
        Self {
            alert,
            since_s,
            firing: none,
            resolved: none,
            missed: none,
            lapsed: none,
            is_departed: false,
            hold: Hold::Free,
        }
    }

    /// Whatever was not done until now could not have been done: escalations
    /// count anew.
    pub fn count_from(&mut self, now: Timestamp) {
        self.since_s = seconds(now);
    }

    /// Whether this integration was told that it fires, and surely or possibly
    /// knows.
    #[must_use]
    pub fn is_known_to(&self, integration: u16) -> bool {
        self.firing.has(integration) && !self.missed.has(integration)
    }

    /// Whether anybody may know of it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.firing.0 & !self.missed.0 != 0
    }
}

/// Rounded up, so that nothing is due too early.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.nanos().saturating_add(999_999_999).div_euclid(1_000_000_000)).unwrap_or(0)
}

/// What may be said of a member at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It fires; repeated only while nobody has acknowledged it.
    Fires {
        /// Somebody takes care of it.
        is_acknowledged: bool,
    },
    /// It fires, and nothing is said of that: it is held, has other routes
    /// now, or its escalation isn't due.
    Quiet,
    /// It has ended.
    Resolved,
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

/// The reason to tell an integration now, `None` where there is no news. After
/// Alertmanager's dedup stage: news are alerts that fire and weren't told, or
/// (with `send_resolved`) resolved ones whose firing was told; otherwise what
/// fires is repeated once `repeat_interval` has passed since the last success.
/// One that has left the settings is told of ends only.
pub fn flush_reason(
    members: impl Iterator<Item = (Member, Standing)>,
    integration: Integration,
    log: &IntegrationLog,
    repeat_interval: Duration,
    now: Timestamp,
) -> Option<Reason> {
    let number = integration.number;
    let (mut new_firing, mut new_resolved, mut known) = (false, false, false);
    let (mut firing, mut forgotten) = (false, false);
    for (member, standing) in members {
        let decided = member.firing.has(number);
        let told = member.is_known_to(number);
        known |= told;
        match standing {
            Standing::Fires { is_acknowledged } if !integration.is_retired => {
                firing = true;
                forgotten |= !is_acknowledged;
                new_firing |= !decided || member.lapsed.has(number);
            }
            Standing::Fires { .. } | Standing::Quiet => {}
            Standing::Resolved => new_resolved |= told && !member.resolved.has(number),
        }
    }
    if new_firing {
        return Some(if known || log.settled_at.is_some() { Reason::NewAlerts } else { Reason::First });
    }
    if new_resolved && integration.send_resolved {
        return Some(if firing { Reason::SomeResolved } else { Reason::AllResolved });
    }
    let last = log.settled_at?;
    let repeat = forgotten && log.pending.is_none() && last.plus(repeat_interval) <= now;
    repeat.then_some(Reason::Repeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const FIRES: Standing = Standing::Fires { is_acknowledged: false };
    const SEEN: Standing = Standing::Fires { is_acknowledged: true };
    const LIVE: Integration = Integration::new(0);

    fn member(firing: u32, resolved: u32) -> Member {
        let now = Timestamp::from_secs(0);
        Member { firing: Told(firing), resolved: Told(resolved), ..Member::new(0, now) }
    }

    fn check(
        members: &[(Member, Standing)],
        delivered_h_ago: Option<u32>,
        integration: Integration,
        want: Option<Reason>,
    ) {
        let now = Timestamp::from_secs(1_000_000);
        let log = IntegrationLog {
            settled_at: delivered_h_ago.map(|hours| now.minus(HOUR * hours)),
            ..IntegrationLog::default()
        };
        let got = flush_reason(members.iter().copied(), integration, &log, HOUR * 4, now);
        assert_eq!(got, want, "{members:?}");
    }

    #[test]
    fn news_and_repeats() {
        use Standing::Resolved;
        let mute = Integration { send_resolved: false, ..LIVE };
        check(&[(member(0, 0), FIRES)], None, LIVE, Some(Reason::First));
        check(&[(member(0b10, 0), FIRES)], None, LIVE, Some(Reason::First));
        check(&[(member(1, 0), FIRES), (member(0, 0), FIRES)], Some(1), LIVE, Some(Reason::NewAlerts));
        check(&[(member(1, 0), FIRES)], Some(1), LIVE, None);
        check(&[(member(1, 0), FIRES)], Some(4), LIVE, Some(Reason::Repeat));
        check(&[(member(1, 0), FIRES), (member(1, 0), Resolved)], Some(1), LIVE, Some(Reason::SomeResolved));
        check(&[(member(1, 0), Resolved)], Some(1), LIVE, Some(Reason::AllResolved));
        check(&[(member(1, 0), Resolved)], Some(1), mute, None);
        check(&[(member(1, 1), Resolved)], Some(9), LIVE, None);
        check(&[(member(0, 0), Resolved)], None, LIVE, None);
        check(&[], Some(9), LIVE, None);
    }

    #[test]
    fn what_is_held_is_no_news_until_it_is_free() {
        check(&[(member(0, 0), Standing::Quiet)], None, LIVE, None);
        check(&[(member(1, 0), Standing::Quiet)], Some(9), LIVE, None);
        let lapsed = Member { lapsed: Told(1), ..member(1, 0) };
        check(&[(lapsed, FIRES)], Some(1), LIVE, Some(Reason::NewAlerts));
    }

    #[test]
    fn what_somebody_takes_care_of_is_not_repeated() {
        check(&[(member(1, 0), SEEN)], Some(9), LIVE, None);
        check(&[(member(1, 0), SEEN), (member(1, 0), FIRES)], Some(9), LIVE, Some(Reason::Repeat));
        check(&[(member(0, 0), SEEN)], None, LIVE, Some(Reason::First));
    }

    #[test]
    fn who_has_left_the_settings_hears_of_ends_only() {
        let retired = Integration { is_retired: true, ..LIVE };
        check(&[(member(0, 0), FIRES)], None, retired, None);
        check(&[(member(1, 0), FIRES)], Some(9), retired, None);
        check(&[(member(1, 0), Standing::Resolved)], Some(1), retired, Some(Reason::AllResolved));
    }
}
