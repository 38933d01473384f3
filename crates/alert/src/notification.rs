//! What routing decides to tell a receiver, and what came of it.

use crate::{Content, EpisodeId, Feedback, Score, TenantName, Timestamp, Zoned};
use std::sync::Arc;
use std::time::Duration;

/// Firing or resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The condition holds.
    Firing,
    /// It has ended.
    Resolved,
}

impl Status {
    /// Name in payloads.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Firing => "firing",
            Status::Resolved => "resolved",
        }
    }
}

/// Why a group is told now, in Alertmanager's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// First notification of the group.
    First,
    /// Alerts were added since the last one.
    NewAlerts,
    /// Some of its alerts have resolved.
    SomeResolved,
    /// All have.
    AllResolved,
    /// Still firing after `repeat_interval`.
    Repeat,
    /// The digest's time has come.
    Digest,
    /// A person has acknowledged, resolved, dismissed or escalated some of its
    /// alerts. Told only to integrations that show what people do.
    Acted,
}

impl Reason {
    /// Every reason with its text in payloads, in the order of their numbers.
    pub const ALL: [(Reason, &'static str); 7] = [
        (Reason::First, "first notification"),
        (Reason::NewAlerts, "new alerts added"),
        (Reason::SomeResolved, "some alerts resolved"),
        (Reason::AllResolved, "all alerts resolved"),
        (Reason::Repeat, "repeat interval elapsed"),
        (Reason::Digest, "digest"),
        (Reason::Acted, "somebody has acted"),
    ];

    /// Text in payloads and trails.
    #[must_use]
    pub fn text(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From its number in records.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(reason, _)| *reason)
    }
}

/// A page or a digest: they look different to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationKind {
    /// Somebody should act.
    Page,
    /// To be read when there is time.
    Digest,
}

/// One alert inside a notification, as it was when the send began.
#[derive(Debug, Clone)]
pub struct NotifiedAlert {
    /// Its episode.
    pub id: EpisodeId,
    /// Encoded [`Content`].
    pub content: Box<[u8]>,
    /// Firing or resolved.
    pub status: Status,
    /// Start of the condition.
    pub starts_at: Zoned,
    /// End; meaningful for resolved alerts only.
    pub ends_at: Zoned,
    /// The rating given at the episode's start.
    pub score: Score,
    /// What a person last did with it.
    pub acted: Option<Acted>,
    /// What became of earlier alerts of its kind.
    pub past: Past,
}

/// What a person did with an alert, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// What was done.
    pub action: Feedback,
    /// By whom, and in which tool: `ann in Slack`.
    pub by: Arc<str>,
    /// When we heard of it.
    pub at: Timestamp,
}

/// What became of earlier alerts of a kind, as a tenant's rating remembers it;
/// counts fade with time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Past {
    /// Episodes seen before this one.
    pub episodes: u32,
    /// Of these, judged by people.
    pub judged: u32,
    /// Of those, needed somebody.
    pub needed: u32,
    /// Minutes until somebody came, where anybody did.
    pub response_minutes: Option<f32>,
}

impl NotifiedAlert {
    /// The content as labels, annotations and URL.
    #[must_use]
    pub fn view(&self) -> Content<'_> {
        Content::of(&self.content)
    }
}

/// One message to one integration of one receiver.
#[derive(Debug, Clone)]
pub struct Notification {
    /// Whose alerts these are.
    pub tenant: TenantName,
    /// Receiver by name.
    pub receiver: Arc<str>,
    /// Which of the receiver's integrations, in the order of its settings.
    pub integration: u16,
    /// Alertmanager's group key, `{}:{alertname="A"}`.
    pub group_key: String,
    /// Labels that the group shares by definition, encoded.
    pub group_labels: Box<[u8]>,
    /// Page or digest.
    pub kind: NotificationKind,
    /// Why now.
    pub reason: Reason,
    /// The same for each attempt of this message, another for the next one.
    pub idempotency_key: String,
    /// 32 hex digits that name the group at this integration for as long as
    /// it lives: what other tools call a dedup key, alias or correlation id.
    pub dedup_key: String,
    /// What the integration gave back for the group's last message, in words
    /// of its own: where to edit or resolve what was told.
    pub receipt: Option<Arc<str>>,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the message was decided.
    pub decided_at: Timestamp,
    /// Who is on call for the receiver, where it has a rota.
    pub on_call: Option<Arc<str>>,
    /// Its alerts, firing and resolved.
    pub alerts: Vec<NotifiedAlert>,
}

impl Notification {
    /// Resolved only when every alert is.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.alerts.iter().all(|alert| alert.status == Status::Resolved) {
            Status::Resolved
        } else {
            Status::Firing
        }
    }

    /// The highest score of its alerts.
    #[must_use]
    pub fn top_score(&self) -> f32 {
        self.alerts.iter().map(|alert| alert.score.value()).fold(0.0, f32::max)
    }
}

/// How fast a channel of another service may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    /// A hash that names the channel: integrations of a tenant that write to
    /// the same one share its pace.
    pub channel: u64,
    /// Time for one message, in the long run.
    pub every: Duration,
    /// Messages at once after a pause.
    pub burst: u16,
}

/// Longest receipt that is kept.
pub const RECEIPT_BYTES_MAX: usize = 512;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The receiver said yes.
    Delivered {
        /// To be given back with the group's next message, at most
        /// [`RECEIPT_BYTES_MAX`] long; `None` leaves the last one as it is.
        receipt: Option<Box<str>>,
    },
    /// May work later: a time-out, a refused connection, 408, 425, 429, 5xx.
    Retry {
        /// What the receiver asked for in `Retry-After`.
        after: Option<Duration>,
        /// True where the receiver may have taken the message all the same.
        ambiguous: bool,
        /// For people; without secrets.
        detail: String,
    },
    /// Nothing was sent, for reasons of our own: too much else was under way.
    Untried {
        /// For people; without secrets.
        detail: String,
    },
    /// Will never work: other 4xx, settings that can't be used.
    Never {
        /// For people; without secrets.
        detail: String,
    },
}

impl SendOutcome {
    /// Delivered, with nothing to remember of it.
    pub const DELIVERED: Self = Self::Delivered { receipt: None };
}
