//! What every kind of integration that speaks HTTP must do, run over each of
//! them against a receiver that lies.
//!
//! **A new kind** adds a function to `kinds.rs` and its name to the list there:
//! its settings against a sink ([`Place`]), how its service says yes to each
//! request of a send, which answers will never be a yes, and which look like
//! one and are not. Everything else is the same for all: `laws.rs` breaks each
//! request of a send in turn in every way there is.
//!
//! Use [`Place::target`] and [`Place::secret`] for addresses and credentials:
//! they hold [`PLANTED`], which must never be seen in an outcome or a log.

mod kinds;
mod laws;
mod logs;

use crate::sink::{Received, Reply};
use crate::{Integration, Secret, Target, Timeout};
use std::time::Duration;

/// Part of every credential; nobody may ever read it.
pub(crate) const PLANTED: &str = "hunter2";

/// Where a kind's service is pretended to be.
pub(crate) struct Place {
    host: String,
    timeout: Duration,
}

impl Place {
    /// An address there, full of credentials.
    pub(crate) fn target(&self, path: &str) -> Target {
        let address = format!("http://me:{PLANTED}@{}{path}/{PLANTED}?key={PLANTED}", self.host);
        Target::parse(&Secret::new(address)).unwrap()
    }

    /// An address there to which the kind adds paths of its own.
    pub(crate) fn base(&self) -> Target {
        Target::parse(&Secret::new(format!("http://{}", self.host))).unwrap()
    }

    /// A token, key or password.
    pub(crate) fn secret(&self) -> Secret {
        Secret::new(format!("{PLANTED}-0123456789abcdef01234567"))
    }

    /// For the whole send.
    pub(crate) fn timeout(&self) -> Timeout {
        Timeout::new(self.timeout).unwrap()
    }
}

/// A kind as the laws see it.
pub(crate) struct Candidate {
    /// Its settings, with `send_resolved` and every credential it can have.
    pub(crate) integration: fn(&Place) -> Integration,
    /// How its service says yes to a request: any of those that a send makes.
    pub(crate) yes: fn(&Received) -> Vec<u8>,
    /// Answers to a send's last request that make the send pointless to repeat.
    pub(crate) never: Vec<Vec<u8>>,
    /// Answers with 2xx to a send's last request that are not a yes.
    pub(crate) lies: Vec<Vec<u8>>,
    /// Longest body its service takes; `usize::MAX` where it sets no bound.
    pub(crate) body_bytes_max: usize,
    /// By what its service tells a repeat of a request from another message:
    /// a key in a header, in the path, in the body.
    pub(crate) identity: fn(&Received) -> String,
}

/// An answer: `head` is the status with its reason and further headers.
pub(crate) fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The header by which services that know it tell repeats.
pub(crate) fn idempotency_key(request: &Received) -> String {
    request.header("idempotency-key").unwrap_or("none").to_owned()
}

impl Candidate {
    fn yes_to(&self) -> impl Fn(&Received) -> Reply + Send + Sync + 'static {
        let yes = self.yes;
        move |request| Reply::Stay(yes(request))
    }
}
