//! The step: what happens to an input, in order.
//!
//! ```text
//! alerts ─► merge with what is known ─► admission ─► rating ─► page or digest ─► routes ─► groups
//! time   ─► expiries ─► deferred alerts ─► groups that are due ─► messages that are due
//! ```
//!
//! Each decision is a record, written and applied at once. The caller commits
//! them as one frame, and only then answers and sends.

use crate::Phase;
use crate::effects::{Ack, AlertEnd, Effects};
use crate::partition::{Partition, cost_bytes};
use crate::people::{ACTION_BYTES_PER_STEP, Action};
use crate::record::{Cause, End, Record};
use crate::routes::{GroupIds, Wanted};
use crate::settings::TenantSettings;
use crate::timers::Timer;
use crate::watch::{INTERNAL_SOURCE, Notice};
use openclaw_alert::{
    Batch, Content, Incoming, Item, Labels, Score, SendOutcome, TenantName, Timestamp, Zoned,
};
use openclaw_rating::AlertFacts;
use openclaw_routing::{PostedSilence, SilenceId};
use std::sync::Arc;
use std::time::Duration;

/// Reminders worked off in one step, so that none holds its partition's lock
/// for long; the rest come at once in the next step.
const REMINDERS_PER_STEP: usize = 512;

/// Bytes of records after which a step stops working off reminders, for the
/// same reason: a group of a thousand alerts is one reminder.
const RECORD_BYTES_PER_STEP: usize = 64 << 10;

/// How often deferred alerts are let in at most.
const BACKLOG_TICK: Duration = Duration::from_millis(10);

/// Until an alert whose tenant has no settings is looked at again.
const WITHOUT_SETTINGS: Duration = Duration::from_secs(60);

/// Bytes of records from which on a request's new alerts are kept for the next
/// steps: each may open a group on every route that it takes, and a frame has
/// its bound.
const INTAKE_BYTES_PER_STEP: usize = 8 << 20;

/// What an alert that is kept for later takes beside its content.
const KEPT_BESIDE_CONTENT: usize = 64;

/// Turns of the fair queue in one step.
const TURNS_PER_STEP: usize = 4;

/// Something that happens to a partition.
#[derive(Debug)]
pub enum Input<'a> {
    /// A request's alerts.
    Alerts {
        /// Whose, by the credential.
        tenant: &'a TenantName,
        /// Which of the tenant's sources.
        source: &'a str,
        /// Decoded.
        batch: &'a Batch,
    },
    /// A request of this source was turned away before it was read.
    TurnedAway {
        /// Whose, by the credential.
        tenant: &'a TenantName,
        /// Which of the tenant's sources.
        source: &'a str,
    },
    /// A person did something with an alert.
    Feedback {
        /// The alert as it was rated.
        of: PastAlert<'a>,
        /// What was done.
        action: Action<'a>,
    },
    /// A person did something with all alerts of a group.
    GroupFeedback {
        /// Whose, by the credential.
        tenant: &'a TenantName,
        /// Offset of the record that opened the group.
        group: u64,
        /// The integration whose message was before them.
        integration: u16,
        /// What was done.
        action: Action<'a>,
    },
    /// A send came to an end.
    Sent {
        /// The outbox entry.
        entry: u64,
        /// How it ended.
        outcome: &'a SendOutcome,
        /// How long it took.
        took: Duration,
    },
    /// A person wants a dead letter tried again.
    Revive {
        /// The outbox entry.
        entry: u64,
    },
    /// A person sets or changes a silence.
    SetSilence {
        /// Whose, by the credential.
        tenant: &'a TenantName,
        /// What is asked for.
        silence: &'a PostedSilence,
        /// A new random id, for where one is needed.
        new_id: SilenceId,
    },
    /// A person ends a silence.
    ExpireSilence {
        /// Whose, by the credential.
        tenant: &'a TenantName,
        /// Which.
        silence: SilenceId,
        /// By whom.
        by: &'a str,
    },
    /// A tenant's settings are new or have changed.
    Configure {
        /// The settings.
        settings: &'a Arc<TenantSettings>,
    },
    /// A tenant's settings have gone.
    Forget {
        /// Whose.
        tenant: &'a TenantName,
    },
    /// A tenant is being removed: who was told that something fires is told of
    /// its end, and nothing is taken in any more.
    Offboard {
        /// Its last settings: who still has to hear.
        settings: &'a Arc<TenantSettings>,
    },
    /// All that is kept of a tenant goes, its name included.
    Erase {
        /// Whose.
        tenant: &'a TenantName,
    },
    /// The service has something to say of itself.
    Say {
        /// Who hears it.
        tenant: &'a TenantName,
        /// What.
        notice: &'a Notice,
        /// How long it holds unless it is said again; `None`: it is over.
        lasts: Option<Duration>,
    },
    /// The break-glass is opened or closed.
    Passthrough {
        /// Whose.
        tenant: &'a TenantName,
        /// Whether everything goes straight to the default receiver.
        is_on: bool,
        /// By whom.
        by: &'a str,
    },
    /// Time has passed.
    Tick,
}

