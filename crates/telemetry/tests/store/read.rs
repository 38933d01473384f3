//! Rows come back as they were, against a plain list.

use crate::made::{BEGIN_MS, DAY_MS, Hand, all_series, observation, query, recorder, tenant, window};
use openclaw_telemetry::{ClientId, Day, Dropped, Kind, ObservationRow, Store, WindowRow};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// What happens to a store.
#[derive(Debug, Clone)]
enum Act {
    Windows(Vec<(u8, u64, i64)>),
    Observations(Vec<(u8, u8, i64)>),
    Flush,
    Restart,
    Tend(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let at = 0..2 * DAY_MS;
    prop_oneof![
        3 => prop::collection::vec((0..3_u8, 0..40_u64, at.clone()), 1..30).prop_map(Act::Windows),
        3 => prop::collection::vec((0..3_u8, 0..9_u8, at), 1..30).prop_map(Act::Observations),
        3 => Just(Act::Flush),
        1 => Just(Act::Restart),
        2 => (0..5_i64).prop_map(Act::Tend),
    ]
}

type Windows = BTreeMap<(String, String, ClientId), Vec<WindowRow>>;

fn read_windows(store: &Store) -> Windows {
    let mut read = Windows::new();
    for series in all_series(store) {
        let key = (series.tenant.to_string(), series.policy.to_string(), series.client_id);
        assert!(series.rows.is_sorted_by_key(|row| row.at_ms), "out of order");
        assert!(
            series.rows.iter().all(|row| row.client_id == series.client_id && row.policy == series.policy)
        );
        assert_eq!(read.insert(key, sorted(series.rows)), None, "one client in two pieces");
    }
    read
}

fn sorted(mut rows: Vec<WindowRow>) -> Vec<WindowRow> {
    rows.sort_by_key(|row| (row.at_ms, row.before));
    rows
}

fn read_observations(store: &Store) -> Vec<(String, String, ObservationRow)> {
    let mut read = Vec::new();
    for name in store.tenants(Kind::Observations).unwrap() {
        for day in store.days(Kind::Observations, &name).unwrap() {
            store
                .observations(&name, day, |rows| {
                    read.extend(rows.into_iter().map(|row| (name.to_string(), day.to_string(), row)));
                })
                .unwrap();
        }
    }
    in_order(read)
}

fn in_order(mut rows: Vec<(String, String, ObservationRow)>) -> Vec<(String, String, ObservationRow)> {
    rows.sort_by(|(a, _, x), (b, _, y)| {
        (a, &x.client_id, x.at_ms, x.status_code).cmp(&(b, &y.client_id, y.at_ms, y.status_code))
    });
    rows
}

fn day(at_ms: i64) -> String {
    Day::of(openclaw_alert::Timestamp::from_nanos(at_ms * 1_000_000)).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn rows_are_there_once_and_as_they_were(acts in prop::collection::vec(act(), 1..25)) {
        let folder = tempfile::tempdir().unwrap();
        let hand = Hand::at(BEGIN_MS + 2 * DAY_MS);
        let store = Store::at(folder.path());
        let mut recorder = recorder(folder.path(), &hand);
        let (mut windows, mut observations) = (Windows::new(), Vec::new());
        for act in acts.into_iter().chain([Act::Flush]) {
            match act {
                Act::Windows(rows) => {
                    let rows = rows.into_iter().map(|(of, client, at)| (tenant(&format!("t{of}")), window(client, BEGIN_MS + at)));
                    let rows: Vec<_> = rows.collect();
                    for (of, row) in &rows {
                        let key = (of.to_string(), row.policy.to_string(), row.client_id);
                        windows.entry(key).or_default().push(row.clone());
                    }
                    recorder.windows(rows);
                }
                Act::Observations(rows) => for (of, client, at) in rows {
                    let row = observation(&format!("c{client}"), BEGIN_MS + at, at as f32 / 7.0);
                    observations.push((format!("t{of}"), day(row.at_ms), row.clone()));
                    recorder.observation(&tenant(&format!("t{of}")), row);
                },
                Act::Flush => recorder.flush(),
                Act::Restart => {
                    recorder.stop();
                    drop(recorder);
                    recorder = crate::made::recorder(folder.path(), &hand);
                }
                Act::Tend(days) => {
                    hand.put(BEGIN_MS + (2 + days) * DAY_MS);
                    let _ = store.tend(hand.now(), 90);
                }
            }
        }
        windows.values_mut().for_each(|rows| *rows = sorted(std::mem::take(rows)));
        prop_assert_eq!(read_windows(&store), windows);
        prop_assert_eq!(read_observations(&store), in_order(observations));
    }
}

/// A sample is whole clients, about as many as were wanted, and its weights
/// stand for all.
#[test]
fn a_sample_is_of_whole_clients() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(BEGIN_MS + DAY_MS / 2);
    let recorder = recorder(folder.path(), &hand);
    let (clients, each) = (2000_u64, 20);
    for turn in 0..each {
        let id = |client: u64| client.wrapping_mul(0x1234_5678_9abd) & 0xffff_ffff_ffff;
        let rows = (0..clients).map(|client| (tenant("acme"), window(id(client), BEGIN_MS + turn * 12_000)));
        recorder.windows(rows.collect());
        if turn % 3 == 0 {
            recorder.flush();
        }
    }
    recorder.stop();
    let store = Store::at(folder.path());
    for is_merged in [false, true] {
        let windows = store.windows(&query(8000)).unwrap();
        assert_eq!(windows.rows_in_files(), clients * each.cast_unsigned());
        assert!((windows.share() - 0.2).abs() < 0.02, "{}", windows.share());
        let series: Vec<_> = windows.collect::<Result<_, _>>().unwrap();
        let names: HashSet<_> = series.iter().map(|series| series.client_id).collect();
        assert_eq!(names.len(), series.len());
        assert!(series.iter().all(|series| series.rows.len() == each as usize), "{is_merged}");
        assert!((340..460).contains(&series.len()), "{}", series.len());
        let stood_for: f32 = series.iter().flat_map(|series| &series.rows).map(|row| row.weight).sum();
        assert!((stood_for / 40_000.0 - 1.0).abs() < 0.12, "{stood_for}");
        let _ = store.tend(openclaw_alert::Timestamp::from_nanos((BEGIN_MS + 2 * DAY_MS) * 1_000_000), 90);
    }
}

/// Nothing that a sender can say makes a folder for a day that isn't kept.
#[test]
fn rows_out_of_time_are_counted_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(BEGIN_MS);
    let recorder = recorder(folder.path(), &hand);
    for at in [
        i64::MIN,
        0,
        BEGIN_MS - 92 * DAY_MS,
        BEGIN_MS - 89 * DAY_MS,
        BEGIN_MS,
        BEGIN_MS + 2 * 3_600_000,
        i64::MAX,
    ] {
        recorder.observation(&tenant("acme"), observation("c", at, 1.0));
    }
    recorder.flush();
    let counts = recorder.counts();
    assert_eq!(counts.rows(Kind::Observations), 2);
    assert_eq!(counts.dropped(Kind::Observations, Dropped::OutOfTime), 5);
    assert!(counts.bytes(Kind::Observations) > 100);
    assert_eq!(read_observations(&Store::at(folder.path())).len(), 2);
}
