//! Recorded events through the service's own core, in virtual time: sends
//! always succeed, and at once.

use super::Span;
use super::recorded::{Event, PastFeedback, Recorded};
use openclaw_alert::{
    Batch, Labels, Notification, NotificationKind, SendOutcome, Status, TenantName, Timestamp,
};
use openclaw_pipeline::{Action, DeliveryMode, Effects, Input, Partition, PastAlert, TenantSettings};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An alert's identity in whatever settings: labels and start.
pub(super) type AlertKey = (u64, Timestamp);

/// What an alert came to.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) score: f32,
    pub(super) arrived_at: Timestamp,
    /// The first page that told of it.
    pub(super) paged_at: Option<Timestamp>,
    /// Whether a digest told of it.
    pub(super) is_digested: bool,
}

/// What the settings made of the events.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Messages that page, by receiver.
    pub(super) pages: BTreeMap<Arc<str>, u64>,
    /// Digests.
    pub(super) digests: u64,
    /// Alerts that arrived in the time that counts.
    pub(super) alerts: BTreeMap<AlertKey, Outcome>,
}

impl Played {
    pub(super) fn pages(&self) -> u64 {
        self.pages.values().sum()
    }
}

/// Plays everything, so that what is learnt is learnt; counts within `span`.
pub(super) fn play(settings: &Arc<TenantSettings>, recorded: &Recorded, span: Span) -> Played {
    let Some((first, _)) = recorded.events.first() else { return Played::default() };
    let settings = Arc::new(TenantSettings {
        delivery: DeliveryMode::Live,
        // What the service raises itself was not recorded as coming in.
        watchdog: None,
        silent_after: Vec::new(),
        ..TenantSettings::clone(settings)
    });
    let mut partition = Partition::new(settings.name.partition(), 0);
    partition.configure(Arc::clone(&settings), *first);
    let mut effects = Effects::default();
    partition.start(*first, &mut effects);
    let due = effects.next_deadline;
    let tenant = settings.name.clone();
    let mut player = Player { partition, effects, tenant, span, due, played: Played::default() };
    for (at, event) in &recorded.events {
        player.pass_until(*at);
        player.take(event, *at);
    }
    player.pass_until(span.until);
    player.played
}

struct Player {
    partition: Partition,
    effects: Effects,
    tenant: TenantName,
    span: Span,
    due: Timestamp,
    played: Played,
}

impl Player {
    fn pass_until(&mut self, at: Timestamp) {
        while self.due < at {
            let due = self.due;
            self.step(&Input::Tick, due);
        }
    }

    fn step(&mut self, input: &Input<'_>, now: Timestamp) {
        self.partition.step(input, now, &mut self.effects);
        let mut sends = std::mem::take(&mut self.effects.sends);
        while let Some(send) = sends.pop() {
            self.count(&send.notification, now);
            let sent =
                Input::Sent { entry: send.entry, outcome: &SendOutcome::DELIVERED, took: Duration::ZERO };
            self.partition.step(&sent, now, &mut self.effects);
            sends.append(&mut self.effects.sends);
        }
        // What is overdue is done at once, in a step of its own.
        self.due = self.effects.next_deadline.max(now);
    }

    fn take(&mut self, event: &Event, at: Timestamp) {
        let tenant = self.tenant.clone();
        match event {
            Event::Alert { source, content, starts_at, ends_at } => {
                let mut batch = Batch::default();
                let starts_at_most = if ends_at.at < starts_at.at { *ends_at } else { *starts_at };
                batch.push_encoded(content, Some(starts_at_most), Some(*ends_at));
                if ends_at.at > at {
                    self.note_arrival(content, starts_at.at, at);
                }
                self.step(&Input::Alerts { tenant: &tenant, source, batch: &batch }, at);
            }
            Event::Feedback(past) => self.feedback(&tenant, past, at),
            Event::Silence { silence, id } => {
                self.step(&Input::SetSilence { tenant: &tenant, silence, new_id: *id }, at);
            }
            Event::Unsilence { id, by } => {
                self.step(&Input::ExpireSilence { tenant: &tenant, silence: *id, by }, at);
            }
        }
    }

    fn feedback(&mut self, tenant: &TenantName, past: &PastFeedback, at: Timestamp) {
        let PastFeedback { source, action, by, note, rated_at, score, labels } = past;
        let labels = Labels::from_encoded(labels);
        let episode = self.partition.episode_of(tenant, labels.fingerprint()).unwrap_or_default();
        let of = PastAlert { tenant, source, episode, rated_at: *rated_at, score: *score, labels };
        self.step(&Input::Feedback { of, action: Action::new(*action, by, note) }, at);
    }

    fn note_arrival(&mut self, content: &[u8], starts_at: Timestamp, at: Timestamp) {
        let labels = openclaw_alert::Content::of(content).labels;
        if self.span.contains(at) {
            self.played.alerts.entry((labels.fingerprint(), starts_at)).or_insert_with(|| Outcome {
                name: labels.get("alertname").to_owned(),
                score: 0.0,
                arrived_at: at,
                paged_at: None,
                is_digested: false,
            });
        }
    }

    /// A receiver's first integration stands for the receiver.
    fn count(&mut self, notification: &Notification, now: Timestamp) {
        if !self.span.contains(now) || notification.integration != 0 {
            return;
        }
        let is_page = notification.kind == NotificationKind::Page;
        if is_page {
            *self.played.pages.entry(Arc::clone(&notification.receiver)).or_default() += 1;
        } else {
            self.played.digests += 1;
        }
        for alert in notification.alerts.iter().filter(|alert| alert.status == Status::Firing) {
            let key = (alert.view().labels.fingerprint(), alert.starts_at.at);
            let Some(outcome) = self.played.alerts.get_mut(&key) else { continue };
            outcome.score = alert.score.value();
            if is_page {
                outcome.paged_at.get_or_insert(now);
            } else {
                outcome.is_digested = true;
            }
        }
    }
}
