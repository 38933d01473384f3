//! Who gets a line of its own: clients that are seen in two different ticks.
//! Names that are made up, each used once, never are.

use openclaw_limiter::{Key, PolicyId};

/// Ticks that one generation gathers.
const TICKS_EACH: u32 = 12;
const WORDS: usize = 1 << 18;

/// A client that a decision met and that has learned nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Under which policy.
    pub policy: PolicyId,
    /// Who.
    pub key: Key,
}

/// Who was seen in earlier ticks: two generations of a Bloom filter, in 4 MiB.
///
/// With 50 000 candidates a tick, more than the queues hold, one in a thousand
/// is taken for one that had been seen before.
#[derive(Debug)]
pub(super) struct Candidates {
    generations: [Vec<u64>; 2],
    ticks: u32,
}

impl Default for Candidates {
    fn default() -> Self {
        Self { generations: [vec![0; WORDS], vec![0; WORDS]], ticks: 0 }
    }
}

impl Candidates {
    /// Takes those of one tick; gives those that had been seen before.
    pub(super) fn tick(&mut self, mut now: Vec<Candidate>) -> Vec<Candidate> {
        now.sort_unstable_by_key(|candidate| (candidate.policy, candidate.key.word()));
        now.dedup();
        let (again, first): (Vec<_>, Vec<_>) = now.into_iter().partition(|candidate| self.has(*candidate));
        self.ticks += 1;
        if self.ticks.is_multiple_of(TICKS_EACH) {
            self.generations.swap(0, 1);
            self.generations[0].fill(0);
        }
        for candidate in first {
            bits(candidate).for_each(|(word, bit)| self.generations[0][word] |= bit);
        }
        again
    }

    fn has(&self, candidate: Candidate) -> bool {
        self.generations.iter().any(|words| bits(candidate).all(|(word, bit)| words[word] & bit != 0))
    }
}

/// Four bits; the key is a keyed hash already, so that nobody can choose them.
fn bits(candidate: Candidate) -> impl Iterator<Item = (usize, u64)> {
    let hash = candidate.key.word() ^ u64::from(candidate.policy.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let step = hash.rotate_left(32) | 1;
    (0..4).map(move |turn: u64| {
        let at = (hash.wrapping_add(turn.wrapping_mul(step))) >> 40;
        ((at >> 6) as usize % WORDS, 1 << (at & 63))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(number: u64) -> Candidate {
        let key =
            Key::of_word(number.wrapping_mul(0xd134_2543_de82_ef95).rotate_left(31).wrapping_mul(0xaf25));
        Candidate { policy: PolicyId(1), key }
    }

    #[test]
    fn who_is_seen_in_two_ticks_is_taken() {
        let mut candidates = Candidates::default();
        assert_eq!(candidates.tick(vec![candidate(1), candidate(1), candidate(2)]), []);
        assert_eq!(candidates.tick(vec![candidate(1)]), [candidate(1)]);
        (0..11).for_each(|_| assert_eq!(candidates.tick(vec![]), []));
        assert_eq!(candidates.tick(vec![candidate(2)]), [candidate(2)], "the generation before is known");
        (0..24).for_each(|_| assert_eq!(candidates.tick(vec![]), []));
        assert_eq!(candidates.tick(vec![candidate(2)]), [], "two generations later it is new");
    }

    #[test]
    fn names_used_once_are_not() {
        let mut candidates = Candidates::default();
        let taken: usize = (0..24_u64)
            .map(|tick| candidates.tick((tick * 50_000..(tick + 1) * 50_000).map(candidate).collect()).len())
            .sum();
        assert!(taken < 1500, "{taken} of 1 200 000 made-up names got a line");
    }
}
