//! What recorded windows say about a model.

use super::Recorded;
use crate::artifact::FeatureBaseline;
use crate::evaluate::closed::Source;
use crate::extract::recorded;
use crate::train::Known;
use openclaw_admission::FEATURES;
use openclaw_alert::Timestamp;
use openclaw_telemetry::{Day, Store, TelemetryError, WindowsQuery};

/// Days that a model is tried on.
const RECENT_DAYS: u32 = 3;
/// Days that drift is measured against.
const BASELINE_DAYS: u32 = 90;
/// Days that simulated worlds are made of.
const SOURCE_DAYS: u32 = 7;
/// Clients in them at most.
const SOURCES_MAX: usize = 24;
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

/// The busiest clients of the last week, for simulated worlds: the first half of
/// each is its past.
///
/// # Errors
/// Where telemetry can't be read.
pub fn sources(store: &Store, now: Timestamp) -> Result<Vec<Source>, TelemetryError> {
    let today = Day::of(now);
    let query =
        WindowsQuery { tenant: None, from: today.minus(SOURCE_DAYS - 1), to: today, rows_max: WINDOWS_MAX };
    let mut sources = Vec::new();
    for series in store.windows(&query)? {
        let ticks = series?.rows.into_iter().flat_map(|row| row.ticks);
        let counts: Vec<f64> = ticks.map(f64::from).collect();
        let windows = counts.len() / openclaw_admission::TICKS;
        sources.push(Source { counts, past_windows: windows / 2, day_windows: 0 });
        if sources.len() > 2 * SOURCES_MAX {
            keep_busiest(&mut sources);
        }
    }
    keep_busiest(&mut sources);
    Ok(sources)
}

fn keep_busiest(sources: &mut Vec<Source>) {
    let asked = |source: &Source| source.counts.iter().sum::<f64>();
    sources.sort_by(|a, b| asked(b).total_cmp(&asked(a)));
    sources.truncate(SOURCES_MAX);
}

fn clients(store: &Store, from: Day, to: Day) -> Result<Recorded, TelemetryError> {
    let query = WindowsQuery { tenant: None, from, to, rows_max: WINDOWS_MAX };
    let mut clients: Vec<Vec<Known>> = Vec::new();
    for series in store.windows(&query)? {
        clients.push(recorded(&series?.rows).map(|row| row.known).collect());
    }
    Ok(Recorded { clients })
}
