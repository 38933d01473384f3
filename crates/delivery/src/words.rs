//! What a message is put into words with: where links lead, the time, and the
//! count of templates that failed.

use crate::template::Rendering;
use openclaw_alert::{Notification, Timestamp};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Templates that failed at the time of a message.
#[derive(Debug, Default)]
pub(crate) struct TemplateFaults(AtomicU64);

impl TemplateFaults {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// For one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'s> {
    /// Our own address, for links back.
    pub(crate) external_url: &'s str,
    pub(crate) now: Timestamp,
    pub(crate) faults: &'s TemplateFaults,
}

impl Words<'_> {
    pub(crate) fn rendering(&self, notification: &Notification) -> Rendering {
        Rendering::new(notification, self.external_url, self.now)
    }

    /// Counts the failure and says it on a line for the message.
    pub(crate) fn note(&self, notification: &Notification, place: &str, error: &dyn fmt::Display) -> String {
        self.faults.0.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            tenant = notification.tenant.as_str(),
            receiver = &*notification.receiver,
            %error,
            "a template in {place} failed: the default text is sent, mend the template"
        );
        format!("the template in {place} failed: {error}")
    }
}

#[cfg(test)]
impl<'s> Words<'s> {
    pub(crate) fn sample(external_url: &'s str) -> Self {
        static FAULTS: TemplateFaults = TemplateFaults(AtomicU64::new(0));
        Self { external_url, now: crate::fixture::NOW, faults: &FAULTS }
    }
}
