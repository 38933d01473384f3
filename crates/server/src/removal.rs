//! Tenants that are being removed, as `state.db` says: nothing is taken in for
//! them, who was told that something fires is told of its end, and then their
//! settings go, or all that is kept of them.
//!
//! Each step leaves a state from which the next can go on, also in another
//! process: what `state.db` says is the last thing to go.

use crate::host::{Host, Unavailable};
use crate::reload::{Reloader, blocking};
use crate::tenants::last_settings;
use openclaw_alert::{PartitionId, TenantName};
use openclaw_journal::{Edit, EraseError, Position, SnapshotError, StoredFrame, crashpoint};
use openclaw_pipeline::{Eraser, Input, LeftToTell, TenantSettings};
use openclaw_state::{Keys, Removal, Stage, StateError};
use openclaw_telemetry::TelemetryError;
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether a tenant is to be removed.
const LOOK: Duration = Duration::from_millis(500);

/// Snapshots that the journal keeps: none of them may tell of the tenant.
const SNAPSHOTS_KEPT: usize = 2;

/// Between attempts at an erasure that fail, doubled each time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Before the journal is asked again for another segment.
const SEAL_PAUSE: Duration = Duration::from_millis(50);

/// Why a removal has to be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemovalError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Journal(#[from] Unavailable),
    #[error("no snapshot without it: {0}")]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Erase(#[from] EraseError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error("cut off: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

/// How the erasure of a tenant has gone in this process.
struct Attempt {
    /// All that tells of it is before this: every attempt to seal costs a
    /// segment, and nothing is added once it is erased from memory.
    sealed: Option<Position>,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Default for Attempt {
    fn default() -> Self {
        Self { sealed: None, pause: PAUSE_MIN, not_before: None }
    }
}

impl Attempt {
    fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|not_before| now >= not_before)
    }

    /// Gives how long to wait now.
    fn failed(&mut self, now: Instant) -> Duration {
        let pause = self.pause;
        self.not_before = Some(now + pause);
        self.pause = (2 * pause).min(PAUSE_MAX);
        pause
    }
}

/// The settings that tenants had when they left, for this process.
pub(crate) type LastSettings = HashMap<TenantName, Arc<TenantSettings>>;

/// Names of the tenants that are being removed.
pub(crate) fn names(keys: &Keys) -> Result<BTreeSet<TenantName>, StateError> {
    Ok(keys.removals().list()?.into_iter().map(|removal| removal.tenant).collect())
}

