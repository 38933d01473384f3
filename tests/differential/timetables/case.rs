//! One timetable: a route of its own, and what is posted when.
//!
//! All that happens to a case happens at one phase of its groups' ticks, and the
//! ticks come at another: no event is near enough to a tick to fall on either
//! side of it by chance.

use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How a route makes groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    All,
    By(&'static [&'static str]),
}

impl Grouping {
    pub(super) fn json(self) -> Value {
        match self {
            Self::All => json!(["..."]),
            Self::By(labels) => json!(labels),
        }
    }
}

/// Whether the route speaks at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Muting {
    None,
    /// `mute_time_intervals` with this name.
    Mute(&'static str),
    /// `active_time_intervals` with this name.
    Active(&'static str),
}

/// A webhook of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) path: String,
    pub(super) send_resolved: bool,
    /// The first answers are this status.
    pub(super) fails: Option<(u16, usize)>,
}

/// Where a route stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Main,
    /// Below the main one, for the alert of this number.
    Child(usize),
    /// Beside the main one, which goes on to it.
    Second,
}

/// A route and its receiver.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) hooks: Vec<Hook>,
    pub(super) grouping: Grouping,
    pub(super) wait_ms: u64,
    pub(super) interval_ms: u64,
    pub(super) repeat_ms: u64,
    pub(super) muting: Muting,
}

/// One alert of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) alert: usize,
    /// In milliseconds of the play; may be before its start.
    pub(super) starts_ms: Option<i64>,
    pub(super) ends_ms: Option<i64>,
    /// Changes from post to post, as `{{ $value }}` does.
    pub(super) note: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Post(Vec<Post>),
    /// Sets a silence, or changes the one of that number.
    Silence {
        number: usize,
        alert: Option<usize>,
        from_ms: i64,
        to_ms: i64,
    },
    Expire {
        number: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at_ms: u64,
    pub(super) action: Action,
}

/// What is known to differ, on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// An alert ends while it is suppressed: we tell its end to whoever was
    /// told of it; Alertmanager doesn't.
    QuietEnd { alert: usize, at_ms: u64 },
    /// Of two sources the later ends first: Alertmanager frees the target then,
    /// we do when both have ended.
    TwoSources { target: usize, first_ends_ms: u64, last_ends_ms: u64 },
    /// Alertmanager also tells ends that nobody waits for: of an alert that began
    /// and ended between two ticks, and again of one whose end is posted again.
    IdleEnds,
    /// A refusal: Alertmanager tries again at the next tick, we with the next
    /// change.
    Refused { until_ms: u64 },
    /// A failure: each has its own backoff, and Alertmanager holds the group's
    /// other webhook for as long.
    Backoff { slack_ms: u64 },
}

impl Known {
    /// Whether two Alertmanagers differ in it too.
    pub(super) fn is_chance(&self) -> bool {
        matches!(self, Self::Backoff { .. })
    }
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) number: usize,
    pub(super) lanes: Vec<Lane>,
    /// Value of the label `grp` of each alert.
    pub(super) groups: Vec<&'static str>,
    /// Inhibits the others while it fires.
    pub(super) sources: BTreeSet<usize>,
    pub(super) targets: BTreeSet<usize>,
    pub(super) steps: Vec<Step>,
    pub(super) known: Vec<Known>,
    /// What comes later is not compared.
    pub(super) end_ms: u64,
}

impl Case {
    pub(super) fn label(&self) -> String {
        format!("c{}", self.number)
    }

    pub(super) fn labels(&self, alert: usize) -> Value {
        let mut labels = json!({
            "alertname": "timetable",
            "case": self.label(),
            "n": alert.to_string(),
            "grp": self.groups[alert],
        });
        if self.sources.contains(&alert) {
            labels["role"] = json!("source");
        } else if self.targets.contains(&alert) {
            labels["role"] = json!("target");
        }
        labels
    }

    /// Group labels of an alert in a lane, as a key.
    pub(super) fn group(&self, lane: &Lane, alert: usize) -> String {
        let labels = self.labels(alert);
        match lane.grouping {
            Grouping::All => labels.to_string(),
            Grouping::By(names) => names.iter().map(|name| format!("{},", labels[*name])).collect(),
        }
    }

    /// Whether an alert comes to a lane.
    pub(super) fn takes(&self, lane: &Lane, alert: usize) -> bool {
        match lane.place {
            Place::Main => !self.lanes.iter().any(|other| other.place == Place::Child(alert)),
            Place::Child(only) => only == alert,
            Place::Second => true,
        }
    }
}
