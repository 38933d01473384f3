//! Decisions.

use crate::clients::{Changed, Client, Clients, Unknown};
use crate::learned::{self, Free, LearnedLines};
use crate::level::Levels;
use crate::lines::Line;
use crate::policy::{Policies, Terms};
use crate::sync::{Mutex, MutexGuard};
use crate::table::Table;
use crate::word::{NOW_MAX_NANOS, Tag};
use crate::{
    Adaptive, Ask, Bucket, Common, CoreId, Decision, Key, Learned, LearnedId, LevelId, NoRoom, Outcome,
    Policy, PolicyId, Rate, RefusedBy, Seed, Verdict, cell,
};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::ops::Range;
use std::sync::PoisonError;

/// Clients of a batch whose memory is asked for at once: about as many lines as
/// a core can wait for, and few enough to stay in its first cache.
const TOUCHED_AHEAD: usize = 32;

/// How much there is room for; nothing grows later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Clients whose bucket isn't full, at a time.
    pub clients: usize,
    /// Policies.
    pub policies: u16,
    /// Buckets that clients share.
    pub levels: u32,
    /// Threads that decide.
    pub cores: u16,
}

/// Buckets of very many clients, in the buckets of what they belong to.
#[derive(Debug)]
pub struct Limiter {
    pub(crate) seed: Seed,
    pub(crate) clients: Clients,
    pub(crate) levels: Levels,
    /// For those who change settings; decisions don't wait for it.
    changes: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    free: Free,
    /// Policies of whose clients some may still be reckoned with the rate before.
    unswept: BTreeSet<PolicyId>,
}

impl Limiter {
    /// All buckets full, and no client that learns.
    #[must_use]
    pub fn new(sizes: Sizes, seed: Seed) -> Self {
        let clients = Clients {
            policies: Policies::new(usize::from(sizes.policies)),
            table: Table::new(sizes.clients),
            learned: LearnedLines::new(0),
        };
        let levels = Levels::new(sizes.levels as usize, sizes.cores);
        Self { seed, clients, levels, changes: Mutex::new(Changes::default()) }
    }

    /// With room for that many clients that learn.
    #[must_use]
    pub fn with_learned(mut self, count: u32) -> Self {
        self.clients.learned = LearnedLines::new(count as usize);
        self
    }

