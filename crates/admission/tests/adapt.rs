//! Learned limits against a real limiter, tick by tick.

use openclaw_admission::{
    Adapter, AdaptivePolicies, AdaptivePolicy, Backend, Bounds, Candidate, Features, Plain, Predictor,
    RateSettings, TenantIndex,
};
use openclaw_limiter::{
    Adaptive, Ask, CoreId, Key, LearnedId, Limiter, Outcome, Policy, PolicyId, Rate, Seed, Sizes,
};
use proptest::prelude::*;

const CORE: CoreId = CoreId(0);
const POLICY: PolicyId = PolicyId(1);
const TENANT: TenantIndex = TenantIndex(0);
const CLIENT: RateSettings = RateSettings { rate_per_s: 100.0, burst: 1000 };
const FLOOR: RateSettings = RateSettings { rate_per_s: 10.0, burst: 20 };
const CEILING: RateSettings = RateSettings { rate_per_s: 1000.0, burst: 10_000 };
const SECOND: u64 = 1_000_000_000;

#[path = "adapt/trial.rs"]
mod trial;

#[path = "adapt/together.rs"]
mod together;

struct World {
    limiter: Limiter,
    policies: AdaptivePolicies,
    adapter: Adapter,
    candidates: Vec<Candidate>,
    backend: Backend,
    now: u64,
}

impl World {
    fn new(is_enforced: bool) -> Self {
        Self::predicting(is_enforced, Box::new(Plain))
    }

    fn predicting(is_enforced: bool, predictor: Box<dyn Predictor>) -> Self {
        let sizes = Sizes { clients: 4096, policies: 8, levels: 8, cores: 1 };
        let limiter = Limiter::new(sizes, Seed::new([7; 16])).with_learned(256);
        let rate = Rate::new(CLIENT.rate_per_s, CLIENT.burst);
        limiter.set_policy(POLICY, Policy { rate, within: [None; 2] }, SECOND);
        limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 200, common: None }));
        let mut policies = AdaptivePolicies::default();
        policies.set(POLICY, policy(is_enforced));
        let adapter = Adapter::new(predictor);
        let (candidates, backend) = (Vec::new(), Backend::default());
        Self { limiter, policies, adapter, candidates, backend, now: SECOND }
    }

    fn key(&self, client: &str) -> Key {
        self.limiter.key(1, client.as_bytes())
    }

    /// Asks that many times; gives how many may go on.
    fn ask(&mut self, client: &str, times: u32) -> u32 {
        let key = self.key(client);
        let ask = Ask { policy: POLICY, key, cost: 1 };
        let mut allowed = 0;
        for _ in 0..times {
            let decision = self.limiter.decide(CORE, ask, self.now);
            allowed += u32::from(decision.is_allowed());
            if decision.learned.is_none() {
                self.candidates.push(Candidate { policy: POLICY, key });
            }
        }
        allowed
    }

    fn tick(&mut self) {
        self.now += SECOND;
        let (candidates, backend) = (std::mem::take(&mut self.candidates), self.backend);
        self.adapter.tick(&self.limiter, &self.policies, candidates, |_| backend, self.now);
    }

    fn learned(&self, client: &str) -> Option<(LearnedId, Rate)> {
        let decision = self.limiter.peek(Ask { policy: POLICY, key: self.key(client), cost: 0 }, self.now);
        decision.learned.map(|id| (id, decision.rate))
    }

    fn rate(&self, client: &str) -> f64 {
        self.learned(client).map(|(_, rate)| rate.tokens_per_s()).unwrap()
    }

    fn advised(&self, client: &str) -> Option<RateSettings> {
        self.adapter.client(self.learned(client)?.0, &policy(true))?.advised
    }
}

fn policy(is_enforced: bool) -> AdaptivePolicy {
    let bounds = Bounds { headroom: 1.0, floor: FLOOR, ceiling: CEILING };
    AdaptivePolicy { tenant: TENANT, is_enforced, client: CLIENT, bounds, coverage: 0.99 }
}

