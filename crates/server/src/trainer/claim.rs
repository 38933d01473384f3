//! One trainer among replicas: a lease in the Redis through which they share
//! limits. Without replicas every run is ours.

use crate::shares::{Redis, RedisError, Reply, SharesOptions, replica_id};
use jiff::Timestamp;
use openclaw_delivery::TlsSettingsError;
use std::time::Duration;
use tokio::runtime::Handle;

/// A lease that isn't renewed ends.
const LEASE: Duration = Duration::from_secs(30);
/// For so long it is known that a run was done.
const DONE: Duration = Duration::from_secs(3 * 86_400);
/// Renews a lease that is still this replica's.
const RENEW: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";

/// Who else might train.
pub(crate) struct Replicas {
    redis: Redis,
    prefix: String,
    me: String,
    runtime: Handle,
}

impl Replicas {
    /// # Errors
    /// The settings can't be used for TLS.
    pub(crate) fn new(options: SharesOptions) -> Result<Self, TlsSettingsError> {
        let SharesOptions { redis, prefix, .. } = options;
        let (prefix, runtime) = (format!("{{{prefix}}}"), Handle::current());
        Ok(Self { redis: Redis::new(redis)?, prefix, me: replica_id(), runtime })
    }

    fn key(&self, due: Timestamp) -> String {
        format!("{}:training:{}", self.prefix, due.as_second())
    }

    fn ask(&self, words: &[&str]) -> Result<Reply, RedisError> {
        self.runtime.block_on(async { self.redis.connect().await?.ask(words).await })
    }

    fn take(&self, due: Timestamp) -> Result<Claimed, RedisError> {
        let (key, lease) = (self.key(due), LEASE.as_millis().to_string());
        if self.ask(&["SET", &key, &self.me, "NX", "PX", &lease])? != Reply::Nothing {
            return Ok(Claimed::Mine);
        }
        match self.ask(&["GET", &key])? {
            Reply::Text(holder) if holder == b"done" => Ok(Claimed::Done),
            // The same process, once more.
            Reply::Text(holder) if holder == self.me.as_bytes() => Ok(Claimed::Mine),
            _ => Ok(Claimed::Busy),
        }
    }

    fn renew(&self, due: Timestamp) -> Result<bool, RedisError> {
        let lease = LEASE.as_millis().to_string();
        let renewed = self.ask(&["EVAL", RENEW, "1", &self.key(due), &self.me, &lease])?;
        Ok(renewed == Reply::Number(1))
    }

    fn done(&self, due: Timestamp) -> Result<(), RedisError> {
        let kept = DONE.as_millis().to_string();
        self.ask(&["SET", &self.key(due), "done", "PX", &kept]).map(drop)
    }
}

/// Whose a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claimed {
    /// Ours.
    Mine,
    /// Another replica is at it, or nobody can say.
    Busy,
    /// Another replica has done it.
    Done,
}

/// The way to a run.
pub(super) struct Claim(Option<Replicas>);

impl Claim {
    pub(super) fn new(replicas: Option<Replicas>) -> Self {
        Self(replicas)
    }

    pub(super) fn take(&self, due: Timestamp) -> Claimed {
        let Some(replicas) = &self.0 else { return Claimed::Mine };
        replicas.take(due).unwrap_or_else(|error| {
            tracing::warn!(%error, "nobody can say which replica trains; this one waits");
            Claimed::Busy
        })
    }

    /// Whether the run is still ours. A lease that couldn't be renewed may last
    /// until the next time.
    pub(super) fn renew(&self, due: Timestamp) -> bool {
        let Some(replicas) = &self.0 else { return true };
        replicas.renew(due).unwrap_or(true)
    }

    pub(super) fn done(&self, due: Timestamp) {
        let Some(replicas) = &self.0 else { return };
        if let Err(error) = replicas.done(due) {
            tracing::warn!(%error, "other replicas can't be told that a run is done");
        }
    }
}
