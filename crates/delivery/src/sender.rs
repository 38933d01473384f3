//! Carries out one send: a free slot, the kind's own message, a verdict.

use crate::connect::Connections;
use crate::http::{Call, Exchange};
use crate::outcome::of_status;
use crate::outgoing::Outgoing;
use crate::settings::{Integration, Timeout};
use crate::slots::Slots;
use crate::words::{TemplateFaults, Words};
use crate::{HttpConfig, Target, TlsSettingsError};
use openclaw_alert::{Notification, SendOutcome, TenantName, Timestamp};
use std::num::NonZeroU16;
use tokio::time::{Instant, timeout_at};

/// What all sends share.
#[derive(Debug, Clone)]
pub struct SenderOptions {
    /// Where people reach this service, for links back; empty for none.
    pub external_url: String,
    /// Sends under way at a time, of all tenants.
    pub sends_max: NonZeroU16,
    /// Sends under way at a time, of one tenant.
    pub sends_per_tenant_max: NonZeroU16,
    /// Where sends may go, and which way.
    pub outgoing: Outgoing,
}

/// No links, 512 sends at a time, 64 of one tenant, to the public Internet only.
impl Default for SenderOptions {
    fn default() -> Self {
        let number = |n| NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN);
        Self {
            external_url: String::new(),
            sends_max: number(512),
            sends_per_tenant_max: number(64),
            outgoing: Outgoing::default(),
        }
    }
}

/// A sender that can't be built.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// This build's cryptography offers no TLS version.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] TlsSettingsError),
}

/// Sends notifications over connections that stay warm. One for the process;
/// must be used within a Tokio runtime.
pub struct Sender {
    connections: Connections,
    slots: Slots,
    external_url: String,
    faults: TemplateFaults,
}

impl Sender {
    /// Loads the system's trusted certificates; connects nowhere yet.
    ///
    /// # Errors
    /// When TLS can't be set up at all. Missing certificates are only warned
    /// of: plain HTTP works without.
    pub fn new(options: SenderOptions) -> Result<Self, SenderError> {
        Ok(Self {
            connections: Connections::new(options.outgoing)?,
            slots: Slots::new(options.sends_max, options.sends_per_tenant_max),
            external_url: options.external_url,
            faults: TemplateFaults::default(),
        })
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Messages that were sent in the service's words because their owner's
    /// templates failed, since the start.
    #[must_use]
    pub fn template_faults(&self) -> u64 {
        self.faults.get()
    }

    /// One attempt. Repeats carry the key of the notification again, so that a
    /// receiver who honours it sees one message. Alerts that the integration
    /// is not to hear of (`send_resolved`) have been left out before.
    pub async fn send(
        &self,
        integration: &Integration,
        notification: &Notification,
        now: Timestamp,
    ) -> SendOutcome {
        let kind = integration.kind();
        let deadline = Instant::now() + kind.timeout().get();
        let waiting = timeout_at(deadline, self.slots.acquire(&notification.tenant)).await;
        let Ok(Ok(_slot)) = waiting else { return still_waiting() };
        let words = Words { external_url: &self.external_url, now, faults: &self.faults };
        let exchange = Exchange { connections: &self.connections, words, deadline };
        kind.send(&exchange, notification).await
    }

    /// A word beside the messages, once: JSON to an address that somebody has
    /// given for it.
    pub async fn say(&self, tenant: &TenantName, to: &Target, body: Vec<u8>, now: Timestamp) -> SendOutcome {
        let deadline = Instant::now() + Timeout::default().get();
        let waiting = timeout_at(deadline, self.slots.acquire(tenant)).await;
        let Ok(Ok(_slot)) = waiting else { return still_waiting() };
        let words = Words { external_url: &self.external_url, now, faults: &self.faults };
        let exchange = Exchange { connections: &self.connections, words, deadline };
        match exchange.call(Call::post(to, &HttpConfig::default(), body)).await {
            Ok(answer) => of_status(to.host(), &answer),
            Err(outcome) => outcome,
        }
    }
}

fn still_waiting() -> SendOutcome {
    SendOutcome::Untried { detail: "too many sends under way: none ended within the time-out".to_owned() }
}
