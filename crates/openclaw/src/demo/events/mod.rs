//! What happens in the demo: alerts that fire and resolve, and people who act
//! on them, in order of time. Either made up by [`generator::day`] after
//! figures measured on real data, or read from a file by [`file::open`].
//!
//! Prometheus sends a firing alert again every minute; those repeats are no
//! events here. Whoever plays the events to a server renews what fires, or
//! posts it with an end beyond the day.

mod figures;
pub(crate) mod file;
pub(crate) mod generator;
mod json_lines;
mod kinds;
mod places;
mod random;
mod servicenow;

#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod generator_tests;

use openclaw_alert::json::{write_json_labels, write_json_string};
use openclaw_alert::{Feedback, Labels, LabelsBuilder, Timestamp};
use std::fmt;
use std::sync::Arc;

/// Something that happens at a tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoEvent {
    /// When.
    pub(crate) at: Timestamp,
    /// Whose it is; `None` where a file doesn't say. A valid tenant name.
    pub(crate) tenant: Option<String>,
    /// What.
    pub(crate) what: What,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A monitoring system posts alerts, at least one.
    Post {
        /// In the order of the request.
        alerts: Vec<PostableAlert>,
    },
    /// A person acts on an alert.
    Feedback {
        /// The alert's labels.
        labels: Pairs,
        /// What was done.
        action: Feedback,
        /// Who did it.
        by: String,
        /// Why, in the person's words; may be empty.
        note: String,
    },
}

/// An alert as it is posted to `/api/v2/alerts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostableAlert {
    /// What it is known by.
    pub(crate) labels: Pairs,
    /// What is said about it.
    pub(crate) annotations: Pairs,
    /// Start of the condition.
    pub(crate) starts_at: Timestamp,
    /// Absent while it fires, and the moment of the end once it has resolved.
    /// From a file it may also lie ahead: the sender's own time-out.
    pub(crate) ends_at: Option<Timestamp>,
    /// Where the alert comes from.
    pub(crate) generator_url: String,
}

impl PostableAlert {
    /// Appends the alert as Prometheus writes it: times in UTC to the
    /// millisecond, no `endsAt` where there is none.
    pub(crate) fn to_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"annotations\":");
        write_json_labels(out, self.annotations.view());
        if let Some(ends_at) = self.ends_at {
            write_time(out, "endsAt", ends_at);
        }
        write_time(out, "startsAt", self.starts_at);
        out.extend_from_slice(b",\"generatorURL\":");
        write_json_string(out, &self.generator_url);
        out.extend_from_slice(b",\"labels\":");
        write_json_labels(out, self.labels.view());
        out.push(b'}');
    }
}

fn write_time(out: &mut Vec<u8>, name: &str, at: Timestamp) {
    out.push(b',');
    write_json_string(out, name);
    out.extend_from_slice(b":\"");
    at.write_rfc3339(out, 3);
    out.push(b'"');
}

/// Labels or annotations, shared by the events of one alert.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pairs(Arc<[u8]>);

impl Pairs {
    /// Labels: those with an empty value are left out, as every receiver does.
    pub(crate) fn labels<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        Self(LabelsBuilder::encode(pairs).into())
    }

    /// Annotations: an empty value is kept.
    pub(crate) fn annotations<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.push(name, value);
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes, false);
        Self(bytes.into())
    }

    /// To read them.
    pub(crate) fn view(&self) -> Labels<'_> {
        Labels::from_encoded(&self.0)
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