#[test]
fn a_steady_clients_bucket_follows_its_need() {
    let mut world = World::new(true);
    for _ in 0..400 {
        assert_eq!(world.ask("steady", 40), 40);
        world.tick();
    }
    let rate = world.rate("steady");
    assert!((40.0..100.0).contains(&rate), "{rate}");
    // Twice as much within a few minutes: the bucket grows with it.
    let mut refused = 0;
    for tick in 0..400 {
        let asked = 40 + tick / 10;
        refused += asked - world.ask("steady", asked);
        world.tick();
    }
    let rate = world.rate("steady");
    assert!((75.0..220.0).contains(&rate), "{rate}");
    assert!(refused < 100, "{refused} refused");
}

#[test]
fn advice_is_shown_and_not_enforced() {
    let mut world = World::new(false);
    for _ in 0..400 {
        assert_eq!(world.ask("steady", 40), 40);
        world.tick();
    }
    let advised = world.advised("steady").unwrap();
    assert!((40.0..95.0).contains(&advised.rate_per_s), "{advised:?}");
    assert!((world.rate("steady") - 100.0).abs() < 1e-3);
    // Put in force, then taken back, then off.
    world.policies.set(POLICY, policy(true));
    (0..13).for_each(|_| world.tick());
    assert!(world.rate("steady") < 95.0);
    world.policies.set(POLICY, policy(false));
    (0..13).for_each(|_| world.tick());
    assert!((world.rate("steady") - 100.0).abs() < 1e-3);
    world.policies = AdaptivePolicies::default();
    world.tick();
    assert_eq!(world.learned("steady"), None);
}

#[test]
fn who_falls_silent_is_forgotten() {
    let mut world = World::new(true);
    for _ in 0..60 {
        world.ask("gone", 40);
        world.tick();
    }
    assert!(world.learned("gone").is_some());
    (0..40).for_each(|_| world.tick());
    assert_eq!(world.learned("gone"), None);
}

#[test]
fn names_used_once_get_no_line() {
    let mut world = World::new(true);
    for tick in 0..200 {
        (0..100).for_each(|name| assert_eq!(world.ask(&format!("random-{tick}-{name}"), 1), 1));
        world.ask("steady", 5);
        world.tick();
    }
    assert_eq!(world.limiter.learned(0..256, world.now).count(), 1);
}

#[test]
fn an_attacker_does_not_take_what_others_have() {
    let mut world = World::new(true);
    for _ in 0..300 {
        (0..5).for_each(|name| assert_eq!(world.ask(&format!("steady-{name}"), 30), 30));
        world.tick();
    }
    let before = world.rate("steady-0");
    let mut passed = 0;
    for _ in 0..60 {
        (0..5).for_each(|name| assert_eq!(world.ask(&format!("steady-{name}"), 30), 30));
        passed = world.ask("attacker", 5000);
        world.tick();
    }
    assert!((world.rate("steady-0") - before).abs() < before * 0.1);
    assert!(passed <= 1000, "{passed}");
}

/// A backend that fails everybody says nothing of who asked.
#[test]
fn victims_of_an_outage_keep_their_limit() {
    let mut world = World::new(true);
    let tick = |world: &mut World, failures| {
        let asked = 30;
        let allowed = world.ask("victim", asked);
        let outcome = Outcome { own_fault: false, latency_ms: 60 };
        let key = world.key("victim");
        (0..allowed).for_each(|_| world.limiter.observe(POLICY, key, outcome));
        world.backend = Backend { answers: allowed, failures: allowed * failures, latency_ms: 60.0 };
        world.tick();
        asked - allowed
    };
    (0..300).for_each(|_| assert_eq!(tick(&mut world, 0), 0));
    let before = world.advised("victim").unwrap();
    let during: u32 = (0..120).map(|_| tick(&mut world, 1)).sum();
    (0..20).for_each(|_| {
        tick(&mut world, 0);
    });
    let after: u32 = (0..300).map(|_| tick(&mut world, 0)).sum();
    let now = world.advised("victim").unwrap();
    assert!(now.rate_per_s >= 30.0 && now.rate_per_s < before.rate_per_s * 1.2, "{now:?} after {before:?}");
    assert_eq!(after, 0, "refused after the outage, {during} during it");
}