/// An alert as rating saw it, from memory or from the journal.
#[derive(Debug, Clone, Copy)]
pub struct PastAlert<'a> {
    /// Whose.
    pub tenant: &'a TenantName,
    /// Which of the tenant's sources.
    pub source: &'a str,
    /// Offset of its first record.
    pub episode: u64,
    /// When it was rated.
    pub rated_at: Timestamp,
    /// What it was rated.
    pub score: Score,
    /// Its labels.
    pub labels: Labels<'a>,
}

impl Input<'_> {
    /// Most bytes of records that this input alone can become. What happens to
    /// be due at the same time comes on top: [`Input::DUE_BYTES_MAX`].
    #[must_use]
    pub fn record_bytes_max(&self) -> usize {
        /// An alert's times, score and group, and the group that it may open.
        const BESIDE_CONTENT: usize = 256;
        /// Routes that alerts are given room for; with more, some wait a step.
        const ROUTES: usize = 4;
        match self {
            // The labels stand in the alert and may stand in its groups again.
            Input::Alerts { batch, .. } => {
                let let_in = ROUTES * (batch.bytes() + batch.len() * BESIDE_CONTENT);
                let_in.min(INTAKE_BYTES_PER_STEP + self.record_bytes_min())
            }
            Input::Feedback { of, action } => of.labels.as_bytes().len() + action.bytes(),
            // The last alert of a step may be a large one.
            Input::GroupFeedback { action, .. } => {
                ACTION_BYTES_PER_STEP + INTAKE_BYTES_PER_STEP + action.bytes()
            }
            // Ends by name what it takes the place of.
            Input::SetSilence { silence, .. } => silence.bytes() + silence.created_by.len(),
            Input::ExpireSilence { by, .. } | Input::Passthrough { by, .. } => by.len(),
            Input::TurnedAway { .. }
            | Input::Sent { .. }
            | Input::Revive { .. }
            | Input::Configure { .. }
            | Input::Forget { .. }
            | Input::Offboard { .. }
            | Input::Erase { .. }
            | Input::Tick => 0,
            Input::Say { notice, .. } => ROUTES * (notice.bytes() + BESIDE_CONTENT),
        }
    }

    /// Bytes of records that this input becomes at least, with all of its new
    /// alerts kept for later steps.
    #[must_use]
    pub fn record_bytes_min(&self) -> usize {
        match self {
            Input::Alerts { batch, .. } => batch.bytes() + batch.len() * KEPT_BESIDE_CONTENT,
            Input::GroupFeedback { action, .. } => 2 * ACTION_BYTES_PER_STEP + action.bytes(),
            _ => self.record_bytes_max(),
        }
    }

    /// Allowance for what is due when an input comes: reminders stop after
    /// [`RECORD_BYTES_PER_STEP`], the last of them may be a large group.
    pub const DUE_BYTES_MAX: usize = 512 << 10;
}

