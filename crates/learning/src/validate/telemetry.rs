//! What recorded windows say about a model.

use super::Recorded;
use crate::artifact::FeatureBaseline;
use crate::extract::recorded;
use crate::train::Known;
use openclaw_admission::FEATURES;
use openclaw_alert::Timestamp;
use openclaw_telemetry::{Day, Store, TelemetryError, WindowsQuery};

/// Days that a model is tried on.
const RECENT_DAYS: u32 = 3;
/// Days that drift is measured against.
const BASELINE_DAYS: u32 = 90;
/// Windows that are looked at; of more, those of some clients.
const WINDOWS_MAX: u64 = 200_000;

impl Recorded {
    /// Clients of the last three days.
    ///
    /// # Errors
    /// Where telemetry can't be read.
    pub fn recent(store: &Store, now: Timestamp) -> Result<Self, TelemetryError> {
        let today = Day::of(now);
        clients(store, today.minus(RECENT_DAYS - 1), today)
    }
}

/// What each feature looked like in the three months before the last days;
/// nothing where there is hardly anything of them.
///
/// # Errors
/// Where telemetry can't be read.
pub fn baseline(store: &Store, now: Timestamp) -> Result<Option<Vec<FeatureBaseline>>, TelemetryError> {
    let today = Day::of(now);
    let before = clients(store, today.minus(BASELINE_DAYS - 1), today.minus(RECENT_DAYS))?;
    if before.windows().count() < super::recorded::WINDOWS_MIN {
        return Ok(None);
    }
    Ok((0..FEATURES).map(|at| FeatureBaseline::of(&before.features(at))).collect())
}

fn clients(store: &Store, from: Day, to: Day) -> Result<Recorded, TelemetryError> {
    let query = WindowsQuery { tenant: None, from, to, rows_max: WINDOWS_MAX };
    let mut clients: Vec<Vec<Known>> = Vec::new();
    for series in store.windows(&query)? {
        clients.push(recorded(&series?.rows).map(|row| row.known).collect());
    }
    Ok(Recorded { clients })
}
