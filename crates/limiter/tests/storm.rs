//! What strangers and many threads can do to known clients.

use openclaw_limiter::{
    Adaptive, Ask, Common, CoreId, Key, LearnedId, LevelId, Limiter, Outcome, Policy, PolicyId, Quota, Rate,
    RefusedBy, Seed, Sizes, Verdict, Window,
};
use std::collections::HashSet;

const POLICY: PolicyId = PolicyId(0);
const CORE: CoreId = CoreId(0);
const NOW: u64 = 1_700_000_000_000_000_000;

fn limiter(clients: usize, rate: Rate) -> Limiter {
    let sizes = Sizes { clients, policies: 2, levels: 1, cores: 4 };
    let limiter = Limiter::new(sizes, Seed::new([3; 16])).with_learned(clients as u32 / 10);
    limiter.set_policy(POLICY, Policy { rate, within: [None; 2] }, NOW);
    limiter
}

fn named(limiter: &Limiter, kind: &str, number: usize) -> Key {
    limiter.key(1, format!("{kind}-{number:09}").as_bytes())
}

fn take(limiter: &Limiter, key: Key, cost: u32, now: u64) -> bool {
    limiter.decide(CORE, Ask { policy: POLICY, key, cost }, now).is_allowed()
}

fn left(limiter: &Limiter, key: Key, now: u64) -> u64 {
    limiter.peek(Ask { policy: POLICY, key, cost: 0 }, now).remaining()
}

/// A tenth of the clients are known, owe something and stay active; strangers
/// come with a new name each.
fn storm(clients: usize, strangers: usize) {
    let limiter = limiter(clients, Rate::new(0.001, 10));
    let known: Vec<Key> = (0..clients / 10).map(|number| named(&limiter, "known", number)).collect();
    assert!(known.iter().all(|key| take(&limiter, *key, 5, NOW)));
    for number in 0..strangers {
        assert!(take(&limiter, named(&limiter, "stranger", number), 1, NOW));
    }
    let lost = known.iter().filter(|key| left(&limiter, **key, NOW) != 5).count();
    assert_eq!(lost, 0);
}

#[test]
fn random_names_push_out_no_active_client() {
    storm(20_000, 200_000);
}

#[test]
#[ignore = "ten million names take a minute: cargo test --release -p openclaw-limiter -- --ignored"]
fn ten_million_random_names_push_out_no_active_client() {
    storm(1_000_000, 10_000_000);
}

#[test]
fn nearly_all_clients_fit_that_there_is_said_to_be_room_for() {
    const CLIENTS: usize = 50_000;
    let limiter = limiter(CLIENTS, Rate::new(0.001, 10));
    let keys: Vec<Key> = (0..CLIENTS).map(|number| named(&limiter, "client", number)).collect();
    assert!(keys.iter().all(|key| take(&limiter, *key, 5, NOW)));
    let lost = keys.iter().filter(|key| left(&limiter, **key, NOW) != 5).count();
    assert!(lost * 100 < CLIENTS, "{lost}");
    // At half of it, all but what chance fills all 16 slots of.
    let limiter = self::limiter(2 * CLIENTS, Rate::new(0.001, 10));
    assert!(keys.iter().all(|key| take(&limiter, *key, 5, NOW)));
    let lost = keys.iter().filter(|key| left(&limiter, **key, NOW) != 5).count();
    assert!(lost * 10_000 < CLIENTS, "{lost}");
}

#[test]
fn names_meet_as_seldom_as_chance_has_it() {
    let seed = Seed::new([5; 16]);
    let mut keys = HashSet::new();
    let mut low_bits = vec![0_u32; 1 << 12];
    for number in 0..400_000_u32 {
        // Names that differ in one place, at each length.
        let name = format!("{}{number:x}", "a".repeat(number as usize % 300));
        let key = Key::new(&seed, 1, name.as_bytes());
        assert!(keys.insert(key.word()));
        low_bits[(key.word() >> 36) as usize] += 1;
    }
    let mean = 400_000.0 / low_bits.len() as f64;
    let chi: f64 = low_bits.iter().map(|count| (f64::from(*count) - mean).powi(2) / mean).sum();
    // 4 095 degrees of freedom: five standard deviations.
    assert!((chi - 4_095.0).abs() < 5.0 * (2.0 * 4_095.0_f64).sqrt(), "{chi}");
    assert_ne!(Key::new(&seed, 1, b"a"), Key::new(&seed, 2, b"a"));
    assert_ne!(Key::new(&seed, 1, b""), Key::new(&seed, 1, b"\0"));
}