    /// What `client` is called in `scope`, such as a tenant's policy.
    #[must_use]
    #[inline]
    pub fn key(&self, scope: u64, client: &[u8]) -> Key {
        Key::new(&self.seed, scope, client)
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a policy in force. What its clients have left stays, as if all had
    /// been changed in this moment; those that are full stay so.
    ///
    /// A second change of the same policy first reads through the table.
    pub fn set_policy(&self, id: PolicyId, policy: Policy, now_nanos: u64) {
        let mut changes = self.changes();
        let is_other = self.clients.policies.get(id).is_some_and(|terms| terms.rate != policy.rate);
        if is_other && changes.unswept.contains(&id) {
            self.clients.bring_over(&changes.unswept);
            changes.unswept.clear();
        }
        // A lease of what isn't there would be another level's.
        let within = policy.within.map(|level| level.filter(|level| self.levels.is_there(*level)));
        let policy = Policy { within, ..policy };
        if self.clients.policies.set(id, policy, now_nanos.min(NOW_MAX_NANOS)) {
            changes.unswept.insert(id);
        }
    }

    /// Says whether the policy's clients may learn a rate of their own.
    pub fn set_adaptive(&self, id: PolicyId, adaptive: Option<Adaptive>) {
        self.clients.policies.set_adaptive(id, adaptive);
    }

    /// Puts a shared bucket's rate in force; what is left stays.
    pub fn set_level(&self, id: LevelId, rate: Rate, now_nanos: u64) {
        let _one_at_a_time = self.changes();
        self.levels.set(id, rate, now_nanos.min(NOW_MAX_NANOS));
    }

    /// Takes a shared bucket's rate away: it refuses nobody.
    pub fn unset_level(&self, id: LevelId) {
        let _one_at_a_time = self.changes();
        self.levels.unset(id);
    }

    /// Puts what cores have borrowed of shared buckets and not used since the
    /// last call back; once a tick is enough.
    pub fn return_leases(&self) {
        self.levels.return_idle();
    }

    /// Takes tokens at every level, or none at any. What is to be settled later
    /// is decided with an estimate.
    #[inline]
    pub fn decide(&self, core: CoreId, ask: Ask, now_nanos: u64) -> Decision {
        let Ask { policy, key, cost } = ask;
        if let Some(client) = self.client(policy, key, now_nanos)
            && let Some(took) = self.clients.take_near_home(client, cost.into())
        {
            return self.take_within(core, client, cost.into(), took);
        }
        // Not as it came: a question whose address is asked for would be written
        // to memory each time.
        self.decide_anyhow(core, policy, key, cost, now_nanos)
    }

    /// Whatever is asked, of whomever.
    #[inline(never)]
    fn decide_anyhow(&self, core: CoreId, policy: PolicyId, key: Key, cost: u32, now_nanos: u64) -> Decision {
        if cost == 0 {
            return self.peek(Ask { policy, key, cost }, now_nanos);
        }
        let Some(client) = self.known(policy, key, now_nanos) else {
            return Decision::no_policy(now_nanos);
        };
        let (cost, now_nanos) = (u64::from(cost), client.now_nanos);
        let took =
            self.clients.change(&client, Unknown::Insert, |bucket, rate| bucket.take(rate, cost, now_nanos));
        let Some(took) = took else { return Decision::no_policy(now_nanos) };
        match took.told {
            Ok(()) => self.take_within(core, client, cost, took.told(())),
            Err(missing_nanos) => self.refused(&client, cost, missing_nanos, took.told(())),
        }
    }

    fn refused(&self, client: &Client<'_>, cost: u64, missing_nanos: u64, took: Changed<'_, ()>) -> Decision {
        let refused = |retry_after_nanos| Verdict::Refused { by: RefusedBy::Client, retry_after_nanos };
        if !Bucket::is_ahead(took.rate, cost, missing_nanos) {
            return decided(client, cost, refused(missing_nanos), &took);
        }
        let back = |bucket: &mut Bucket, rate| bucket.come_back(rate, client.now_nanos);
        match self.clients.change(client, Unknown::Leave, back) {
            Some(back) => decided(client, cost, refused(back.rate.nanos_per_token() * cost), &back),
            None => decided(client, cost, refused(missing_nanos), &took),
        }
    }

    /// Decides for many at once, in order: their memory is asked for together,
    /// so that most of the waiting is done once.
    pub fn decide_many(&self, core: CoreId, asks: &[Ask], now_nanos: u64, mut each: impl FnMut(Decision)) {
        for some in asks.chunks(TOUCHED_AHEAD) {
            self.clients.touch(some);
            some.iter().for_each(|ask| each(self.decide(core, *ask, now_nanos)));
        }
    }

    /// A client of a policy that may be one that nobody has set.
    #[inline]
    fn client(&self, policy: PolicyId, key: Key, now_nanos: u64) -> Option<Client<'_>> {
        let terms = self.clients.policies.any(policy)?;
        Some(Client { terms, tag: Tag::new(policy, key), now_nanos: now_nanos.min(NOW_MAX_NANOS) })
    }

