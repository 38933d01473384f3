//! Alerts in the formats that other tools send: bytes in, alerts out.
//!
//! One module a format. A decoder knows the limits of its format, keeps the
//! valid alerts of a request as that format's own server would, and has the
//! answer to give in that server's words. Nothing here reads a clock, a file
//! or a socket, and nothing here knows what becomes of an alert.
//!
//! A request comes in as a [`Post`], its [`Format`] known from its path or
//! found by [`detect`]; [`decode`] gives the [`Decoded`] alerts or a
//! [`Refusal`]. Two rules hold in every format: text for people that is too
//! long is cut and ends in `…`; what an alert is known by (labels, keys) is
//! never cut but refused by name.

#![forbid(unsafe_code)]

pub mod alertmanager;
mod alertmanager_webhook;
mod answer;
mod argocd;
pub mod cloudevents;
mod draft;
mod format;
mod generic;
pub mod grafana;
mod mapping;
mod observations;
mod opsgenie;
pub mod pagerduty;
mod servicenow;
mod severity;
pub mod signature;
#[cfg(test)]
mod testing;
mod tree;
pub mod way_back;

pub use answer::{Answer, Decoded, Fault, Kept, Refusal, Rejected, Trouble, refuse};
pub use format::{Format, Post, decode, detect};
pub use mapping::{Mapping, MappingError, MappingSettings};
pub use observations::{Observation, Observations, decode_observations};
pub use signature::{SignatureError, standard_webhooks};