#[test]
fn threads_together_get_what_there_is_and_no_more() {
    const BURST: u32 = 2_000;
    let limiter = limiter(1_000, Rate::new(0.001, 100_000));
    let level = LevelId(0);
    limiter.set_policy(POLICY, Policy { rate: Rate::new(0.001, 100_000), within: [Some(level), None] }, NOW);
    // Leases of 62; nothing comes back while time stands.
    limiter.set_level(level, Rate::new(1e6, BURST), NOW);
    let keys: Vec<Key> = (0..4).map(|number| named(&limiter, "client", number)).collect();
    let threads = |limiter: &Limiter| -> u32 {
        std::thread::scope(|scope| {
            let one = |core: u16| {
                let keys = &keys;
                move || {
                    let ask = |turn: usize| Ask { policy: POLICY, key: keys[turn % 4], cost: 1 };
                    (0..1_000)
                        .filter(|turn| limiter.decide(CoreId(core), ask(*turn), NOW).is_allowed())
                        .count()
                }
            };
            let running: Vec<_> = (0..4).map(|core| scope.spawn(one(core))).collect();
            running.into_iter().map(|thread| thread.join().unwrap() as u32).sum()
        })
    };
    let first = threads(&limiter);
    // What is lent to a core that has finished can be left over: a lease each.
    assert!((BURST - 4 * 62..=BURST).contains(&first), "{first}");
    (0..2).for_each(|_| limiter.return_leases());
    assert_eq!(first + threads(&limiter), BURST);
    // All of it was paid by the clients, too.
    let paid: u64 = keys.iter().map(|key| 100_000 - left(&limiter, *key, NOW)).sum();
    assert_eq!(paid, u64::from(BURST));
}

#[test]
fn a_clock_that_is_put_back_by_hours_locks_nobody_out() {
    const SECOND: u64 = 1_000_000_000;
    let limiter = limiter(1_000, Rate::new(10.0, 20));
    let level = LevelId(0);
    limiter.set_level(level, Rate::new(20.0, 40), NOW);
    limiter.set_policy(POLICY, Policy { rate: Rate::new(10.0, 20), within: [Some(level), None] }, NOW);
    let [known, learned, other] = [1, 2, 3].map(|number| named(&limiter, "client", number));
    limiter.learn(POLICY, learned, Rate::new(5.0, 20), NOW).unwrap();
    assert!(take(&limiter, known, 15, NOW) && take(&limiter, learned, 15, NOW));
    let now = NOW - 7_200 * SECOND;
    for key in [known, learned] {
        assert!(!take(&limiter, key, 1, now), "empty, and refilled from now on");
    }
    assert!(!take(&limiter, other, 1, now), "so is the bucket that all share");
    let now = now + SECOND;
    assert!(
        take(&limiter, known, 10, now) && take(&limiter, learned, 5, now) && take(&limiter, other, 1, now)
    );
    assert!(!take(&limiter, known, 1, now) && !take(&limiter, learned, 1, now));
    // The whole debt that a bucket can be in is not taken for such a clock.
    limiter.settle(CORE, POLICY, known, 1_000, now);
    assert!(!take(&limiter, known, 1, now - 9 * SECOND) && !take(&limiter, known, 1, now + 2 * SECOND));
}

#[test]
fn requests_of_great_cost_gather_no_more_than_a_lease() {
    const BURST: u32 = 100_000;
    const CORES: u64 = 4;
    let limiter = limiter(1_000, Rate::new(1e9, 100_000_000));
    let level = LevelId(0);
    limiter.set_policy(
        POLICY,
        Policy { rate: Rate::new(1e9, 100_000_000), within: [Some(level), None] },
        NOW,
    );
    limiter.set_level(level, Rate::new(1e5, BURST), NOW);
    let key = named(&limiter, "client", 1);
    let takes = |core: u64, cost: u32, now: u64| {
        limiter.decide(CoreId(core as u16), Ask { policy: POLICY, key, cost }, now).is_allowed()
    };
    let mut now = NOW;
    for turn in 0..CORES * 100 {
        now += 1_000_000_000;
        assert!(takes(turn % CORES, 9_000, now));
        assert!(takes(turn % CORES, 60, now));
    }
    now += 1_000_000_000;
    let at_once =
        (0..CORES).map(|core| (0..BURST).filter(|_| takes(core, 1, now)).count() as u64).sum::<u64>();
    // A lease is worth a millisecond: a hundred tokens.
    assert!(at_once <= u64::from(BURST) + CORES * 100, "{at_once}");
}

