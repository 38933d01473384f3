//! What is asked of limits that replicas share, noted by each thread for
//! itself: the hot ones alone, in a table of fixed size.

use openclaw_admission::shares::SharedKey;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Limits that one thread follows.
const SLOTS: usize = 1024;

/// A limit that nobody asks for as long gives its slot away.
const DRAINS_KEPT: u32 = 20;

/// Taken by whoever puts `low` where 0 was; `high` follows.
#[derive(Debug, Default)]
struct Slot {
    low: AtomicU64,
    high: AtomicU64,
    tokens: AtomicU64,
    idle: AtomicU32,
    is_pressed: AtomicBool,
}

/// What was asked of one limit since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    pub(crate) tokens: u64,
    /// Its bucket was below half, or empty.
    pub(crate) is_pressed: bool,
}

/// All threads' notes.
#[derive(Debug)]
pub(crate) struct Demand(Box<[Box<[Slot]>]>);

impl Demand {
    pub(super) fn new(cores: usize) -> Self {
        Self((0..cores).map(|_| (0..SLOTS).map(|_| Slot::default()).collect()).collect())
    }

    /// Notes a decision; of a limit that isn't followed yet only where it is
    /// pressed.
    #[inline]
    pub(super) fn saw(&self, core: usize, key: SharedKey, tokens: u32, is_pressed: bool) {
        let Some(slots) = self.0.get(core) else { return };
        let Some(slot) = slot(slots, key, is_pressed) else { return };
        slot.tokens.fetch_add(u64::from(tokens), Ordering::Relaxed);
        if is_pressed {
            slot.is_pressed.store(true, Ordering::Relaxed);
        }
    }

    /// Takes the notes of all threads.
    pub(crate) fn drain(&self) -> BTreeMap<SharedKey, Asked> {
        let mut all: BTreeMap<SharedKey, Asked> = BTreeMap::new();
        for slot in self.0.iter().flatten() {
            if let Some((key, asked)) = slot.drain() {
                let sum = all.entry(key).or_default();
                sum.tokens += asked.tokens;
                sum.is_pressed |= asked.is_pressed;
            }
        }
        all
    }
}

/// The limit's slot, or a free one where it is to have one; one of two.
#[inline]
fn slot(slots: &[Slot], key: SharedKey, may_take: bool) -> Option<&Slot> {
    let (low, high) = (key.0 as u64, (key.0 >> 64) as u64);
    let at = (low ^ high.rotate_left(17)) as usize % SLOTS;
    let both = || [&slots[at], &slots[at ^ 1]].into_iter();
    let is_it = |slot: &&Slot| {
        slot.low.load(Ordering::Acquire) == low && slot.high.load(Ordering::Relaxed) == high
    };
    let free = |slot: &&Slot| {
        slot.low.compare_exchange(0, low, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    both().find(is_it).or_else(|| {
        let taken = both().find(|slot| may_take && low != 0 && free(slot))?;
        taken.idle.store(0, Ordering::Relaxed);
        taken.high.store(high, Ordering::Relaxed);
        Some(taken)
    })
}

impl Slot {
    fn drain(&self) -> Option<(SharedKey, Asked)> {
        let low = self.low.load(Ordering::Acquire);
        if low == 0 {
            return None;
        }
        let high = self.high.load(Ordering::Relaxed);
        if high == 0 {
            // Half a name: it is being taken.
            return None;
        }
        let key = SharedKey(u128::from(high) << 64 | u128::from(low));
        let tokens = self.tokens.swap(0, Ordering::Relaxed);
        let is_pressed = self.is_pressed.swap(false, Ordering::Relaxed);
        if tokens > 0 {
            self.idle.store(0, Ordering::Relaxed);
            return Some((key, Asked { tokens, is_pressed }));
        }
        if self.idle.fetch_add(1, Ordering::Relaxed) >= DRAINS_KEPT {
            // In this order: whoever takes it writes the other half anew.
            self.high.store(0, Ordering::Relaxed);
            self.low.store(0, Ordering::Release);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SharedKey = SharedKey(7 << 64 | 9);

    #[test]
    fn only_what_is_pressed_is_followed() {
        let demand = Demand::new(2);
        demand.saw(0, KEY, 1, false);
        assert!(demand.drain().is_empty());
        demand.saw(0, KEY, 2, true);
        demand.saw(0, KEY, 3, false);
        demand.saw(1, KEY, 4, true);
        assert_eq!(demand.drain()[&KEY], Asked { tokens: 9, is_pressed: true });
        demand.saw(0, KEY, 5, false);
        assert_eq!(demand.drain()[&KEY], Asked { tokens: 5, is_pressed: false });
        (0..=DRAINS_KEPT).for_each(|_| assert!(demand.drain().is_empty()));
        demand.saw(0, KEY, 1, false);
        assert!(demand.drain().is_empty(), "its slot was given away");
    }

    #[test]
    fn a_full_table_leaves_the_others_out() {
        let demand = Demand::new(1);
        (1..100_000_u128).for_each(|low| demand.saw(0, SharedKey(1 << 64 | low), 1, true));
        assert!(demand.drain().len() <= SLOTS);
        demand.saw(9, KEY, 1, true);
    }

    #[test]
    fn threads_that_share_a_number_mix_up_no_names() {
        let demand = Demand::new(1);
        std::thread::scope(|scope| {
            for thread in 0..4_u128 {
                let demand = &demand;
                scope.spawn(move || {
                    for low in 1..20_000_u128 {
                        demand.saw(0, SharedKey((thread + 1) << 64 | (low % 700 + 1)), 1, true);
                    }
                });
            }
            for _ in 0..100 {
                for key in demand.drain().into_keys() {
                    assert!((1..=4).contains(&(key.0 >> 64)) && (1..=700).contains(&(key.0 as u64)), "{key:?}");
                }
            }
        });
    }
}