    fn known(&self, policy: PolicyId, key: Key, now_nanos: u64) -> Option<Client<'_>> {
        self.client(policy, key, now_nanos).filter(|client| client.terms.is_set())
    }

    #[inline]
    fn take_within(&self, core: CoreId, client: Client<'_>, cost: u64, took: Changed<'_, ()>) -> Decision {
        if client.terms.is_alone() && took.line.is_none() {
            return decided(&client, cost, Verdict::Allowed, &took);
        }
        let is_lent =
            |level: Option<LevelId>| level.is_none_or(|level| self.levels.take_lent(core, level, cost));
        let [inner, outer] = client.terms.levels();
        if !is_lent(inner) {
            return self.take_beyond(core, client, cost, 0, took);
        }
        if !is_lent(outer) {
            return self.take_beyond(core, client, cost, usize::from(inner.is_some()), took);
        }
        self.take_last(core, client, cost, took)
    }

    /// Takes at the levels that are left, beyond what this core has borrowed.
    #[inline(never)]
    fn take_beyond(
        &self,
        core: CoreId,
        client: Client<'_>,
        cost: u64,
        levels_taken: usize,
        took: Changed<'_, ()>,
    ) -> Decision {
        for (taken, level) in client.terms.within().enumerate().skip(levels_taken) {
            if let Err(retry_after_nanos) = self.levels.take(core, level, cost, client.now_nanos) {
                let verdict = Verdict::Refused { by: RefusedBy::Level(level), retry_after_nanos };
                return self.undo(core, &client, cost, taken, &took, verdict);
            }
        }
        self.take_last(core, client, cost, took)
    }

    /// What learned clients have in common, once all else allows. For nearly all
    /// it has no rate, since their backend doesn't suffer.
    #[inline]
    fn take_last(&self, core: CoreId, client: Client<'_>, cost: u64, took: Changed<'_, ()>) -> Decision {
        if let Some((_, line)) = took.line
            && let Some(common) = client.terms.common()
            && self.levels.is_set(common.level)
        {
            return self.take_common(core, client, cost, (common, line), took);
        }
        decided(&client, cost, Verdict::Allowed, &took)
    }

    #[inline(never)]
    fn take_common(
        &self,
        core: CoreId,
        client: Client<'_>,
        cost: u64,
        (common, line): (Common, &Line),
        took: Changed<'_, ()>,
    ) -> Decision {
        let (level, now_nanos) = (common.level, client.now_nanos);
        let Err(retry_after_nanos) = self.levels.take_any(core, level, cost, now_nanos) else {
            return decided(&client, cost, Verdict::Allowed, &took);
        };
        if is_guaranteed(common, line, took.rate, cost) {
            self.levels.owe(level, cost, now_nanos);
            return decided(&client, cost, Verdict::Allowed, &took);
        }
        let verdict = Verdict::Refused { by: RefusedBy::Level(level), retry_after_nanos };
        self.undo(core, &client, cost, client.terms.within().count(), &took, verdict)
    }

    #[cold]
    fn undo(
        &self,
        core: CoreId,
        client: &Client<'_>,
        cost: u64,
        levels_taken: usize,
        took: &Changed<'_, ()>,
        verdict: Verdict,
    ) -> Decision {
        client.terms.within().take(levels_taken).for_each(|level| self.levels.untake(core, level, cost));
        let back = self.clients.change(client, Unknown::Leave, |bucket, rate| bucket.refund(rate, cost));
        match back {
            Some(back) => decided(client, cost, verdict, &back),
            None => decided(client, cost, verdict, took),
        }
    }

    /// What [`Limiter::decide`] would say; takes nothing.
    #[must_use]
    pub fn peek(&self, ask: Ask, now_nanos: u64) -> Decision {
        let Some(client) = self.known(ask.policy, ask.key, now_nanos) else {
            return Decision::no_policy(now_nanos);
        };
        let own = self.clients.look(&client);
        let own = own.unwrap_or(Changed {
            told: (),
            bucket: Bucket::default(),
            rate: client.terms.rate,
            line: None,
        });
        let (cost, now_nanos) = (u64::from(ask.cost), client.now_nanos);
        let mut verdict = self.peek_common(&client, &own, cost);
        let around = client.terms.within();
        for (level, (rate, mut bucket)) in around.rev().filter_map(|id| Some((id, self.levels.get(id)?))) {
            if let Err(retry_after_nanos) = bucket.take(rate, cost, now_nanos) {
                verdict = Verdict::Refused { by: RefusedBy::Level(level), retry_after_nanos };
            }
        }
        if let Err(retry_after_nanos) = { own.bucket }.take(own.rate, cost, now_nanos) {
            verdict = Verdict::Refused { by: RefusedBy::Client, retry_after_nanos };
        }
        shown(&client, verdict, &own)
    }

    fn peek_common(&self, client: &Client<'_>, own: &Changed<'_, ()>, cost: u64) -> Verdict {
        let known = client.terms.common().zip(own.line);
        let Some((common, line, (rate, mut bucket))) =
            known.and_then(|(common, (_, line))| Some((common, line, self.levels.get(common.level)?)))
        else {
            return Verdict::Allowed;
        };
        match bucket.take(rate, cost.min(rate.burst()), client.now_nanos) {
            Err(retry_after_nanos) if !is_guaranteed(common, line, own.rate, cost) => {
                Verdict::Refused { by: RefusedBy::Level(common.level), retry_after_nanos }
            }
            _ => Verdict::Allowed,
        }
    }

    /// Corrects what was taken before its cost was known: takes `more` tokens
    /// whether they are there or not (the bucket goes into debt, at most one
    /// full bucket), or gives back as many where negative.
    pub fn settle(&self, _core: CoreId, policy: PolicyId, key: Key, more: i64, now_nanos: u64) {
        let Some(client) = self.known(policy, key, now_nanos) else { return };
        let cost = more.unsigned_abs();
        let unknown = if more < 0 { Unknown::Leave } else { Unknown::Insert };
        let changed = self.clients.change(&client, unknown, |bucket, rate| match more < 0 {
            true => bucket.refund(rate, cost),
            false => bucket.charge(rate, cost, client.now_nanos),
        });
        let line = changed.and_then(|changed| changed.line);
        if let Some((_, line)) = line {
            learned::count_cost(line, more);
        }
        let common = client.terms.common().filter(|_| line.is_some()).map(|common| common.level);
        for level in client.terms.within().chain(common) {
            match more < 0 {
                true => self.levels.refund(level, cost),
                false => self.levels.charge(level, cost, client.now_nanos),
            }
        }
    }

    /// Gives back what was taken for something that didn't come about, at every
    /// level.
    pub fn refund(&self, core: CoreId, ask: Ask, now_nanos: u64) {
        self.settle(core, ask.policy, ask.key, -i64::from(ask.cost), now_nanos);
    }

    /// Gives a client a rate of its own; what is left stays. One that has one
    /// already changes it.
    ///
    /// # Errors
    /// Where all learned lines are taken.
    pub fn learn(&self, policy: PolicyId, key: Key, rate: Rate, now_nanos: u64) -> Result<LearnedId, NoRoom> {
        let mut changes = self.changes();
        let (id, known) = self.line_of(&mut changes, policy, key, rate, now_nanos)?;
        if let Some(line) = known {
            cell::set_rate(line, rate, now_nanos);
        }
        Ok(id)
    }

    /// Gives a client a rate of its own that has none; what is left stays. One
    /// that has one keeps it.
    ///
    /// # Errors
    /// Where all learned lines are taken.
    pub fn learn_new(
        &self,
        policy: PolicyId,
        key: Key,
        rate: Rate,
        now_nanos: u64,
    ) -> Result<LearnedId, NoRoom> {
        self.line_of(&mut self.changes(), policy, key, rate, now_nanos).map(|(id, _)| id)
    }

    /// A client's line, and the line itself where it was known before.
    fn line_of(
        &self,
        changes: &mut Changes,
        policy: PolicyId,
        key: Key,
        rate: Rate,
        now_nanos: u64,
    ) -> Result<(LearnedId, Option<&Line>), NoRoom> {
        let client = self.known(policy, key, now_nanos).ok_or(NoRoom)?;
        match self.clients.look(&client).and_then(|own| own.line) {
            Some((id, line)) => Ok((id, Some(line))),
            None => Ok((self.clients.learn(&client, rate, &mut changes.free)?, None)),
        }
    }

    /// Takes a client's rate away; what is left stays, under its policy's rate.
    /// Tells whether there was such a client.
    pub fn forget(&self, id: LearnedId, now_nanos: u64) -> bool {
        self.clients.forget(id, now_nanos.min(NOW_MAX_NANOS), &mut self.changes().free)
    }

    /// Changes a learned rate; what is left stays, to the token and in one step.
    /// Tells whether that number is still this client's.
    pub fn set_learned_rate(
        &self,
        id: LearnedId,
        policy: PolicyId,
        key: Key,
        rate: Rate,
        now_nanos: u64,
    ) -> bool {
        let _one_at_a_time = self.changes();
        let owned = self.clients.learned.owned(id).filter(|(_, tag)| *tag == Tag::new(policy, key));
        owned.is_some_and(|(line, _)| cell::set_rate(line, rate, now_nanos))
    }

    /// The learned clients whose number is in the range, with what they did
    /// since they were last asked after: that counts from 0 again.
    pub fn learned(&self, range: Range<u32>, now_nanos: u64) -> impl Iterator<Item = Learned> + use<'_> {
        self.clients.learned.take_windows(range, now_nanos)
    }

    /// Whom the learned lines in the range belong to.
    pub fn lines(&self, range: Range<u32>) -> impl Iterator<Item = (LearnedId, PolicyId, Key)> + use<'_> {
        let lines = &self.clients.learned;
        (range.start..range.end.min(lines.count())).filter_map(|index| {
            let (_, tag) = lines.owned(LearnedId(index))?;
            Some((LearnedId(index), tag.policy(), tag.key()))
        })
    }

    /// Notes how a request ended, where its client learns.
    pub fn observe(&self, policy: PolicyId, key: Key, outcome: Outcome) {
        let Some(terms) = self.clients.policies.get(policy) else { return };
        if let Some((slo_ms, line)) = terms.slo_ms().zip(self.clients.line(Tag::new(policy, key))) {
            learned::observe(line, outcome, slo_ms);
        }
    }
}

