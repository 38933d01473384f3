//! What was known when limits were decided, and what is made of the recorded
//! windows afterwards, by way of files: the same bits.

use openclaw_admission::{
    Adapter, AdaptivePolicies, AdaptivePolicy, Backend, Bounds, Candidate, Features, Plain, Predictor,
    RateSettings, TenantIndex, WINDOWS_MIN,
};
use openclaw_alert::{TenantName, Timestamp};
use openclaw_learning::train::{Gathered, Row, service};
use openclaw_learning::{Random, extract, traces};
use openclaw_limiter::{Adaptive, Ask, CoreId, Limiter, Outcome, Policy, PolicyId, Rate, Seed, Sizes};
use openclaw_telemetry::{Day, Recorder, RecorderOptions, Series, Store, WindowsQuery};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

const SECOND: u64 = 1_000_000_000;
/// 2026-03-01.
const BEGIN: u64 = 1_772_323_200 * SECOND;
const CLIENT: RateSettings = RateSettings { rate_per_s: 50.0, burst: 400 };
const FLOOR: RateSettings = RateSettings { rate_per_s: 1.0, burst: 10 };
const CEILING: RateSettings = RateSettings { rate_per_s: 1e6, burst: 1 << 30 };

type Bits = [u32; 10];

fn bits(features: &Features) -> Bits {
    features.map(f32::to_bits)
}

/// The plain estimator, and what it was asked.
struct Witness(Arc<Mutex<Vec<Bits>>>);

impl Predictor for Witness {
    fn predict(&self, features: &[Features], out: &mut [[f32; 2]]) {
        self.0.lock().unwrap().extend(features.iter().map(bits));
        Plain.predict(features, out);
    }

    fn name(&self) -> &str {
        "witness"
    }

    fn correction_range(&self) -> (f32, f32) {
        Plain.correction_range()
    }
}

/// Requests a tick: of recorded clients where the data is there.
fn arrivals() -> Vec<Vec<u64>> {
    let file =
        std::env::var_os("OPENCLAW_TEST_DATA").map(|data| PathBuf::from(data).join("arrivals.jsonl.gz"));
    let mut clients: Vec<Vec<u64>> = match file.map(|file| traces::read(&file)) {
        Some(Ok(traces)) => {
            let counts = |counts: &[f32]| counts.iter().take(1500).map(|count| *count as u64).collect();
            traces.iter().take(12).map(|trace| counts(&trace.counts)).collect()
        }
        _ => {
            eprintln!("recorded arrivals are left out: OPENCLAW_TEST_DATA names no folder with them");
            Vec::new()
        }
    };
    let mut random = Random::new(11);
    for client in 0..12 {
        let scale = 4_f64.powi(client % 9);
        let mut level = scale;
        clients.push(
            (0..1500)
                .map(|tick| {
                    level = (level * (0.8 + 0.42 * random.unit())).clamp(scale / 50.0, scale * 20.0);
                    // Pauses, after which it is a new client.
                    let is_away = client % 4 == 3 && tick % 300 > 180;
                    if is_away { 0 } else { (level * random.unit() * 2.0) as u64 }
                })
                .collect(),
        );
    }
    clients
}

/// Serves all arrivals; gives what was asked of the predictor, tick by tick.
fn serve(recorder: &Recorder, tenant: &TenantName) -> BTreeMap<i64, Vec<Bits>> {
    let (core, policy) = (CoreId(0), PolicyId(1));
    let limiter = Limiter::new(Sizes { clients: 4096, policies: 8, levels: 8, cores: 1 }, Seed::new([7; 16]))
        .with_learned(256);
    let rate = Rate::new(CLIENT.rate_per_s, CLIENT.burst);
    limiter.set_policy(policy, Policy { rate, within: [None; 2] }, BEGIN);
    limiter.set_adaptive(policy, Some(Adaptive { slo_ms: 200, common: None }));
    let mut policies = AdaptivePolicies::default();
    let bounds = Bounds { headroom: 1.0, floor: FLOOR, ceiling: CEILING };
    policies.set(
        policy,
        AdaptivePolicy { tenant: TenantIndex(0), is_enforced: true, client: CLIENT, bounds, coverage: 0.99 },
    );
    let name: Arc<str> = "api".into();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut adapter = Adapter::new(Box::new(Witness(Arc::clone(&asked))));
    let (arrivals, mut random) = (arrivals(), Random::new(5));
    let mut served = BTreeMap::new();
    for tick in 0..1500_usize {
        let now = BEGIN + tick as u64 * SECOND + 300_000_000;
        let mut candidates = Vec::new();
        for (client, counts) in arrivals.iter().enumerate() {
            let key = limiter.key(1, format!("client {client}").as_bytes());
            let count = counts.get(tick).copied().unwrap_or(0);
            // Very many tokens are asked for at once.
            let cost = count / 200 + 1;
            for _ in 0..count / cost {
                let decision = limiter.decide(core, Ask { policy, key, cost: cost as u32 }, now);
                if decision.learned.is_none() {
                    candidates.push(Candidate { policy, key });
                } else if decision.is_allowed() && random.unit() < 0.7 {
                    let own_fault = random.unit() < 0.1;
                    limiter.observe(
                        policy,
                        key,
                        Outcome { own_fault, latency_ms: (random.unit() * 900.0) as u32 },
                    );
                }
            }
        }
        // The backend suffers for a while.
        let latency_ms = if (600..800).contains(&tick) { 900.0 } else { 60.0 };
        let backend = Backend { answers: 500, failures: 0, latency_ms };
        let now = BEGIN + (tick as u64 + 1) * SECOND;
        let mut progress = adapter.begin(&limiter, &policies, candidates, now);
        let mut rows = Vec::new();
        while {
            let is_more = adapter.step(&limiter, &policies, &mut progress);
            rows.extend(
                adapter.ended().iter().map(|window| (tenant.clone(), extract::window_row(window, &name))),
            );
            is_more
        } {}
        recorder.windows(rows);
        if tick % 500 == 0 {
            recorder.flush();
        }
        adapter.finish(&limiter, &policies, |_| backend, now);
        served.insert((now / 1_000_000).cast_signed(), std::mem::take(&mut *asked.lock().unwrap()));
    }
    served
}