#[test]
fn a_backend_that_suffers_is_shared_by_past_use() {
    let mut world = World::new(true);
    world.backend = Backend { answers: 100, failures: 0, latency_ms: 50.0 };
    for _ in 0..600 {
        (0..4).for_each(|name| assert_eq!(world.ask(&format!("old-{name}"), 40), 40));
        world.ask("spike", 20);
        world.tick();
    }
    // The spike asks for much; the backend bears 250 a second.
    let mut passed = [0; 2];
    for _ in 0..60 {
        let old: u32 = (0..4).map(|name| world.ask(&format!("old-{name}"), 40)).sum();
        let spike = world.ask("spike", 900);
        world.backend.latency_ms = if old + spike > 250 { 400.0 } else { 50.0 };
        passed = [passed[0] + old, passed[1] + spike];
        world.tick();
    }
    assert!(passed[0] > 4 * 40 * 60 * 3 / 4, "the old ones got {} of 9600", passed[0]);
    assert!(passed[1] < 900 * 60 / 4, "the spike got {}", passed[1]);
    // It recovers: all is given back within a window or two.
    world.backend.latency_ms = 50.0;
    for _ in 0..30 {
        (0..4).for_each(|name| {
            world.ask(&format!("old-{name}"), 40);
        });
        world.tick();
    }
    assert!(!world.adapter.tenant(TENANT).is_strained);
    assert!(world.rate("old-0") >= 40.0, "{}", world.rate("old-0"));
}

struct Mad(Vec<f32>);

impl Predictor for Mad {
    fn predict(&self, features: &[Features], out: &mut [[f32; 2]]) {
        for (at, (row, out)) in features.iter().zip(out).enumerate() {
            assert!(row.iter().all(|feature| feature.is_finite()));
            *out = [self.0[at % self.0.len()], self.0[(at + 1) % self.0.len()]];
        }
    }

    fn name(&self) -> &str {
        "mad"
    }

    fn correction_range(&self) -> (f32, f32) {
        (-4.0, 12.0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_below_the_floor_nor_above_the_ceiling(
        outputs in prop::collection::vec(
            prop_oneof![any::<f32>(), Just(f32::NAN), Just(f32::INFINITY), -5.0_f32..5.0], 1..5),
        asked in prop::collection::vec((0_u32..300, 0_u32..3), 30..200),
        latency_ms in prop_oneof![any::<f32>(), 10.0_f32..1000.0],
    ) {
        let mut world = World::predicting(true, Box::new(Mad(outputs)));
        let key = world.key("client");
        for (asked, faults) in asked {
            world.ask("client", asked);
            for _ in 0..faults {
                let outcome = Outcome { own_fault: faults == 1, latency_ms: asked };
                world.limiter.observe(POLICY, key, outcome);
            }
            world.backend = Backend { answers: asked, failures: faults, latency_ms };
            world.tick();
            let Some((_, rate)) = world.learned("client") else { continue };
            let (per_s, burst) = (rate.tokens_per_s(), rate.burst());
            prop_assert!((FLOOR.rate_per_s * 0.999..=CEILING.rate_per_s * 1.001).contains(&per_s), "{}", per_s);
            prop_assert!((20..=10_000).contains(&burst), "{}", burst);
        }
    }
}

/// A million clients who have learned a rate, and who they are.
fn a_million_learned() -> (Limiter, AdaptivePolicies, Vec<Key>) {
    const COUNT: u32 = 1 << 20;
    let sizes = Sizes { clients: 2 << 20, policies: 8, levels: 8, cores: 1 };
    let limiter = Limiter::new(sizes, Seed::new([7; 16])).with_learned(COUNT);
    let rate = Rate::new(CLIENT.rate_per_s, CLIENT.burst);
    limiter.set_policy(POLICY, Policy { rate, within: [None; 2] }, SECOND);
    limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 200, common: None }));
    let mut policies = AdaptivePolicies::default();
    policies.set(POLICY, policy(true));
    let keys: Vec<Key> = (0..1_000_000_u32).map(|client| limiter.key(1, &client.to_le_bytes())).collect();
    let learned = keys.iter().filter(|key| limiter.learn(POLICY, **key, rate, SECOND).is_ok()).count();
    assert!(learned > 990_000, "{learned}");
    (limiter, policies, keys)
}

