//! What holds all clients together, within the tick and after an outage.

use super::*;
use openclaw_limiter::{Common, LevelId};

const OLD: [&str; 4] = ["old-0", "old-1", "old-2", "old-3"];
const CROWD: [&str; 6] = ["crowd-0", "crowd-1", "crowd-2", "crowd-3", "crowd-4", "crowd-5"];
/// The floor's burst and a second of its rate.
const GUARANTEED: u32 = 30;
const BEARS: u32 = 500;

impl World {
    /// Where clients have a bucket in common.
    fn together() -> Self {
        let mut world = Self::new(true);
        let common = Some(Common { level: LevelId(1), floor: GUARANTEED });
        world.limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 200, common }));
        world.policies.set_common(TENANT, LevelId(1));
        world
    }

    /// All ask evenly over a second; gives what each gets.
    fn second(&mut self, asks: &[(&str, u32)]) -> Vec<u32> {
        let mut order: Vec<(u64, usize)> = Vec::new();
        for (at, (_, times)) in asks.iter().enumerate() {
            order.extend((0..*times).map(|n| (u64::from(n) * SECOND / u64::from(*times), at)));
        }
        order.sort_unstable();
        let (begin, mut got) = (self.now, vec![0; asks.len()]);
        for (after, at) in order {
            self.now = begin + after;
            got[at] += self.ask(asks[at].0, 1);
        }
        self.now = begin;
        got
    }

    /// A second before a backend that gets slow beyond what it bears.
    fn borne(&mut self, asks: &[(&str, u32)]) -> Vec<u32> {
        let got = self.second(asks);
        let sum: u32 = got.iter().sum();
        let latency_ms = if sum > BEARS { 400.0 } else { 50.0 };
        self.backend = Backend { answers: sum, failures: 0, latency_ms };
        self.tick();
        got
    }
}

fn asks(old: u32, crowd: u32) -> Vec<(&'static str, u32)> {
    OLD.iter().map(|name| (*name, old)).chain(CROWD.iter().map(|name| (*name, crowd))).collect()
}

/// What comes of the first second in which a crowd comes, once it is known what
/// the backend bears.
fn first_second_of_a_crowd(mut world: World) -> Vec<u32> {
    (0..300).for_each(|_| {
        world.borne(&asks(40, 20));
    });
    (0..15).for_each(|_| {
        world.borne(&asks(80, 60));
    });
    (0..30).for_each(|_| {
        world.borne(&asks(40, 20));
    });
    world.borne(&asks(40, 300))
}

#[test]
fn a_crowd_is_held_in_the_second_in_which_it_comes() {
    let got = first_second_of_a_crowd(World::together());
    let (old, crowd) = got.split_at(OLD.len());
    let sum: u32 = got.iter().sum();
    assert!(sum < BEARS * 5 / 4, "{got:?}");
    assert!(old.iter().chain(crowd).all(|got| *got >= GUARANTEED), "{got:?}");
    // Shares alone act a second later.
    let alone = first_second_of_a_crowd(World::new(true));
    assert!(alone.iter().sum::<u32>() > BEARS * 8 / 5, "{alone:?}");
}

#[test]
fn a_backend_that_has_never_suffered_holds_nobody() {
    let mut world = World::together();
    for _ in 0..200 {
        let got = world.borne(&asks(40, 20));
        assert_eq!(got, [40, 40, 40, 40, 20, 20, 20, 20, 20, 20]);
    }
    assert!(world.second(&asks(40, 100)).iter().sum::<u32>() > BEARS);
}

#[test]
fn all_is_given_back_with_the_first_good_second_after_an_outage() {
    let mut world = World::together();
    (0..200).for_each(|_| {
        world.borne(&asks(40, 20));
    });
    for _ in 0..60 {
        let sum: u32 = world.second(&asks(90, 50)).iter().sum();
        world.backend = Backend { answers: sum, failures: sum * 9 / 10, latency_ms: 2000.0 };
        world.tick();
    }
    let during: u32 = world.second(&asks(90, 50)).iter().sum();
    assert!(during < 440, "{during} in an outage");
    world.backend = Backend { answers: during, failures: 0, latency_ms: 50.0 };
    world.tick();
    let asked = asks(90, 20);
    let after = world.borne(&asked);
    // Buckets are empty as it comes back: the first may wait for a token.
    let all = asked.iter().zip(&after).all(|((_, asked), got)| got + 1 >= *asked);
    assert!(all, "{after:?}, with {during} before");
}

#[test]
fn a_bucket_in_common_is_given_up_with_the_policy() {
    let mut world = World::together();
    (0..100).for_each(|_| {
        world.borne(&asks(40, 20));
    });
    (0..15).for_each(|_| {
        world.borne(&asks(120, 120));
    });
    world.limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 200, common: None }));
    world.policies.set(POLICY, policy(false));
    (0..13).for_each(|_| world.tick());
    assert_eq!(world.second(&asks(90, 90)), [90; 10]);
}
