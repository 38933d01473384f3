//! What many clients share.

use crate::lines::WORDS;
use crate::sync::{AtomicU64, zeroed};
use crate::word::{self, Stamp, State, Tag};
use crate::{Bucket, LevelId, Rate};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A policy's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId(pub u16);

/// What holds each client of a policy, and all of them together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Each client's bucket, unless it has learned its own.
    pub rate: Rate,
    /// Buckets around it, the inner first.
    pub within: [Option<LevelId>; 2],
}

/// What is asked of the clients that learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adaptive {
    /// Latency that their requests should keep to; windows count by it.
    pub slo_ms: u32,
    /// What all of them take of, beyond what each is guaranteed.
    pub common: Option<Common>,
}

/// A shared bucket that refuses nobody what it is guaranteed. Whatever learned
/// clients take is taken of it; only what goes beyond the guarantee waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Common {
    /// The bucket.
    pub level: LevelId,
    /// Tokens a client may have between two calls of [`crate::Limiter::learned`]
    /// whatever others take.
    pub floor: u32,
}

/// Time in which a client's own rate refills what it is guaranteed.
const GUARANTEED_NANOS: u64 = 250_000_000;

impl Common {
    /// Tokens that a client of that rate is guaranteed between two calls of
    /// [`crate::Limiter::learned`].
    #[must_use]
    pub fn guaranteed(self, rate: Rate) -> u64 {
        (GUARANTEED_NANOS / rate.nanos_per_token()).max(u64::from(self.floor))
    }
}

/// What there is to know of a policy: two lines. Its two last rates come first.
type Entry = [AtomicU64; 2 * WORDS];

const STAMP: usize = 2;
const WITHIN: usize = 3;
const ADAPTIVE: usize = 4;
const COMMON: usize = 5;
/// On another line than what comes before, since decisions write it.
const OVERFLOW: usize = 8;
const SHARE_PER_NANO: usize = 9;
const QUOTA_WINDOW: usize = 10;
const QUOTA_LIMIT: usize = 11;

/// Loss of what nobody will ask for again.
const NOTHING: f64 = f64::MIN;

/// All policies, by number.
#[derive(Debug)]
pub(crate) struct Policies(Box<[Entry]>);

impl Policies {
    pub(crate) fn new(count: usize) -> Self {
        Self(zeroed(count))
    }

    #[inline]
    fn entry(&self, id: PolicyId) -> Option<&Entry> {
        self.0.get(usize::from(id.0))
    }

    /// A policy that may be one that nobody has set: its rate gives nothing then.
    #[inline]
    pub(crate) fn any(&self, id: PolicyId) -> Option<Terms<'_>> {
        let entry = self.entry(id)?;
        let stamp = Stamp::of_word(entry[STAMP].load(Acquire));
        let rate = entry[stamp.parity().index()].load(Acquire);
        Some(Terms { entry, stamp, rate: Rate::of_word(rate) })
    }

    #[inline]
    pub(crate) fn get(&self, id: PolicyId) -> Option<Terms<'_>> {
        self.any(id).filter(Terms::is_set)
    }

    /// A bucket for clients that find no room.
    pub(crate) fn overflow(&self, id: PolicyId) -> Option<&AtomicU64> {
        self.entry(id).map(|entry| &entry[OVERFLOW])
    }

    /// Whether there was another rate before, so that clients' buckets have to
    /// be read by both.
    pub(crate) fn set(&self, id: PolicyId, policy: Policy, now_nanos: u64) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        let around = level_word(policy.within[0]) | (level_word(policy.within[1]) << 32);
        entry[WITHIN].store(around, Relaxed);
        entry[SHARE_PER_NANO].store((1.0 / policy.rate.depth_nanos() as f64).to_bits(), Relaxed);
        let in_force = Stamp::of_word(entry[STAMP].load(Relaxed)).parity();
        let before = entry[in_force.index()].load(Relaxed);
        if before == policy.rate.word() {
            return false;
        }
        let parity = if before == 0 { in_force } else { in_force.other() };
        entry[parity.index()].store(policy.rate.word(), Release);
        entry[STAMP].store(Stamp::new(parity, now_nanos).word(), Release);
        before != 0
    }

    pub(crate) fn set_adaptive(&self, id: PolicyId, adaptive: Option<Adaptive>) {
        let Some(entry) = self.entry(id) else { return };
        let common = adaptive.and_then(|adaptive| adaptive.common);
        entry[ADAPTIVE].store(adaptive.map_or(0, |adaptive| u64::from(adaptive.slo_ms.max(1))), Relaxed);
        let word = |common: Common| level_word(Some(common.level)) | (u64::from(common.floor) << 32);
        entry[COMMON].store(common.map_or(0, word), Relaxed);
    }

    /// Notes which window is open, so that slots of past ones can be told.
    pub(crate) fn open_quota(&self, id: PolicyId, window: u32, limit: u64) {
        let Some(entry) = self.entry(id) else { return };
        for (word, value) in [(QUOTA_WINDOW, u64::from(window)), (QUOTA_LIMIT, limit)] {
            if entry[word].load(Relaxed) != value {
                entry[word].store(value, Relaxed);
            }
        }
    }

    /// How much a slot's client would lose with it: a part of its depth; of who
    /// owes nothing the less the longer ago it was here; infinite where it must
    /// stay.
    pub(crate) fn loss(&self, tag: Tag, state: u64, now_nanos: u64) -> f64 {
        match State::of(state) {
            State::Learned(_) | State::Moving => f64::INFINITY,
            State::Quota { window, used } => self.quota_loss(tag, window, used),
            State::Bucket(..) => {
                let Some(terms) = self.get(tag.policy()) else { return NOTHING };
                let bucket = terms.bucket(state);
                match bucket.owed_nanos(now_nanos) {
                    0 => bucket.full_at_nanos() as f64 - now_nanos as f64,
                    owed => owed as f64 * terms.share_per_nano(),
                }
            }
        }
    }

    fn quota_loss(&self, tag: Tag, window: u32, used: u64) -> f64 {
        let Some(entry) = self.entry(tag.policy()) else { return NOTHING };
        if u64::from(window) < entry[QUOTA_WINDOW].load(Relaxed) {
            return NOTHING;
        }
        used as f64 / entry[QUOTA_LIMIT].load(Relaxed).max(1) as f64
    }
}

