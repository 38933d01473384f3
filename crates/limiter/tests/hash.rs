//! Whether keys behave like random numbers, whatever names are alike in.

use openclaw_limiter::{Key, Seed};
use std::collections::HashSet;

const KEY_BITS: usize = 48;

fn seed() -> Seed {
    Seed::new([5; 16])
}

const KINDS: u64 = 6;

/// A name as people number them: in the front, in the midst, at the end, short, long.
fn named(kind: u64, number: u64) -> String {
    match kind {
        0 => format!("{number}"),
        1 => format!("client-{number:07}"),
        2 => format!("{number:08}@example.org"),
        3 => format!("tenant-017/client-{number:07}"),
        4 => format!("region/eu-central-1/cluster/{number:06}/namespace/checkout"),
        _ => format!("{number:x}{}", "x".repeat(300)),
    }
}

/// Pearson's statistic of counts that should be alike, in standard deviations
/// from what is to be expected of random ones.
fn unevenness(counts: &[u32], total: f64) -> f64 {
    let expected = total / counts.len() as f64;
    let chi_square: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    let degrees = (counts.len() - 1) as f64;
    (chi_square - degrees) / (2.0 * degrees).sqrt()
}

#[test]
fn numbered_names_spread_evenly_by_each_part_of_a_key() {
    const NAMES: u64 = 100_000;
    const BINS: usize = 1 << 12;
    let seed = seed();
    for kind in 0..KINDS {
        let keys: Vec<u64> =
            (0..NAMES).map(|number| Key::new(&seed, 1, named(kind, number).as_bytes()).word()).collect();
        for low_bit in (0..=KEY_BITS - 12).step_by(6) {
            let mut counts = vec![0_u32; BINS];
            keys.iter().for_each(|key| counts[(key >> low_bit) as usize % BINS] += 1);
            let off = unevenness(&counts, NAMES as f64);
            assert!(off.abs() < 5.0, "names like {}, bits from {low_bit}: {off}", named(kind, 7));
        }
    }
}

#[test]
fn no_two_of_a_million_and_a_half_names_meet() {
    let (seed, mut keys) = (seed(), HashSet::new());
    for number in 0..250_000 {
        for kind in 0..KINDS {
            let name = named(kind, number);
            // By chance any two do in one seed of 250.
            assert!(keys.insert(Key::new(&seed, 1, name.as_bytes()).word()), "{name}");
        }
    }
}

#[test]
fn names_of_one_letter_differ_by_their_length_and_scope() {
    let (seed, mut keys) = (seed(), HashSet::new());
    for letter in [0_u8, b'a', u8::MAX] {
        for length in 0..600 {
            for scope in 0..10 {
                let name = vec![letter; length];
                let is_new = keys.insert(Key::new(&seed, scope, &name).word());
                // A name without letters is one name.
                assert!(is_new || (length == 0 && letter > 0), "{letter} × {length} in {scope}");
            }
        }
    }
}

#[test]
fn each_bit_of_a_name_turns_each_bit_of_its_key_half_of_the_time() {
    const SEEDS: u32 = 300;
    for length in [1, 7, 12, 25, 47, 300] {
        let name = vec![b'n'; length];
        // Of a long name some bits of each part.
        let step = (length * 8 / 48).max(1);
        for bit in (0..length * 8).step_by(step) {
            let mut other = name.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let mut turned = [0_u32; KEY_BITS];
            for number in 0..SEEDS {
                let seed = Seed::new(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
                let change = Key::new(&seed, 3, &name).word() ^ Key::new(&seed, 3, &other).word();
                turned.iter_mut().enumerate().for_each(|(at, count)| *count += (change >> at) as u32 & 1);
            }
            // Five standard deviations and a half.
            let is_half = |count: &u32| count.abs_diff(SEEDS / 2) <= 48;
            assert!(turned.iter().all(is_half), "bit {bit} of {length} bytes: {turned:?}");
        }
    }
}
