//! What has been heard before: tools send again what they are not sure of,
//! and whoever has caught a signed request could too.

use openclaw_alert::{TenantName, Timestamp, fnv1a};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Names kept of one tenant; beyond it the oldest go. Even then the same thing
/// done to the same alerts is no news.
const KEPT_PER_TENANT: usize = 4096;

/// The names of requests that have been heard, a while ago at most.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    tenants: Mutex<HashMap<TenantName, Names>>,
}

/// In the order in which they came.
#[derive(Debug, Default)]
struct Names {
    names: VecDeque<(u64, Timestamp)>,
}

/// A request that is being worked on. Unless it is kept it has not been heard,
/// so that its sender can try again.
#[derive(Debug)]
#[must_use]
pub(super) struct Begun<'s> {
    seen: &'s Seen,
    tenant: TenantName,
    names: Vec<u64>,
}

impl Seen {
    /// Notes a request under all of its names for `kept`. `None` where any of
    /// them has been heard.
    pub(super) fn begin(
        &self,
        tenant: &TenantName,
        names: &[&[&[u8]]],
        now: Timestamp,
        kept: Duration,
    ) -> Option<Begun<'_>> {
        let names: Vec<u64> = names.iter().map(|parts| fnv1a(parts)).collect();
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tenants.entry(tenant.clone()).or_default();
        known.forget(now);
        if known.names.iter().any(|(name, _)| names.contains(name)) {
            return None;
        }
        known.names.extend(names.iter().map(|&name| (name, now.plus(kept))));
        let too_many = known.names.len().saturating_sub(KEPT_PER_TENANT);
        known.names.drain(..too_many);
        Some(Begun { seen: self, tenant: tenant.clone(), names })
    }
}

impl Names {
    fn forget(&mut self, now: Timestamp) {
        self.names.retain(|(_, until)| *until > now);
    }
}

impl Begun<'_> {
    /// It has been done.
    pub(super) fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let mut tenants = self.seen.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tenants.get_mut(&self.tenant) {
            known.names.retain(|(name, _)| !self.names.contains(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Duration = Duration::from_secs(600);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn tenant(name: &str) -> TenantName {
        TenantName::new(name).unwrap()
    }

    #[test]
    fn the_same_request_is_heard_once() {
        let (seen, acme) = (Seen::default(), tenant("acme"));
        let begin = |names: &[&[&[u8]]], now| seen.begin(&acme, names, at(now), KEPT);
        begin(&[&[b"a"], &[b"b"]], 0).unwrap().keep();
        assert!(begin(&[&[b"a"]], 1).is_none());
        assert!(begin(&[&[b"c"], &[b"b"]], 599).is_none(), "any of its names");
        begin(&[&[b"c"]], 599).unwrap().keep();
        begin(&[&[b"a"]], 600).unwrap().keep();
        assert!(seen.begin(&tenant("globex"), &[&[b"a"]], at(601), KEPT).is_some(), "another tenant's");
    }

    #[test]
    fn what_was_not_done_may_come_again() {
        let (seen, acme) = (Seen::default(), tenant("acme"));
        let begun = seen.begin(&acme, &[&[b"a"]], at(0), KEPT).unwrap();
        assert!(seen.begin(&acme, &[&[b"a"]], at(0), KEPT).is_none(), "not while it is being done");
        drop(begun);
        seen.begin(&acme, &[&[b"a"]], at(1), KEPT).unwrap().keep();
        assert!(seen.begin(&acme, &[&[b"a"]], at(2), KEPT).is_none());
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let (seen, acme) = (Seen::default(), tenant("acme"));
        for number in 0..2 * KEPT_PER_TENANT {
            seen.begin(&acme, &[&[&number.to_le_bytes()]], at(0), KEPT).unwrap().keep();
        }
        assert_eq!(seen.tenants.lock().unwrap()[&acme].names.len(), KEPT_PER_TENANT);
    }
}
