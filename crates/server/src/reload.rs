//! New settings for a running service, and what people switch in `state.db`.
//!
//! Settings with a fault change nothing, of any tenant. Where a tenant's can't
//! be written down it keeps those that it had, the others get theirs, and it is
//! tried again. A tenant is known to its partition before any request can name
//! it, and is forgotten only after no new request can.

use crate::host::{Host, Unavailable};
use crate::limits::Limits;
use crate::observe::Metrics;
use crate::operator::{Operator, Subject};
use crate::removal::LastSettings;
use crate::tenants::{Senders, SettingsSource, TenantConfig, Tenants, prune, prune_other, register};
use openclaw_alert::TenantName;
use openclaw_pipeline::TenantSettings;
use openclaw_state::{Keys, KeysVersion, Known, StateError, Switch};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How often it is looked whether files have changed.
const LOOK: Duration = Duration::from_secs(1);

/// What could not be put in force is tried again after this many looks.
const RETRY_LOOKS: u32 = 5;

/// How often it is looked whether a break-glass was set.
const SWITCHES_LOOK: Duration = Duration::from_millis(500);

/// How often it is looked whether integrations that have left can be forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// Why new settings are not in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They have faults; what was in force stays so.
    #[error("{0}")]
    Faults(String),
    /// Those of some tenants can't be written down: these keep what they had,
    /// and it is tried again. The others' are in force.
    #[error("{}", joined(.0))]
    NotInForce(Vec<NotInForce>),
}

fn joined(tenants: &[NotInForce]) -> String {
    tenants.iter().map(NotInForce::to_string).collect::<Vec<_>>().join("; ")
}

/// A tenant whose settings as they are now are not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotInForce {
    /// Whose.
    pub tenant: TenantName,
    /// Why not, for people.
    pub why: String,
}

impl NotInForce {
    pub(crate) fn new(tenant: &TenantName, why: &impl fmt::Display) -> Self {
        Self { tenant: tenant.clone(), why: why.to_string() }
    }
}

impl fmt::Display for NotInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings of tenant `{}` are not in force: {}", self.tenant, self.why)
    }
}

/// What new settings came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// Tenants that are new or have changed.
    pub changed: usize,
    /// Tenants that have gone.
    pub removed: usize,
}

/// What a running service is kept to its settings with.
pub(crate) struct Reloader {
    pub(crate) host: Arc<Host>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) source: Arc<dyn SettingsSource>,
    pub(crate) operator: Arc<Operator>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) turns: Turns,
}

/// Of tenants that are not in force any more.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    /// Those that have left the settings and that their partitions still know.
    pub(crate) gone: BTreeSet<TenantName>,
    /// What those had in force that are being removed.
    pub(crate) last_settings: LastSettings,
}

/// Whose turn it is, and what is to be done again.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// One reload at a time.
    pub(crate) reload: Mutex<Gone>,
    /// Whether the last reload left something to be tried again.
    is_incomplete: AtomicBool,
    /// One at a time, so that nobody goes by an older look than the last.
    switches: Mutex<()>,
    /// Whether some break-glass is not as it was set.
    is_switch_left: AtomicBool,
}

impl Reloader {
    /// Reads the settings anew and puts them in force.
    pub(crate) async fn reload(self: &Arc<Self>) -> Result<Reloaded, ReloadError> {
        let mut turn = self.turns.reload.lock().await;
        let result = self.apply(&mut turn.gone).await;
        self.metrics.reloaded(result.is_ok(), self.host.now());
        let faults = result.as_ref().err().filter(|error| matches!(error, ReloadError::Faults(_)));
        self.operator.set(Subject::ReloadFailed, faults.map(ToString::to_string));
        match &result {
            Ok(Reloaded { changed, removed }) => tracing::info!(changed, removed, "settings reloaded"),
            Err(error) => tracing::error!(%error, "the new settings are not in force"),
        }
        result
    }

    async fn apply(self: &Arc<Self>, gone: &mut BTreeSet<TenantName>) -> Result<Reloaded, ReloadError> {
        let reloader = Arc::clone(self);
        let Read { mut configs, changed, senders, mut failed } = blocking(move || reloader.read()).await?;
        self.tenants.set_senders(senders);
        let mut reloaded = Reloaded::default();
        for config in changed {
            let name = config.name().clone();
            match self.configure(&config).await {
                Ok(()) => {
                    reloaded.changed += 1;
                    configs.insert(name, config);
                }
                Err(error) => failed.push(NotInForce::new(&name, &error)),
            }
        }
        let before = self.tenants.configs();
        for NotInForce { tenant, .. } in &failed {
            let kept = before.get(tenant).map(|running| (tenant.clone(), Arc::clone(running)));
            configs.extend(kept);
        }
        gone.extend(before.keys().cloned());
        gone.retain(|tenant| !configs.contains_key(tenant));
        self.tenants.set_configs(configs);
        self.limits.install(&self.tenants.all());
        reloaded.removed = self.forget(gone, &mut failed).await;
        self.left(&failed);
        self.follow_switches().await;
        if failed.is_empty() { Ok(reloaded) } else { Err(ReloadError::NotInForce(failed)) }
    }

