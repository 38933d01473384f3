//! A bucket with a rate of its own: three words of a line.
//!
//! There is room for two rates; the bucket's word says which is in force, so
//! that one compare-and-swap changes the rate and what is left together.

use crate::lines::Line;
use crate::sync::AtomicU64;
use crate::word::{self, NOW_MAX_NANOS, Parity};
use crate::{Bucket, Rate};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// Where the bucket is; the rates are before it.
pub(crate) const FULL_AT: usize = 2;

/// The rate that a bucket's word was reckoned with.
#[inline]
pub(crate) fn rate_of(line: &Line, full_at: u64) -> u64 {
    line[word::parity(full_at).index()].load(Acquire)
}

/// Fills a line that nobody uses.
pub(crate) fn fill(line: &Line, rate: Rate, bucket: Bucket) {
    line[Parity::FIRST.index()].store(rate.word(), Release);
    line[FULL_AT].store(word::of_bucket(Parity::FIRST, bucket), Release);
}

/// Changes the rate; what is left stays. One caller at a time.
pub(crate) fn set_rate(line: &Line, rate: Rate, now_nanos: u64) -> bool {
    let mut seen = line[FULL_AT].load(Acquire);
    loop {
        let before = Rate::of_word(rate_of(line, seen));
        if word::is_special(seen) || before == rate {
            return !word::is_special(seen);
        }
        let parity = word::parity(seen).other();
        line[parity.index()].store(rate.word(), Release);
        let moved = word::bucket(seen).under(before, rate, now_nanos.min(NOW_MAX_NANOS));
        let next = word::of_bucket(parity, moved);
        match line[FULL_AT].compare_exchange_weak(seen, next, AcqRel, Acquire) {
            Ok(_) => return true,
            Err(other) => seen = other,
        }
    }
}

/// Changes the bucket in one step, or leaves it; gives it as it then is.
#[inline]
pub(crate) fn change<T>(line: &Line, mut change: impl FnMut(&mut Bucket, Rate) -> T) -> T {
    let mut seen = line[FULL_AT].load(Acquire);
    loop {
        let mut bucket = word::bucket(seen);
        let told = change(&mut bucket, Rate::of_word(rate_of(line, seen)));
        match swap(&line[FULL_AT], seen, word::of_bucket(word::parity(seen), bucket)) {
            Ok(()) => return told,
            Err(other) => seen = other,
        }
    }
}

#[inline]
fn swap(word: &AtomicU64, seen: u64, next: u64) -> Result<(), u64> {
    if seen == next {
        return Ok(());
    }
    word.compare_exchange_weak(seen, next, AcqRel, Acquire).map(|_| ())
}
