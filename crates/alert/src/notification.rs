//! What routing decides to tell a receiver, and what came of it.

use crate::{Content, EpisodeId, Score, TenantName, Timestamp, Zoned};
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
}

impl Reason {
    /// Every reason with its text in payloads, in the order of their numbers.
    pub const ALL: [(Reason, &'static str); 6] = [
        (Reason::First, "first notification"),
        (Reason::NewAlerts, "new alerts added"),
        (Reason::SomeResolved, "some alerts resolved"),
        (Reason::AllResolved, "all alerts resolved"),
        (Reason::Repeat, "repeat interval elapsed"),
        (Reason::Digest, "digest"),
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

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The receiver said yes.
    Delivered,
    /// May work later: a time-out, a refused connection, 408, 425, 429, 5xx.
    Retry {
        /// What the receiver asked for in `Retry-After`.
        after: Option<Duration>,
        /// True where the receiver may have taken the message all the same.
        ambiguous: bool,
        /// For people; without secrets.
        detail: String,
    },
    /// Will never work: other 4xx, settings that can't be used.
    Never {
        /// For people; without secrets.
        detail: String,
    },
}
