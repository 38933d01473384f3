//! How long a connection may stay. Whoever shows no credential stays for a
//! while, and makes room where too many do; whoever has shown one stays as long
//! as something is asked.

use crate::http::Ticket;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time on which nobody has shown a credential.
pub(super) const STRANGERS_MAX: usize = 1024;

/// Calls of health and reflection under way on a connection: they may never end.
const OTHERS_MAX: usize = 16;

/// How long a connection stays on which nothing is decided; up to twice as long
/// where something was.
#[derive(Clone, Copy)]
pub(super) struct Lives {
    stranger: Duration,
    known: Duration,
}

pub(super) const LIVES: Lives = Lives { stranger: Duration::from_secs(60), known: Duration::from_secs(300) };

/// How long the other side may take to agree to the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What has been asked on a connection.
#[derive(Debug, Default)]
pub(super) struct Standing {
    is_known: AtomicBool,
    /// Since it was last looked.
    has_asked: AtomicBool,
    under_way: AtomicUsize,
    others: AtomicUsize,
}

/// A call that goes its own way.
pub(super) struct UnderWay {
    standing: Arc<Standing>,
    is_other: bool,
}

impl Standing {
    /// A call is let in: by a credential, or because anybody is.
    pub(super) fn let_in(&self, is_known: bool) {
        // Written once in a while: most calls only look.
        for flag in [&self.has_asked].into_iter().chain(is_known.then_some(&self.is_known)) {
            if !flag.load(Ordering::Relaxed) {
                flag.store(true, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay { standing: Arc::clone(self), is_other: false }
    }

    /// Of those that need no credential there may be so many.
    pub(super) fn begin_other(self: &Arc<Self>) -> Option<UnderWay> {
        let mut begun = self.begin();
        begun.is_other = true;
        (self.others.fetch_add(1, Ordering::Relaxed) < OTHERS_MAX).then_some(begun)
    }

    fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    fn has_under_way(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Whether it has been of use since this was last asked.
    fn was_of_use(&self) -> bool {
        self.has_asked.swap(false, Ordering::Relaxed) || self.is_known() && self.has_under_way()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.standing.under_way.fetch_sub(1, Ordering::Relaxed);
        if self.is_other {
            self.standing.others.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A connection's time.
pub(super) struct Stay {
    standing: Arc<Standing>,
    lives: Lives,
    /// Until somebody has shown a credential.
    ticket: Option<Ticket>,
    /// Set once, and again when it is over: no call moves it.
    silence: Pin<Box<Sleep>>,
    is_told: bool,
}

/// What is due on a connection.
pub(super) enum Due {
    /// The other side is to be told that it ends.
    Farewell,
    /// It has been told, and nothing more comes.
    End,
}

impl Stay {
    pub(super) fn new(standing: Arc<Standing>, ticket: Ticket, lives: Lives) -> Self {
        let silence = Box::pin(sleep(lives.stranger));
        Self { standing, lives, ticket: Some(ticket), silence, is_told: false }
    }

    /// Comes back when the connection has to end.
    pub(super) async fn over(&mut self) {
        loop {
            tokio::select! {
                () = crowded_out(&mut self.ticket) => {
                    if !self.standing.is_known() {
                        return;
                    }
                    self.ticket = None;
                }
                () = self.silence.as_mut() => {
                    if !self.standing.was_of_use() {
                        return;
                    }
                    let life = if self.standing.is_known() { self.lives.known } else { self.lives.stranger };
                    self.silence.as_mut().reset(Instant::now() + life);
                }
            }
        }
    }

    /// Comes back with what is due, once the server's end or a time has come.
    pub(super) async fn next(&mut self, server_ends: impl Future<Output = ()>) -> Due {
        if self.is_told {
            self.silent().await;
            return Due::End;
        }
        tokio::select! {
            () = server_ends => {}
            () = self.over() => {}
        }
        self.is_told = true;
        self.ticket = None;
        self.silence.as_mut().reset(Instant::now() + LAST_WORDS);
        Due::Farewell
    }

    /// Comes back when nothing is under way any more, and the other side has
    /// had its time.
    async fn silent(&mut self) {
        loop {
            self.silence.as_mut().await;
            if !self.standing.has_under_way() {
                return;
            }
            self.silence.as_mut().reset(Instant::now() + LAST_WORDS);
        }
    }
}

async fn crowded_out(ticket: &mut Option<Ticket>) {
    match ticket {
        Some(ticket) => ticket.crowded_out().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Room;
    use futures_util::FutureExt as _;

    const LIFE: Duration = Duration::from_millis(50);

    fn stay(room: &Room, lives: Lives) -> (Arc<Standing>, Stay) {
        let standing = Arc::<Standing>::default();
        (Arc::clone(&standing), Stay::new(standing, room.begin(), lives))
    }

    async fn is_over_within(stay: &mut Stay, time: Duration) -> bool {
        tokio::time::timeout(time, stay.over()).await.is_ok()
    }

    #[tokio::test]
    async fn who_shows_nothing_stays_for_a_while() {
        let (standing, mut stay) = stay(&Room::new(1), Lives { stranger: LIFE, known: LIFE * 1000 });
        let _watch = standing.begin_other();
        let began = Instant::now();
        assert!(is_over_within(&mut stay, LIFE * 100).await);
        assert!(began.elapsed() >= LIFE);
    }

    #[tokio::test]
    async fn who_is_known_stays_while_something_is_asked() {
        let (standing, mut stay) = stay(&Room::new(1), Lives { stranger: LIFE, known: LIFE });
        standing.let_in(true);
        let logs = standing.begin();
        assert!(!is_over_within(&mut stay, LIFE * 5).await);
        drop(logs);
        assert!(is_over_within(&mut stay, LIFE * 100).await);
    }

    #[tokio::test]
    async fn strangers_make_room_and_who_is_known_needs_none() {
        let room = Room::new(2);
        let ((_, mut stranger), (standing, mut known)) = (stay(&room, LIVES), stay(&room, LIVES));
        standing.let_in(true);
        let _others = (stay(&room, LIVES), stay(&room, LIVES));
        assert!(stranger.over().now_or_never().is_some());
        assert!(known.over().now_or_never().is_none());
    }

    #[test]
    fn calls_without_end_have_a_bound() {
        let standing = Arc::<Standing>::default();
        let mut begun: Vec<_> = (0..OTHERS_MAX).map(|_| standing.begin_other().unwrap()).collect();
        assert!(standing.begin_other().is_none() && standing.begin_other().is_none());
        let logs = standing.begin();
        begun.pop();
        assert!(standing.begin_other().is_some());
        drop((begun, logs));
        assert!(!standing.has_under_way());
    }
}
