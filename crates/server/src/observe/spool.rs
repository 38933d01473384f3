//! What has come of observations that go on to an upstream.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

/// Why an observation doesn't go on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dropped {
    QueueFull,
    SpoolFull,
    DiskFailed,
    Refused,
    Unfit,
}

impl Dropped {
    const ALL: [Self; 5] = [Self::QueueFull, Self::SpoolFull, Self::DiskFailed, Self::Refused, Self::Unfit];

    fn labels(self) -> OfReason {
        let reason = match self {
            Self::QueueFull => "queue_full",
            Self::SpoolFull => "spool_full",
            Self::DiskFailed => "disk_failed",
            Self::Refused => "refused",
            Self::Unfit => "unfit",
        };
        OfReason { reason }
    }
}

/// Of the way to the upstream.
#[derive(Debug, Default, Clone)]
pub(crate) struct SpoolMetrics {
    bytes: Gauge,
    forwarded: Counter,
    dropped: Family<OfReason, Counter>,
}

impl SpoolMetrics {
    /// Only where there is an upstream is there anything to tell.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Size of what waits on the disk for the upstream";
        registry.register_with_unit("spool", help, Unit::Bytes, self.bytes.clone());
        let help = "Observations that the upstream has taken";
        registry.register("observations_forwarded", help, self.forwarded.clone());
        let help = "Observations that the upstream will not hear of, by reason";
        registry.register("observations_dropped", help, self.dropped.clone());
        for reason in Dropped::ALL {
            // Made here, so that it is seen to be 0.
            let _ = self.dropped.get_or_create(&reason.labels());
        }
    }

    pub(crate) fn set_bytes(&self, bytes: u64) {
        self.bytes.set(bytes as i64);
    }

    pub(crate) fn forwarded(&self, rows: u64) {
        self.forwarded.inc_by(rows);
    }

    pub(crate) fn dropped(&self, reason: Dropped, rows: u64) {
        if rows > 0 {
            self.dropped.get_or_create(&reason.labels()).inc_by(rows);
        }
    }
}