impl Partition {
    /// Does everything that `input` and the time `now` bring about.
    pub fn step(&mut self, input: &Input<'_>, now: Timestamp, out: &mut Effects) {
        out.clear();
        out.base_offset = self.state.next_offset;
        self.notice_lag(now, out);
        match *input {
            Input::Alerts { tenant, source, batch } => self.take_alerts(tenant, source, batch, now, out),
            Input::TurnedAway { tenant, source } => self.turned_away(tenant, source, now, out),
            Input::Feedback { of, action } => self.take_feedback(of, action, now, out),
            Input::GroupFeedback { tenant, group, integration, action } => {
                self.take_group_feedback(tenant, group, integration, action, now, out);
            }
            Input::Sent { entry, outcome, took } => self.take_outcome(entry, outcome, took, now, out),
            Input::Revive { entry } => self.revive(entry, now, out),
            Input::SetSilence { tenant, silence, new_id } => {
                self.set_silence(tenant, silence, new_id, now, out);
            }
            Input::ExpireSilence { tenant, silence, by } => {
                self.expire_silence(tenant, silence, by, now, out);
            }
            Input::Configure { settings } => self.reconfigure(settings, now, out),
            Input::Forget { tenant } => self.forget_settings(tenant, now, out),
            Input::Offboard { settings } => self.offboard(settings, now),
            Input::Erase { tenant } => self.erase(tenant, now, out),
            Input::Say { tenant, notice, lasts } => self.say_of_itself(tenant, notice, lasts, now, out),
            Input::Passthrough { tenant, is_on, by } => self.passthrough(tenant, is_on, by, now, out),
            Input::Tick => {}
        }
        self.work_off(now, out);
        self.end_silences(now, out);
        self.launch(now, out);
        out.next_deadline = self.next_deadline(now);
    }

    fn work_off(&mut self, now: Timestamp, out: &mut Effects) {
        let enough = out.payload.len() + RECORD_BYTES_PER_STEP;
        for _ in 0..REMINDERS_PER_STEP {
            if out.payload.len() > enough {
                return;
            }
            match self.timers.pop_due(now) {
                None => return,
                Some((at, Timer::Alert(slot))) => self.expire(slot, at, now, out),
                Some((_, Timer::Group(slot))) => self.flush(slot, now, out),
                Some((_, Timer::Entry(slot))) => self.make_ready(slot, now),
                Some((_, Timer::Backlog)) => self.drain(now, out),
                Some((_, Timer::Move(tenant))) => self.move_alerts(tenant, now, out),
                Some((at, Timer::Watchdog(tenant))) => self.watchdog(tenant, at, now, out),
                Some((at, Timer::Source(tenant, number))) => self.listen(tenant, number, at, now, out),
                Some((_, Timer::Leave(tenant))) => self.end_some(tenant, now, out),
                Some((at, Timer::Lanes)) => self.stir_lanes(at),
                Some((_, Timer::Silences)) => {} // they are looked at in every step
            }
        }
    }

    fn take_alerts(
        &mut self,
        tenant: &TenantName,
        source: &str,
        batch: &Batch,
        now: Timestamp,
        out: &mut Effects,
    ) {
        // Our own alerts come from nobody else.
        let name = if source == INTERNAL_SOURCE { "external-openclaw" } else { source };
        let Some((tenant, source)) = self.number_of(tenant, name, now, out) else { return };
        self.heard(tenant, name, now, out);
        let Some(settings) = self.settings(tenant) else { return };
        let resolve_timeout = settings.resolve_timeout;
        if batch.delivery().is_some_and(|delivery| self.state.has_seen(tenant, delivery)) {
            return self.seen_again(tenant, source, batch, out);
        }
        let mut from = Origin {
            lasts: batch.lasts().unwrap_or(resolve_timeout),
            starts_are_exact: batch.starts_are_exact(),
            ..Origin::new(tenant, source, resolve_timeout, now)
        };
        let mut to_come = batch.bytes() + batch.len() * KEPT_BESIDE_CONTENT;
        let room = if out.room_bytes == 0 { INTAKE_BYTES_PER_STEP + to_come } else { out.room_bytes };
        for item in batch.items() {
            from.has_room = out.payload.len() + to_come <= room;
            let episode = match item {
                Item::Alert(alert) => {
                    to_come -= alert.content.len() + KEPT_BESIDE_CONTENT;
                    self.take_alert(&from, &alert, out)
                }
                Item::Signal(signal) => self.take_signal(&from, &signal, out),
            };
            if batch.asks_for_ids() {
                out.episodes.push(episode);
            }
        }
        if let Some(delivery) = batch.delivery().filter(|_| out.taken.refused == 0) {
            self.emit(&Record::Seen { tenant, delivery }, now, out);
        }
        if out.taken.refused > 0 {
            let (alerts, grace_until) = (out.taken.refused, now.plus(from.resolve_timeout));
            self.emit(&Record::Refused { tenant, source, alerts, grace_until }, now, out);
            out.retry_after = Some(self.backlog_wait(tenant, now));
        }
    }