impl Reloader {
    /// Runs for the life of the server.
    pub(crate) async fn keep_removals(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let keys = Arc::clone(&self.keys);
            match blocking(move || Ok::<_, RemovalError>(keys.removals().list()?)).await {
                Ok(removals) => self.follow_removals(removals).await,
                Err(error) => tracing::warn!(%error, "it can't be read which tenants are to be removed"),
            }
        }
    }

    async fn follow_removals(self: &Arc<Self>, removals: Vec<Removal>) {
        self.take_out(removals.iter().map(|removal| removal.tenant.clone()).collect()).await;
        for removal in removals {
            if let Err(error) = self.advance(&removal).await {
                tracing::warn!(tenant = %removal.tenant, %error, "the removal has to wait: it is tried again");
            }
        }
    }

    /// Runs for the life of the server, beside [`Self::keep_removals`]: an
    /// erasure takes as long as reading the journal does, and keeps nobody else
    /// from being shut out meanwhile.
    pub(crate) async fn keep_erasures(self: Arc<Self>) {
        let mut attempts = HashMap::<TenantName, Attempt>::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let keys = Arc::clone(&self.keys);
            // That it can't be read is told by the other.
            let listed = blocking(move || Ok::<_, RemovalError>(keys.removals().list()?)).await;
            let mut due = listed.unwrap_or_default();
            due.retain(|removal| removal.stage == Stage::Erasing);
            for removal in due {
                let attempt = attempts.entry(removal.tenant.clone()).or_default();
                if attempt.is_due(Instant::now()) && self.try_to_erase(&removal, attempt).await {
                    attempts.remove(&removal.tenant);
                }
            }
        }
    }

    /// Whether it is done.
    async fn try_to_erase(self: &Arc<Self>, removal: &Removal, attempt: &mut Attempt) -> bool {
        let Err(error) = self.erase(removal, &mut attempt.sealed).await else { return true };
        let pause = attempt.failed(Instant::now());
        tracing::warn!(tenant = %removal.tenant, %error, ?pause, "the erasure has to wait: it is tried again");
        false
    }

    /// From here on no request names these tenants, whatever the files say.
    async fn take_out(&self, leaving: BTreeSet<TenantName>) {
        let mut turn = self.turns.reload.lock().await;
        let mut configs = HashMap::clone(&self.tenants.configs());
        let gone: Vec<_> = leaving.iter().filter_map(|tenant| configs.remove(tenant)).collect();
        self.tenants.set_leaving(leaving);
        if gone.is_empty() {
            return;
        }
        for config in gone {
            tracing::warn!(tenant = %config.name(), "the tenant is being removed");
            // It is not forgotten before everybody knows.
            turn.gone.remove(config.name());
            turn.last_settings.insert(config.name().clone(), Arc::clone(config.settings()));
        }
        self.tenants.set_configs(configs);
        self.limits.install(&self.tenants.all());
    }

    async fn advance(self: &Arc<Self>, removal: &Removal) -> Result<(), RemovalError> {
        match removal.stage {
            Stage::Ending => self.end(removal).await,
            Stage::Erasing => Ok(()),
            Stage::Done => self.finish(&removal.tenant).await,
        }
    }

    async fn end(self: &Arc<Self>, removal: &Removal) -> Result<(), RemovalError> {
        let tenant = &removal.tenant;
        if !self.host.is_leaving(tenant) {
            let settings = self.settings_of(tenant).await?;
            self.host.offboard(&settings).await?;
        }
        let left = self.host.left_to_tell(tenant);
        let is_late = self.host.now() >= removal.asked_at.plus(removal.within);
        if !left.is_done() && !is_late {
            return Ok(());
        }
        if !left.is_done() {
            tracing::error!(
                %tenant, alerts = left.alerts, messages = left.messages,
                "not everybody could be told that the tenant's alerts are over"
            );
        }
        if removal.erase {
            return self.note(removal, Stage::Erasing, self.host.number_of(tenant)).await.map(drop);
        }
        self.host.forget(tenant).await?;
        if self.note(removal, Stage::Done, None).await? {
            tracing::warn!(%tenant, "the tenant is removed; what is kept of it goes with time");
        }
        Ok(())
    }

    /// False where more has been asked for meanwhile: the next look sees it.
    async fn note(&self, was: &Removal, stage: Stage, number: Option<u16>) -> Result<bool, RemovalError> {
        let (keys, was) = (Arc::clone(&self.keys), was.clone());
        blocking(move || Ok(keys.removals().advance(&was, stage, number)?)).await
    }

    /// Those that it had, or after a restart what the register knows of them.
    async fn settings_of(self: &Arc<Self>, tenant: &TenantName) -> Result<Arc<TenantSettings>, RemovalError> {
        if let Some(known) = self.turns.reload.lock().await.last_settings.get(tenant) {
            return Ok(Arc::clone(known));
        }
        let (reloader, tenant) = (Arc::clone(self), tenant.clone());
        blocking(move || Ok(Arc::new(last_settings(&reloader.keys, &*reloader.source, &tenant)?))).await
    }

    async fn erase(
        self: &Arc<Self>,
        removal: &Removal,
        sealed: &mut Option<Position>,
    ) -> Result<(), RemovalError> {
        let tenant = removal.tenant.clone();
        self.host.erase(&tenant).await?;
        if let Some(number) = removal.number {
            let sealed = match *sealed {
                Some(before) => before,
                None => *sealed.insert(self.host.seal(Host::partition_of(&tenant)).await?),
            };
            self.host.erase_files(&tenant, number, sealed).await?;
        }
        crashpoint::hit("erased-files");
        self.erase_telemetry(&tenant).await?;
        self.erase_state(&tenant).await?;
        crashpoint::hit("erased-state");
        self.host.recent().forget(&tenant);
        if self.note(removal, Stage::Done, None).await? {
            tracing::warn!(%tenant, "the tenant is erased");
        }
        Ok(())
    }

    async fn erase_telemetry(self: &Arc<Self>, tenant: &TenantName) -> Result<(), RemovalError> {
        let Some(recorder) = self.limits.recorder().cloned() else { return Ok(()) };
        let tenant = tenant.clone();
        blocking(move || Ok(recorder.erase(&tenant)?)).await
    }

    async fn erase_state(self: &Arc<Self>, tenant: &TenantName) -> Result<(), RemovalError> {
        // Nobody writes what was read before.
        let mut turn = self.turns.reload.lock().await;
        turn.last_settings.remove(tenant);
        self.tenants.retain_senders(tenant, |_, _| false);
        let (keys, tenant) = (Arc::clone(&self.keys), tenant.clone());
        blocking(move || Ok(keys.removals().erase(&tenant)?)).await
    }

    /// Once its file is gone its name may be used again.
    async fn finish(self: &Arc<Self>, tenant: &TenantName) -> Result<(), RemovalError> {
        let _turn = self.turns.reload.lock().await;
        let (reloader, tenant) = (Arc::clone(self), tenant.clone());
        blocking(move || {
            if !reloader.source.names(&tenant) {
                reloader.keys.removals().finish(&tenant)?;
            }
            Ok(())
        })
        .await
    }
}

