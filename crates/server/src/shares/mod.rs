//! Limits that replicas share, through Redis.
//!
//! Each decision is made in this process, on this replica's share. What all
//! replicas may give out is brought up to date ten times a second; no decision
//! waits for that. While Redis is away the last shares hold.

mod ledger;
mod redis;
mod reply;
#[cfg(test)]
mod tests;

pub use redis::RedisOptions;
pub(crate) use redis::{Redis, RedisError};
pub(crate) use reply::Reply;

use crate::clock::Clock;
use crate::limits::{AskedOf, Limits, SeedError, keep_seed, load_seed};
use crate::observe::{Metrics, ShareMetrics, SpoolMetrics};
use ledger::Ledger;
use openclaw_admission::shares::{Replica, Share};
use openclaw_delivery::TlsSettingsError;
use openclaw_limiter::Seed;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often shares are brought up to date.
const ROUND: Duration = Duration::from_millis(100);

/// Who has not been heard of for so long is left out.
const LEASE: Duration = Duration::from_millis(1000);

/// Reports at once after the first of a round.
const FOLLOW_UPS: u32 = 3;

/// How long a start waits for its share; where there is no Redis it goes on
/// with the share that it presumes.
const JOIN: Duration = Duration::from_millis(1500);
const JOIN_LOOK: Duration = Duration::from_millis(20);

/// How limits are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharesOptions {
    /// Where the ledger is.
    pub redis: RedisOptions,
    /// What all names in it start with.
    pub prefix: String,
    /// How many replicas there are, for as long as Redis was never reached.
    pub replicas: u32,
}

/// This replica's part in the sharing.
pub(crate) struct Shares {
    ledger: Ledger,
    replica: Replica,
    presumed: Share,
    metrics: ShareMetrics,
    last_round: Instant,
    /// Whether Redis answered last time; nothing before the first.
    is_up: Option<bool>,
}

/// The sharing under way.
pub(crate) struct SharesTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Limits for those who decide. Where they are shared, this replica has its
/// share before any bucket is made: a bucket that grows gets no tokens.
pub(crate) async fn shared_limits(
    shares: Option<Shares>,
    data: &Path,
    io_threads: usize,
    clock: &Arc<Clock>,
) -> Result<(Arc<Limits>, Option<Shares>), SeedError> {
    let own = load_seed(data)?;
    let limits = |seed| Limits::new(Seed::new(seed), io_threads, Arc::clone(clock));
    let Some(mut shares) = shares else { return Ok((Arc::new(limits(own)), None)) };
    let agreed = shares.ledger.agree_on_seed(own).await;
    if agreed != own {
        keep_seed(data, agreed)?;
    }
    let limits = limits(agreed).shared();
    shares.join(&limits).await;
    Ok((Arc::new(limits), Some(shares)))
}

impl Shares {
    /// All metrics, and what keeps those of shared limits.
    ///
    /// # Errors
    /// The settings can't be used for TLS.
    pub(crate) fn with_metrics(
        options: Option<SharesOptions>,
        of_spool: Option<&SpoolMetrics>,
    ) -> Result<(Arc<Metrics>, Option<Self>), TlsSettingsError> {
        let (mut metrics, of_shares) = (Metrics::new(), ShareMetrics::default());
        if options.is_some() {
            metrics.register_shares(&of_shares);
        }
        if let Some(of_spool) = of_spool {
            metrics.register_spool(of_spool);
        }
        let shares = options.map(|options| Self::new(options, of_shares)).transpose()?;
        Ok((Arc::new(metrics), shares))
    }

    fn new(options: SharesOptions, metrics: ShareMetrics) -> Result<Self, TlsSettingsError> {
        Ok(Self {
            ledger: Ledger::new(options.redis, &options.prefix, replica_id(), LEASE)?,
            replica: Replica::new(),
            presumed: Share::among(options.replicas),
            metrics,
            last_round: Instant::now(),
            is_up: None,
        })
    }

    /// Waits, not for long, until this replica has its share.
    async fn join(&mut self, limits: &Limits) {
        let end = Instant::now() + JOIN;
        while Instant::now() < end {
            self.round(limits).await;
            if self.replica.has_joined() || self.is_up == Some(false) {
                break;
            }
            tokio::time::sleep(JOIN_LOOK).await;
        }
        if !self.replica.has_joined() {
            self.replica.presume(self.presumed);
            limits.put_shares(&self.replica);
        }
    }

    /// Goes on until told to stop.
    pub(crate) fn start(mut self, limits: Arc<Limits>) -> SharesTask {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut rounds = tokio::time::interval(ROUND);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = rounds.tick() => self.round(&limits).await,
                    _ = &mut stopped => break,
                }
            }
            // Otherwise its share comes free when it has been missed.
            let _ = self.ledger.leave().await;
        });
        SharesTask { stop, task }
    }

    async fn round(&mut self, limits: &Limits) {
        let elapsed_s = self.last_round.elapsed().as_secs_f64().max(1e-3);
        self.last_round = Instant::now();
        self.replica.begin_round();
        // Under another name a client would have a share of a limit of its own.
        let is_known = |asked: &AskedOf| self.ledger.has_common_seed() || !asked.is_of_client();
        for asked in limits.asked(elapsed_s).into_iter().filter(is_known) {
            self.replica.observe(asked.key, asked.tokens_per_s, asked.is_pressed);
        }
        for _ in 0..=FOLLOW_UPS {
            match self.report().await {
                Ok(again) => {
                    limits.put_shares(&self.replica);
                    if !again {
                        break;
                    }
                }
                Err(error) => return self.redis_is_away(&error),
            }
        }
        self.redis_is_up();
    }

    async fn report(&mut self) -> Result<bool, RedisError> {
        let report = self.replica.report();
        let began = Instant::now();
        let answer = self.ledger.round(&report).await?;
        let again = answer.is_some_and(|answer| self.replica.answered(answer));
        self.metrics.round(began.elapsed(), self.replica.replicas(), self.replica.hot().count());
        Ok(again)
    }

    fn redis_is_up(&mut self) {
        if self.is_up.replace(true) == Some(false) {
            tracing::info!("limits are shared through Redis again");
        }
    }

    fn redis_is_away(&mut self, error: &RedisError) {
        self.metrics.redis_is_away();
        if self.is_up.replace(false) != Some(false) {
            tracing::warn!(%error, "Redis is away: the last shares of all limits hold until it is back");
        }
    }
}

impl SharesTask {
    /// Gives this replica's shares back: it decides nothing any more.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Another one at every start: what an earlier process holds is not held by
/// this one.
pub(crate) fn replica_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness the process's number has to do.
    if getrandom::fill(&mut bytes).is_err() {
        bytes[..4].copy_from_slice(&std::process::id().to_le_bytes());
    }
    bytes.iter().fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}
