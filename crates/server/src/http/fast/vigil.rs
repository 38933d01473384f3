//! What ends a connection from outside: the server's stop, and silence.
//!
//! Both are asked to wake the task once, and then cost a look at a flag: no
//! timer is set or lifted for a request.

use super::super::threads::{HEAD_TIMEOUT, Stage, reached};
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
    flag: watch::Receiver<Stage>,
    stage: Stage,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    silence: Pin<Box<Sleep>>,
    is_set: bool,
    has_progressed: bool,
}

impl Vigil {
    pub(super) fn new(mut stage: watch::Receiver<Stage>) -> Self {
        let mut flag = stage.clone();
        let seen = *flag.borrow_and_update();
        Self {
            stage: seen,
            flag,
            stop: Box::pin(async move { reached(&mut stage, Stage::Ending).await }),
            silence: Box::pin(sleep(HEAD_TIMEOUT)),
            is_set: false,
            has_progressed: false,
        }
    }

    /// A request has been answered.
    pub(super) fn progressed(&mut self) {
        self.has_progressed = true;
    }

    /// Whether the next answer is the connection's last.
    pub(super) fn is_leaving(&mut self) -> bool {
        self.stage() >= Stage::Leaving
    }

    /// As long as nothing changes, a look at a flag.
    fn stage(&mut self) -> Stage {
        match self.flag.has_changed() {
            Ok(false) => {}
            Ok(true) => self.stage = *self.flag.borrow_and_update(),
            // The sender is gone, which is the end as well.
            Err(_) => self.stage = Stage::Ending,
        }
        self.stage
    }

    /// To be called when there is nothing to read.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        if !self.is_set {
            self.is_set = true;
            let _ = self.stop.as_mut().poll(cx);
            let _ = self.silence.as_mut().poll(cx);
        }
        if self.stage() >= Stage::Ending {
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