    /// Of those that have gone; gives how many are forgotten.
    async fn forget(&self, gone: &mut BTreeSet<TenantName>, failed: &mut Vec<NotInForce>) -> usize {
        let mut removed = 0;
        for tenant in std::mem::take(gone) {
            match self.host.forget(&tenant).await {
                Ok(()) => removed += 1,
                Err(error) => {
                    failed.push(NotInForce::new(&tenant, &error));
                    gone.insert(tenant);
                }
            }
        }
        removed
    }

    /// Notes whose settings are not in force, to try again.
    pub(crate) fn left(&self, failed: &[NotInForce]) {
        self.turns.is_incomplete.store(!failed.is_empty(), Ordering::Relaxed);
        self.metrics.not_in_force(failed.iter().map(|failed| &failed.tenant));
        self.operator.not_in_force(failed);
    }

    fn read(&self) -> Result<Read, ReloadError> {
        let mut read = Read::default();
        let known = self.tenants.configs();
        for config in self.source.read().map_err(ReloadError::Faults)? {
            let name = config.name().clone();
            if self.tenants.is_leaving(&name) {
                continue;
            }
            match known.get(&name).filter(|known| known.version == config.version) {
                Some(same) => drop(read.configs.insert(name, Arc::clone(same))),
                None => self.register(config.following(known.get(&name)), &mut read),
            }
        }
        Ok(read)
    }

    fn register(&self, config: TenantConfig, read: &mut Read) {
        let name = config.name().clone();
        let is_needed = |integration: &Known| self.is_needed(&name, integration);
        match register(&self.keys, &*self.source, config, is_needed) {
            Ok(registered) => {
                let mut one = HashMap::new();
                read.senders.push(registered.split(&mut one));
                read.changed.extend(one.into_values());
            }
            Err(error) => read.failed.push(NotInForce::new(&name, &error)),
        }
    }

    fn is_needed(&self, tenant: &TenantName, known: &Known) -> bool {
        let refers = |partition: &openclaw_pipeline::Partition, _| {
            partition.refers_to(tenant, &known.receiver, known.number)
        };
        self.host.read(Host::partition_of(tenant), refers).0
    }

    async fn configure(&self, config: &TenantConfig) -> Result<(), Unavailable> {
        self.host.configure(config.settings()).await
    }

    /// Runs for the life of the server: reloads when files change, once they
    /// have stayed as they are for a moment, and tries again what could not be
    /// put in force.
    pub(crate) async fn keep_watch(self: Arc<Self>) {
        let mut last = self.source.stamp_read();
        let mut looks = 0_u32;
        loop {
            tokio::time::sleep(LOOK).await;
            looks = looks.wrapping_add(1);
            let stamp = self.stamp().await;
            let is_left =
                looks.is_multiple_of(RETRY_LOOKS) && self.turns.is_incomplete.load(Ordering::Relaxed);
            if stamp == last && (is_left || stamp != self.source.stamp_read()) {
                // What is wrong with them has been logged and counted.
                let _ = self.reload().await;
            }
            last = stamp;
        }
    }

    async fn stamp(&self) -> u64 {
        let source = Arc::clone(&self.source);
        tokio::task::spawn_blocking(move || source.stamp()).await.unwrap_or_default()
    }

