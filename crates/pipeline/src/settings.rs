//! A tenant's validated settings, as far as decisions need them.

use openclaw_admission::Limits;
use openclaw_alert::{Matcher, TenantName};
use openclaw_routing::{DigestSchedule, Receiver, Route};
use std::sync::Arc;
use std::time::Duration;

/// What decides about a tenant's alerts.
#[derive(Debug, Clone)]
pub struct TenantSettings {
    /// Whose settings these are.
    pub name: TenantName,
    /// How many new alerts may come in.
    pub limits: Limits,
    /// What a score does.
    pub rating: RatingPolicy,
    /// Where alerts go.
    pub route: Route,
    /// Who can be told.
    pub receivers: Vec<Receiver>,
    /// How long an alert without an end of its own fires after its last post.
    pub resolve_timeout: Duration,
    /// How failed sends are tried again.
    pub retry: RetryPolicy,
}

impl TenantSettings {
    /// The receiver of this name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| *receiver.name == *name)
    }
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
