//! Whole rollouts on made-up clients: a few of them have most of the demand,
//! each strays in its own way, and spikes come without warning.

use super::*;
use crate::Random;
use openclaw_admission::{CLUSTERS, Evidence};
use openclaw_alert::Timestamp;
use std::time::Duration;

const COVERAGE: f64 = 0.99;
/// Windows between two looks of the machine: five minutes.
const WINDOWS: usize = 25;
const START: i64 = 1_800_000_000;

struct Client {
    cluster: usize,
    ln_mean: f64,
    strays: f64,
    /// How far each model is off for this client, for good.
    bias: [f64; 2],
    /// What the conformal correction makes of that.
    correction: [f64; 2],
}

/// What is wrong with a candidate.
#[derive(Debug, Clone, Copy)]
enum Flaw {
    None,
    /// Refuses so many times as much.
    Refuses(f64),
    /// Its limits are so many times as high.
    Times(f64),
    /// Of its clients alone, so many times as much is refused.
    TurnsAway(f64),
}

struct Clients {
    clients: Vec<Client>,
    random: Random,
    flaw: Flaw,
}

impl Clients {
    fn new(seed: u64, count: usize, flaw: Flaw) -> Self {
        let mut random = Random::new(seed);
        let clients = (0..count).map(|_| Client {
            cluster: random.below(CLUSTERS),
            ln_mean: random.normal(3.4, 2.0),
            strays: libm::exp(random.normal(-0.9, 0.5)),
            bias: [random.normal(0.0, 0.1), random.normal(0.0, 0.1)],
            correction: [0.0; 2],
        });
        Self { clients: clients.collect(), random, flaw }
    }

    /// Five minutes of everybody.
    fn see(&mut self, stage: Stage) -> Evidence {
        let mut seen = Evidence::default();
        let Self { clients, random, flaw } = self;
        for client in clients {
            let is_candidates = stage.part().has(client.cluster);
            for _ in 0..WINDOWS {
                window(client, random, *flaw, is_candidates, &mut seen);
            }
        }
        seen.outputs = (self.clients.len() * WINDOWS) as u64;
        seen
    }
}

fn window(client: &mut Client, random: &mut Random, flaw: Flaw, is_candidates: bool, seen: &mut Evidence) {
    let spike = if random.unit() < 0.003 { -libm::log(1.0 - random.unit()) } else { 0.0 };
    let ln_demand = client.ln_mean + client.strays * random.normal(0.0, 1.0) + spike;
    let demand = libm::exp(ln_demand);
    let of = &mut seen.clusters[client.cluster];
    of.windows += 1.0;
    for model in 0..2 {
        let mut ln_limit = client.ln_mean
            + client.strays * (2.4 + client.correction[model] + random.normal(0.0, 0.2))
            + client.bias[model];
        if let (1, Flaw::Times(times)) = (model, flaw) {
            ln_limit += libm::log(times);
        }
        let mut refused = (demand - libm::exp(ln_limit)).max(0.0) / (demand + 1.0);
        if let (1, Flaw::Refuses(times)) = (model, flaw) {
            refused *= times;
        }
        let off = ln_demand - ln_limit;
        let missed = if off > 0.0 { COVERAGE } else { COVERAGE - 1.0 };
        client.correction[model] = (client.correction[model] + 0.3 * missed).clamp(-4.0, 12.0);
        of.refused[model] += refused;
        of.loss[model] += if off > 0.0 { COVERAGE * off } else { (COVERAGE - 1.0) * off };
        of.beyond[model] += f64::from(u8::from(off > 0.0));
        of.room[model] += ln_limit;
        if (model == 1) == is_candidates {
            let times = match flaw {
                Flaw::TurnsAway(times) if is_candidates => times,
                _ => 1.0,
            };
            of.turned_away += refused * times;
            of.retried += 0.5 * refused * times;
        }
    }
}