/// How long single decisions take while nothing else goes on, and while another
/// thread adapts a million clients without a pause. Run it as the test below.
#[test]
#[ignore = "measures, in a release build, on two cores that nobody else uses"]
#[allow(clippy::disallowed_methods, reason = "measures")]
fn decisions_take_no_longer_while_a_million_clients_are_adapted() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let (limiter, policies, keys) = a_million_learned();
    // Nanoseconds that the slowest in 1,000 takes, of a million decisions.
    let slowest_in_1000 = |tick: u64| {
        let mut nanos: Vec<u64> = (0..keys.len())
            .map(|at| {
                let key = keys[at * 617_321 % keys.len()];
                let began = std::time::Instant::now();
                let _ = limiter.decide(CORE, Ask { policy: POLICY, key, cost: 1 }, tick * SECOND);
                began.elapsed().as_nanos() as u64
            })
            .collect();
        let at = nanos.len() - nanos.len() / 1000;
        *nanos.select_nth_unstable(at).1
    };
    let alone = (2..7).map(slowest_in_1000).min().unwrap_or(0);
    let (ticks, is_done) = (AtomicU64::new(0), AtomicU64::new(0));
    let beside = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut adapter = Adapter::new(Box::new(trial::network("a")));
            for tick in 7..10_000 {
                adapter.tick(&limiter, &policies, Vec::new(), |_| Backend::default(), tick * SECOND);
                ticks.fetch_add(1, Ordering::Relaxed);
                if is_done.load(Ordering::Relaxed) != 0 {
                    break;
                }
            }
        });
        let beside = (7..12).map(slowest_in_1000).min().unwrap_or(0);
        is_done.store(1, Ordering::Relaxed);
        beside
    });
    let ticks = ticks.into_inner();
    eprintln!("p99.9 of a decision: {alone} ns alone, {beside} ns beside {ticks} ticks");
    assert!(ticks >= 2 && beside < 3 * alone + 1_000, "{alone} ns, then {beside} ns");
}

/// How long a million clients take, from the 26th tick on with two models. Run it by
/// `cargo test --release -p openclaw-admission --test adapt -- --ignored --nocapture`.
#[test]
#[ignore = "measures, in a release build"]
#[allow(clippy::disallowed_methods, reason = "measures")]
fn a_million_clients_within_half_a_second() {
    let (limiter, policies, keys) = a_million_learned();
    let mut adapter = Adapter::new(Box::new(trial::network("a")));
    let mut slowest = std::time::Duration::ZERO;
    for tick in 2..40_u64 {
        for (at, key) in keys.iter().enumerate() {
            let ask = Ask { policy: POLICY, key: *key, cost: 1 + (at as u64 * tick % 7) as u32 };
            let _ = limiter.decide(CORE, ask, tick * SECOND);
        }
        if tick == 26 {
            adapter.try_out(Box::new(trial::network("b")), 7);
            adapter.set_part(openclaw_admission::Part::of_percent(25.0));
        }
        let began = std::time::Instant::now();
        adapter.tick(&limiter, &policies, Vec::new(), |_| Backend::default(), tick * SECOND);
        slowest = slowest.max(began.elapsed());
        eprintln!("tick {tick}: {:?}", began.elapsed());
    }
    assert!(slowest.as_millis() < 500, "{slowest:?}");
}