/// What was asked of the predictor, and what was recorded meanwhile.
fn served_and_recorded() -> (BTreeMap<i64, Vec<Bits>>, Vec<Series>) {
    let folder = tempfile::tempdir().unwrap();
    let tenant = TenantName::new("acme").unwrap();
    let now = Arc::new(|| Timestamp::from_nanos((BEGIN + 3000 * SECOND).cast_signed()));
    let recorder = Recorder::start(folder.path(), RecorderOptions::default(), now).unwrap();
    let served = serve(&recorder, &tenant);
    recorder.stop();
    let day = Day::of(Timestamp::from_nanos(BEGIN.cast_signed()));
    let query = WindowsQuery { tenant: None, from: day, to: day, rows_max: u64::MAX };
    let series = Store::at(folder.path()).windows(&query).unwrap().map(Result::unwrap).collect();
    (served, series)
}

#[test]
fn training_sees_what_served_to_the_bit() {
    let (served, series) = served_and_recorded();
    let mut again: BTreeMap<i64, Vec<Bits>> = BTreeMap::new();
    let mut windows = 0;
    for series in &series {
        for (after, row) in extract::after_each(&series.rows).zip(&series.rows) {
            assert!(after.is_whole, "a gap at {}", row.at_ms);
            again.entry(row.at_ms).or_default().push(bits(&after.features));
            windows += 1;
        }
    }
    let asked: usize = served.values().map(Vec::len).sum();
    assert!(asked > 1000, "{asked}");
    for (at_ms, features) in &served {
        let mut again = again.remove(at_ms).unwrap_or_default();
        for row in features {
            let found = again.iter().position(|other| other == row);
            assert!(found.is_some(), "at {at_ms} {row:?} served, and only {again:?} is known");
            again.swap_remove(found.unwrap());
        }
        // Those who were forgotten are asked for no more.
        windows -= features.len();
    }
    let begun = series.iter().flat_map(|series| &series.rows).filter(|row| row.before == 0).count();
    assert!(begun > series.len(), "somebody has to have been forgotten and have come back");
    assert!(windows <= begun, "{windows} windows were never asked about");
    // All that can happen to a window has happened.
    let rows = || series.iter().flat_map(|series| &series.rows);
    assert!(rows().any(|row| row.ticks.iter().any(|tick| *tick > 1 << 16)), "no tick needs a shift");
    assert!(rows().any(|row| row.is_strained) && rows().any(|row| row.refused > 0));
    assert!(rows().any(|row| row.counted < row.ticks.iter().sum::<u32>() as f32), "nothing is clipped");
    assert!(rows().any(|row| row.answered > 0 && row.own_faults > 0));
}

/// What is learned from is what had served, and is to cover what serving takes
/// in: of clients that were held back, too.
#[test]
fn rows_to_learn_from_are_what_served_to_the_bit() {
    let (served, series) = served_and_recorded();
    // A stream in whose clients no abuse is made up.
    let honest = (0..).map(Random::new).find(|random| random.clone().below(4) == 0).unwrap();
    let mut clipped = 0;
    for series in series {
        let mut gathered = Gathered::holding_out_from(i64::MAX);
        service::add_series(&series, &mut honest.clone(), &mut gathered);
        let known = extract::after_each(&series.rows).zip(&series.rows).zip(series.rows.iter().skip(1));
        let known = known.filter(|((_, row), next)| next.before >= WINDOWS_MIN && next.follows(row));
        let known: Vec<_> = known.collect();
        assert_eq!(gathered.rows.len(), known.len());
        for (row, ((after, before), window)) in gathered.rows.iter().zip(known) {
            let served = &served[&before.at_ms];
            assert!(served.contains(&bits(&row.features)), "{row:?} of {window:?}");
            let counted = [libm::log1pf(window.counted), libm::log1pf(window.counted_burst)];
            let expected = Row::new(after.features, after.base, counted);
            assert_eq!(row.target.map(f32::to_bits), expected.target.map(f32::to_bits));
            clipped += usize::from(window.counted < window.ticks.iter().sum::<u32>() as f32);
        }
    }
    assert!(clipped > 100, "{clipped} windows were clipped");
}

/// Rows to train on are of known clients, and stand in the order of time.
#[test]
fn rows_are_of_windows_whose_past_is_known() {
    let (_, series) = served_and_recorded();
    let stays = |series: &&Series| series.rows.iter().filter(|row| row.before == 0).count() == 1;
    let whole = series.iter().filter(stays).max_by_key(|series| series.rows.len()).unwrap().rows.clone();
    let rows: Vec<_> = extract::recorded(&whole).collect();
    assert_eq!(rows.len(), whole.len() - usize::from(WINDOWS_MIN));
    assert!(rows.is_sorted_by_key(|row| row.at_ms));
    // One window is missing: nothing is made of what comes after it.
    let mut gap = whole.clone();
    gap.remove(40);
    let before_gap = extract::recorded(&gap).count();
    assert_eq!(before_gap, 40 - usize::from(WINDOWS_MIN));
    assert_eq!(extract::recorded(&whole[..1]).count() + extract::recorded(&[]).count(), 0);
}
