//! Validated settings of routing; Alertmanager's defaults.

use crate::{InhibitRule, NamedIntervals, Rota, RouteTree};
use openclaw_alert::Pace;
use std::sync::Arc;

/// Everything that decides who is told of a tenant's alerts.
#[derive(Debug, Clone)]
pub struct Routing {
    /// Where alerts go.
    pub tree: RouteTree,
    /// Who can be told; also those that have left the settings and still have
    /// to hear that something is over.
    pub receivers: Vec<Receiver>,
    /// What keeps what quiet.
    pub inhibit_rules: Arc<[InhibitRule]>,
    /// Times by name, for silences; routes hold their own.
    pub intervals: Vec<Arc<NamedIntervals>>,
}

impl Routing {
    /// Routing without rules or intervals.
    #[must_use]
    pub fn new(tree: RouteTree, receivers: Vec<Receiver>) -> Self {
        Self { tree, receivers, inhibit_rules: Arc::new([]), intervals: Vec::new() }
    }

    /// The receiver of this name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| *receiver.name == *name)
    }

    /// The intervals of this name.
    #[must_use]
    pub fn interval(&self, name: &str) -> Option<&Arc<NamedIntervals>> {
        self.intervals.iter().find(|named| *named.name == *name)
    }
}

/// A receiver, as far as routing needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: Arc<str>,
    /// Its integrations, in the order of the settings.
    pub integrations: Vec<Integration>,
    /// Who is on call for it.
    pub on_call: Option<Arc<Rota>>,
}

impl Receiver {
    /// A receiver whose integrations are numbered in their order.
    #[must_use]
    pub fn new(name: &str, send_resolved: &[bool]) -> Self {
        let integration = |(number, &send_resolved): (usize, &bool)| Integration {
            send_resolved,
            ..Integration::new(number as u16)
        };
        let integrations = send_resolved.iter().enumerate().map(integration).collect();
        Self { name: name.into(), integrations, on_call: None }
    }
}

/// One integration of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integration {
    /// Its number among all that this receiver has or had: what it was told is
    /// remembered under it, so it outlives changes of the settings. Below
    /// [`crate::NUMBERS`].
    pub number: u16,
    /// Whether it is told that alerts have resolved.
    pub send_resolved: bool,
    /// No longer in the settings: told only of the end of what it was told of.
    pub is_retired: bool,
    /// Whether it is told what people do with alerts.
    pub shows_actions: bool,
    /// How fast its channel may be written to.
    pub pace: Option<Pace>,
}

impl Integration {
    /// One that is told of ends, and nothing special about it.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self { number, send_resolved: true, is_retired: false, shows_actions: false, pace: None }
    }
}
