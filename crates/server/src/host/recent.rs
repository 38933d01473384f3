//! The attempts to send that ended last, for the console. Only in memory: the
//! journal has them all.

use openclaw_alert::{Notification, SendOutcome, Status, TenantName, Timestamp};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Attempts kept.
const KEPT: usize = 200;

/// One attempt.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) at: Timestamp,
    pub(crate) tenant: TenantName,
    pub(crate) receiver: Arc<str>,
    pub(crate) status: Status,
    pub(crate) summary: String,
    pub(crate) outcome: &'static str,
    pub(crate) took: Duration,
}

/// A ring of them.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    attempts: Mutex<VecDeque<Attempt>>,
}

impl Recent {
    pub(super) fn note(
        &self,
        notification: &Notification,
        outcome: &SendOutcome,
        at: Timestamp,
        took: Duration,
    ) {
        let outcome = match outcome {
            SendOutcome::Delivered { .. } => "delivered",
            SendOutcome::Retry { .. } => "to be retried",
            SendOutcome::Never { .. } => "refused",
            SendOutcome::Untried { .. } => "had to wait",
        };
        let attempt = Attempt {
            at,
            tenant: notification.tenant.clone(),
            receiver: Arc::clone(&notification.receiver),
            status: notification.status(),
            summary: openclaw_delivery::summary(notification),
            outcome,
            took,
        };
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.truncate(KEPT - 1);
        attempts.push_front(attempt);
    }

    /// Drops those of one tenant.
    pub(crate) fn forget(&self, tenant: &TenantName) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|attempt| attempt.tenant != *tenant);
    }

    /// The newest first, of one tenant or of all.
    pub(crate) fn list(&self, tenant: Option<&TenantName>) -> Vec<Attempt> {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts
            .iter()
            .filter(|attempt| tenant.is_none_or(|tenant| attempt.tenant == *tenant))
            .cloned()
            .collect()
    }
}