#[test]
fn threads_on_one_learned_client_lose_no_token() {
    let limiter = limiter(1_000, Rate::new(0.001, 30_000));
    let key = named(&limiter, "client", 0);
    let allowed: usize = std::thread::scope(|scope| {
        let decides = || (0..5_000).filter(|_| take(&limiter, key, 1, NOW)).count();
        let running: Vec<_> = (0..3).map(|_| scope.spawn(decides)).collect();
        for turn in 0..500_u32 {
            let id = limiter.learn(POLICY, key, Rate::new(0.001, 30_000), NOW).unwrap();
            assert!(limiter.set_learned_rate(
                id,
                POLICY,
                key,
                Rate::new(0.01 + f64::from(turn), 30_000),
                NOW
            ));
            assert!(limiter.set_learned_rate(id, POLICY, key, Rate::new(0.001, 30_000), NOW));
            assert!(limiter.forget(id, NOW));
        }
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(allowed, 15_000);
    // Each change may round down by less than a token.
    let left = left(&limiter, key, NOW);
    assert!((15_000 - 2_000..=15_000).contains(&left), "{left}");
}

#[test]
fn a_window_holds_what_a_learned_client_did() {
    let limiter = limiter(1_000, Rate::new(0.001, 10));
    limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 80, common: None }));
    let key = named(&limiter, "client", 0);
    let decide = |cost| limiter.decide(CORE, Ask { policy: POLICY, key, cost }, NOW);
    assert!(!decide(1).should_learn);
    assert!(decide(2).should_learn);
    let id = limiter.learn(POLICY, key, Rate::new(0.001, 10), NOW).unwrap();
    assert_eq!((id, decide(3).learned), (LearnedId(0), Some(id)));
    assert!(decide(1).is_allowed() && !decide(9).is_allowed());
    limiter.settle(CORE, POLICY, key, 2, NOW);
    for (latency_ms, own_fault) in
        [(0, false), (10, false), (11, true), (80, false), (81, true), (9_999, false)]
    {
        limiter.observe(POLICY, key, Outcome { own_fault, latency_ms });
    }
    let shown: Vec<_> = limiter.learned(0..u32::MAX, NOW).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].id, shown[0].key, shown[0].left), (id, key, 1));
    let latency = [2, 1, 0, 1, 1, 0, 0, 1];
    let window = Window { allowed: 2, refused: 1, cost: 6, observed: 6, own_faults: 2, latency };
    assert_eq!(shown[0].window, window);
    assert_eq!(limiter.learned(0..1, NOW).next().unwrap().window, Window::default());
    for _ in 0..70_000 {
        limiter.observe(POLICY, key, Outcome { own_fault: true, latency_ms: 1 });
    }
    let window = limiter.learned(0..1, NOW).next().unwrap().window;
    assert_eq!((window.observed, window.own_faults, window.latency[0]), (65_535, 65_535, 65_535));
    assert_eq!((window.latency[1], window.cost), (0, 0));
}

#[test]
fn a_quota_lasts_for_its_window() {
    let limiter = limiter(1_000, Rate::new(1.0, 10));
    let key = named(&limiter, "client", 0);
    let day = |window| Quota { policy: PolicyId(1), key, limit: 10, window };
    assert!(limiter.take_quota(day(7), 8, NOW).allowed);
    assert!(!limiter.take_quota(day(7), 3, NOW).allowed);
    assert_eq!(limiter.refund_quota(day(7), 2).used, 6);
    assert_eq!(limiter.peek_quota(day(7), 4).used, 6);
    // A clock that goes back finds the window that was open.
    assert_eq!(limiter.take_quota(day(6), 1, NOW).used, 7);
    assert_eq!(limiter.take_quota(day(8), 1, NOW).used, 1);
    assert_eq!(limiter.refund_quota(day(7), 1).used, 1);
    let limitless = Quota { limit: u64::MAX, ..day(9) };
    assert!(!limiter.take_quota(limitless, u64::MAX, NOW).allowed);
}