    /// A request that has been taken in before.
    fn seen_again(&self, tenant: u16, source: u16, batch: &Batch, out: &mut Effects) {
        out.taken.renewed += batch.len() as u32;
        if !batch.asks_for_ids() {
            return;
        }
        let alerts = &self.state.alerts;
        out.episodes.extend(batch.items().map(|item| {
            let slot = match item {
                Item::Alert(alert) => {
                    let labels = alert.view().labels;
                    alerts.find(tenant, alerts.hash(tenant, labels), labels)
                }
                Item::Signal(signal) => alerts.find_key(tenant, source, signal.key),
            };
            Some(alerts.get(slot?)?.id)
        }));
    }

    /// Gives the episode that it is now, if any.
    fn take_alert(&mut self, from: &Origin, alert: &Incoming<'_>, out: &mut Effects) -> Option<u64> {
        let (starts_at, end) = from.times(alert);
        if alert.is_keyed
            && let Some(content) = self.under_known_labels(from, alert.view())
        {
            return self.take_content(from, starts_at, end, &content, out);
        }
        self.take_content(from, starts_at, end, alert.content, out)
    }

    pub(crate) fn take_content(
        &mut self,
        from: &Origin,
        starts_at: Zoned,
        end: End,
        content: &[u8],
        out: &mut Effects,
    ) -> Option<u64> {
        let over = end.at.at <= from.now;
        let labels = Content::of(content).labels;
        let hash = self.state.alerts.hash(from.tenant, labels);
        let Some(slot) = self.state.alerts.find(from.tenant, hash, labels) else {
            if over {
                // Never seen, over already: nobody is waiting to hear of it.
                out.taken.accepted += 1;
                return None;
            }
            return self.open(from, starts_at, end, content, out);
        };
        let known = self.state.alerts.get(slot)?;
        let episode = known.id;
        match (known.phase, over) {
            (Phase::Resolved, true) => {
                // Of two ends the later counts.
                let known_end = known.end;
                let end = if end.at.at > known_end.at.at { end } else { known_end };
                let changed = self.amend(from, slot, starts_at, end, content, end != known_end, out);
                out.taken.renewed += u32::from(!changed);
            }
            (Phase::Resolved, false) if from.starts_are_exact && starts_at.at <= known.starts_at.at => {
                out.taken.renewed += 1;
            }
            (Phase::Resolved, false) => {
                let overlaps = starts_at.at < known.end.at.at;
                let starts_at =
                    if overlaps && known.starts_at.at < starts_at.at { known.starts_at } else { starts_at };
                return self.open(from, starts_at, end, content, out);
            }
            // The end of an episode before this one, late.
            (Phase::Firing | Phase::Waiting, true)
                if from.starts_are_exact && end.at.at < known.starts_at.at =>
            {
                out.taken.renewed += 1;
            }
            (Phase::Firing | Phase::Waiting, true) => {
                let known_end = known.end;
                let changed = self.amend(from, slot, starts_at, known_end, content, false, out);
                self.end(slot, episode, end.at, Cause::Posted, from.now, out);
                out.taken.accepted += u32::from(!changed);
                out.ack = Ack::WhenDurable;
            }
            (Phase::Firing | Phase::Waiting, false) => {
                self.repeat(from, slot, starts_at, end, content, out);
            }
        }
        Some(episode)
    }

