//! What is asked of limits that replicas share, noted by each thread for
//! itself: the hot ones alone, in a table of fixed size.

use openclaw_limiter::{Key, LevelId, PolicyId};
use std::collections::HashMap;
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

/// What a limit is called in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Limit {
    /// A client's.
    Client(PolicyId, Key),
    /// One of all clients together.
    Common(LevelId),
}

const CLIENT: u64 = 1 << 32;
const COMMON: u64 = 2 << 32;

impl Limit {
    /// Two words, neither of which is 0; `None` for one client in all.
    fn words(self) -> Option<[u64; 2]> {
        match self {
            Self::Client(_, key) if key.word() == 0 => None,
            Self::Client(policy, key) => Some([key.word(), CLIENT | u64::from(policy.0)]),
            Self::Common(level) => Some([u64::from(level.0) + 1, COMMON]),
        }
    }

    /// `None` of what is half written.
    fn of_words([low, high]: [u64; 2]) -> Option<Self> {
        match high {
            COMMON => Some(Self::Common(LevelId((low - 1) as u32))),
            high if high & CLIENT != 0 => Some(Self::Client(PolicyId(high as u16), Key::of_word(low))),
            _ => None,
        }
    }
}

/// What was asked of one limit since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Asked {
    pub(super) tokens: u64,
    /// Its bucket was below half, or empty.
    pub(super) is_pressed: bool,
}

/// All threads' notes.
#[derive(Debug)]
pub(super) struct Demand(Box<[Box<[Slot]>]>);

impl Demand {
    pub(super) fn new(cores: usize) -> Self {
        Self((0..cores).map(|_| (0..SLOTS).map(|_| Slot::default()).collect()).collect())
    }

    /// Notes what was asked for; of a client's limit that isn't followed yet only
    /// where it is pressed.
    #[inline]
    pub(super) fn saw(&self, core: usize, limit: Limit, tokens: u32, is_pressed: bool) {
        let is_followed = is_pressed || matches!(limit, Limit::Common(_));
        let Some((slots, words)) = self.0.get(core).zip(limit.words()) else { return };
        let Some(slot) = slot(slots, words, is_followed) else { return };
        slot.tokens.fetch_add(u64::from(tokens), Ordering::Relaxed);
        if is_pressed {
            slot.is_pressed.store(true, Ordering::Relaxed);
        }
    }

    /// Takes the notes of all threads.
    pub(super) fn drain(&self) -> HashMap<Limit, Asked> {
        let mut all: HashMap<Limit, Asked> = HashMap::new();
        for slot in self.0.iter().flatten() {
            if let Some((limit, asked)) = slot.drain() {
                let sum = all.entry(limit).or_default();
                sum.tokens += asked.tokens;
                sum.is_pressed |= asked.is_pressed;
            }
        }
        all
    }
}

/// The limit's slot, or a free one where it is to have one; one of two.
#[inline]
fn slot(slots: &[Slot], [low, high]: [u64; 2], may_take: bool) -> Option<&Slot> {
    let at = (low ^ high.rotate_left(17)) as usize % SLOTS;
    let both = || [&slots[at], &slots[at ^ 1]].into_iter();
    let is_it =
        |slot: &&Slot| slot.low.load(Ordering::Acquire) == low && slot.high.load(Ordering::Relaxed) == high;
    let free = |slot: &&Slot| slot.low.compare_exchange(0, low, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    both().find(is_it).or_else(|| {
        let taken = both().find(|slot| may_take && free(slot))?;
        taken.idle.store(0, Ordering::Relaxed);
        taken.high.store(high, Ordering::Relaxed);
        Some(taken)
    })
}

impl Slot {
    fn drain(&self) -> Option<(Limit, Asked)> {
        let low = self.low.load(Ordering::Acquire);
        if low == 0 {
            return None;
        }
        let limit = Limit::of_words([low, self.high.load(Ordering::Relaxed)])?;
        let tokens = self.tokens.swap(0, Ordering::Relaxed);
        let is_pressed = self.is_pressed.swap(false, Ordering::Relaxed);
        if tokens > 0 {
            self.idle.store(0, Ordering::Relaxed);
            return Some((limit, Asked { tokens, is_pressed }));
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

    fn limit(policy: u16, word: u64) -> Limit {
        Limit::Client(PolicyId(policy), Key::of_word(word))
    }

    #[test]
    fn only_what_is_pressed_is_followed() {
        let demand = Demand::new(2);
        demand.saw(0, limit(7, 9), 1, false);
        assert!(demand.drain().is_empty());
        demand.saw(0, limit(7, 9), 2, true);
        demand.saw(0, limit(7, 9), 3, false);
        demand.saw(1, limit(7, 9), 4, true);
        assert_eq!(demand.drain()[&limit(7, 9)], Asked { tokens: 9, is_pressed: true });
        demand.saw(0, limit(7, 9), 5, false);
        assert_eq!(demand.drain()[&limit(7, 9)], Asked { tokens: 5, is_pressed: false });
        (0..=DRAINS_KEPT).for_each(|_| assert!(demand.drain().is_empty()));
        demand.saw(0, limit(7, 9), 1, false);
        assert!(demand.drain().is_empty(), "its slot was given away");
        demand.saw(1, Limit::Common(LevelId(0)), 3, false);
        assert_eq!(demand.drain()[&Limit::Common(LevelId(0))], Asked { tokens: 3, is_pressed: false });
    }

    #[test]
    fn a_full_table_leaves_the_others_out() {
        let demand = Demand::new(1);
        (1..100_000).for_each(|low| demand.saw(0, limit(1, low), 1, true));
        assert!(demand.drain().len() <= SLOTS);
        demand.saw(9, limit(7, 9), 1, true);
    }

    #[test]
    fn threads_that_share_a_number_mix_up_no_names() {
        let demand = Demand::new(1);
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let demand = &demand;
                scope.spawn(move || {
                    for word in 1..20_000 {
                        demand.saw(0, limit(thread, word % 700 + 1), 1, true);
                    }
                });
            }
            for _ in 0..100 {
                for known in demand.drain().into_keys() {
                    let Limit::Client(policy, key) = known else { unreachable!("{known:?}") };
                    assert!((1..=4).contains(&policy.0) && (1..=700).contains(&key.word()), "{known:?}");
                }
            }
        });
    }
}
