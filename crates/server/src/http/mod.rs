//! Sockets: who accepts, which thread serves, what is answered where.
//!
//! One task accepts and hands each connection to the I/O thread with the
//! fewest. An I/O thread answers the hot paths itself; everything else runs on
//! the work runtime, so that a long listing can't hold up an ingest or a
//! decision.

mod alertmanager;
mod alerts;
mod body;
mod busy;
mod console;
mod cors;
mod decisions;
mod descriptors;
mod fast;
mod feedback;
mod ingest;
mod messages;
mod models;
mod observations;
mod origin;
mod problem;
mod rate;
mod reload;
mod room;
mod router;
mod search;
mod service;
mod strangers;
mod stuck;
mod threads;
pub(crate) mod tls;
mod told;
mod way_back;

pub(crate) use room::{Room, Ticket};
pub(crate) use service::{App, Behind, Core, Front, Options};
pub(crate) use strangers::Strangers;
pub(crate) use threads::{IoThreads, Protocol, Stage, reached};
pub(crate) use way_back::Seen;

use axum::body::Body;
use std::time::Duration;

/// Any answer.
pub(crate) type Response = http::Response<Body>;

/// Largest body of a request.
pub(crate) const BODY_BYTES_MAX: usize = 8 << 20;

/// Bytes of the name of a tenant's client, whatever is asked about it.
pub(crate) const CLIENT_BYTES_MAX: usize = 256;

/// How long a client may take to send a body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
