//! What ends a connection from outside: the server's stop, and silence.
//!
//! Both are asked to wake the task once, and then cost a look at a flag: no
//! timer is set or lifted for a request.

use super::super::threads::{HEAD_TIMEOUT, told};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

/// Why there is nothing more to wait for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The server stops.
    Stopped,
    /// Nothing whole has come for [`HEAD_TIMEOUT`] or somewhat longer.
    Silent,
}

pub(super) struct Vigil {
    flag: watch::Receiver<bool>,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    silence: Pin<Box<Sleep>>,
    is_set: bool,
    has_progressed: bool,
}

impl Vigil {
    pub(super) fn new(mut stopped: watch::Receiver<bool>) -> Self {
        Self {
            flag: stopped.clone(),
            stop: Box::pin(async move { told(&mut stopped).await }),
            silence: Box::pin(sleep(HEAD_TIMEOUT)),
            is_set: false,
            has_progressed: false,
        }
    }

    /// A request has been answered.
    pub(super) fn progressed(&mut self) {
        self.has_progressed = true;
    }

    /// Whether the server stops.
    pub(super) fn is_stopping(&self) -> bool {
        // An error means that the sender is gone, which is a stop as well.
        self.flag.has_changed().unwrap_or(true)
    }

    /// To be called when there is nothing to read.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        if !self.is_set {
            self.is_set = true;
            let _ = self.stop.as_mut().poll(cx);
            let _ = self.silence.as_mut().poll(cx);
        }
        if self.is_stopping() {
            return Poll::Ready(Over::Stopped);
        }
        if !self.silence.is_elapsed() {
            return Poll::Pending;
        }
        if !std::mem::take(&mut self.has_progressed) {
            return Poll::Ready(Over::Silent);
        }
        self.silence.as_mut().reset(Instant::now() + HEAD_TIMEOUT);
        let _ = self.silence.as_mut().poll(cx);
        Poll::Pending
    }
}