/// How a rollout ends: everybody has it, or it is taken back at that stage.
fn roll_out(seed: u64, count: usize, flaw: Flaw, settings: &Settings) -> Result<(), (Stage, Reason)> {
    let mut clients = Clients::new(seed, count, flaw);
    let now = |looks: usize| Timestamp::from_secs(START + 300 * looks as i64);
    let mut rollout = Rollout::new(settings.clone(), "a", "b", seed, now(0));
    for looks in 1..10_000 {
        rollout.observe(&clients.see(rollout.stage()));
        match rollout.step(now(looks), None) {
            Some(Event::Promoted { .. }) => return Ok(()),
            Some(Event::RolledBack { at, reason, .. }) => return Err((at, reason)),
            Some(Event::Advanced { .. }) | None => {}
        }
    }
    panic!("the rollout never ends");
}

/// The usual steps, each held for that many minutes.
fn minutes(minutes: u64) -> Settings {
    let hold = Duration::from_secs(60 * minutes);
    let steps = Settings::default().steps().iter().map(|step| Step { hold, ..*step }).collect();
    Settings::new(steps).unwrap()
}

/// How many of so many are taken back before 25 %, and at all.
fn taken_back(rollouts: u64, count: usize, flaw: Flaw, settings: &Settings) -> (u64, u64) {
    let (mut early, mut all) = (0, 0);
    for seed in 0..rollouts {
        if let Err((stage, _)) = roll_out(seed, count, flaw, settings) {
            all += 1;
            early += u64::from(stage < Stage::of_percent(25).unwrap());
        }
    }
    (early, all)
}

#[test]
fn an_equal_model_comes_to_everybody() {
    assert_eq!(taken_back(8, 200, Flaw::None, &minutes(15)), (0, 0));
}

#[test]
fn a_model_that_refuses_more_is_taken_back_early() {
    let (early, _) = taken_back(5, 500, Flaw::Refuses(1.2), &minutes(60));
    assert_eq!(early, 5);
}

#[test]
fn limits_far_too_high_or_low_are_found_in_shadow() {
    for (times, reasons) in [
        (0.5, &[Reason::RefusesMore, Reason::CoversLess, Reason::PredictsWorse][..]),
        (3.0, &[Reason::AllowsTooMuch, Reason::PredictsWorse][..]),
    ] {
        let (stage, reason) = roll_out(1, 200, Flaw::Times(times), &minutes(15)).unwrap_err();
        assert_eq!(stage, Stage::SHADOW);
        assert!(reasons.contains(&reason), "{times}: {reason:?}");
    }
}

/// What its shadow doesn't show is seen where it sets limits.
#[test]
fn harm_where_it_sets_limits_is_found() {
    let (stage, reason) = roll_out(1, 500, Flaw::TurnsAway(4.0), &minutes(30)).unwrap_err();
    assert!(stage > Stage::SHADOW);
    assert!(matches!(reason, Reason::TurnsAwayMore | Reason::RetriedMore), "{reason:?}");
}

/// Ten clients are too few for statistics; what is gross is seen all the same.
#[test]
fn gross_harm_is_found_with_few_clients() {
    for seed in 0..5 {
        assert!(roll_out(seed, 10, Flaw::Times(0.3), &minutes(60)).is_err());
        assert!(roll_out(seed, 10, Flaw::Times(8.0), &minutes(60)).is_err());
        assert_eq!(roll_out(seed, 10, Flaw::None, &minutes(60)), Ok(()));
    }
}

/// The figures of docs/rollout.md:
/// `cargo test --release -p openclaw-learning rollout -- --ignored --nocapture`
#[test]
#[ignore = "a thousand rollouts, some minutes in a release build"]
fn a_thousand_rollouts() {
    let usual = Settings::default();
    for count in [100, 200, 500] {
        let (_, equal) = taken_back(1000, count, Flaw::None, &usual);
        let (early, _) = taken_back(1000, count, Flaw::Refuses(1.2), &usual);
        eprintln!(
            "{count} clients: {equal} of 1000 equal models are taken back, {early} of 1000 that refuse 20 % more before 25 %"
        );
        assert!(equal <= 10, "{equal}");
        assert!(count < 200 || early >= 950, "{early}");
    }
}

