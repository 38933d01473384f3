//! Validated settings of routing; Alertmanager's defaults.

use std::sync::Arc;
use std::time::Duration;

/// One route.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Who is told.
    pub receiver: Arc<str>,
    /// What makes alerts one group.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How long after a notification the next may follow.
    pub group_interval: Duration,
    /// How long until a group that still fires is told again.
    pub repeat_interval: Duration,
}

impl Route {
    /// A route with Alertmanager's default timers and one group for all.
    #[must_use]
    pub fn new(receiver: &str) -> Self {
        Self {
            receiver: receiver.into(),
            group_by: GroupBy::Labels(Vec::new()),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            repeat_interval: Duration::from_secs(4 * 3600),
        }
    }
}

/// What makes alerts one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// `['...']`: all labels, so each alert is a group of its own.
    All,
    /// The values of these labels.
    Labels(Vec<String>),
}

/// A receiver, as far as routing needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: Arc<str>,
    /// Its integrations, in the order of the settings.
    pub integrations: Vec<Integration>,
}

/// One integration of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integration {
    /// Whether it is told that alerts have resolved.
    pub send_resolved: bool,
}