impl Clients {
    fn touch(&self, asks: &[Ask]) {
        let tags = || asks.iter().map(|ask| Tag::new(ask.policy, ask.key));
        let homes = tags().fold(0, |all, tag| all ^ self.table.touch(tag));
        let lines = match self.learned.count() {
            0 => 0,
            _ => tags().fold(0, |all, tag| all ^ self.touch_line(tag)),
        };
        // Loads whose result nobody uses would be left out.
        black_box(homes ^ lines);
    }
}

/// Whether so much more is what the client has of its own in this tick.
fn is_guaranteed(common: Common, line: &Line, rate: Rate, cost: u64) -> bool {
    learned::spent(line) + cost <= common.guaranteed(rate)
}

#[inline]
fn decided<T>(client: &Client<'_>, cost: u64, verdict: Verdict, own: &Changed<'_, T>) -> Decision {
    if let Some((_, line)) = own.line {
        learned::count(line, verdict == Verdict::Allowed, cost);
    }
    shown(client, verdict, own)
}

#[inline]
fn shown<T>(client: &Client<'_>, verdict: Verdict, own: &Changed<'_, T>) -> Decision {
    let now_nanos = client.now_nanos;
    Decision {
        verdict,
        rate: own.rate,
        learned: own.line.map(|(id, _)| id),
        should_learn: own.line.is_none() && should_learn(&client.terms, verdict, own.bucket, now_nanos),
        bucket: own.bucket,
        now_nanos,
    }
}

#[inline]
fn should_learn(terms: &Terms<'_>, verdict: Verdict, bucket: Bucket, now_nanos: u64) -> bool {
    terms.slo_ms().is_some()
        && (verdict != Verdict::Allowed || bucket.owed_nanos(now_nanos) >= terms.rate.depth_nanos() / 4)
}
