//! Silences as they are set, ended, and looked up.

use crate::Phase;
use crate::alerts::Alert;
use crate::effects::{Ack, Effects};
use crate::partition::Partition;
use crate::record::Record;
use crate::settings::TenantSettings;
use crate::timers::Timer;
use openclaw_alert::{Labels, TenantName, Timestamp};
use openclaw_routing::{Hold, PostedSilence, Silence, SilenceId, SilenceRefusal, SilenceState};

/// Silences that one step looks through its alerts for.
const SILENCES_PER_STEP: usize = 8;

/// What ends a silence that lasts until what it holds is over.
const ALL_OVER: &str = "all that it held is over";

impl Partition {
    pub(crate) fn set_silence(
        &mut self,
        tenant: &TenantName,
        posted: &PostedSilence,
        new_id: SilenceId,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let Some(tenant) = self.tenant_number_of(tenant, now, out) else { return };
        let Some(known) = self.state.tenant(tenant) else { return };
        match known.silences.change(posted.clone(), new_id, now) {
            Err(refusal) => out.silence = Some(Err(refusal)),
            Ok(change) => {
                let id = change.set.id;
                if let Some(silence) = change.expire {
                    let by = &posted.created_by;
                    self.emit(&Record::SilenceExpired { tenant, silence, by }, now, out);
                }
                self.emit(&Record::SilenceSet { tenant, silence: Box::new(change.set) }, now, out);
                out.silence = Some(Ok(id));
                out.ack = Ack::WhenDurable;
            }
        }
    }

    pub(crate) fn expire_silence(
        &mut self,
        tenant: &TenantName,
        silence: SilenceId,
        by: &str,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let number = self.state.tenant_number(tenant.as_str());
        let known =
            number.and_then(|number| Some((number, self.state.tenant(number)?.silences.get(silence)?)));
        let Some((tenant, known)) = known else {
            out.silence = Some(Err(SilenceRefusal::NotFound));
            return;
        };
        if known.state(now) != SilenceState::Expired {
            self.emit(&Record::SilenceExpired { tenant, silence, by }, now, out);
            out.ack = Ack::WhenDurable;
        }
        out.silence = Some(Ok(silence));
    }

    /// The silences that may end with this alert.
    pub(crate) fn until_resolved(
        &self,
        tenant: u16,
        labels: Labels<'_>,
        now: Timestamp,
    ) -> Vec<(u16, SilenceId)> {
        let Some(known) = self.state.tenant(tenant) else { return Vec::new() };
        let held = known.silences.matching(labels, now).into_iter();
        held.filter(|silence| silence.scope.is_until_resolved).map(|silence| (tenant, silence.id)).collect()
    }

    /// Ends the silences all of whose alerts are over, in the step in which
    /// the last of these ended.
    pub(crate) fn end_silences(&mut self, now: Timestamp, out: &mut Effects) {
        for _ in 0..SILENCES_PER_STEP {
            let Some((tenant, silence)) = self.maybe_over.pop_first() else { return };
            let Some(known) = self.state.tenant(tenant).and_then(|known| known.silences.get(silence)) else {
                continue;
            };
            let holds = |alert: &Alert| alert.phase != Phase::Resolved && known.matches(alert.labels());
            let is_over = known.state(now) == SilenceState::Active
                && !self.state.alerts.of(tenant).any(|(_, alert)| holds(alert));
            if is_over {
                self.emit(&Record::SilenceExpired { tenant, silence, by: ALL_OVER }, now, out);
            }
        }
        if !self.maybe_over.is_empty() {
            self.timers.set(now, Timer::Silences);
        }
    }

    /// The silences in force that hold messages about these labels to this
    /// receiver; to any where `None`.
    pub(crate) fn silenced_by<'a>(
        &'a self,
        tenant: u16,
        settings: &TenantSettings,
        labels: Labels<'a>,
        receiver: Option<&str>,
        now: Timestamp,
    ) -> Vec<&'a Silence> {
        let Some(known) = self.state.tenant(tenant) else { return Vec::new() };
        let mut found = known.silences.matching(labels, now);
        found.retain(|silence| holds_now(silence, settings, receiver, now));
        found
    }

    /// What holds an alert back at a receiver now, and its name.
    pub(crate) fn hold_of(
        &self,
        slot: u32,
        settings: &TenantSettings,
        receiver: &str,
        now: Timestamp,
    ) -> Option<(Hold, String)> {
        let alert = self.state.alerts.get(slot)?;
        if let Some(source) = self.inhibited_by(slot) {
            let fingerprint = self.state.alerts.get(source)?.labels().fingerprint();
            return Some((Hold::Inhibited, format!("{fingerprint:016x}")));
        }
        let silences = &self.state.tenant(alert.tenant)?.silences;
        let mut in_force = silences.in_force(alert.labels(), now);
        let silence = in_force.find(|silence| holds_now(silence, settings, Some(receiver), now))?;
        Some((Hold::Silenced, silence.id.to_string()))
    }

    /// The slot of a firing alert that inhibits this one.
    pub(crate) fn inhibited_by(&self, slot: u32) -> Option<u32> {
        let alert = self.state.alerts.get(slot)?;
        let policy = self.policies.get(usize::from(alert.tenant))?.as_ref()?;
        if policy.inhibitor.is_idle() {
            return None;
        }
        let labels_of = |source: u32| Some(self.state.alerts.get(source)?.labels());
        policy.inhibitor.inhibited_by(slot, alert.labels(), labels_of)
    }
}

/// Whether a silence in force holds messages to this receiver, to any where
/// `None`, at this time of day.
fn holds_now(silence: &Silence, settings: &TenantSettings, receiver: Option<&str>, now: Timestamp) -> bool {
    let scope = &silence.scope;
    receiver.is_none_or(|receiver| scope.covers(receiver))
        // Times that the settings don't have are no times.
        && scope.during.as_deref().is_none_or(|name| {
            settings.routing.interval(name).is_some_and(|times| times.contains(now))
        })
}