    /// A known alert again, merged as Alertmanager merges: the earliest start,
    /// the newest annotations, and a given end before a time-out's.
    fn repeat(
        &mut self,
        from: &Origin,
        slot: u32,
        starts_at: Zoned,
        end: End,
        content: &[u8],
        out: &mut Effects,
    ) {
        let Some(known) = self.state.alerts.get(slot) else { return };
        let episode = known.id;
        let keeps_end = known.end.at.at > end.at.at && !known.end.is_timeout;
        let end = if keeps_end { known.end } else { end };
        if self.amend(from, slot, starts_at, end, content, false, out) {
            return;
        }
        self.emit(&Record::Renewed { episode, end }, from.now, out);
        out.taken.renewed += 1;
        if end.at.at > from.now.plus(from.resolve_timeout) {
            out.ack = Ack::WhenDurable;
        }
    }

    /// Writes down what a post changes of a known alert other than its end:
    /// an earlier start, newer annotations, or, with `always`, nothing. Gives
    /// false where it wrote nothing.
    #[expect(clippy::too_many_arguments, reason = "one call, each part of one post")]
    fn amend(
        &mut self,
        from: &Origin,
        slot: u32,
        starts_at: Zoned,
        end: End,
        content: &[u8],
        always: bool,
        out: &mut Effects,
    ) -> bool {
        let Some(known) = self.state.alerts.get(slot) else { return false };
        let starts_earlier = starts_at.at < known.starts_at.at;
        if !starts_earlier && *known.content == *content && !always {
            return false;
        }
        let starts_at = if starts_earlier { starts_at } else { known.starts_at };
        self.emit(&Record::Changed { episode: known.id, starts_at, end, content }, from.now, out);
        out.taken.accepted += 1;
        out.ack = Ack::WhenDurable;
        true
    }

    fn open(
        &mut self,
        from: &Origin,
        starts_at: Zoned,
        end: End,
        content: &[u8],
        out: &mut Effects,
    ) -> Option<u64> {
        let Origin { tenant, source, is_internal, now, .. } = *from;
        let episode = if is_internal || (from.has_room && self.admit(tenant, now)) {
            let (score, groups) = self.rate_and_route(tenant, source, content, starts_at.at, now, out);
            let group = groups.first().copied().unwrap_or_default();
            let opened = Record::Opened { tenant, source, starts_at, end, score, group, content };
            let episode = self.emit(&opened, now, out);
            self.join_others(episode, &groups, now, out);
            episode
        } else {
            let bytes = cost_bytes(content);
            let bound = self.settings(tenant).map_or(0, |settings| settings.limits.backlog_bytes);
            if self.backlog.room(tenant.into(), bytes.into(), bound).is_err() {
                out.taken.refused += 1;
                return None;
            }
            let episode = self.emit(&Record::Deferred { tenant, source, starts_at, end, content }, now, out);
            self.defer(tenant, episode, bytes, now);
            out.taken.deferred += 1;
            episode
        };
        out.taken.accepted += 1;
        out.ack = Ack::WhenDurable;
        Some(episode)
    }

    /// Takes a token; not while others of the tenant wait for theirs.
    fn admit(&mut self, tenant: u16, now: Timestamp) -> bool {
        let waits = self.backlog.len(tenant.into()) > 0;
        let policy = self.policies.get_mut(usize::from(tenant)).and_then(Option::as_mut);
        !waits && policy.is_some_and(|policy| policy.gate.admit(now).is_ok())
    }

    fn defer(&mut self, tenant: u16, episode: u64, bytes: u32, now: Timestamp) {
        let Some(slot) = self.state.alerts.slot_of(episode) else { return };
        // Also where others wait: theirs may be tenants without settings.
        if self.backlog.len(tenant.into()) == 0 {
            self.timers.set(now.plus(BACKLOG_TICK), Timer::Backlog);
        }
        self.backlog.push(tenant.into(), (slot, episode), bytes);
    }

