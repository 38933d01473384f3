//! Key sets that are published elsewhere: fetched at the start, again when
//! they have aged, and when a token names a key that isn't among them. The last
//! good set stays until a better one comes.

use super::keys::{KeySet, Place, SET_BYTES_MAX};
use super::{Missing, TokenIssuer};
use crate::observe::Metrics;
use crate::tenants::Tenants;
use openclaw_alert::TenantName;
use openclaw_delivery::{Sender, Target};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How often it is looked whether a set has aged.
const LOOK: Duration = Duration::from_secs(1);

/// What an answer says of its age is believed within these.
const AGE_MIN: Duration = Duration::from_secs(60);
const AGE_MAX: Duration = Duration::from_secs(3600);

/// For answers that say nothing of it.
const AGE_USUAL: Duration = Duration::from_secs(600);

/// After a fetch that failed.
const RETRY: Duration = Duration::from_secs(15);

/// Tokens that name unknown keys have a set fetched this often at most.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// How long a whole answer may take, and a request waits for it.
const ANSWER: Duration = Duration::from_secs(5);

/// Fetches at a time, of all tenants.
const FETCHES_MAX: usize = 16;

/// A set that is elsewhere.
pub(super) struct Remote {
    target: Target,
    /// One fetch at a time.
    turn: tokio::sync::Mutex<()>,
    times: Mutex<Times>,
}

struct Times {
    /// When it has aged; nothing before the first look.
    due: Option<Instant>,
    /// When a token had it fetched.
    asked: Option<Instant>,
    /// Whether it has been fetched, or could not be.
    was_tried: bool,
}

impl Remote {
    pub(super) fn new(target: Target) -> Self {
        let times = Mutex::new(Times { due: None, asked: None, was_tried: false });
        Self { target, turn: tokio::sync::Mutex::default(), times }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True once when it has aged; then not until the fetch has ended.
    fn begin_if_due(&self, now: Instant) -> bool {
        let mut times = self.times();
        let is_due = times.due.is_none_or(|due| due <= now);
        if is_due {
            times.due = Some(now + AGE_MAX);
        }
        is_due
    }

    /// True at most once in a while. Whoever comes before the first answer
    /// doesn't use that up.
    fn begin_if_not_asked(&self, now: Instant) -> bool {
        let mut times = self.times();
        if !times.was_tried {
            return true;
        }
        let may_ask = times.asked.is_none_or(|asked| now >= asked + ASK_EVERY);
        if may_ask {
            times.asked = Some(now);
        }
        may_ask
    }
}

/// Keeps the sets of all tenants fresh.
pub(crate) struct KeyFetcher {
    sender: Arc<Sender>,
    tenants: Arc<Tenants>,
    metrics: Arc<Metrics>,
    work: tokio::runtime::Handle,
    slots: Semaphore,
}

impl KeyFetcher {
    /// Fetches where it is made: on the work runtime.
    pub(crate) fn new(sender: Arc<Sender>, tenants: Arc<Tenants>, metrics: Arc<Metrics>) -> Arc<Self> {
        let (work, slots) = (tokio::runtime::Handle::current(), Semaphore::new(FETCHES_MAX));
        Arc::new(Self { sender, tenants, metrics, work, slots })
    }

    /// Runs for the life of the server.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        loop {
            for (tenant, config) in self.tenants.configs().iter() {
                let Some(issuer) = &config.tokens else { continue };
                if issuer.remote.as_ref().is_some_and(|remote| remote.begin_if_due(Instant::now())) {
                    let (fetcher, issuer, tenant) = (Arc::clone(&self), Arc::clone(issuer), tenant.clone());
                    tokio::spawn(async move {
                        let Some(remote) = &issuer.remote else { return };
                        let _turn = remote.turn.lock().await;
                        fetcher.refresh(&tenant, &issuer, remote).await;
                    });
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for a set that may hold a key that is missing. The fetch runs to
    /// its end where the work runs, whoever stops waiting for it.
    pub(crate) async fn ask(self: &Arc<Self>, missing: Missing) {
        let fetcher = Arc::clone(self);
        let asked = self.work.spawn(async move {
            let Missing { tenant, issuer, .. } = &missing;
            let Some(remote) = &issuer.remote else { return };
            let _turn = remote.turn.lock().await;
            // One that was under way may have brought it.
            if missing.is_missing() && remote.begin_if_not_asked(Instant::now()) {
                fetcher.refresh(tenant, issuer, remote).await;
            }
        });
        // What comes of it is seen by who looks for the key again.
        let _ = timeout(ANSWER, asked).await;
    }

    /// In its turn.
    async fn refresh(&self, tenant: &TenantName, issuer: &TokenIssuer, remote: &Remote) {
        let Ok(_slot) = self.slots.acquire().await else { return };
        let fetched = self.fetch(remote).await;
        self.metrics.fetched_keys(tenant, fetched.is_ok());
        let age = match fetched {
            Ok((keys, age)) => {
                issuer.install(keys);
                age
            }
            Err(why) => {
                tracing::warn!(%tenant, why, "the keys of tokens can't be fetched: those that are known stay");
                RETRY
            }
        };
        let mut times = remote.times();
        times.was_tried = true;
        times.due = Some(Instant::now() + age);
    }

    async fn fetch(&self, remote: &Remote) -> Result<(KeySet, Duration), String> {
        let fetched = self.sender.fetch(&remote.target, SET_BYTES_MAX, Instant::now() + ANSWER).await;
        let fetched = fetched.map_err(|error| error.to_string())?;
        let keys = KeySet::parse(&fetched.body, Place::Public).map_err(|error| error.to_string())?;
        Ok((keys, age(fetched.max_age)))
    }
}

/// How long a set is fresh.
fn age(stated: Option<Duration>) -> Duration {
    stated.unwrap_or(AGE_USUAL).clamp(AGE_MIN, AGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_delivery::Secret;

    fn remote() -> Remote {
        Remote::new(Target::parse(&Secret::new("https://keys.example/")).unwrap())
    }

    #[test]
    fn a_set_is_due_at_once_and_then_when_it_has_aged() {
        let (remote, start) = (remote(), Instant::now());
        assert!(remote.begin_if_due(start));
        assert!(!remote.begin_if_due(start + AGE_MIN));
        remote.times().due = Some(start + AGE_MIN);
        assert!(!remote.begin_if_due(start + AGE_MIN - Duration::from_millis(1)));
        assert!(remote.begin_if_due(start + AGE_MIN));
    }

    #[test]
    fn a_stated_age_is_believed_within_bounds() {
        let seconds = |stated: u64| age(Some(Duration::from_secs(stated))).as_secs();
        assert_eq!([seconds(0), seconds(300), seconds(86_400)], [60, 300, 3600]);
        assert_eq!(age(None), AGE_USUAL);
    }

    #[test]
    fn tokens_ask_once_in_a_while() {
        let (remote, start) = (remote(), Instant::now());
        assert!(remote.begin_if_not_asked(start) && remote.begin_if_not_asked(start), "nothing is known yet");
        remote.times().was_tried = true;
        assert!(remote.begin_if_not_asked(start));
        assert!(!remote.begin_if_not_asked(start + ASK_EVERY - Duration::from_millis(1)));
        assert!(remote.begin_if_not_asked(start + ASK_EVERY));
        assert!(!remote.begin_if_not_asked(start + ASK_EVERY));
    }
}
