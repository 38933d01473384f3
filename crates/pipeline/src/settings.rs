//! A tenant's validated settings, as far as decisions need them.

use openclaw_admission::Limits;
use openclaw_alert::{Matcher, TenantName, fnv1a};
use openclaw_routing::{DigestSchedule, Receiver, Routing};
use std::sync::Arc;
use std::time::Duration;

/// What decides about a tenant's alerts.
#[derive(Debug, Clone)]
pub struct TenantSettings {
    /// Whose settings these are.
    pub name: TenantName,
    /// A number of this installation, drawn once: part of what names its
    /// groups in other tools.
    pub instance: u64,
    /// How many new alerts may come in.
    pub limits: Limits,
    /// What a score does.
    pub rating: RatingPolicy,
    /// Where alerts go, and what holds them.
    pub routing: Routing,
    /// How long an alert without an end of its own fires after its last post.
    pub resolve_timeout: Duration,
    /// How failed sends are tried again.
    pub retry: RetryPolicy,
    /// Whether messages are sent.
    pub delivery: DeliveryMode,
    /// An acknowledged alert that still fires after this long is told anew.
    pub rearm_after: Duration,
    /// How often an alert says that all is well, for a dead man's switch.
    pub watchdog: Option<Duration>,
    /// Sources that raise an alarm when nothing has been heard of them for as
    /// long as given.
    pub silent_after: Vec<(Arc<str>, Duration)>,
}

/// An acknowledged alert is told anew after this long, where not said.
pub const REARM_AFTER: Duration = Duration::from_secs(8 * 3600);

impl TenantSettings {
    /// Settings with defaults for everything but who is told.
    #[must_use]
    pub fn new(name: TenantName, routing: Routing) -> Self {
        Self {
            name,
            instance: 0,
            limits: Limits::default(),
            rating: RatingPolicy {
                mode: RatingMode::Observe,
                threshold: 0.75,
                never_digest: Matcher::parse("severity=\"critical\"").into_iter().collect(),
            },
            routing,
            resolve_timeout: Duration::from_secs(300),
            retry: RetryPolicy::default(),
            delivery: DeliveryMode::Live,
            rearm_after: REARM_AFTER,
            watchdog: None,
            silent_after: Vec::new(),
        }
    }

    /// The receiver of this name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.routing.receiver(name)
    }

    /// Whether nothing is sent.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.delivery == DeliveryMode::Shadow
    }

    /// A hash of all that decides in which groups an alert is.
    #[must_use]
    pub fn routing_identity(&self) -> u64 {
        let tree = self.routing.tree.identity().to_le_bytes();
        let never: String = self.rating.never_digest.iter().map(ToString::to_string).collect();
        match &self.rating.mode {
            RatingMode::Observe => fnv1a(&[&tree]),
            RatingMode::Enforce(digest) => {
                let threshold = self.rating.threshold.to_bits().to_le_bytes();
                fnv1a(&[&tree, &threshold, digest.receiver.as_bytes(), never.as_bytes()])
            }
        }
    }
}

/// Whether messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeliveryMode {
    /// They are.
    #[default]
    Live,
    /// Everything is decided and recorded, nothing is sent.
    Shadow,
}

/// What a score does.
#[derive(Debug, Clone)]
pub struct RatingPolicy {
    /// Show it, or act on it.
    pub mode: RatingMode,
    /// At or above this score an alert pages.
    pub threshold: f32,
    /// Alerts that any of these matches always page.
    pub never_digest: Vec<Matcher>,
}

/// Whether scores change routing.
#[derive(Debug, Clone)]
pub enum RatingMode {
    /// Scores are shown; alerts go where Alertmanager would send them.
    Observe,
    /// Alerts below the threshold go to the digest.
    Enforce(Digest),
}

/// Where alerts below the threshold are told, and when.
#[derive(Debug, Clone)]
pub struct Digest {
    /// Receiver by name.
    pub receiver: Arc<str>,
    /// When it goes out.
    pub schedule: DigestSchedule,
}

/// Backoff of failed sends: exponential with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Bound of the first wait.
    pub first: Duration,
    /// Bound of any wait.
    pub longest: Duration,
    /// After this long a message becomes a dead letter.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5 * 60),
            give_up_after: Duration::from_secs(3600),
        }
    }
}