    /// How long until what waits has been let in, so that a refused sender
    /// knows when to come back.
    fn backlog_wait(&self, tenant: u16, now: Timestamp) -> Duration {
        let Some(settings) = self.settings(tenant) else { return Duration::from_secs(1) };
        let waiting = self.backlog.len(tenant.into()) as f64;
        let next = self.policies[usize::from(tenant)].as_ref().map_or(now, |policy| policy.gate.next_at(now));
        let seconds = (waiting / settings.limits.rate_per_s).clamp(1.0, 60.0);
        next.since(now).max(Duration::from_secs_f64(seconds))
    }

    /// Lets deferred alerts in, tenants in turn.
    fn drain(&mut self, now: Timestamp, out: &mut Effects) {
        for _ in 0..TURNS_PER_STEP {
            let (backlog, policies) = (&mut self.backlog, &mut self.policies);
            let mut turn = Vec::new();
            let more = backlog.turn(
                |tenant| match policies.get_mut(tenant).and_then(Option::as_mut) {
                    Some(policy) => policy.gate.admit(now).is_ok(),
                    // A tenant without settings: it waits until they are back.
                    None => false,
                },
                |_, item| turn.push(item),
            );
            for (slot, episode) in turn {
                self.let_in(slot, episode, now, out);
            }
            if !more {
                break;
            }
        }
        if let Some(at) = self.next_turn_at(now) {
            self.timers.set(at, Timer::Backlog);
        }
    }

    fn next_turn_at(&self, now: Timestamp) -> Option<Timestamp> {
        let next = |tenant: usize| {
            let policy = self.policies.get(tenant).and_then(Option::as_ref);
            policy.map(|policy| policy.gate.next_at(now))
        };
        let at = self.backlog.waiting().filter_map(next).min()?;
        // With tokens left, the next turns are taken in the very next step.
        Some(if at <= now { now } else { at.max(now.plus(BACKLOG_TICK)) })
    }

    fn let_in(&mut self, slot: u32, episode: u64, now: Timestamp, out: &mut Effects) {
        let Some(alert) = self.state.alerts.get(slot) else { return };
        if alert.id != episode || alert.phase != Phase::Waiting {
            return; // it resolved while it waited
        }
        let (tenant, source, starts_at) = (alert.tenant, alert.source, alert.starts_at.at);
        let content = alert.content.clone();
        let (score, groups) = self.rate_and_route(tenant, source, &content, starts_at, now, out);
        let group = groups.first().copied().unwrap_or_default();
        let grace = self.settings(tenant).map_or(Duration::ZERO, |settings| settings.resolve_timeout);
        self.emit(&Record::Admitted { episode, score, group, grace_until: now.plus(grace) }, now, out);
        self.join_others(episode, &groups, now, out);
    }

    /// Rates an alert and finds its groups; opens those that are new.
    fn rate_and_route(
        &mut self,
        tenant: u16,
        source: u16,
        content: &[u8],
        starts_at: Timestamp,
        now: Timestamp,
        out: &mut Effects,
    ) -> (Score, GroupIds) {
        let labels = Content::of(content).labels;
        let score = self.rate(tenant, source, labels, now);
        out.scores.push((tenant, score.value()));
        let is_internal = self.is_internal(tenant, source);
        let wanted = Wanted { tenant, labels, score: score.value(), starts_at, is_internal };
        (score, self.groups_for(&wanted, now, out))
    }

    fn rate(&self, tenant: u16, source: u16, labels: Labels<'_>, now: Timestamp) -> Score {
        let Some(tenant) = self.state.tenant(tenant) else { return Score::default() };
        let source = tenant.sources.get(usize::from(source)).map_or("", |source| &source.name);
        tenant.rating.rate(&AlertFacts { labels, source, at: now })
    }

