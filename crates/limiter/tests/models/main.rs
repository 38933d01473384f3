//! Every atomic step, in every order that two or three threads can take them:
//! the crate's own sources, on loom's atomics.
//!
//! `LOOM_MAX_PREEMPTIONS=4 cargo test -p openclaw-limiter --test models` looks
//! at more orders than the two pre-emptions of an ordinary run.

#![allow(dead_code, unreachable_pub, unused_imports, missing_docs)]

#[path = "../../src/bucket.rs"]
mod bucket;
#[path = "../../src/cell.rs"]
mod cell;
#[path = "../../src/clients.rs"]
mod clients;
#[path = "../../src/decision.rs"]
mod decision;
#[path = "../../src/hash.rs"]
mod hash;
#[path = "../../src/learned.rs"]
mod learned;
#[path = "../../src/level.rs"]
mod level;
#[path = "../../src/limiter.rs"]
mod limiter;
#[path = "../../src/lines.rs"]
mod lines;
#[path = "../../src/policy.rs"]
mod policy;
#[path = "../../src/quota.rs"]
mod quota;
#[path = "../../src/rate.rs"]
mod rate;
#[path = "../../src/saved.rs"]
mod saved;
mod sync;
#[path = "../../src/table.rs"]
mod table;
#[path = "../../src/word.rs"]
mod word;

pub use bucket::Bucket;
pub use decision::{Ask, CoreId, Decision, RefusedBy, Verdict};
pub use hash::{Key, Seed};
pub use learned::{Learned, LearnedId, NoRoom, Outcome, Window};
pub use level::LevelId;
pub use limiter::{Limiter, Sizes};
pub use policy::{Adaptive, Common, Policy, PolicyId};
pub use quota::{Quota, QuotaDecision};
pub use rate::Rate;
pub use saved::{Saved, SavedState};

use loom::sync::Arc;
use loom::thread;

const POLICY: PolicyId = PolicyId(0);
const LEVEL: LevelId = LevelId(0);
const NOW: u64 = 1 << 40;

/// Slow enough that nothing comes back within a test.
fn holding(burst: u32) -> Rate {
    Rate::new(0.001, burst)
}

fn key(number: u64) -> Key {
    Key::of_word(number + 1)
}

fn ask(number: u64) -> Ask {
    Ask { policy: POLICY, key: key(number), cost: 1 }
}

/// One home line, so 16 slots.
fn limiter(burst: u32, level: Option<u32>) -> Limiter {
    let sizes = Sizes { clients: 1, policies: 1, levels: 1, cores: 2 };
    let limiter = Limiter::new(sizes, Seed::new([1; 16])).with_learned(2);
    let within = [level.map(|_| LEVEL), None];
    limiter.set_policy(POLICY, Policy { rate: holding(burst), within }, NOW);
    if let Some(burst) = level {
        limiter.set_level(LEVEL, holding(burst), NOW);
    }
    limiter
}

