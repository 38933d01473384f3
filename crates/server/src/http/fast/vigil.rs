//! What ends a connection from outside: the server's stop, and silence.
//!
//! Both are asked to wake the task once, and then cost a look at a flag: no
//! timer is set or lifted for a request.

use super::super::threads::{HEAD_TIMEOUT, LAST_BYTES, Stage, reached};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

pub(super) struct Vigil {
    flag: watch::Receiver<Stage>,
    stage: Stage,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    silence: Pin<Box<Sleep>>,
    is_set: bool,
    has_progressed: bool,
    /// Whether the stop has been seen in the middle of a request.
    is_waiting: bool,
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
            is_waiting: false,
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

    /// To be called when there is nothing to read. Whoever is in the middle of
    /// a request may end it, but no other waits for that.
    pub(super) fn poll(&mut self, is_between: bool, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_set {
            self.is_set = true;
            let _ = self.stop.as_mut().poll(cx);
            let _ = self.silence.as_mut().poll(cx);
        }
        if self.stage() >= Stage::Ending && !self.is_waiting {
            if is_between {
                return Poll::Ready(());
            }
            self.is_waiting = true;
            self.set_silence(LAST_BYTES, cx);
        }
        if !self.silence.is_elapsed() {
            return Poll::Pending;
        }
        if self.is_waiting || !std::mem::take(&mut self.has_progressed) {
            return Poll::Ready(());
        }
        self.set_silence(HEAD_TIMEOUT, cx);
        Poll::Pending
    }

    fn set_silence(&mut self, wait: Duration, cx: &mut Context<'_>) {
        self.silence.as_mut().reset(Instant::now() + wait);
        let _ = self.silence.as_mut().poll(cx);
    }
}