    fn expire(&mut self, slot: u32, reminded_at: Timestamp, now: Timestamp, out: &mut Effects) {
        let Some(alert) = self.state.alerts.get_mut(slot).filter(|alert| alert.reminder_at == reminded_at)
        else {
            return; // another reminder counts
        };
        alert.reminder_at = Timestamp::MAX;
        if alert.phase != Phase::Firing {
            return;
        }
        let (episode, at, tenant) = (alert.id, alert.end.at, alert.tenant);
        if self.settings(tenant).is_none() {
            // Nobody is let in for it, so its silence says nothing.
            return self.remind(now.plus(WITHOUT_SETTINGS), Timer::Alert(slot));
        }
        match self.state.expires_at(slot) {
            Some(expires_at) if expires_at > now => self.remind(expires_at, Timer::Alert(slot)),
            _ => self.end(slot, episode, at, Cause::Expired, now, out),
        }
    }

    pub(crate) fn end(
        &mut self,
        slot: u32,
        episode: u64,
        at: Zoned,
        cause: Cause,
        now: Timestamp,
        out: &mut Effects,
    ) {
        let waiting = self.state.alerts.get(slot).filter(|alert| alert.phase == Phase::Waiting);
        if let Some(tenant) = waiting.map(|alert| alert.tenant)
            && let Some(settings) = self.settings(tenant)
        {
            let receiver = Arc::clone(&settings.routing.tree.root().receiver);
            self.ended(tenant, &receiver, AlertEnd::ResolvedEarly, 1, out);
        }
        self.emit(&Record::Resolved { episode, at, cause }, now, out);
    }

    fn turned_away(&mut self, tenant: &TenantName, source: &str, now: Timestamp, out: &mut Effects) {
        if let Some((tenant, number)) = self.number_of(tenant, source, now, out) {
            self.hold_expiry(tenant, number, now, out);
            self.heard(tenant, source, now, out);
        }
    }

    fn passthrough(&mut self, tenant: &TenantName, is_on: bool, by: &str, now: Timestamp, out: &mut Effects) {
        let Some(tenant) = self.tenant_number_of(tenant, now, out) else { return };
        out.ack = Ack::WhenDurable;
        if self.state.tenant(tenant).is_some_and(|known| known.is_passthrough == is_on) {
            return;
        }
        self.emit(&Record::Passthrough { tenant, is_on, by }, now, out);
        self.begin_move(tenant, now, out);
    }
}

/// Where a request's alerts come from.
pub(crate) struct Origin {
    pub(crate) tenant: u16,
    pub(crate) source: u16,
    pub(crate) resolve_timeout: Duration,
    /// How long an alert without an end fires.
    pub(crate) lasts: Duration,
    /// What fires anew has a new start.
    pub(crate) starts_are_exact: bool,
    /// One of our own alerts, past every limit.
    pub(crate) is_internal: bool,
    /// Whether the step's frame has room for one more alert with its groups.
    pub(crate) has_room: bool,
    pub(crate) now: Timestamp,
}

impl Origin {
    pub(crate) fn new(tenant: u16, source: u16, resolve_timeout: Duration, now: Timestamp) -> Self {
        let lasts = resolve_timeout;
        let (starts_are_exact, is_internal, has_room) = (false, false, true);
        Self { tenant, source, resolve_timeout, lasts, starts_are_exact, is_internal, has_room, now }
    }

    /// Start and end, with Alertmanager's defaults for what is missing. Go's
    /// zero time counts as missing.
    fn times(&self, alert: &Incoming<'_>) -> (Zoned, End) {
        let given = |at: Option<Zoned>| at.filter(|at| at.at > Timestamp::MIN);
        let (starts_at, ends_at) = (given(alert.starts_at), given(alert.ends_at));
        let now = Zoned::utc(self.now);
        let end = match ends_at {
            Some(at) => End { at, is_timeout: false },
            None => End { at: Zoned::utc(self.now.plus(self.lasts)), is_timeout: true },
        };
        (starts_at.or(ends_at).unwrap_or(now), end)
    }
}
