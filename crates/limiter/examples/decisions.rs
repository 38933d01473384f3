//! A fixed number of decisions, for `scripts/instructions` to count what they
//! cost: `decisions flat|nested|learned|many ROUNDS`.

use openclaw_limiter::{Ask, CoreId, Decision, LevelId, Limiter, Policy, PolicyId, Rate, Seed, Sizes};

const CLIENTS: u64 = 1_000;
const POLICY: PolicyId = PolicyId(0);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_default();
    let rounds: u64 = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let limiter = limiter(kind == "nested" || kind == "learned");
    let names: Vec<String> = (0..CLIENTS).map(|number| format!("tenant-017/client-{number:07}")).collect();
    let keys = || names.iter().map(|name| limiter.key(1, name.as_bytes()));
    if kind == "learned" {
        for key in keys() {
            // The few that find no room decide in the policy's own bucket.
            let _ = limiter.learn(POLICY, key, Rate::new(1e6, 100_000), 1);
        }
    }
    let mut allowed = 0_u64;
    for now_nanos in 1..=rounds {
        let asks = keys().map(|key| Ask { policy: POLICY, key, cost: 1 });
        if kind == "many" {
            let asks: Vec<Ask> = asks.collect();
            let count = |decision: Decision| allowed += u64::from(decision.is_allowed());
            limiter.decide_many(CoreId(0), &asks, now_nanos, count);
        } else {
            asks.for_each(|ask| {
                allowed += u64::from(limiter.decide(CoreId(0), ask, now_nanos).is_allowed());
            });
        }
    }
    assert_eq!(allowed, CLIENTS * rounds);
}

fn limiter(is_nested: bool) -> Limiter {
    let sizes = Sizes { clients: CLIENTS as usize * 12 / 10, policies: 1, levels: 2, cores: 2 };
    let limiter = Limiter::new(sizes, Seed::new([7; 16])).with_learned(CLIENTS as u32);
    let within = [0, 1].map(|number| is_nested.then_some(LevelId(number)));
    limiter.set_policy(POLICY, Policy { rate: Rate::new(1e6, 100_000), within }, 0);
    for level in within.into_iter().flatten() {
        limiter.set_level(level, Rate::new(1e9, 100_000_000), 0);
    }
    limiter
}
