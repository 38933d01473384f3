//! A partition: durable [`State`] and what can be worked out from it.

use crate::Phase;
use crate::effects::{AlertEnd, Effects, Ended};
use crate::lanes::{Lane, Paces};
use crate::outbox::Progress;
use crate::record::{Placement, Record, records};
use crate::settings::TenantSettings;
use crate::state::State;
use crate::timers::{Timer, Timers};
use crate::watch::Watch;
use hashbrown::HashMap;
use openclaw_admission::{FairQueue, Gate};
use openclaw_alert::codec::Corrupt;
use openclaw_alert::{PartitionId, TenantName, Timestamp, fnv1a};
use openclaw_routing::{Inhibitor, SilenceId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// One of the 64 partitions, owned by one process at a time. Everything that
/// happens to its tenants' alerts is a step of it.
#[derive(Debug)]
pub struct Partition {
    pub(crate) state: State,
    pub(crate) timers: Timers,
    /// By tenant number; a tenant that is no longer configured has none.
    pub(crate) policies: Vec<Option<Policy>>,
    /// Settings of tenants that may not have sent anything yet.
    pub(crate) configured: HashMap<TenantName, Arc<TenantSettings>, foldhash::fast::FixedState>,
    /// Slot and episode of alerts that wait for their tenant's limit.
    pub(crate) backlog: FairQueue<(u32, u64)>,
    pub(crate) lanes: HashMap<LaneKey, Lane, foldhash::fast::FixedState>,
    pub(crate) paces: Paces,
    /// When lanes that wait are looked at next.
    pub(crate) lanes_at: Timestamp,
    /// Lanes that may have something to send.
    pub(crate) stirred: BTreeSet<LaneKey>,
    pub(crate) scratch: Vec<u8>,
    /// Silences, by tenant, that last until what they hold is over, of which
    /// something ended in this step.
    pub(crate) maybe_over: BTreeSet<(u16, SilenceId)>,
    /// Tenants that are being removed: nothing is taken in for them.
    pub(crate) leaving: BTreeSet<u16>,
    /// When it wanted to be stepped again, while there are alerts.
    expected_by: Timestamp,
}

/// While there are alerts, a partition is stepped at least this often, so that
/// it notices when its process stands still.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// A step that comes later than this after its time says that the process
/// stood still, or is behind.
const LAG_MAX: Duration = Duration::from_secs(15);

/// Tenant, receiver and integration.
pub(crate) type LaneKey = (u16, Arc<str>, u16);

/// A tenant's settings, and what follows from them; not durable.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) settings: Arc<TenantSettings>,
    pub(crate) gate: Gate,
    pub(crate) inhibitor: Inhibitor,
    pub(crate) watch: Watch,
    /// Alerts from this offset on are in the groups of these settings; `None`
    /// when nothing is being moved.
    pub(crate) moved_down_to: Option<u64>,
}

