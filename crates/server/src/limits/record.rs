//! What clients did goes to telemetry: how their requests ended, and what they
//! were allowed, window by window.

use super::{Limits, Observation, ObservationSink};
use openclaw_admission::{EndedWindow, TenantIndex};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_learning::extract::window_row;
use openclaw_limiter::PolicyId;
use openclaw_telemetry::{ObservationRow, Recorder, WindowRow};
use std::collections::HashMap;
use std::sync::Arc;

/// Names longer than this are cut.
const CLIENT_BYTES_MAX: usize = 256;

/// What windows are of.
pub(super) trait Names {
    fn tenant(&self, tenant: TenantIndex) -> Option<&TenantName>;
    fn policy(&self, policy: PolicyId) -> Option<&Arc<str>>;
}

/// Policies by number.
pub(super) type PolicyNames = HashMap<PolicyId, Arc<str>>;

impl ObservationSink for Recorder {
    fn take(&self, tenant: &TenantName, observation: &Observation<'_>, at_nanos: u64) {
        let client = &observation.client[..observation.client.len().min(CLIENT_BYTES_MAX)];
        let row = ObservationRow {
            client_id: String::from_utf8_lossy(client).into(),
            at_ms: millis(at_nanos),
            response_time_ms: observation.latency.as_secs_f32() * 1e3,
            status_code: observation.status,
            weight: 1.0,
        };
        self.observation(tenant, row);
    }
}

impl Limits {
    /// Hands on all that clients do from now on.
    pub(crate) fn record(&self, recorder: Arc<Recorder>) {
        let sink: Arc<dyn ObservationSink> = Arc::clone(&recorder) as _;
        if self.recorder.set(recorder).is_ok() {
            self.add_sink(&sink);
        }
    }

    /// Where it goes.
    pub(crate) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.recorder.get()
    }

    /// Hands on windows that have ended.
    pub(super) fn record_windows(&self, ended: &[EndedWindow], names: &impl Names) {
        let Some(recorder) = self.recorder.get().filter(|_| !ended.is_empty()) else { return };
        recorder.windows(ended.iter().filter_map(|window| row(window, names)).collect());
    }
}

fn row(window: &EndedWindow, names: &impl Names) -> Option<(TenantName, WindowRow)> {
    let (tenant, policy) = (names.tenant(window.tenant)?, names.policy(window.policy)?);
    Some((tenant.clone(), window_row(window, policy)))
}

fn millis(nanos: u64) -> i64 {
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)).millis()
}
