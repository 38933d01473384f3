//! Rows, and folders for them.

use openclaw_alert::{TenantName, Timestamp};
use openclaw_telemetry::{
    ClientId, Day, ObservationRow, Recorder, RecorderOptions, Series, Store, WindowRow, WindowsQuery,
};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub(crate) const DAY_MS: i64 = 86_400_000;
/// 2026-03-01.
pub(crate) const BEGIN_MS: i64 = 1_772_323_200_000;

pub(crate) fn tenant(name: &str) -> TenantName {
    TenantName::new(name).unwrap()
}

/// A clock that is put forward.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(crate) fn at(ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(ms)))
    }

    pub(crate) fn put(&self, ms: i64) {
        self.0.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::Relaxed) * 1_000_000)
    }
}

pub(crate) fn recorder(folder: &Path, hand: &Hand) -> Recorder {
    let max_rows_per_s = NonZeroU32::new(1 << 20).unwrap();
    let options = RecorderOptions { retention_days: 90, max_rows_per_s };
    let hand = hand.clone();
    Recorder::start(folder, options, Arc::new(move || hand.now())).unwrap()
}

pub(crate) fn observation(client: &str, at_ms: i64, response_time_ms: f32) -> ObservationRow {
    ObservationRow { client_id: client.into(), at_ms, response_time_ms, status_code: 200, weight: 1.0 }
}

/// A window whose every number says which it is.
pub(crate) fn window(client: u64, at_ms: i64) -> WindowRow {
    let number = (client.wrapping_mul(31) ^ at_ms.cast_unsigned()) & 0xffff;
    let small = number as u32;
    WindowRow {
        client_id: ClientId(client & 0xffff_ffff_ffff),
        policy: if client.is_multiple_of(3) { "api".into() } else { "search".into() },
        at_ms,
        before: (number % 101) as u8,
        ticks: std::array::from_fn(|tick| small.wrapping_mul(tick as u32 * 65_537)),
        allowed: number * 3,
        refused: number,
        cost: number << 30,
        rate_per_s: number as f64 / 7.0,
        burst: u32::MAX - small,
        advised_rate_per_s: number as f64 / 3.0,
        advised_burst: small + 1,
        is_strained: number.is_multiple_of(2),
        counted: small as f32 / 3.0,
        counted_burst: small as f32 / 9.0,
        answered: small as u16,
        own_faults: (small / 2) as u16,
        latency: small as f32 / -1000.0,
        model: if number.is_multiple_of(5) { "plain".into() } else { "model-20260301".into() },
        weight: 1.0,
    }
}

pub(crate) fn query(rows_max: u64) -> WindowsQuery {
    let day = |ms: i64| Day::of(Timestamp::from_nanos(ms * 1_000_000));
    WindowsQuery {
        tenant: None,
        from: day(BEGIN_MS).minus(1000),
        to: day(BEGIN_MS + 1000 * DAY_MS),
        rows_max,
    }
}

pub(crate) fn all_series(store: &Store) -> Vec<Series> {
    store.windows(&query(u64::MAX)).unwrap().collect::<Result<_, _>>().unwrap()
}
