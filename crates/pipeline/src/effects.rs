//! What a step brings about, for its caller to carry out.

use openclaw_alert::{Notification, TenantName, Timestamp};
use openclaw_routing::{SilenceId, SilenceRefusal};
use std::sync::Arc;
use std::time::Duration;

/// Whether an answer has to wait until the step's frame is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ack {
    /// Nothing in it would be missed after a crash: renewals that the grace
    /// after a restart covers.
    #[default]
    Now,
    /// After the sync.
    WhenDurable,
}

/// What became of the alerts of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// New episodes, changes and resolves.
    pub accepted: u32,
    /// Repeats of what was known.
    pub renewed: u32,
    /// New alerts beyond the tenant's backlog: not taken.
    pub refused: u32,
    /// Of the accepted, those kept for later.
    pub deferred: u32,
}

/// An end that alerts came to at a receiver (promise P4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertEnd {
    /// Told alone.
    Delivered,
    /// Told with its group.
    Merged,
    /// Told in a digest.
    Digested,
    /// Over before anybody was told.
    ResolvedEarly,
    /// Over while a silence held it.
    Silenced,
    /// Over while another alert held it.
    Inhibited,
    /// Over while its route was muted.
    Muted,
    /// Decided and recorded, not sent: the tenant's delivery is in shadow.
    Shadowed,
    /// New settings send it elsewhere, and nobody had been told here.
    Rerouted,
    /// The receiver has no integration.
    NoReceiver,
    /// Given up; can be read and replayed.
    DeadLettered,
}

impl AlertEnd {
    /// Name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AlertEnd::Delivered => "delivered",
            AlertEnd::Merged => "merged",
            AlertEnd::Digested => "digested",
            AlertEnd::ResolvedEarly => "resolved_early",
            AlertEnd::Silenced => "silenced",
            AlertEnd::Inhibited => "inhibited",
            AlertEnd::Muted => "muted",
            AlertEnd::Shadowed => "shadowed",
            AlertEnd::Rerouted => "rerouted",
            AlertEnd::NoReceiver => "no_receiver",
            AlertEnd::DeadLettered => "dead_lettered",
        }
    }
}

/// A number of alerts that came to the same end at once.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Whose alerts.
    pub tenant: TenantName,
    /// At which receiver.
    pub receiver: Arc<str>,
    /// Which end.
    pub end: AlertEnd,
    /// How many.
    pub alerts: u32,
}

/// A message to send once the step is durable.
#[derive(Debug)]
pub struct Send {
    /// The outbox entry, to be named with the outcome.
    pub entry: u64,
    /// What to send.
    pub notification: Notification,
}

/// What a step brings about. The caller appends `payload` as one frame, and
/// answers and sends once that is durable. Reused from step to step.
#[derive(Debug, Default)]
pub struct Effects {
    /// Set by the caller: most bytes that a request's alerts may become in one
    /// frame. New alerts beyond it are kept for the next steps.
    pub room_bytes: usize,
    /// Records of this step, encoded; empty when nothing happened.
    pub payload: Vec<u8>,
    /// How many records.
    pub records: u32,
    /// Offset of the first.
    pub base_offset: u64,
    /// Messages to send after the commit.
    pub sends: Vec<Send>,
    /// What became of a request's alerts.
    pub taken: Taken,
    /// Whether the request's answer waits for the commit.
    pub ack: Ack,
    /// How long a refused sender should wait.
    pub retry_after: Option<Duration>,
    /// Scores given in this step, with the tenant's number.
    pub scores: Vec<(u16, f32)>,
    /// Alerts that came to their end.
    pub ended: Vec<Ended>,
    /// The episode that each of the request's items is, where its batch asks
    /// for ids; `None` for what was refused or belongs to nothing.
    pub episodes: Vec<Option<u64>>,
    /// A part of the input has been done: to be stepped with it again.
    pub is_unfinished: bool,
    /// What became of a silence that was set or ended.
    pub silence: Option<Result<SilenceId, SilenceRefusal>>,
    /// When the partition wants to be stepped again; [`Timestamp::MAX`] for never.
    pub next_deadline: Timestamp,
}

impl Effects {
    /// Makes ready for the next step, keeping the memory.
    pub fn clear(&mut self) {
        self.payload.clear();
        self.sends.clear();
        self.scores.clear();
        self.ended.clear();
        *self = Self {
            room_bytes: self.room_bytes,
            payload: std::mem::take(&mut self.payload),
            sends: std::mem::take(&mut self.sends),
            scores: std::mem::take(&mut self.scores),
            ended: std::mem::take(&mut self.ended),
            ..Self::default()
        };
    }
}
