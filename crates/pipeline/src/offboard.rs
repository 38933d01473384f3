//! A tenant that is being removed: its alerts end, and everybody who was told
//! of them hears of it, before anything of it goes (promise P2).
//!
//! That a tenant leaves is no record: whoever removes it says so again after a
//! restart, and until then it has no settings, so that nothing is taken in.

use crate::Effects;
use crate::Phase;
use crate::outbox::Progress;
use crate::partition::Partition;
use crate::record::Cause;
use crate::routes::MOVE_PAUSE;
use crate::settings::{DeliveryMode, TenantSettings};
use crate::timers::Timer;
use openclaw_alert::{TenantName, Timestamp, Zoned};
use std::sync::Arc;

/// Alerts that one reminder ends.
const ENDED_AT_ONCE: usize = 256;

/// What a tenant that is being removed has yet to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftToTell {
    /// Alerts that have not ended, or whose end has yet to be decided upon.
    pub alerts: usize,
    /// Messages on their way; not those that were given up.
    pub messages: usize,
}

impl LeftToTell {
    /// Whether everybody knows.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.alerts == 0 && self.messages == 0
    }
}

impl Partition {
    /// What is yet to be told before the tenant can go.
    #[must_use]
    pub fn left_to_tell(&self, tenant: &TenantName) -> LeftToTell {
        let Some(number) = self.state.tenant_number(tenant.as_str()) else { return LeftToTell::default() };
        let open = self.state.alerts.of(number).filter(|(_, alert)| alert.phase != Phase::Resolved).count();
        let groups = self.state.groups.iter().filter(|(_, group)| group.tenant == number);
        let untold: usize = groups.map(|(_, group)| group.members.len()).sum();
        let messages = self.state.outbox.iter().map(|(_, entry)| entry);
        let on_the_way = messages.filter(|entry| entry.tenant == number && entry.progress != Progress::Dead);
        LeftToTell { alerts: open.max(untold), messages: on_the_way.count() }
    }

    /// Whether it is being removed, as this process has been told.
    #[must_use]
    pub fn is_leaving(&self, tenant: &TenantName) -> bool {
        let number = self.state.tenant_number(tenant.as_str());
        number.is_some_and(|number| self.leaving.contains(&number))
    }

    pub(crate) fn offboard(&mut self, settings: &Arc<TenantSettings>, now: Timestamp) {
        self.configured.remove(&settings.name);
        let Some(tenant) = self.state.tenant_number(settings.name.as_str()) else { return };
        if !self.leaving.insert(tenant) {
            return;
        }
        let last = self.last_settings(tenant, settings);
        self.set_policy(tenant, &Arc::new(last), now);
        // Where nobody looked meanwhile, since it had no settings.
        let mine = self.state.groups.iter().filter(|(_, group)| group.tenant == tenant);
        mine.for_each(|(slot, group)| self.timers.set(group.look_at, Timer::Group(slot)));
        self.timers.set(now, Timer::Leave(tenant));
    }

    /// Whether it was in shadow is a fact: who heard nothing hears of no end.
    /// It watches nothing any more.
    fn last_settings(&self, tenant: u16, settings: &TenantSettings) -> TenantSettings {
        let is_shadow = self.state.tenant(tenant).is_some_and(|known| known.is_shadow);
        TenantSettings {
            delivery: if is_shadow { DeliveryMode::Shadow } else { DeliveryMode::Live },
            watchdog: None,
            silent_after: Vec::new(),
            ..settings.clone()
        }
    }

    /// Ends some of the tenant's alerts; after the last its groups are looked at.
    pub(crate) fn end_some(&mut self, tenant: u16, now: Timestamp, out: &mut Effects) {
        if !self.leaving.contains(&tenant) {
            return;
        }
        let open = self.state.alerts.of(tenant).filter(|(_, alert)| alert.phase != Phase::Resolved);
        let some: Vec<_> = open.map(|(slot, alert)| (slot, alert.id)).take(ENDED_AT_ONCE).collect();
        for &(slot, episode) in &some {
            self.end(slot, episode, Zoned::utc(now), Cause::Offboarded, now, out);
        }
        if some.len() == ENDED_AT_ONCE {
            return self.timers.set(now.plus(MOVE_PAUSE), Timer::Leave(tenant));
        }
        let groups = self.state.groups.iter().filter(|(_, group)| group.tenant == tenant);
        let groups: Vec<u64> = groups.map(|(_, group)| group.id).collect();
        groups.into_iter().for_each(|group| self.look_no_later(group, now));
    }
}
