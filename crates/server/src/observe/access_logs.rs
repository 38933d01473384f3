//! What has come of Envoy's access logs.

use openclaw_alert::TenantName;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Entries {
    tenant: String,
    result: &'static str,
}

/// Counts entries.
#[derive(Debug, Default)]
pub(crate) struct AccessLogMetrics {
    entries: Family<Entries, Counter>,
}

impl AccessLogMetrics {
    pub(super) fn register(&self, r: &mut Registry) {
        let help = "Entries of Envoy's access logs, by what became of them";
        r.register("access_log_entries", help, self.entries.clone());
    }

    /// A tenant's entries have come; those that are not taken are of requests
    /// under way, or say no client or no status.
    pub(crate) fn came(&self, tenant: &TenantName, taken: usize, left_out: usize) {
        for (result, count) in [("taken", taken), ("left_out", left_out)].into_iter().filter(|(_, n)| *n > 0)
        {
            let labels = Entries { tenant: tenant.to_string(), result };
            self.entries.get_or_create(&labels).inc_by(count as u64);
        }
    }
}
