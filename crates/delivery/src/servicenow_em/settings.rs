//! What an event source of ServiceNow's Event Management may have set.

use crate::{HttpConfig, Target, Timeout};
use std::time::Duration;

/// An instance takes its time with many events.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Labels that name the machine, as far as they are there.
const NODE_LABELS: [&str; 5] = ["node", "hostname", "host", "instance", "server"];
/// Labels that name the part of it.
const RESOURCE_LABELS: [&str; 7] = ["resource", "device", "mountpoint", "pod", "container", "service", "job"];

/// Events for one ServiceNow instance: one for each alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The instance.
    pub instance_url: Target,
    /// Credentials and headers.
    pub http: HttpConfig,
    /// What monitors; at most 100 characters.
    pub source: String,
    /// Which one of these; unset for the tenant's name.
    pub event_class: Option<String>,
    /// Labels that name the node; the first that an alert has counts.
    pub node_labels: Vec<String>,
    /// Labels that name the resource, likewise.
    pub resource_labels: Vec<String>,
    /// How severe an event is, by score: the first step that the score reaches
    /// counts. Empty for the alert's own severity.
    pub severity: Vec<Step>,
    /// Also tell when alerts resolve. On unless set.
    pub send_resolved: bool,
    /// For all calls of a send.
    pub timeout: Timeout,
}

/// A step of the table from score to severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// In hundredths of a percent, so that it can be compared exactly.
    pub min_score_e4: u16,
    /// From there on.
    pub severity: Severity,
}

/// As ServiceNow counts; 0, clear, is not for settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// 1.
    Critical = 1,
    /// 2.
    Major = 2,
    /// 3.
    Minor = 3,
    /// 4.
    Warning = 4,
    /// 5.
    Info = 5,
}

impl Severity {
    /// From its number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        let all = [Self::Critical, Self::Major, Self::Minor, Self::Warning, Self::Info];
        all.into_iter().find(|severity| *severity as u64 == number)
    }
}

impl Settings {
    /// The defaults for an instance.
    #[must_use]
    pub fn new(instance_url: Target, http: HttpConfig) -> Self {
        Self {
            instance_url,
            http,
            source: "OpenClaw Rating".to_owned(),
            event_class: None,
            node_labels: NODE_LABELS.map(str::to_owned).to_vec(),
            resource_labels: RESOURCE_LABELS.map(str::to_owned).to_vec(),
            severity: Vec::new(),
            send_resolved: true,
            timeout: Timeout::new(TIMEOUT).unwrap_or_default(),
        }
    }
}