impl Partition {
    /// An empty partition. `seed` keys its hash tables; it need not be the
    /// same after a restart.
    #[must_use]
    pub fn new(id: PartitionId, seed: u64) -> Self {
        Self {
            state: State::new(id, seed),
            timers: Timers::default(),
            policies: Vec::new(),
            configured: HashMap::default(),
            backlog: FairQueue::default(),
            lanes: HashMap::default(),
            paces: Paces::default(),
            lanes_at: Timestamp::MAX,
            stirred: BTreeSet::new(),
            scratch: Vec::new(),
            maybe_over: BTreeSet::new(),
            leaving: BTreeSet::new(),
            expected_by: Timestamp::MAX,
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> PartitionId {
        self.state.id
    }

    /// Offset of the next record.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.state.next_offset
    }

    /// Sets a tenant's settings before [`Partition::start`]. Later ones come
    /// as [`crate::Input::Configure`].
    pub fn configure(&mut self, settings: Arc<TenantSettings>, now: Timestamp) {
        if let Some(number) = self.state.tenant_number(settings.name.as_str()) {
            self.set_policy(number, &settings, now);
        }
        self.configured.insert(settings.name.clone(), settings);
    }

    /// A tenant whose settings have gone: nothing is decided for it any more.
    pub(crate) fn forget_settings(&mut self, tenant: &TenantName, now: Timestamp, out: &mut Effects) {
        self.configured.remove(tenant);
        let number = self.state.tenant_number(tenant.as_str());
        if let Some(policy) = number.and_then(|number| self.policies.get_mut(usize::from(number))) {
            *policy = None;
        }
        // What comes in until it is back is placed by nothing.
        if let Some(number) = number {
            self.leaving.remove(&number);
            self.unplace(number, now, out);
        }
    }

    /// The tenant's alerts are in no particular groups until they have been
    /// moved: whatever comes between, a crash or other settings, starts anew.
    pub(crate) fn unplace(&mut self, tenant: u16, now: Timestamp, out: &mut Effects) {
        if let Some(known) = self.state.tenant(tenant).filter(|known| known.placed_by.is_some()) {
            let is_shadow = known.is_shadow;
            self.emit(&Record::Placed { tenant, by: None, is_shadow }, now, out);
        }
    }

    /// What places a tenant's alerts now.
    pub(crate) fn placement(&self, tenant: u16) -> Option<Placement> {
        let routing = self.settings(tenant)?.routing_identity().to_le_bytes();
        let is_passthrough = self.state.tenant(tenant)?.is_passthrough;
        Some(Placement(fnv1a(&[&routing, &[u8::from(is_passthrough)]]).max(1)))
    }

    pub(crate) fn set_policy(&mut self, tenant: u16, settings: &Arc<TenantSettings>, now: Timestamp) {
        let index = usize::from(tenant);
        if self.policies.len() <= index {
            self.policies.resize_with(index + 1, || None);
        }
        let before = self.policies[index].take();
        // A bucket whose limits stay keeps its level; another starts full.
        let same = before.as_ref().filter(|policy| policy.settings.limits == settings.limits);
        let gate = same.map_or_else(|| Gate::new(&settings.limits), |policy| policy.gate);
        let watch = Watch::new(settings, before.map(|policy| policy.watch), now);
        let inhibitor = self.inhibitor_of(tenant, settings);
        watch.reminders().for_each(|(at, reminder)| self.timers.set(at, reminder.timer(tenant)));
        let settings = Arc::clone(settings);
        self.policies[index] = Some(Policy { settings, gate, inhibitor, watch, moved_down_to: None });
    }

    fn inhibitor_of(&self, tenant: u16, settings: &TenantSettings) -> Inhibitor {
        let mut inhibitor = Inhibitor::new(Arc::clone(&settings.routing.inhibit_rules));
        if !inhibitor.is_idle() {
            let firing = self.state.alerts.iter();
            let firing = firing.filter(|(_, alert)| alert.tenant == tenant && alert.phase == Phase::Firing);
            firing.for_each(|(slot, alert)| inhibitor.fired(slot, alert.labels()));
        }
        inhibitor
    }

    pub(crate) fn settings(&self, tenant: u16) -> Option<&Arc<TenantSettings>> {
        Some(&self.policies.get(usize::from(tenant))?.as_ref()?.settings)
    }

    /// Replays one frame of the journal: facts are applied, nothing is decided.
    /// Frames that a snapshot covers already are skipped.
    ///
    /// # Errors
    /// [`Corrupt`] for a record that doesn't decode. A gap before it is taken as it is:
    /// damage that the journal has reported.
    pub fn replay(&mut self, base_offset: u64, payload: &[u8], written_at: Timestamp) -> Result<(), Corrupt> {
        if base_offset < self.state.next_offset {
            return Ok(());
        }
        for record in records(payload) {
            let offset = self.state.next_offset.max(base_offset);
            self.state.apply(offset, &record?, written_at);
            self.state.next_offset = offset + 1;
        }
        Ok(())
    }

    /// After the last [`Partition::replay`]: works out what is not kept, and
    /// notes that a process has started, so that nothing expires for having
    /// been silent while nobody listened.
    pub fn start(&mut self, now: Timestamp, out: &mut Effects) {
        out.clear();
        out.base_offset = self.state.next_offset;
        self.rebuild(now, out);
        let watches = |settings: &&Arc<TenantSettings>| {
            settings.watchdog.is_some() || !settings.silent_after.is_empty()
        };
        let mut watchful: Vec<_> = self.configured.values().filter(watches).map(|s| s.name.clone()).collect();
        watchful.sort_unstable();
        for tenant in watchful {
            self.tenant_number_of(&tenant, now, out);
        }
        if !self.state.tenants.is_empty() {
            let longest = self.configured.values().map(|settings| settings.resolve_timeout).max();
            let grace_until = now.plus(longest.unwrap_or_default());
            self.emit(&Record::Started { grace_until }, now, out);
        }
        out.next_deadline = self.next_deadline(now);
    }

    /// When to be stepped again.
    pub(crate) fn next_deadline(&mut self, now: Timestamp) -> Timestamp {
        let next = self.timers.next_at();
        if self.state.alerts.len() == 0 {
            self.expected_by = Timestamp::MAX;
            return next;
        }
        let next = next.min(now.plus(HEARTBEAT));
        self.expected_by = next.max(now);
        next
    }

    /// Who wasn't stepped in time didn't listen either, and can't tell a
    /// silent source from one that it didn't hear: nothing expires for a while.
    pub(crate) fn notice_lag(&mut self, now: Timestamp, out: &mut Effects) {
        if now <= self.expected_by.plus(LAG_MAX) {
            return;
        }
        for tenant in 0..self.state.tenants.len() as u16 {
            let sources = self.state.tenant(tenant).map_or(0, |tenant| tenant.sources.len());
            (0..sources as u16).for_each(|source| self.hold_expiry(tenant, source, now, out));
        }
    }

    /// What this source said before doesn't expire for one `resolve_timeout`.
    pub(crate) fn hold_expiry(&mut self, tenant: u16, source: u16, now: Timestamp, out: &mut Effects) {
        let grace = self.settings(tenant).map_or(Duration::ZERO, |settings| settings.resolve_timeout);
        self.emit(&Record::Refused { tenant, source, alerts: 0, grace_until: now.plus(grace) }, now, out);
    }

    fn rebuild(&mut self, now: Timestamp, out: &mut Effects) {
        let configured: Vec<_> = self.configured.values().cloned().collect();
        for settings in configured {
            self.configure(Arc::clone(&settings), now);
            if let Some(number) = self.state.tenant_number(settings.name.as_str()) {
                self.begin_move(number, now, out);
            }
        }
        let mut firing: Vec<(Timestamp, u32)> = Vec::new();
        let mut waiting: Vec<(u64, u32, u16, u32)> = Vec::new();
        for (slot, alert) in self.state.alerts.iter() {
            match alert.phase {
                Phase::Firing => firing.push((alert.end.at.at, slot)),
                Phase::Waiting => {
                    waiting.push((alert.id, slot, alert.tenant, cost_bytes(&alert.content)));
                }
                Phase::Resolved => {}
            }
        }
        for (at, slot) in firing {
            self.remind(at, Timer::Alert(slot));
        }
        waiting.sort_unstable();
        for (id, slot, tenant, bytes) in waiting {
            self.backlog.push(usize::from(tenant), (slot, id), bytes);
            self.timers.set(Timestamp::MIN, Timer::Backlog);
        }
        let tenants = 0..self.state.tenants.len() as u16;
        tenants.for_each(|tenant| self.retime(tenant, now));
        for (slot, group) in self.state.groups.iter() {
            self.timers.set(group.look_at, Timer::Group(slot));
            if group.empty_since.is_some() {
                // It looks by itself whether it is time to go.
                self.timers.set(now, Timer::Group(slot));
            }
        }
        for (slot, entry) in self.state.outbox.iter() {
            if entry.progress != Progress::Dead {
                self.timers.set(entry.due, Timer::Entry(slot));
            }
        }
    }

    /// Sets a reminder. An alert has one that counts, the earliest: however
    /// often its end moves, the reminders don't pile up.
    pub(crate) fn remind(&mut self, at: Timestamp, timer: Timer) {
        if let Timer::Alert(slot) = timer {
            let Some(alert) = self.state.alerts.get_mut(slot) else { return };
            if alert.reminder_at <= at {
                return;
            }
            alert.reminder_at = at;
        }
        self.timers.set(at, timer);
    }

    /// Writes a record and applies it: the one way by which anything changes.
    pub(crate) fn emit(&mut self, record: &Record<'_>, now: Timestamp, out: &mut Effects) -> u64 {
        let offset = self.state.next_offset;
        self.state.next_offset += 1;
        record.write(&mut out.payload);
        out.records += 1;
        if let Record::Resolved { episode, .. } = *record {
            self.before_end(episode, now);
        }
        if let Some((at, timer)) = self.state.apply(offset, record, now) {
            self.remind(at, timer);
        }
        match *record {
            Record::Opened { .. } => self.after_start(offset),
            Record::Admitted { episode, .. } => self.after_start(episode),
            _ => {}
        }
        offset
    }

    /// What follows the alerts that fire.
    fn after_start(&mut self, episode: u64) {
        let Some(slot) = self.state.alerts.slot_of(episode) else { return };
        let Some(alert) = self.state.alerts.get(slot) else { return };
        let policy = self.policies.get_mut(usize::from(alert.tenant)).and_then(Option::as_mut);
        if let Some(policy) = policy.filter(|policy| !policy.inhibitor.is_idle()) {
            policy.inhibitor.fired(slot, alert.labels());
        }
    }

    fn before_end(&mut self, episode: u64, now: Timestamp) {
        let Some(slot) = self.state.alerts.slot_of(episode) else { return };
        let Some(alert) = self.state.alerts.get(slot) else { return };
        let policy = self.policies.get_mut(usize::from(alert.tenant)).and_then(Option::as_mut);
        if let Some(policy) = policy.filter(|policy| !policy.inhibitor.is_idle()) {
            policy.inhibitor.ended(slot, alert.labels());
        }
        let over = self.until_resolved(alert.tenant, alert.labels(), now);
        self.maybe_over.extend(over);
    }

    /// The number of a tenant, recorded on first sight.
    pub(crate) fn tenant_number_of(
        &mut self,
        tenant: &TenantName,
        now: Timestamp,
        out: &mut Effects,
    ) -> Option<u16> {
        if let Some(number) = self.state.tenant_number(tenant.as_str()) {
            return Some(number).filter(|number| !self.leaving.contains(number));
        }
        let settings = Arc::clone(self.configured.get(tenant)?);
        self.emit(&Record::Tenant { name: tenant.as_str() }, now, out);
        let number = self.state.tenant_number(tenant.as_str())?;
        self.set_policy(number, &settings, now);
        let (by, is_shadow) = (self.placement(number), settings.is_shadow());
        self.emit(&Record::Placed { tenant: number, by, is_shadow }, now, out);
        Some(number)
    }

    /// The number of a tenant and one of its sources, recorded on first sight.
    pub(crate) fn number_of(
        &mut self,
        tenant: &TenantName,
        source: &str,
        now: Timestamp,
        out: &mut Effects,
    ) -> Option<(u16, u16)> {
        let number = self.tenant_number_of(tenant, now, out)?;
        let find = |state: &State| {
            state.tenant(number)?.sources.iter().position(|known| *known.name == *source).map(|at| at as u16)
        };
        let source_number = match find(&self.state) {
            Some(found) => found,
            None => {
                self.emit(&Record::Source { tenant: number, name: source }, now, out);
                find(&self.state)?
            }
        };
        Some((number, source_number))
    }

    pub(crate) fn ended(
        &self,
        tenant: u16,
        receiver: &Arc<str>,
        end: AlertEnd,
        alerts: usize,
        out: &mut Effects,
    ) {
        let tenant = self.state.tenant(tenant).and_then(|tenant| tenant.name.clone());
        if let Some(tenant) = tenant.filter(|_| alerts > 0) {
            let receiver = Arc::clone(receiver);
            out.ended.push(Ended { tenant, receiver, end, alerts: alerts as u32 });
        }
    }
}

/// What an alert that waits costs in its tenant's backlog.
pub(crate) fn cost_bytes(content: &[u8]) -> u32 {
    const KEPT_BESIDE: usize = 160;
    (content.len() + KEPT_BESIDE) as u32
}