fn left(limiter: &Limiter, number: u64) -> u64 {
    limiter.peek(Ask { cost: 0, ..ask(number) }, NOW).remaining()
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Decides in another thread, on core 1.
fn decides(limiter: &Arc<Limiter>, number: u64) -> thread::JoinHandle<u64> {
    let limiter = limiter.clone();
    thread::spawn(move || allowed(&limiter, 1, number))
}

fn allowed(limiter: &Limiter, core: u16, number: u64) -> u64 {
    u64::from(limiter.decide(CoreId(core), ask(number), NOW).is_allowed())
}

#[test]
fn the_last_token_goes_to_one() {
    check(|| {
        let limiter = Arc::new(limiter(3, None));
        assert_eq!(allowed(&limiter, 0, 0) + allowed(&limiter, 0, 0), 2);
        let other = decides(&limiter, 0);
        let own = allowed(&limiter, 0, 0);
        assert_eq!(own + other.join().unwrap(), 1);
        assert_eq!(left(&limiter, 0), 0);
    });
}

#[test]
fn a_new_client_has_one_bucket() {
    check(|| {
        let limiter = Arc::new(limiter(8, None));
        let other = decides(&limiter, 0);
        let own = allowed(&limiter, 0, 0);
        assert_eq!(own + other.join().unwrap(), 2);
        // What was taken in the moment of coming in may be taken once more.
        let left = left(&limiter, 0);
        assert!((6..=7).contains(&left), "{left}");
        assert_eq!(allowed(&limiter, 0, 0), 1);
        assert_eq!(self::left(&limiter, 0), left - 1);
    });
}

#[test]
fn who_takes_a_slot_over_starts_full() {
    check(|| {
        let limiter = Arc::new(limiter(8, None));
        for number in 0..16 {
            (0..=number.min(1)).for_each(|_| assert_eq!(allowed(&limiter, 0, number), 1));
        }
        // Client 0 owes least; 16 comes while it goes on.
        let other = decides(&limiter, 0);
        assert_eq!(allowed(&limiter, 0, 16), 1);
        assert_eq!(other.join().unwrap(), 1);
        assert!((6..=8).contains(&left(&limiter, 0)));
        assert!((6..=8).contains(&left(&limiter, 16)));
        (2..16).for_each(|number| assert!(left(&limiter, number) >= 6));
    });
}

#[test]
fn what_is_left_goes_with_who_learns() {
    check(|| {
        let limiter = Arc::new(limiter(8, None));
        assert_eq!(allowed(&limiter, 0, 0), 1);
        let other = decides(&limiter, 0);
        let id = limiter.learn(POLICY, key(0), holding(8), NOW).unwrap();
        assert_eq!(other.join().unwrap(), 1);
        assert_eq!(left(&limiter, 0), 6);
        assert_eq!(limiter.peek(ask(0), NOW).learned, Some(id));
    });
}

#[test]
fn what_is_left_comes_back_from_who_is_forgotten() {
    check(|| {
        let limiter = Arc::new(limiter(8, None));
        assert_eq!(allowed(&limiter, 0, 0), 1);
        let id = limiter.learn(POLICY, key(0), holding(8), NOW).unwrap();
        let other = decides(&limiter, 0);
        assert!(limiter.forget(id, NOW));
        assert_eq!(other.join().unwrap(), 1);
        assert_eq!(left(&limiter, 0), 6);
        assert_eq!(limiter.peek(ask(0), NOW).learned, None);
    });
}

#[test]
fn a_line_changes_hands_without_mixing_buckets() {
    check(|| {
        let limiter = Arc::new(limiter(8, None));
        assert_eq!(allowed(&limiter, 0, 0) + allowed(&limiter, 0, 1), 2);
        let id = limiter.learn(POLICY, key(0), holding(8), NOW).unwrap();
        let other = decides(&limiter, 0);
        assert!(limiter.forget(id, NOW));
        assert_eq!(limiter.learn(POLICY, key(1), holding(8), NOW), Ok(id));
        assert_eq!(other.join().unwrap(), 1);
        assert_eq!((left(&limiter, 0), left(&limiter, 1)), (6, 7));
    });
}

#[test]
fn a_learned_rate_changes_between_two_decisions() {
    check(|| {
        let limiter = Arc::new(limiter(8, None));
        let id = limiter.learn(POLICY, key(0), holding(8), NOW).unwrap();
        let other = decides(&limiter, 0);
        assert!(limiter.set_learned_rate(id, POLICY, key(0), Rate::new(0.01, 20), NOW));
        assert!(limiter.set_learned_rate(id, POLICY, key(0), Rate::new(0.0001, 20), NOW));
        assert_eq!(other.join().unwrap(), 1);
        assert_eq!(left(&limiter, 0), 7);
    });
}

#[test]
fn a_policy_changes_between_two_decisions() {
    check(|| {
        let limiter = Arc::new(limiter(8, None));
        assert_eq!(allowed(&limiter, 0, 0), 1);
        let other = decides(&limiter, 0);
        let policy = |rate| Policy { rate, within: [None; 2] };
        limiter.set_policy(POLICY, policy(Rate::new(0.01, 20)), NOW);
        assert_eq!(other.join().unwrap(), 1);
        assert_eq!(left(&limiter, 0), 6);
        limiter.set_policy(POLICY, policy(Rate::new(0.0001, 20)), NOW);
        assert_eq!(left(&limiter, 0), 6);
    });
}

#[test]
fn cores_with_leases_never_give_more_than_there_is() {
    check(|| {
        let limiter = limiter(100, Some(40));
        // A lease is worth a millisecond: two tokens of these.
        limiter.set_level(LEVEL, Rate::new(2e3, 40), NOW);
        let limiter = Arc::new(limiter);
        let take = |limiter: &Limiter, core| (0..30).map(|_| allowed(limiter, core, 0)).sum::<u64>();
        assert_eq!(take(&limiter, 0), 30);
        let other = {
            let limiter = limiter.clone();
            thread::spawn(move || allowed(&limiter, 1, 1))
        };
        limiter.return_leases();
        limiter.return_leases();
        let own = allowed(&limiter, 0, 0);
        assert_eq!(own + other.join().unwrap(), 2);
        limiter.return_leases();
        limiter.return_leases();
        assert_eq!(take(&limiter, 0), 8);
    });
}

#[test]
fn a_refused_level_gives_back_what_the_client_paid() {
    check(|| {
        let limiter = Arc::new(limiter(8, Some(1)));
        let other = decides(&limiter, 0);
        let own = allowed(&limiter, 0, 1);
        assert_eq!(own + other.join().unwrap(), 1);
        assert_eq!(left(&limiter, 0) + left(&limiter, 1), 15);
    });
}

#[test]
fn a_quota_is_used_up_once() {
    check(|| {
        let limiter = Arc::new(limiter(8, None));
        let quota = Quota { policy: POLICY, key: key(0), limit: 2, window: 5 };
        assert!(limiter.take_quota(quota, 1, NOW).allowed);
        let other = {
            let limiter = limiter.clone();
            thread::spawn(move || u64::from(limiter.take_quota(quota, 1, NOW).allowed))
        };
        let own = u64::from(limiter.take_quota(quota, 1, NOW).allowed);
        assert_eq!(own + other.join().unwrap(), 1);
        assert_eq!(limiter.peek_quota(quota, 0).used, 2);
    });
}
