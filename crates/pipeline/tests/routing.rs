//! A partition beside a slow, exact model of whole route trees: who is told
//! what by whom, when and why, and what is listed. Time is virtual; settings
//! change under way, processes end and come back.

mod routing_model;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use routing_model::Model;
use routing_model::draw::{Op, Scope, op, setup};
use routing_model::plain::Setup;
use routing_model::real::{Flaw, Real};

struct Pair {
    real: Real,
    model: Model,
    /// Settings as they were drawn, the latest last.
    drawn: Vec<Setup>,
}

impl Pair {
    fn new(setup: &Setup, flaw: Option<Flaw>) -> Self {
        let (real, model) = (Real::new(setup, flaw), Model::new(setup.clone()));
        let mut pair = Self { real, model, drawn: vec![setup.clone()] };
        // Not 0, so that "started a while ago" is never before time begins.
        pair.wait_until(1000);
        pair
    }

    fn wait_until(&mut self, until: u64) {
        self.real.wait_until(until);
        self.model.wait_until(until);
    }

    fn apply(&mut self, op: &Op) {
        let Self { real, model, drawn } = self;
        match op {
            Op::Post(posts) => {
                let scores = real.post(posts);
                model.post(posts, &scores);
            }
            Op::Wait(seconds) => self.wait_until(self.model.now + seconds),
            Op::Restart { down_s, from_snapshot, setup } => {
                let setup = setup.clone().map(|setup| setup.after(&model.setup));
                real.restart(*down_s, setup.as_ref(), *from_snapshot);
                model.restart(*down_s, setup);
            }
            Op::StandStill(seconds) => {
                real.now += seconds;
                real.tick();
                model.stand_still(*seconds);
            }
            Op::TurnAway => {
                real.turn_away();
                model.turn_away();
            }
            Op::SetSilence(posted) => {
                let mut posted = posted.clone();
                posted.of = posted.of.and_then(|back| model.silences().len().checked_sub(back + 1));
                let set = real.set_silence(&posted, model.times_of(&posted));
                assert_eq!(set, model.set_silence(&posted));
            }
            Op::ExpireSilence(back) => {
                if let Some(number) = model.silences().len().checked_sub(back + 1) {
                    real.expire_silence(number);
                    model.expire_silence(number);
                }
            }
            Op::Configure(setup) => {
                drawn.push(setup.clone());
                let setup = setup.clone().after(&model.setup);
                real.configure(&setup);
                model.configure(setup);
            }
            Op::Revert => {
                let last = drawn.len() - 1;
                drawn.swap(last, last.saturating_sub(1));
                let setup = drawn[last].clone().after(&model.setup);
                real.configure(&setup);
                model.configure(setup);
            }
            Op::Straight(is_on) => {
                real.straight(*is_on);
                model.straight(*is_on);
            }
            Op::Feedback(which, action) => {
                let firing = model.firing();
                if let Some(labels) = firing.get(which % firing.len().max(1)) {
                    real.feedback(labels, *action);
                    model.feedback(labels, *action);
                }
            }
        }
        self.wait_until(self.model.now);
    }

    fn compare(&mut self, when: &str) {
        let Self { real, model, .. } = self;
        assert_eq!(real.now, model.now);
        real.told.sort();
        model.told.sort();
        model.told.iter_mut().for_each(|told| told.alerts.sort());
        model.told.sort();
        let shared = real.told.iter().zip(&model.told).take_while(|(a, b)| a == b).count();
        assert_eq!(real.told[shared..], model.told[shared..], "told, at {} after {when}", real.now);
        assert_eq!(real.alerts(model), model.alerts(), "alerts, at {} after {when}", real.now);
        assert_eq!(real.listed_groups(), model.listed_groups(), "groups, at {} after {when}", real.now);
        let silences = model.silences().iter();
        let silences: Vec<_> =
            silences.map(|one| (one.starts_at, one.ends_at, one.state(model.now))).collect();
        assert_eq!(real.silence_states(), silences, "silences, at {} after {when}", real.now);
        assert_eq!(real.ended, model.ended, "ends, at {} after {when}", real.now);
        let known = (real.partition.alerts_in_memory(), model.alerts_in_memory());
        assert_eq!(known.0, known.1, "alerts in memory, at {} after {when}", real.now);
    }
}

fn check(setup: &Setup, ops: &[Op], flaw: Option<Flaw>) {
    let mut pair = Pair::new(setup, flaw);
    for op in ops {
        pair.apply(op);
        pair.compare(&format!("{op:?}"));
    }
    pair.wait_until(pair.model.now + 3000);
    pair.compare("all");
    assert_eq!(pair.real.partition.alerts_in_memory(), 0, "everything ends, and is forgotten");
}

const CASES: u32 = 200;

fn config() -> ProptestConfig {
    let cases = std::env::var("OPENCLAW_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

const STILL: Scope = Scope { escalates: false, reloads: false, shadows: false, enforces: false };
const RELOADS: Scope = Scope { reloads: true, ..STILL };
const ESCALATES: Scope = Scope { escalates: true, ..RELOADS };
const SHADOWS: Scope = Scope { shadows: true, ..ESCALATES };
const ENFORCES: Scope = Scope { enforces: true, ..ESCALATES };

proptest! {
    #![proptest_config(config())]

    #[test]
    fn trees_silences_inhibition_and_times(setup in setup(STILL), ops in prop::collection::vec(op(STILL), 1..30)) {
        check(&setup, &ops, None);
    }

    #[test]
    fn reloads(setup in setup(RELOADS), ops in prop::collection::vec(op(RELOADS), 1..30)) {
        check(&setup, &ops, None);
    }

    #[test]
    fn escalations(setup in setup(ESCALATES), ops in prop::collection::vec(op(ESCALATES), 1..30)) {
        check(&setup, &ops, None);
    }

    #[test]
    fn scores_and_digests(setup in setup(ENFORCES), ops in prop::collection::vec(op(ENFORCES), 1..30)) {
        check(&setup, &ops, None);
    }

    #[test]
    fn shadow(setup in setup(SHADOWS), ops in prop::collection::vec(op(SHADOWS), 1..30)) {
        check(&setup, &ops, None);
    }
}

/// The model has to notice what is wrong.
#[track_caller]
fn check_is_noticed(flaw: Flaw) {
    let config = ProptestConfig { cases: 2000, max_shrink_iters: 0, ..config() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let runs = (setup(RELOADS), prop::collection::vec(op(RELOADS), 1..30));
    let result = runner.run(&runs, |(setup, ops)| {
        check(&setup, &ops, Some(flaw));
        Ok(())
    });
    assert!(result.is_err(), "{flaw:?} goes unnoticed");
}

#[test]
fn planted_flaw_silences_lost_in_snapshots() {
    check_is_noticed(Flaw::LosesSilences);
}

#[test]
fn planted_flaw_inhibition_of_old_settings() {
    check_is_noticed(Flaw::KeepsInhibiting);
}

#[test]
fn planted_flaw_departed_members_forgotten() {
    check_is_noticed(Flaw::ForgetsDeparted);
}
