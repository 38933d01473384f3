//! Carries out sends, once the step that decided them is durable.

use super::Host;
use openclaw_alert::{Notification, PartitionId, SendOutcome, TenantName};
use openclaw_delivery::Target;
use openclaw_journal::{Position, crashpoint};
use openclaw_pipeline::{Input, Send};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Host {
    /// The number of these is bounded by the outbox: each integration has a
    /// window of messages under way.
    pub(super) fn send_when_durable(self: &Arc<Self>, partition: PartitionId, decided: Position, send: Send) {
        let host = Arc::clone(self);
        self.attempts.fetch_add(1, Ordering::SeqCst);
        self.work.spawn(async move {
            if host.durable(decided).await.is_err() || host.draining.load(Ordering::Relaxed) {
                // It is in the outbox; the next process sends it.
                host.attempt_over();
                return;
            }
            crashpoint::hit("before-send");
            let started = Instant::now();
            let outcome = host.attempt(&send).await;
            crashpoint::hit("send");
            let took = started.elapsed();
            host.metrics.attempted(&send.notification, &outcome, took);
            let is_kept = |tenant: &TenantName| host.tenants.keeps(tenant);
            host.recent.note(&send.notification, &outcome, host.now(), took, is_kept);
            let input = Input::Sent { entry: send.entry, outcome: &outcome, took };
            if host.step_with_room(partition, &input).await.is_err() {
                tracing::warn!(
                    tenant = %send.notification.tenant,
                    receiver = &*send.notification.receiver,
                    "the outcome of a send can't be written: it will be repeated after a restart"
                );
            }
            host.attempt_over();
        });
    }

    fn attempt_over(&self) {
        if self.attempts.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.all_over.notify_waiters();
        }
    }

    /// Waits until nothing is being sent.
    pub(crate) async fn all_sent(&self) {
        loop {
            let over = self.all_over.notified();
            tokio::pin!(over);
            // Before the look, so that an end between look and wait is heard.
            over.as_mut().enable();
            if self.attempts.load(Ordering::SeqCst) == 0 {
                return;
            }
            over.await;
        }
    }

    /// A word to somebody in another tool, once: no message, and nothing is
    /// kept of it.
    pub(crate) async fn reply(&self, tenant: &TenantName, to: &Target, body: Vec<u8>) -> SendOutcome {
        self.sender.say(tenant, to, body, self.clock.now()).await
    }

    async fn attempt(&self, send: &Send) -> SendOutcome {
        let notification = &send.notification;
        let Notification { tenant, receiver, integration, .. } = notification;
        let integration = self.tenants.integration(tenant, receiver, *integration);
        match integration {
            Some(integration) => self.sender.send(&integration, notification, self.clock.now()).await,
            None => {
                SendOutcome::Never { detail: "the receiver is no longer in the tenant's settings".to_owned() }
            }
        }
    }
}
