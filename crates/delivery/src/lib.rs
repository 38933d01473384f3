//! Tells receivers: one [`Notification`](openclaw_alert::Notification) to one
//! [`Integration`], and what came of it.
//!
//! When to send, retry, give up, and in which order is decided elsewhere; a
//! [`Sender`] makes one attempt and says whether it was delivered, may work
//! later, or never will. A kind of integration is a folder: `settings.rs`,
//! `payload.rs`, and in `mod.rs` the order of a send.

#![forbid(unsafe_code)]

#[cfg(test)]
mod conformance;
mod connect;
pub mod email;
#[cfg(test)]
mod fixture;
mod group;
mod headline;
mod http;
mod http_config;
mod kind;
pub mod msteams;
pub mod opsgenie;
mod outcome;
mod outgoing;
pub mod pagerduty;
mod plain;
mod secret;
mod sender;
pub mod servicenow;
pub mod servicenow_em;
mod settings;
mod severity;
#[cfg(test)]
mod sink;
#[cfg(test)]
mod sink_tests;
mod situation;
pub mod slack;
mod slots;
#[cfg(test)]
mod snapshot_tests;
mod stage;
mod standing;
mod target;
pub mod telegram;
pub mod template;
mod text;
#[cfg(test)]
mod ticket_tests;
mod tls;
mod tool;
#[cfg(test)]
mod way_tests;
pub mod webhook;
mod wire;
mod wording;
mod words;

pub use headline::summary;
pub use http::fetch::{FetchError, Fetched};
pub use http::post::{Posted, Poster, PosterError};
pub use http_config::{HttpConfig, HttpConfigError, proxy_header};
pub use outgoing::{NamedBy, Network, NetworkError, NoProxy, Outgoing, Proxy};
pub use secret::Secret;
pub use sender::{Sender, SenderError, SenderOptions};
pub use settings::{Integration, ReceiverSettings, Timeout, TimeoutError};
pub use target::{Target, TargetError};
pub use tls::{TlsSettings, TlsSettingsError};
pub use tool::Tool;
