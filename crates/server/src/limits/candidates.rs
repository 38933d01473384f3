//! Clients that decisions have met and that have learned nothing yet, noted by
//! each thread for itself.

use openclaw_admission::Candidate;
use openclaw_limiter::{Key, PolicyId};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Candidates of one thread and tick; beyond them the newest take the place of
/// the oldest.
const PLACES: usize = 4096;
const POLICY_MASK: u64 = u16::MAX as u64;

/// The policy's number, and as many bits of the key as there is room for: two
/// words that don't belong together are told by them.
#[derive(Debug, Default)]
struct Place {
    key: AtomicU64,
    check: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Ring {
    next: AtomicU32,
    places: Box<[Place]>,
}

/// All threads' notes.
#[derive(Debug)]
pub(super) struct Queues(Box<[Ring]>);

impl Queues {
    pub(super) fn new(cores: usize) -> Self {
        let places = || (0..PLACES).map(|_| Place::default()).collect();
        Self((0..cores).map(|_| Ring { next: AtomicU32::new(0), places: places() }).collect())
    }

    #[inline]
    pub(super) fn push(&self, core: usize, candidate: Candidate) {
        let Some(ring) = self.0.get(core) else { return };
        let at = ring.next.fetch_add(1, Ordering::Relaxed) as usize % PLACES;
        let Candidate { policy, key } = candidate;
        ring.places[at].key.store(key.word(), Ordering::Relaxed);
        ring.places[at].check.store(check(policy, key.word()), Ordering::Relaxed);
    }

    /// Takes what is there.
    pub(super) fn drain(&self) -> Vec<Candidate> {
        let mut all = Vec::new();
        for ring in &self.0 {
            let count = ring.next.swap(0, Ordering::Relaxed) as usize;
            all.extend(ring.places.iter().take(count).filter_map(Place::take));
        }
        all
    }
}

impl Place {
    fn take(&self) -> Option<Candidate> {
        let (key, seen) = (self.key.load(Ordering::Relaxed), self.check.swap(0, Ordering::Relaxed));
        let policy = PolicyId((seen & POLICY_MASK) as u16);
        (seen != 0 && seen == check(policy, key)).then_some(Candidate { policy, key: Key::of_word(key) })
    }
}

fn check(policy: PolicyId, key: u64) -> u64 {
    key & !POLICY_MASK | u64::from(policy.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drained_was_pushed() {
        let queues = Queues::new(1);
        let key = |word: u64| Key::of_word(word.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        std::thread::scope(|scope| {
            for thread in 1..4_u64 {
                let queues = &queues;
                scope.spawn(move || {
                    let candidate =
                        |at: u64| Candidate { policy: PolicyId(thread as u16), key: key(at * 4 + thread) };
                    (0..50_000).for_each(|at| queues.push(0, candidate(at)));
                });
            }
            for _ in 0..200 {
                for Candidate { policy, key } in queues.drain() {
                    let number = key.word().wrapping_mul(0xf1de_83e1_9937_733d);
                    assert_eq!(number % 4, u64::from(policy.0), "a key under another's policy");
                }
            }
        });
        queues.push(7, Candidate { policy: PolicyId(1), key: key(1) });
        assert!(queues.drain().len() <= PLACES);
        assert_eq!(queues.drain(), []);
    }
}
