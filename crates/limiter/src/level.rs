//! Buckets that many clients share.

use crate::{Bucket, Rate};
use std::sync::atomic::{AtomicU64, Ordering};

/// A shared bucket's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LevelId(pub u32);

/// All shared buckets, by number.
#[derive(Debug)]
pub(crate) struct Levels(Box<[Level]>);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Level {
    rate: AtomicU64,
    full_at: AtomicU64,
}

impl Levels {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Level::default()).collect())
    }

    pub(crate) fn set(&self, id: LevelId, rate: Rate, now_nanos: u64) {
        let Some(level) = self.0.get(id.0 as usize) else { return };
        let before = level.rate.swap(rate.word(), Ordering::Relaxed);
        if before != 0 && before != rate.word() {
            let under =
                |at| Bucket::full_at(at).under(Rate::of_word(before), rate, now_nanos).full_at_nanos();
            let _ = level.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| Some(under(at)));
        }
    }

    /// The bucket as it is.
    pub(crate) fn get(&self, id: LevelId) -> Option<(Rate, Bucket)> {
        let level = self.0.get(id.0 as usize)?;
        let rate = level.rate.load(Ordering::Relaxed);
        (rate != 0).then(|| (Rate::of_word(rate), Bucket::full_at(level.full_at.load(Ordering::Relaxed))))
    }

    /// # Errors
    /// Nanoseconds until as many tokens are there.
    pub(crate) fn take(&self, id: LevelId, cost: u64, now_nanos: u64) -> Result<(), u64> {
        let Some(level) = self.0.get(id.0 as usize) else { return Ok(()) };
        let rate = level.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return Ok(());
        }
        try_update(&level.full_at, |bucket| bucket.take(Rate::of_word(rate), cost, now_nanos))
    }

    pub(crate) fn refund(&self, id: LevelId, cost: u64) {
        let Some((level, (rate, _))) = self.0.get(id.0 as usize).zip(self.get(id)) else { return };
        update(&level.full_at, |bucket| bucket.refund(rate, cost));
    }

    pub(crate) fn charge(&self, id: LevelId, cost: u64, now_nanos: u64) {
        let Some((level, (rate, _))) = self.0.get(id.0 as usize).zip(self.get(id)) else { return };
        update(&level.full_at, |bucket| bucket.charge(rate, cost, now_nanos));
    }
}

/// Changes a bucket in one step.
pub(crate) fn update(word: &AtomicU64, change: impl Fn(&mut Bucket)) {
    let _ = try_update(word, |bucket| {
        change(bucket);
        Ok::<_, std::convert::Infallible>(())
    });
}

/// Changes a bucket in one step, or leaves it.
pub(crate) fn try_update<E>(
    word: &AtomicU64,
    mut change: impl FnMut(&mut Bucket) -> Result<(), E>,
) -> Result<(), E> {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let mut bucket = Bucket::full_at(seen);
        change(&mut bucket)?;
        match word.compare_exchange_weak(seen, bucket.full_at_nanos(), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Ok(()),
            Err(now) => seen = now,
        }
    }
}