impl Host {
    fn is_leaving(&self, tenant: &TenantName) -> bool {
        self.read(Self::partition_of(tenant), |partition, _| partition.is_leaving(tenant)).0
    }

    fn left_to_tell(&self, tenant: &TenantName) -> LeftToTell {
        self.read(Self::partition_of(tenant), |partition, _| partition.left_to_tell(tenant)).0
    }

    fn number_of(&self, tenant: &TenantName) -> Option<u16> {
        self.read(Self::partition_of(tenant), |partition, _| partition.tenant_number(tenant)).0
    }

    async fn offboard(self: &Arc<Self>, settings: &Arc<TenantSettings>) -> Result<(), Unavailable> {
        let input = Input::Offboard { settings };
        self.step_with_room(Self::partition_of(&settings.name), &input).await.map(drop)
    }

    async fn erase(self: &Arc<Self>, tenant: &TenantName) -> Result<(), Unavailable> {
        let stepped = self.step_with_room(Self::partition_of(tenant), &Input::Erase { tenant }).await?;
        self.durable(stepped.wait_for).await
    }

    /// No snapshot and no segment that ends before `sealed` tells of the tenant
    /// afterwards. The snapshots come behind the seal, so that no recovery
    /// replays what is rewritten: it may be more than the tenant's, where the
    /// beginning has left the log.
    async fn erase_files(
        self: &Arc<Self>,
        tenant: &TenantName,
        number: u16,
        sealed: Position,
    ) -> Result<(), RemovalError> {
        for _ in 0..SNAPSHOTS_KEPT {
            let host = Arc::clone(self);
            blocking(move || host.snapshot().map_err(RemovalError::from)).await?;
        }
        let (host, tenant) = (Arc::clone(self), tenant.clone());
        blocking(move || {
            let partition = Self::partition_of(&tenant);
            let mut hand = Hand(Eraser::new(number, tenant));
            let erasure = host.log().erase(partition, sealed, &mut hand)?;
            tracing::info!(?erasure, "the journal is rewritten");
            Ok(())
        })
        .await
    }

    /// Gives a position before which all that the partition has said is sealed.
    async fn seal(self: &Arc<Self>, partition: PartitionId) -> Result<Position, Unavailable> {
        loop {
            // What is left of the space is for those who are served.
            self.ready()?;
            match self.seal_now(partition) {
                Err(Unavailable::Busy) => tokio::time::sleep(SEAL_PAUSE).await,
                Err(error) => return Err(error),
                Ok(position) => return self.durable(position).await.map(|()| position),
            }
        }
    }
}

/// Says to the journal which records are the tenant's.
struct Hand(Eraser);

impl Edit for Hand {
    fn look(&mut self, frame: &StoredFrame) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.learn(frame.base_offset, &frame.payload)?)
    }

    fn rewrite(&self, frame: &StoredFrame) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        Ok(self.0.rewrite(frame.base_offset, &frame.payload)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_that_fails_is_tried_less_and_less_often() {
        let (begin, mut attempt) = (Instant::now(), Attempt::default());
        assert!(attempt.is_due(begin));
        let pauses: Vec<_> = (0..12).map(|_| attempt.failed(begin).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert!(!attempt.is_due(begin + PAUSE_MAX - LOOK));
        assert!(attempt.is_due(begin + PAUSE_MAX));
    }
}
