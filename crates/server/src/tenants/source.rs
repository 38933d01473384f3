//! Where tenants' settings come from.

use super::Sources;
use crate::auth::{CertificateRule, TokenIssuer};
use openclaw_admission::LimitSettings;
use openclaw_alert::TenantName;
use openclaw_delivery::{Integration, ReceiverSettings};
use openclaw_pipeline::TenantSettings;
use std::fmt::Debug;
use std::sync::Arc;

/// A tenant as its settings describe it.
#[derive(Debug)]
pub struct TenantConfig {
    /// What decides about its alerts.
    pub settings: Arc<TenantSettings>,
    /// Whether it has routes; alerts of a tenant without any are refused.
    pub takes_alerts: bool,
    /// How its receivers are reached.
    pub receivers: Vec<ReceiverSettings>,
    /// What the register keeps of each of their integrations, in that order.
    pub origins: Vec<Vec<Origin>>,
    /// Its routing as one valid Alertmanager file, secrets as `<secret>`.
    pub routing_yaml: String,
    /// Its intakes.
    pub sources: Sources,
    /// What its own clients may ask for.
    pub limits: LimitSettings,
    /// What verifies its tokens.
    pub tokens: Option<Arc<TokenIssuer>>,
    /// Client certificates that are its credentials.
    pub certificates: Vec<CertificateRule>,
    /// Differs where anything that these settings say differs.
    pub version: u64,
}

impl TenantConfig {
    pub(crate) fn settings(&self) -> &Arc<TenantSettings> {
        &self.settings
    }

    /// Keeps what was fetched and verified under settings that are the same.
    pub(crate) fn following(mut self, before: Option<&Arc<Self>>) -> Self {
        let known = before.and_then(|before| before.tokens.as_ref());
        self.tokens = self.tokens.map(|tokens| tokens.follow(known));
        self
    }

    pub(crate) fn name(&self) -> &TenantName {
        &self.settings.name
    }
}

/// What outlives an integration's place in the settings.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    /// A hash of where it sends to and with what credential.
    pub target: u64,
    /// A hash of where it sends to: who keeps it stays the same integration.
    pub place: u64,
    /// All but templates that [`SettingsSource::integration`] needs to build
    /// it again, secrets included.
    pub settings: String,
    /// The tenant's message templates, shared by its integrations.
    pub templates: Arc<str>,
}

impl Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

/// Where tenants' settings come from, while the service runs.
pub trait SettingsSource: Send + Sync + Debug {
    /// Reads everything anew.
    ///
    /// # Errors
    /// All faults, for people: nothing is applied then.
    fn read(&self) -> Result<Vec<TenantConfig>, String>;

    /// Builds an integration from the settings and templates that were kept of
    /// it.
    ///
    /// # Errors
    /// Why it can't be, for people; never quotes what was kept, which holds
    /// secrets.
    fn integration(
        &self,
        tenant: &TenantName,
        settings: &str,
        templates: &str,
    ) -> Result<Integration, String>;

    /// Whether a tenant is there, with faults or without.
    fn names(&self, tenant: &TenantName) -> bool;

    /// Moves when what would be read may have changed.
    fn stamp(&self) -> u64;

    /// The stamp of what was read last, faults or not.
    fn stamp_read(&self) -> u64;
}
