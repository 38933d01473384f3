//! What recorded windows say about a model.

use super::Recorded;
use crate::artifact::FeatureBaseline;
use crate::evaluate::closed::Source;
use crate::extract::recorded;
use crate::train::Known;
use openclaw_admission::FEATURES;
use openclaw_alert::Timestamp;
use openclaw_telemetry::{Day, Store, TelemetryError, Windows, WindowsQuery};

/// Days that a model is tried on.
const RECENT_DAYS: u32 = 3;
/// Days that drift is measured against.
const BASELINE_DAYS: u32 = 90;
/// Days that simulated worlds are made of.
const SOURCE_DAYS: u32 = 7;
/// Clients in them at most.
const SOURCES_MAX: usize = 24;
/// Windows of the last days that are looked at; of more, those of some clients.
const WINDOWS_MAX: u64 = 200_000;

/// Clients of the last three days, and what each feature looked like in the
/// three months before; nothing where there is hardly anything of these.
///
/// Both are of the same clients: clients are unlike each other, so that others
/// would look like drift.
///
/// # Errors
/// Where telemetry can't be read.
pub fn recent(
    store: &Store,
    now: Timestamp,
) -> Result<(Recorded, Option<Vec<FeatureBaseline>>), TelemetryError> {
    recent_at_most(store, now, WINDOWS_MAX)
}

fn recent_at_most(
    store: &Store,
    now: Timestamp,
    windows_max: u64,
) -> Result<(Recorded, Option<Vec<FeatureBaseline>>), TelemetryError> {
    let today = Day::of(now);
    let days = |first: u32, last: u32, rows_max: u64| {
        let (from, to) = (today.minus(first), today.minus(last));
        store.windows(&WindowsQuery { tenant: None, from, to, rows_max })
    };
    let recent = days(RECENT_DAYS - 1, 0, windows_max)?;
    // As many a day.
    let before_max = windows_max * u64::from((BASELINE_DAYS - RECENT_DAYS) / RECENT_DAYS);
    let before = days(BASELINE_DAYS - 1, RECENT_DAYS, before_max)?;
    // Where there was far more before, too few of late would be left.
    let share = before.share().max(recent.share() / 4.0);
    let recent = recent.at_most(share);
    let before = before.at_most(recent.share());
    let (recent, before) = (clients(recent, windows_max)?, clients(before, windows_max)?);
    if before.windows().count() < super::recorded::WINDOWS_MIN {
        return Ok((recent, None));
    }
    Ok((recent, (0..FEATURES).map(|at| FeatureBaseline::of(&before.features(at))).collect()))
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

/// Of clients with more windows each, only some are kept.
fn clients(windows: Windows, windows_max: u64) -> Result<Recorded, TelemetryError> {
    let times = windows.rows_in_files() as f64 * windows.share() / windows_max as f64;
    let each = times.round().max(1.0) as usize;
    let mut clients: Vec<Vec<Known>> = Vec::new();
    for series in windows {
        clients.push(recorded(&series?.rows).step_by(each).collect());
    }
    Ok(Recorded { clients })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;
    use crate::validate::gate::Verdict;
    use crate::validate::recorded::drift;
    use openclaw_alert::TenantName;
    use openclaw_telemetry::{ClientId, Recorder, RecorderOptions, WindowRow};
    use std::num::NonZeroU32;
    use std::sync::Arc;

    const DAYS: i64 = 30;
    /// 2026-03-01.
    const BEGIN_MS: i64 = 1_772_323_200_000;
    const DAY_MS: i64 = 86_400_000;

    fn window(client: u64, at_ms: i64, before: u8, random: &mut Random) -> WindowRow {
        // Each strays in its own way.
        let strays = 0.02 * (client as f64 + 1.0);
        let count = 200.0 * libm::exp(random.normal(0.0, strays));
        WindowRow {
            client_id: ClientId(client.wrapping_mul(0x1234_5678_9abd) & 0xffff_ffff_ffff),
            policy: "api".into(),
            at_ms,
            before,
            ticks: [(count / 12.0) as u32; 12],
            allowed: 1,
            refused: 0,
            cost: 1,
            rate_per_s: 1.0,
            burst: 1,
            advised_rate_per_s: 1.0,
            advised_burst: 1,
            is_strained: false,
            counted: count as f32,
            counted_burst: (count / 12.0) as f32,
            answered: 0,
            own_faults: 0,
            latency: 0.0,
            model: "plain".into(),
            weight: 1.0,
        }
    }

    /// Nothing changes; there is more than is looked at, and clients are unlike
    /// each other.
    #[test]
    fn other_clients_are_no_drift() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_nanos((BEGIN_MS + DAYS * DAY_MS - 1000) * 1_000_000);
        let options = RecorderOptions {
            max_rows_per_s: NonZeroU32::new(1 << 20).unwrap(),
            ..RecorderOptions::default()
        };
        let recorder = Recorder::start(folder.path(), options, Arc::new(move || now)).unwrap();
        let (tenant, mut random) = (TenantName::new("acme").unwrap(), Random::new(3));
        for day in 0..DAYS {
            let mut rows = Vec::new();
            for client in 0..60 {
                rows.extend((0..40_u8).map(|at| {
                    let at_ms = BEGIN_MS + day * DAY_MS + i64::from(at) * 12_000;
                    (tenant.clone(), window(client, at_ms, at, &mut random))
                }));
            }
            recorder.windows(rows);
        }
        recorder.stop();
        let (recent, baseline) = recent_at_most(&Store::at(folder.path()), now, 4_000).unwrap();
        assert!((20..50).contains(&recent.clients.len()), "{}", recent.clients.len());
        for gate in drift(&baseline.unwrap(), &recent) {
            assert_eq!(gate.verdict(), Verdict::Passed, "{gate:?}");
        }
    }
}
