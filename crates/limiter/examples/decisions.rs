//! A fixed number of decisions, for counting instructions: `decisions KIND`.

use openclaw_limiter::{Ask, CoreId, Key, LevelId, Limiter, Policy, PolicyId, Rate, Seed, Sizes};

const CLIENTS: u64 = 1_000;
const ROUNDS: u64 = 20;
const POLICY: PolicyId = PolicyId(0);

fn main() {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let limiter = limiter(kind != "flat");
    let names: Vec<String> = (0..CLIENTS).map(|number| format!("tenant-017/client-{number:07}")).collect();
    let keys = || names.iter().map(|name| limiter.key(1, name.as_bytes()));
    if kind == "learned" {
        keys().for_each(|key| drop(limiter.learn(POLICY, key, Rate::new(1e6, 100_000), 1)));
    }
    let mut allowed = 0_u64;
    for round in 1..=ROUNDS {
        for key in keys() {
            allowed += u64::from(decide(&limiter, key, round));
        }
    }
    assert_eq!(allowed, CLIENTS * ROUNDS);
}

fn limiter(is_nested: bool) -> Limiter {
    let sizes = Sizes { clients: CLIENTS as usize, policies: 1, levels: 2, cores: 2 };
    let limiter = Limiter::new(sizes, Seed::new([7; 16])).with_learned(CLIENTS as u32);
    let within = [0, 1].map(|number| is_nested.then_some(LevelId(number)));
    limiter.set_policy(POLICY, Policy { rate: Rate::new(1e6, 100_000), within }, 0);
    for level in within.into_iter().flatten() {
        limiter.set_level(level, Rate::new(1e9, 100_000_000), 0);
    }
    limiter
}

fn decide(limiter: &Limiter, key: Key, now_nanos: u64) -> bool {
    limiter.decide(CoreId(0), Ask { policy: POLICY, key, cost: 1 }, now_nanos).is_allowed()
}