#[test]
fn quotas_of_random_names_push_out_no_user() {
    let limiter = limiter(2_000, Rate::new(1.0, 10));
    let quota = |kind, number| Quota {
        policy: PolicyId(1),
        key: named(&limiter, kind, number),
        limit: 100,
        window: 7,
    };
    (0..200).for_each(|number| assert!(limiter.take_quota(quota("known", number), 50, NOW).allowed));
    (0..50_000).for_each(|number| assert!(limiter.take_quota(quota("stranger", number), 1, NOW).allowed));
    assert!((0..200).all(|number| limiter.peek_quota(quota("known", number), 0).used == 50));
    // Past windows make room.
    let saved = |limiter: &Limiter| limiter.saved(0..limiter.slots(), NOW).count();
    assert!(saved(&limiter) > 1_000);
}

#[test]
fn many_are_decided_as_one_after_the_other() {
    let rate = Rate::new(0.001, 3);
    let (alone, together) = (limiter(1_000, rate), limiter(1_000, rate));
    let asks: Vec<Ask> = (0..500)
        .map(|turn| Ask {
            policy: POLICY,
            key: named(&alone, "client", turn * 7 % 100),
            cost: turn as u32 % 3,
        })
        .collect();
    let mut decisions = Vec::new();
    together.decide_many(CORE, &asks, NOW, |decision| decisions.push(decision));
    let expected: Vec<_> = asks.iter().map(|ask| alone.decide(CORE, *ask, NOW)).collect();
    assert_eq!(decisions, expected);
}

#[test]
fn who_floods_waits_for_what_all_have_and_who_keeps_to_its_own_does_not() {
    let limiter = limiter(1_000, Rate::new(100.0, 1_000));
    let common = Common { level: LevelId(0), floor: 20 };
    limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 80, common: Some(common) }));
    let [flood, steady, small, unknown] = [0, 1, 2, 3].map(|number| named(&limiter, "client", number));
    for (key, per_s) in [(flood, 100.0), (steady, 100.0), (small, 10.0)] {
        limiter.learn(POLICY, key, Rate::new(per_s, 1_000), NOW).unwrap();
    }
    let at_once = |key, times: usize| (0..times).filter(|_| take(&limiter, key, 1, NOW)).count();
    // Nobody has said that it holds anything: it holds nobody.
    assert_eq!(at_once(unknown, 500), 500);
    limiter.set_level(common.level, Rate::new(200.0, 60), NOW);
    // All that is there.
    assert_eq!(at_once(flood, 500), 60);
    assert_eq!(at_once(steady, 500), 25, "a quarter of a second of its own rate");
    assert_eq!(at_once(small, 500), 20, "the floor");
    let refused = limiter.peek(Ask { policy: POLICY, key: small, cost: 1 }, NOW);
    assert!(matches!(refused.verdict, Verdict::Refused { by: RefusedBy::Level(LevelId(0)), .. }));
    assert_eq!(refused.remaining(), 980, "nothing is taken of who has to wait");
    assert_eq!(at_once(unknown, 100), 100, "who has learned nothing has no part in it");
    // The next tick: what is guaranteed is there again, though all is in debt.
    assert_eq!(limiter.learned(0..3, NOW).map(|learned| learned.window.cost).sum::<u64>(), 60 + 25 + 20);
    assert_eq!(at_once(small, 500), 20);
    // What costs more than it ever holds is owed.
    limiter.unset_level(common.level);
    limiter.set_level(common.level, Rate::new(200.0, 60), NOW);
    let large = Ask { policy: POLICY, key: flood, cost: 100 };
    assert!(limiter.decide(CORE, large, NOW).is_allowed());
    assert!(!limiter.decide(CORE, large, NOW + 200_000_000).is_allowed());
    limiter.unset_level(common.level);
    assert!(limiter.decide(CORE, large, NOW + 200_000_000).is_allowed());
}