/// By its number and one; 0 for none. What has no room for that is nobody's.
fn level_word(level: Option<LevelId>) -> u64 {
    level.map_or(0, |level| u64::from(level.0.min(u32::MAX - 1)) + 1)
}

#[inline]
fn level_of(word: u32) -> Option<LevelId> {
    word.checked_sub(1).map(LevelId)
}

/// A policy as a decision sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'p> {
    entry: &'p Entry,
    stamp: Stamp,
    pub(crate) rate: Rate,
}

impl Terms<'_> {
    pub(crate) fn is_set(&self) -> bool {
        self.rate.word() != 0
    }

    /// A client's bucket, under the rate in force.
    #[inline]
    pub(crate) fn bucket(&self, state: u64) -> Bucket {
        let bucket = word::bucket(state);
        match word::parity(state) == self.stamp.parity() {
            true => bucket,
            false => self.brought_over(bucket),
        }
    }

    /// A client's bucket where that takes no reckoning.
    #[inline]
    pub(crate) fn plain_bucket(&self, state: u64) -> Option<Bucket> {
        self.stamp.plain_bucket(state)
    }

    /// As if it had been changed in the moment in which the policy was: what was
    /// left then is left, and a full bucket stays full.
    #[cold]
    fn brought_over(&self, bucket: Bucket) -> Bucket {
        let before = self.entry[self.stamp.parity().other().index()].load(Acquire);
        let since = self.stamp.since_nanos();
        if before == 0 || bucket.owed_nanos(since) == 0 {
            return Bucket::default();
        }
        bucket.under(Rate::of_word(before), self.rate, since)
    }

    #[inline]
    pub(crate) fn word(&self, bucket: Bucket) -> u64 {
        word::of_bucket(self.stamp.parity(), bucket)
    }

    /// The same of a bucket from which tokens were just taken.
    #[inline]
    pub(crate) fn word_taken(&self, bucket: Bucket) -> u64 {
        self.stamp.state(bucket)
    }

    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.entry[WITHIN].load(Relaxed) == 0
    }

    /// The inner and the outer level.
    #[inline]
    pub(crate) fn levels(&self) -> [Option<LevelId>; 2] {
        let word = self.entry[WITHIN].load(Relaxed);
        [level_of(word as u32), level_of((word >> 32) as u32)]
    }

    /// What learned clients take of together.
    #[inline]
    pub(crate) fn common(&self) -> Option<Common> {
        let word = self.entry[COMMON].load(Relaxed);
        Some(Common { level: level_of(word as u32)?, floor: (word >> 32) as u32 })
    }

    pub(crate) fn within(&self) -> impl DoubleEndedIterator<Item = LevelId> + use<> {
        self.levels().into_iter().flatten()
    }

    /// Latency that clients should keep to, where they learn.
    #[inline]
    pub(crate) fn slo_ms(&self) -> Option<u32> {
        let slo_ms = self.entry[ADAPTIVE].load(Relaxed) as u32;
        (slo_ms != 0).then_some(slo_ms)
    }

    fn share_per_nano(&self) -> f64 {
        f64::from_bits(self.entry[SHARE_PER_NANO].load(Relaxed))
    }
}
