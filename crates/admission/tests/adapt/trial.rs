//! Two models at a time.

use super::*;
use openclaw_admission::{Baseline, CLUSTERS, Cluster, FEATURES, Network, Part, Weights};

struct Always(f32, &'static str);

impl Predictor for Always {
    fn predict(&self, _: &[Features], out: &mut [[f32; 2]]) {
        out.fill([self.0; 2]);
    }

    fn name(&self) -> &str {
        self.1
    }

    fn correction_range(&self) -> (f32, f32) {
        (-4.0, 12.0)
    }
}

/// As large as those that are trained.
pub(super) fn network(name: &str) -> Network {
    let weights = Weights::Mlp {
        hidden_weight: vec![[0.01; FEATURES]; 32],
        hidden_bias: vec![0.1; 32],
        weight: [vec![0.01; 32], vec![0.01; 32]],
        bias: [3.0; 2],
    };
    Network::new(name, weights).unwrap()
}

const CLIENTS: usize = 80;

fn names() -> impl Iterator<Item = String> {
    (0..CLIENTS).map(|name| format!("client-{name}"))
}

/// Everybody asks for somewhat more or less than 10, and is never refused.
fn run(world: &mut World, ticks: u32) {
    for tick in 0..ticks {
        for (at, name) in names().enumerate() {
            let asked = 8 + (tick * 7 + at as u32 * 13) % 5;
            assert_eq!(world.ask(&name, asked), asked, "{name}");
        }
        world.tick();
    }
}

fn rates(world: &World) -> Vec<Rate> {
    names().map(|name| world.learned(&name).unwrap().1).collect()
}

/// After a while with no trial, and the same with a trial at that part.
fn both(output: f32, part: Part) -> (World, World) {
    let (mut alone, mut tried) = (World::new(true), World::new(true));
    run(&mut alone, 150);
    run(&mut tried, 150);
    tried.adapter.try_out(Box::new(Always(output, "b")), 7);
    tried.adapter.set_part(part);
    run(&mut alone, 60);
    run(&mut tried, 60);
    (alone, tried)
}

fn differing(a: &World, b: &World) -> usize {
    rates(a).iter().zip(rates(b)).filter(|(a, b)| **a != *b).count()
}

#[test]
fn a_shadow_changes_nothing() {
    for output in [6.0, -2.0, f32::NAN, f32::INFINITY, 1e9] {
        let (alone, mut tried) = both(output, Part::NOBODY);
        assert_eq!(differing(&alone, &tried), 0, "{output}");
        assert_eq!((tried.adapter.model(), tried.adapter.on_trial()), ("plain", Some("b")));
        let seen = tried.adapter.take_evidence().unwrap();
        let unsound = if output.is_finite() { seen.absurd } else { seen.not_finite };
        assert_eq!(unsound, if output.abs() < 64.0 { 0 } else { seen.outputs }, "{output}");
        assert!(seen.outputs >= 5 * CLIENTS as u64);
    }
}

#[test]
fn a_part_has_the_other_models_limits_and_loses_them_within_one_tick() {
    let (mut alone, mut tried) = both(6.0, Part::of_percent(25.0));
    let differ = differing(&alone, &tried);
    assert!((8..=35).contains(&differ), "{differ} of {CLIENTS}");
    tried.adapter.take_back();
    run(&mut alone, 1);
    run(&mut tried, 1);
    assert_eq!(differing(&alone, &tried), 0);
    assert_eq!(tried.adapter.take_evidence(), None);
}

#[test]
fn a_larger_part_keeps_whom_it_had() {
    let (alone, mut tried) = both(6.0, Part::of_percent(5.0));
    let had =
        |tried: &World| rates(&alone).iter().zip(rates(tried)).map(|(a, b)| *a != b).collect::<Vec<_>>();
    let few = had(&tried);
    tried.adapter.set_part(Part::of_percent(50.0));
    run(&mut tried, 1);
    let more = had(&tried);
    assert!(few.iter().zip(&more).all(|(few, more)| !few || *more));
    assert!(more.iter().filter(|has| **has).count() > few.iter().filter(|has| **has).count() + 10);
}

#[test]
fn who_is_promoted_goes_on_with_what_it_has_learned() {
    let (alone, mut tried) = both(6.0, Part::EVERYBODY);
    assert_eq!(differing(&alone, &tried), CLIENTS);
    let before = rates(&tried);
    assert!(tried.adapter.promote() && !tried.adapter.promote());
    assert_eq!((tried.adapter.model(), tried.adapter.on_trial()), ("b", None));
    // No window ends for most of them in this tick.
    run(&mut tried, 1);
    let kept = rates(&tried).iter().zip(&before).filter(|(now, before)| now == before).count();
    assert!(kept >= CLIENTS * 3 / 4, "{kept}");
}

#[test]
fn another_model_is_in_force_with_the_next_tick() {
    let mut world = World::predicting(true, Box::new(Always(9.0, "loose")));
    run(&mut world, 150);
    let before = rates(&world);
    world.adapter.replace(Box::new(Always(3.0, "before")));
    assert_eq!(world.adapter.model(), "before");
    run(&mut world, 1);
    for (before, now) in before.iter().zip(rates(&world)) {
        let (before, now) = (before.tokens_per_s(), now.tokens_per_s());
        assert!(now < before * 0.8, "{now} after {before}");
    }
}

fn total(world: &mut World) -> Cluster {
    let mut total = Cluster::default();
    let seen = world.adapter.take_evidence().unwrap();
    assert_eq!(seen.clusters.len(), CLUSTERS);
    for of in seen.clusters {
        total.windows += of.windows;
        total.turned_away += of.turned_away;
        total.retried += of.retried;
        for model in 0..2 {
            total.refused[model] += of.refused[model];
            total.loss[model] += of.loss[model];
            total.beyond[model] += of.beyond[model];
            total.room[model] += of.room[model];
        }
    }
    total
}

#[test]
fn two_alike_are_told_to_be_alike() {
    let mut world = World::new(true);
    run(&mut world, 150);
    world.adapter.try_out(Box::new(Plain), 7);
    world.adapter.set_part(Part::of_percent(25.0));
    // Beyond what is allowed now and then, of which some comes again.
    for tick in 0..300 {
        for (at, name) in names().enumerate() {
            world.ask(&name, if (tick + at) % 40 < 4 { 120 } else { 10 });
        }
        world.tick();
    }
    let of = total(&mut world);
    assert!(of.windows > 700.0 && of.refused[0] > 1.0 && of.beyond[0] > 10.0, "{of:?}");
    for pair in [of.refused, of.loss, of.beyond, of.room] {
        assert!((pair[0] - pair[1]).abs() < 1e-9, "{of:?}");
    }
    assert!(of.retried > 0.0);
    assert!(total(&mut world).windows.abs() < 1e-9, "taken twice");
}

#[test]
fn a_tighter_one_has_less_room_and_is_kept_from_refusing_by_habit() {
    let mut tried = World::new(true);
    let tick = |world: &mut World| {
        names().for_each(|name| assert_eq!(world.ask(&name, 40), 40));
        world.tick();
    };
    (0..150).for_each(|_| tick(&mut tried));
    tried.adapter.try_out(Box::new(Always(-3.0, "b")), 7);
    (0..130).for_each(|_| tick(&mut tried));
    let of = total(&mut tried);
    assert!(of.refused[1] >= of.refused[0] && of.room[1] < of.room[0], "{of:?}");
    assert!(of.loss[1] > of.loss[0] && of.beyond[1] > of.beyond[0], "{of:?}");
}

#[test]
fn own_faults_are_no_loss() {
    let mut world = World::new(true);
    let key = world.key("abuser");
    let tick = |world: &mut World, asked| {
        world.ask("abuser", asked);
        let outcome = Outcome { own_fault: true, latency_ms: 500 };
        (0..10).for_each(|_| world.limiter.observe(POLICY, key, outcome));
        world.tick();
    };
    (0..150).for_each(|_| tick(&mut world, 10));
    world.adapter.try_out(Box::new(Always(3.0, "b")), 7);
    (0..300).for_each(|at| tick(&mut world, if at % 50 < 20 { 5_000 } else { 10 }));
    let seen = world.adapter.take_evidence().unwrap();
    assert!(seen.timed > 1_000 && seen.slow == seen.timed, "{} of {}", seen.slow, seen.timed);
    let windows: f64 = seen.clusters.iter().map(|of| of.windows).sum();
    let refused: f64 = seen.clusters.iter().map(|of| of.refused[0] + of.refused[1]).sum();
    assert!(windows > 10.0 && refused.abs() < 1e-9, "{refused} of {windows}");
}

#[test]
fn drift_is_told_once_enough_is_known() {
    let mut world = World::new(true);
    let never = || Baseline { edges: vec![1e6], shares: vec![0.0, 1.0] };
    world.adapter.set_baseline(Some(std::array::from_fn(|_| never())));
    run(&mut world, 40);
    assert_eq!(world.adapter.drift(), None);
    run(&mut world, 180);
    assert!(world.adapter.drift().unwrap().iter().all(|psi| *psi > 1.0));
    world.adapter.set_baseline(None);
    assert_eq!(world.adapter.drift(), None);
    assert_eq!(FEATURES, 10);
}
