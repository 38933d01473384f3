//! The journal on a disk that loses what was not synced, against a list of
//! frames as its model. Each seed is one history of several lives; a failing
//! one is named and can be run alone with `OPENCLAW_SEED`.

mod journal_model;

use journal_model::{Ending, Life, World};
use openclaw_sim::disk::{Faults, Random};

/// Runs one test over many seeds; `OPENCLAW_SEEDS` sets how many.
fn for_seeds(count: u64, test: impl Fn(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("OPENCLAW_SEED") {
        return test(seed);
    }
    for seed in 0..number("OPENCLAW_SEEDS").unwrap_or(count) {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(seed)));
        assert!(outcome.is_ok(), "fails with OPENCLAW_SEED={seed}");
    }
}

fn ending(random: &mut Random) -> Ending {
    match random.below(4) {
        0 => Ending::Clean,
        1 => Ending::Kill,
        _ => Ending::PowerLoss,
    }
}

#[test]
fn what_was_committed_survives_and_nothing_else_appears() {
    for_seeds(500, |seed| {
        let mut world = World::new(seed);
        for _ in 0..5 {
            let power_off_after = world.random.one_in(2).then(|| world.random.below(150));
            let short_write_one_in = world.random.one_in(2).then_some(3);
            world.disk.set_faults(Faults { power_off_after, short_write_one_in, ..Faults::default() });
            let ending = ending(&mut world.random);
            world.live(Life { steps: 60, ending });
        }
        world.check_once_more();
    });
}

#[test]
fn what_is_overwritten_stays_so_and_everything_else_as_it_was() {
    for_seeds(100, |seed| {
        let mut world = World::new(seed);
        world.erases = true;
        for _ in 0..5 {
            let power_off_after = world.random.one_in(2).then(|| world.random.below(200));
            let space_bytes =
                world.random.one_in(4).then(|| world.used_bytes() + 4 * world.options.segment_bytes);
            let short_write_one_in = world.random.one_in(2).then_some(3);
            let faults = Faults { power_off_after, short_write_one_in, space_bytes, ..Faults::default() };
            world.disk.set_faults(faults);
            let ending = ending(&mut world.random);
            world.live(Life { steps: 60, ending });
            if world.random.one_in(3) {
                world.disk.set_faults(Faults::default());
                world.live(Life { steps: 20, ending: Ending::Clean });
                world.flip_a_bit();
            }
        }
        world.disk.set_faults(Faults::default());
        world.check_once_more();
    });
}

#[test]
fn a_failed_sync_ends_the_log_and_loses_nothing_that_was_told() {
    for_seeds(300, |seed| {
        let mut world = World::new(seed);
        for _ in 0..5 {
            world.disk.set_faults(Faults {
                fail_sync_one_in: Some(15),
                short_write_one_in: Some(5),
                ..Faults::default()
            });
            // A kill in between keeps in the cache what never reached the
            // disk; the power loss after it tells who trusted the cache.
            let ending = ending(&mut world.random);
            world.live(Life { steps: 60, ending });
        }
        world.check_once_more();
    });
}

#[test]
fn a_full_disk_refuses_intake_first_and_loses_nothing() {
    for_seeds(500, |seed| {
        let mut world = World::new(seed);
        world.live(Life { steps: 5, ending: Ending::Clean });
        for _ in 0..5 {
            let used: u64 = world.used_bytes();
            let space_bytes = Some(used + world.random.below(6 * world.options.segment_bytes));
            let power_off_after = world.random.one_in(3).then(|| world.random.below(200));
            world.disk.set_faults(Faults { space_bytes, power_off_after, ..Faults::default() });
            let ending = ending(&mut world.random);
            world.live(Life { steps: 80, ending });
        }
        world.check_once_more();
    });
}

#[test]
fn a_flipped_bit_costs_the_frame_it_hit_and_is_told() {
    for_seeds(300, |seed| {
        let mut world = World::new(seed);
        for _ in 0..4 {
            world.live(Life { steps: 50, ending: Ending::Clean });
            world.flip_a_bit();
        }
        world.check_once_more();
    });
}

#[test]
fn the_snapshot_before_the_newest_is_as_good() {
    for_seeds(100, |seed| World::new(seed).fall_back_to_the_older_snapshot());
}