#[test]
fn no_numbers_a_slow_model_and_a_backend_that_suffers_end_it() {
    let at = |seconds| Timestamp::from_secs(START + seconds);
    let new = || Rollout::new(Settings::default(), "a", "b", 1, at(0));
    let mut rollout = new();
    rollout.observe(&Evidence { outputs: 1, not_finite: 1, ..Evidence::default() });
    let reason = |event| match event {
        Some(Event::RolledBack { reason, .. }) => Some(reason),
        _ => None,
    };
    assert_eq!(reason(rollout.step(at(1), None)), Some(Reason::NoNumbers));
    let mut rollout = new();
    rollout.observe(&Evidence { outputs: 2_000, absurd: 1, ..Evidence::default() });
    assert_eq!(rollout.step(at(1), Some(300.0)), None);
    assert_eq!(reason(rollout.step(at(2), Some(20_000.0))), Some(Reason::Slow));

    let mut clients = Clients::new(1, 200, Flaw::None);
    let mut rollout = new();
    let mut ended = None;
    for minute in 1..1_000 {
        let mut seen = clients.see(rollout.stage());
        (seen.answers, seen.timed) = (1_000, 1_000);
        seen.failures = if rollout.stage() == Stage::SHADOW { 10 } else { 200 };
        rollout.observe(&seen);
        ended = rollout.step(at(60 * minute), None);
        if let Some(Event::RolledBack { .. }) = ended {
            break;
        }
    }
    assert_eq!(reason(ended), Some(Reason::BackendSuffers));
    assert_eq!(rollout.stage(), Stage::of_percent(5).unwrap());
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let run = |restarts: bool| {
        let mut clients = Clients::new(3, 100, Flaw::None);
        let at = |looks: i64| Timestamp::from_secs(START + 300 * looks);
        let mut rollout = Rollout::new(Settings::default(), "a", "b", 3, at(0));
        let mut events = Vec::new();
        for looks in 1..120 {
            rollout.observe(&clients.see(rollout.stage()));
            events.extend(rollout.step(at(looks), None).map(|_| (looks, rollout.stage())));
            if restarts {
                let text = serde_json::to_string(&rollout).unwrap();
                assert!(text.len() < 400_000, "{}", text.len());
                rollout = serde_json::from_str(&text).unwrap();
            }
        }
        (events, rollout.figures().windows)
    };
    let undisturbed = run(false);
    assert_eq!(undisturbed, run(true));
    assert!(undisturbed.0.len() >= 5);
}

/// Steps of days, and models that are published each night.
#[test]
fn a_step_that_takes_longer_than_the_bound_is_not_overdue() {
    const HOUR: u64 = 3600;
    let of = |percent, hold_h: u64| {
        let stage = Stage::of_percent(percent).unwrap();
        Step { stage, hold: Duration::from_secs(hold_h * HOUR), windows: 100 }
    };
    let at = |hours: u64| Timestamp::from_secs((hours * HOUR) as i64);
    let bound = Duration::from_secs(48 * HOUR);
    let begun = |hold_h| {
        let steps = Settings::new(vec![of(0, hold_h), of(100, hold_h)]).unwrap();
        Rollout::new(steps, "plain", "model-20260101", 7, at(0))
    };
    for (hold_h, overdue_h) in [(1, 48), (72, 216)] {
        let unseen = begun(hold_h);
        assert!(!unseen.is_overdue(at(overdue_h - 1), bound), "{hold_h}");
        assert!(unseen.is_overdue(at(overdue_h), bound), "{hold_h}");
        let mut seen = begun(hold_h);
        let mut evidence = Evidence::default();
        evidence.clusters[0].windows = 100.0;
        seen.observe(&evidence);
        assert!(!seen.is_overdue(at(overdue_h), bound), "{hold_h}");
    }
}
