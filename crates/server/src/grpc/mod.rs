//! gRPC: Envoy's rate-limit service, its access logs, health, reflection.
//!
//! Connections live on the I/O threads. `ShouldRateLimit` is answered there,
//! straight on HTTP/2 and without a copy of the message; everything else goes
//! through tonic on the work runtime.

mod access_log;
mod call;
mod connection;
mod elsewhere;
mod fields;
mod front;
mod last;
mod message;
mod proto;
mod request;
mod response;
mod standing;
mod status;
mod unvectored;

pub(crate) use connection::connection;
pub(crate) use front::Front;
