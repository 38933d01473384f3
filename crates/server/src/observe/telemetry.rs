//! What has become of rows of telemetry.

use crate::limits::Limits;
use openclaw_telemetry::{Dropped, Kind};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    kind: &'static str,
    reason: &'static str,
}

/// Of telemetry.
#[derive(Debug, Default)]
pub(crate) struct TelemetryMetrics {
    rows: Family<OfKind, Counter>,
    bytes: Family<OfKind, Counter>,
    dropped: Family<OfReason, Counter>,
}

impl TelemetryMetrics {
    pub(crate) fn register(&self, r: &mut Registry) {
        r.register("telemetry_rows", "Rows of telemetry that are on the disk", self.rows.clone());
        r.register_with_unit(
            "telemetry_written",
            "Size of telemetry's files when they were first written",
            Unit::Bytes,
            self.bytes.clone(),
        );
        r.register(
            "telemetry_rows_dropped",
            "Rows of telemetry that are not kept, by reason",
            self.dropped.clone(),
        );
    }

    /// Brings them up to date.
    pub(crate) fn look(&self, limits: &Limits) {
        let Some(counts) = limits.recorder().map(|recorder| recorder.counts()) else { return };
        for kind in Kind::ALL {
            let of_kind = OfKind { kind: kind.name() };
            super::catch_up(&self.rows.get_or_create(&of_kind), counts.rows(kind));
            super::catch_up(&self.bytes.get_or_create(&of_kind), counts.bytes(kind));
            for why in Dropped::ALL {
                let of_reason = OfReason { kind: kind.name(), reason: why.name() };
                super::catch_up(&self.dropped.get_or_create(&of_reason), counts.dropped(kind, why));
            }
        }
    }
}
