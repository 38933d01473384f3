//! The role `edge`: whether clients may go on, and nothing else. No journal, no
//! receivers; it goes on deciding when everything behind it is away.

mod models;
mod server;
mod spool;

pub use server::{EdgeOptions, EdgeServer};
pub use spool::{UpstreamError, UpstreamOptions};

use crate::clock::Clock;
use crate::http::Core;
use crate::reload::{ReloadError, Reloaded, blocking};
use crate::tenants::SettingsSource;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is looked whether files have changed.
const LOOK: Duration = Duration::from_secs(1);

/// What handlers need at the edge.
pub(crate) struct Edge {
    pub(crate) core: Arc<Core>,
    source: Arc<dyn SettingsSource>,
    clock: Arc<Clock>,
    /// One reload at a time.
    turn: tokio::sync::Mutex<()>,
    is_draining: AtomicBool,
}

impl Edge {
    fn new(core: Arc<Core>, source: Arc<dyn SettingsSource>, clock: Arc<Clock>) -> Self {
        Self { core, source, clock, turn: tokio::sync::Mutex::default(), is_draining: AtomicBool::new(false) }
    }

    /// Whether it is about to end.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    fn begin_drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Reads the settings anew and puts them in force, between two decisions.
    pub(crate) async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let _turn = self.turn.lock().await;
        let source = Arc::clone(&self.source);
        let read = blocking(move || source.read().map_err(ReloadError::Faults)).await;
        let result = read.map(|read| self.apply(read));
        self.core.metrics.reloaded(result.is_ok(), self.clock.now());
        match &result {
            Ok(Reloaded { changed, removed }) => tracing::info!(changed, removed, "settings reloaded"),
            Err(error) => tracing::error!(%error, "the new settings are not in force"),
        }
        result
    }

    fn apply(&self, read: Vec<crate::tenants::TenantConfig>) -> Reloaded {
        let tenants = &self.core.tenants;
        let known = tenants.configs();
        let mut reloaded = Reloaded::default();
        let mut configs = HashMap::new();
        for config in read {
            let name = config.name().clone();
            let same = known.get(&name).filter(|known| known.version == config.version);
            reloaded.changed += usize::from(same.is_none());
            let config = same.cloned().unwrap_or_else(|| Arc::new(config.following(known.get(&name))));
            configs.insert(name, config);
        }
        reloaded.removed = known.keys().filter(|tenant| !configs.contains_key(*tenant)).count();
        tenants.set_configs(configs);
        self.core.limits.install(&tenants.all());
        reloaded
    }

    /// Runs for the life of the server: reloads when files change, once they
    /// have stayed as they are for a moment.
    async fn keep_watch(self: Arc<Self>) {
        let mut last = self.source.stamp_read();
        loop {
            tokio::time::sleep(LOOK).await;
            let source = Arc::clone(&self.source);
            let Ok(stamp) = tokio::task::spawn_blocking(move || source.stamp()).await else { return };
            if stamp == last && stamp != self.source.stamp_read() {
                // What is wrong with them has been logged and counted.
                let _ = self.reload().await;
            }
            last = stamp;
        }
    }
}