    /// Runs for the life of the server: forgets integrations that have left
    /// and have nothing to tell any more.
    pub(crate) async fn keep_pruned(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PRUNE_EVERY).await;
            let _turn = self.turns.reload.lock().await;
            for config in self.tenants.all() {
                if let Err(error) = self.prune(&config).await {
                    tracing::warn!(tenant = %config.name(), %error, "the register can't be tidied");
                }
            }
            let reloader = Arc::clone(&self);
            match blocking(move || reloader.prune_others()).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "the register can't be tidied"),
            }
        }
    }

    async fn prune(self: &Arc<Self>, config: &Arc<TenantConfig>) -> Result<(), PruneError> {
        let has_retired =
            |receiver: &openclaw_routing::Receiver| receiver.integrations.iter().any(|i| i.is_retired);
        if !config.settings.routing.receivers.iter().any(has_retired) {
            return Ok(());
        }
        let (reloader, known) = (Arc::clone(self), Arc::clone(config));
        let pruned = blocking(move || {
            let is_needed = |integration: &Known| reloader.is_needed(known.name(), integration);
            prune(&reloader.keys, &known, is_needed).map_err(PruneError::from)
        });
        let Some(pruned) = pruned.await? else { return Ok(()) };
        self.configure(&pruned).await?;
        let mut configs = HashMap::clone(&self.tenants.configs());
        configs.insert(pruned.name().clone(), Arc::new(pruned));
        self.tenants.set_configs(configs);
        self.limits.install(&self.tenants.all());
        Ok(())
    }

    /// Of tenants that are not in the settings.
    fn prune_others(&self) -> Result<(), PruneError> {
        for tenant in self.keys.registered()? {
            if self.tenants.get(&tenant).is_none() {
                let is_needed = |integration: &Known| self.is_needed(&tenant, integration);
                prune_other(&self.keys, &self.tenants, &tenant, is_needed)?;
            }
        }
        Ok(())
    }

    /// Runs for the life of the server: opens and closes break-glasses as
    /// people set them.
    pub(crate) async fn keep_switches(self: Arc<Self>) {
        let mut seen = None;
        loop {
            tokio::time::sleep(SWITCHES_LOOK).await;
            // Before the switches: what is set meanwhile is looked at again.
            let version = self.version().await;
            let is_left = self.turns.is_switch_left.load(Ordering::Relaxed);
            if version.is_some() && (version != seen || is_left) && self.follow_switches().await {
                seen = version;
            }
        }
    }

    /// Of `state.db`; `None` where it can't be read, which is told by those
    /// who look for keys.
    async fn version(&self) -> Option<KeysVersion> {
        let keys = Arc::clone(&self.keys);
        tokio::task::spawn_blocking(move || keys.version()).await.ok()?.ok()
    }

    /// Opens and closes tenants' break-glasses as people have set them. Gives
    /// whether all are so.
    async fn follow_switches(&self) -> bool {
        let _turn = self.turns.switches.lock().await;
        let keys = Arc::clone(&self.keys);
        let mut is_done = true;
        match tokio::task::spawn_blocking(move || keys.passthrough().list()).await {
            Ok(Ok(switches)) => {
                for tenant in self.tenants.all() {
                    if let Some(switch) = switches.of(tenant.name()) {
                        is_done &= self.switch(tenant.name(), switch).await;
                    }
                }
            }
            Ok(Err(error)) => {
                is_done = false;
                tracing::warn!(%error, "the break-glasses can't be read");
            }
            Err(error) => {
                is_done = false;
                tracing::error!(%error, "reading the break-glasses was cut off");
            }
        }
        self.turns.is_switch_left.store(!is_done, Ordering::Relaxed);
        is_done
    }

    async fn switch(&self, tenant: &TenantName, switch: &Switch) -> bool {
        let Switch { is_on, by } = switch;
        if self.host.is_passthrough(tenant) == *is_on {
            return true;
        }
        match self.host.set_passthrough(tenant, *is_on, by).await {
            Ok(()) => tracing::warn!(%tenant, is_on, by, "the break-glass was set"),
            Err(error) => {
                tracing::error!(%tenant, %error, "the break-glass can't be set: it is tried again");
                return false;
            }
        }
        true
    }
}

/// Why a register can't be tidied.
#[derive(Debug, thiserror::Error)]
enum PruneError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Journal(#[from] Unavailable),
    #[error("cut off: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

/// What reading the settings anew came to, before anything is in force.
#[derive(Default)]
struct Read {
    /// Those that are as they were.
    configs: HashMap<TenantName, Arc<TenantConfig>>,
    changed: Vec<Arc<TenantConfig>>,
    senders: Vec<(TenantName, Arc<Senders>)>,
    failed: Vec<NotInForce>,
}

pub(crate) async fn blocking<T: Send + 'static, E: From<tokio::task::JoinError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    tokio::task::spawn_blocking(work).await?
}

impl From<tokio::task::JoinError> for ReloadError {
    fn from(cut_off: tokio::task::JoinError) -> Self {
        Self::Faults(cut_off.to_string())
    }
}

impl Host {
    /// Puts a tenant's new settings in force, durably.
    async fn configure(self: &Arc<Self>, settings: &Arc<TenantSettings>) -> Result<(), Unavailable> {
        let input = openclaw_pipeline::Input::Configure { settings };
        let stepped = self.step_with_room(Self::partition_of(&settings.name), &input).await?;
        self.durable(stepped.wait_for).await
    }

    /// Decides nothing for a tenant any more.
    pub(crate) async fn forget(self: &Arc<Self>, tenant: &TenantName) -> Result<(), Unavailable> {
        let input = openclaw_pipeline::Input::Forget { tenant };
        self.step_with_room(Self::partition_of(tenant), &input).await.map(drop)
    }

    fn is_passthrough(&self, tenant: &TenantName) -> bool {
        self.read(Self::partition_of(tenant), |partition, _| partition.is_passthrough(tenant)).0
    }

    async fn set_passthrough(
        self: &Arc<Self>,
        tenant: &TenantName,
        is_on: bool,
        by: &str,
    ) -> Result<(), Unavailable> {
        let input = openclaw_pipeline::Input::Passthrough { tenant, is_on, by };
        let stepped = self.step_with_room(Self::partition_of(tenant), &input).await?;
        self.durable(stepped.wait_for).await
    }
}
