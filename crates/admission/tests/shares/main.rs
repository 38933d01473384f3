//! Replicas that share limits through a ledger, over a network that delays and
//! loses, with replicas that die, are cut off and come back, and a ledger that
//! pauses and loses its memory. Each seed is one run.

mod fleet;
mod ledger;

use fleet::{Fleet, Trouble};
use openclaw_admission::shares::{Share, SharedKey, WHOLE};

const KEYS: [SharedKey; 3] = [SharedKey(1), SharedKey(2), SharedKey(3)];

fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3000)
}

#[test]
fn shares_never_add_up_to_more_than_the_whole() {
    for seed in 0..seeds() {
        let mut fleet = Fleet::new(seed, Trouble::Any);
        for _ in 0..300 {
            fleet.step();
            for key in KEYS.into_iter().chain([SharedKey(9)]) {
                let (counted, left_out) = fleet.sums(key);
                assert!(counted <= WHOLE, "seed {seed}, {key:?}: {counted}\n{fleet:#?}");
                assert!(left_out == 0 || fleet.has_cut_off(), "seed {seed}: {left_out}");
            }
        }
    }
}

#[test]
fn shares_follow_the_demand() {
    for seed in 0..seeds() / 10 {
        let mut fleet = Fleet::new(seed, Trouble::None);
        fleet.start(4);
        fleet.run_ms(1000);
        let all = |fleet: &Fleet, key| fleet.shares(key).iter().map(|share| share.parts()).sum::<u32>();
        assert_eq!(fleet.shares(KEYS[0]), [Share::among(4); 4], "seed {seed}");
        fleet.demand(KEYS[0], &[500.0, 0.0, 0.0, 0.0]);
        fleet.run_ms(700);
        let shares = fleet.shares(KEYS[0]);
        assert!(shares[0].parts() > 970_000, "seed {seed}: {shares:?}");
        fleet.demand(KEYS[0], &[0.0, 100.0, 300.0, 0.0]);
        fleet.run_ms(1500);
        let shares = fleet.shares(KEYS[0]);
        assert!(shares[0].parts() < 10_000, "seed {seed}: {shares:?}");
        assert!(shares[1].parts().abs_diff(250_000) < 25_000, "seed {seed}: {shares:?}");
        assert!(shares[2].parts().abs_diff(735_000) < 25_000, "seed {seed}: {shares:?}");
        assert!(all(&fleet, KEYS[0]) > 970_000, "seed {seed}: {shares:?}");
        fleet.demand(KEYS[0], &[0.0; 4]);
        fleet.run_ms(6000);
        assert_eq!(fleet.shares(KEYS[0]), [Share::among(4); 4], "seed {seed}");
        assert_eq!(fleet.hot(), 0, "seed {seed}: what nobody asks for is forgotten");
    }
}

#[test]
fn who_comes_gets_its_part_and_who_goes_leaves_it() {
    for seed in 0..seeds() / 10 {
        let mut fleet = Fleet::new(seed, Trouble::None);
        fleet.start(4);
        fleet.run_ms(600);
        fleet.demand(KEYS[0], &[500.0; 4]);
        fleet.run_ms(1000);
        fleet.start(1);
        fleet.run_ms(400);
        assert_eq!(fleet.shares(KEYS[1]), [Share::among(5); 5], "seed {seed}");
        fleet.kill(0);
        fleet.run_ms(1600);
        assert_eq!(fleet.shares(KEYS[1]), [Share::among(4); 4], "seed {seed}");
        let shares = fleet.shares(KEYS[0]);
        let sum: u32 = shares.iter().map(|share| share.parts()).sum();
        assert!(sum > 970_000, "seed {seed}: {shares:?}");
        fleet.end(0);
        fleet.run_ms(400);
        assert_eq!(fleet.shares(KEYS[1]), [Share::among(3); 3], "seed {seed}");
    }
}

#[test]
fn a_ledger_that_was_away_changes_nothing() {
    for (seed, forgets) in (0..seeds() / 10).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut fleet = Fleet::new(seed, Trouble::None);
        fleet.start(4);
        fleet.run_ms(600);
        fleet.demand(KEYS[0], &[500.0, 0.0, 0.0, 0.0]);
        fleet.run_ms(1000);
        let before = fleet.shares(KEYS[0]);
        fleet.take_ledger_away(5000, forgets);
        fleet.run_ms(5000);
        assert_eq!(fleet.shares(KEYS[0]), before, "seed {seed}");
        fleet.run_ms(300);
        let after = fleet.shares(KEYS[0]);
        assert!(after[0].parts() > 970_000, "seed {seed}, forgets {forgets}: {after:?}");
        fleet.demand(KEYS[0], &[0.0, 500.0, 0.0, 0.0]);
        fleet.run_ms(1500);
        let moved = fleet.shares(KEYS[0]);
        assert!(moved[1].parts() > 960_000, "seed {seed}, forgets {forgets}: {moved:?}");
    }
}
