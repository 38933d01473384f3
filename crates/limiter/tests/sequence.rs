//! Any sequence of calls, against a model in exact integers that has no table,
//! no packed words and changes all clients' rates at once.

use openclaw_limiter::{
    Adaptive, Ask, Common, CoreId, Key, LearnedId, LevelId, Limiter, Policy, PolicyId, Rate, RefusedBy, Seed,
    Sizes, Verdict,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const CORE: CoreId = CoreId(0);
const POLICY: PolicyId = PolicyId(3);
const LEVELS: [LevelId; 2] = [LevelId(0), LevelId(5)];
const COMMON: Common = Common { level: LevelId(7), floor: 3 };

/// A bucket by what it owes, in nanoseconds of refill.
#[derive(Debug, Clone, Copy)]
struct Slow {
    full_at: i128,
    rate: Rate,
}

impl Slow {
    fn new(rate: Rate) -> Self {
        Self { full_at: 0, rate }
    }

    fn per_token(&self) -> i128 {
        self.rate.nanos_per_token().into()
    }

    fn depth(&self) -> i128 {
        self.per_token() * i128::from(self.rate.burst())
    }

    fn left(&self, now: i128) -> i128 {
        self.depth() - (self.full_at - now).max(0)
    }

    fn has(&self, cost: i128, now: i128) -> bool {
        cost * self.per_token() <= self.left(now)
    }

    fn add(&mut self, cost: i128, now: i128) {
        let owed = (self.full_at - now).max(0);
        let deepest = owed.max(2 * self.depth());
        self.full_at = now + (owed + cost * self.per_token()).min(deepest);
    }

    /// What clients have in common is owed up to a second.
    fn add_in_common(&mut self, cost: i128, now: i128) {
        let owed = (self.full_at - now).max(0);
        let deepest = owed.max(self.depth() + 1_000_000_000);
        self.full_at = now + (owed + cost * self.per_token()).min(deepest);
    }

    fn give(&mut self, cost: i128) {
        self.full_at = (self.full_at - cost * self.per_token()).max(0);
    }

    fn set(&mut self, rate: Rate, now: i128) {
        let left = self.left(now) * i128::from(rate.nanos_per_token());
        let left = left.div_euclid(self.per_token());
        self.rate = rate;
        self.full_at = now + (self.depth() - left).clamp(0, 2 * self.depth());
    }
}

#[derive(Debug, Clone, Copy)]
enum Call {
    Wait(u64),
    Back(u64),
    Decide(u8, u32),
    Peek(u8, u32),
    Settle(u8, i64),
    SetPolicy(Rate),
    SetLevel(u8, Rate),
    Learn(u8, Rate),
    Forget(u8),
    SetLearned(u8, Rate),
    SetCommon(Option<Rate>),
    Tick,
    SaveAndRestore,
}

fn rates() -> impl Strategy<Value = Rate> {
    (prop_oneof![0.01_f64..10.0, 10.0..1e6], 1_u32..16).prop_map(|(per_s, burst)| Rate::new(per_s, burst))
}

fn calls() -> impl Strategy<Value = Call> {
    let who = 0_u8..4;
    prop_oneof![
        3 => (0_u64..3_000_000_000).prop_map(Call::Wait),
        1 => (0_u64..1_000_000_000).prop_map(Call::Back),
        8 => (who.clone(), 1_u32..6).prop_map(|(who, cost)| Call::Decide(who, cost)),
        2 => (who.clone(), 0_u32..6).prop_map(|(who, cost)| Call::Peek(who, cost)),
        2 => (who.clone(), -5_i64..30).prop_map(|(who, more)| Call::Settle(who, more)),
        1 => rates().prop_map(Call::SetPolicy),
        1 => (0_u8..2, rates()).prop_map(|(level, rate)| Call::SetLevel(level, rate)),
        1 => (who.clone(), rates()).prop_map(|(who, rate)| Call::Learn(who, rate)),
        1 => who.clone().prop_map(Call::Forget),
        1 => (who, rates()).prop_map(|(who, rate)| Call::SetLearned(who, rate)),
        1 => prop::option::weighted(0.8, rates()).prop_map(Call::SetCommon),
        1 => Just(Call::Tick),
        1 => Just(Call::SaveAndRestore),
    ]
}

struct Pair {
    limiter: Limiter,
    now: u64,
    policy: Rate,
    clients: BTreeMap<u8, Slow>,
    learned: BTreeMap<u8, LearnedId>,
    /// Decisions and tokens beyond them of those who learn, since the last tick.
    spent: BTreeMap<u8, [u64; 2]>,
    common: Option<Slow>,
    known: BTreeSet<u8>,
    levels: [Slow; 2],
}

fn empty() -> Limiter {
    let sizes = Sizes { clients: 64, policies: 8, levels: 8, cores: 2 };
    Limiter::new(sizes, Seed::new([9; 16])).with_learned(2)
}

impl Pair {
    fn new(policy: Rate, levels: [Rate; 2]) -> Self {
        let now = 1_700_000_000_000_000_000;
        let pair = Self {
            limiter: empty(),
            now,
            policy,
            clients: BTreeMap::new(),
            learned: BTreeMap::new(),
            spent: BTreeMap::new(),
            common: None,
            known: BTreeSet::new(),
            levels: levels.map(Slow::new),
        };
        pair.limiter.set_adaptive(POLICY, Some(Adaptive { slo_ms: 100, common: Some(COMMON) }));
        pair.limiter.set_policy(POLICY, Policy { rate: policy, within: LEVELS.map(Some) }, now);
        (0..2).for_each(|level| pair.limiter.set_level(LEVELS[level], levels[level], now));
        pair
    }

    fn key(&self, who: u8) -> Key {
        self.limiter.key(7, &[who])
    }

    fn ask(&self, who: u8, cost: u32) -> Ask {
        Ask { policy: POLICY, key: self.key(who), cost }
    }

    fn client(&mut self, who: u8) -> &mut Slow {
        let rate = self.policy;
        self.clients.entry(who).or_insert(Slow::new(rate))
    }

    /// A client that comes in is full as of now.
    fn comes_in(&mut self, who: u8) {
        let now = self.now.into();
        if self.known.insert(who) {
            self.client(who).full_at = now;
        }
    }

    fn expected(&mut self, who: u8, cost: u32) -> Result<(), RefusedBy> {
        let (now, cost) = (self.now.into(), cost.into());
        if !self.client(who).has(cost, now) {
            return Err(RefusedBy::Client);
        }
        if let Some(short) = (0..2).find(|level| !self.levels[*level].has(cost, now)) {
            return Err(RefusedBy::Level(LEVELS[short]));
        }
        let Some(common) = self.common.filter(|_| self.learned.contains_key(&who)) else { return Ok(()) };
        let spent: u64 = self.spent.get(&who).map_or(0, |spent| spent.iter().sum());
        let is_guaranteed = i128::from(spent) + cost <= COMMON.guaranteed(self.clients[&who].rate).into();
        let has_some = common.has(cost.min(common.rate.burst().into()), now);
        if is_guaranteed || has_some { Ok(()) } else { Err(RefusedBy::Level(COMMON.level)) }
    }

    fn count(&mut self, who: u8, cost: i64, is_decision: bool) {
        if self.learned.contains_key(&who) {
            let [decisions, beyond] = self.spent.entry(who).or_default();
            *decisions += u64::from(is_decision);
            *beyond = beyond.saturating_add_signed(cost - i64::from(is_decision));
        }
    }

    fn decide(&mut self, who: u8, cost: u32) {
        self.comes_in(who);
        let expected = self.expected(who, cost);
        let decision = self.limiter.decide(CORE, self.ask(who, cost), self.now);
        assert_eq!(told(decision.verdict), expected);
        let now = self.now.into();
        // What is given back at once was taken at this time: seen from before
        // it, no bucket is fuller than it was now.
        let taken = match expected {
            Err(RefusedBy::Level(level)) => Some(LEVELS.iter().position(|id| *id == level).unwrap_or(2)),
            Err(_) => None,
            Ok(()) => Some(2),
        };
        if expected.is_ok() {
            if let Some(common) = self.common.as_mut().filter(|_| self.learned.contains_key(&who)) {
                common.add_in_common(cost.into(), now);
            }
            self.count(who, cost.into(), true);
        }
        let cost = if expected.is_ok() { cost.into() } else { 0 };
        if let Some(levels) = taken {
            self.client(who).add(cost, now);
            self.levels[..levels].iter_mut().for_each(|level| level.add(cost, now));
        }
        assert_eq!(decision.learned, self.learned.get(&who).copied());
        let client = *self.client(who);
        assert_eq!(i128::from(decision.remaining()), client.left(now).max(0) / client.per_token());
    }

    fn settle(&mut self, who: u8, more: i64) {
        self.limiter.settle(CORE, POLICY, self.key(who), more, self.now);
        let (now, cost) = (self.now.into(), more.unsigned_abs().into());
        if more >= 0 {
            self.comes_in(who);
        }
        self.client(who);
        self.count(who, more, false);
        let common = self.common.as_mut().filter(|_| self.learned.contains_key(&who));
        for slow in self.clients.get_mut(&who).into_iter().chain(&mut self.levels).chain(common) {
            if more < 0 { slow.give(cost) } else { slow.add(cost, now) }
        }
    }

    fn set_policy(&mut self, rate: Rate) {
        self.limiter.set_policy(POLICY, Policy { rate, within: LEVELS.map(Some) }, self.now);
        let now = i128::from(self.now);
        self.policy = rate;
        for (who, slow) in &mut self.clients {
            if self.learned.contains_key(who) || slow.rate == rate {
                continue;
            }
            // Who is full stays so.
            if slow.full_at <= now { *slow = Slow::new(rate) } else { slow.set(rate, now) }
        }
    }

    fn learn(&mut self, who: u8, rate: Rate) {
        let learned = self.limiter.learn(POLICY, self.key(who), rate, self.now);
        let has_room = self.learned.contains_key(&who) || self.learned.len() < 2;
        assert_eq!(learned.is_ok(), has_room);
        if has_room {
            self.comes_in(who);
        }
        if let Ok(id) = learned {
            self.learned.insert(who, id);
            let now = self.now.into();
            self.client(who).set(rate, now);
        }
    }

    fn forget(&mut self, who: u8) {
        let Some(id) = self.learned.remove(&who) else { return };
        self.spent.remove(&who);
        assert!(self.limiter.forget(id, self.now));
        assert!(!self.limiter.forget(id, self.now));
        let (now, rate) = (self.now.into(), self.policy);
        self.client(who).set(rate, now);
    }

    fn set_learned(&mut self, who: u8, rate: Rate) {
        let Some(id) = self.learned.get(&who).copied() else { return };
        assert!(self.limiter.set_learned_rate(id, POLICY, self.key(who), rate, self.now));
        let now = self.now.into();
        self.client(who).set(rate, now);
    }

    fn save_and_restore(&mut self) {
        let next = empty();
        next.set_policy(POLICY, Policy { rate: self.policy, within: [None; 2] }, self.now);
        for saved in self.limiter.saved(0..self.limiter.slots(), self.now) {
            assert!(next.restore(saved, self.now));
        }
        for who in 0..4 {
            let client = *self.client(who);
            let peek = next.peek(self.ask(who, 0), self.now);
            assert_eq!(peek.rate, client.rate);
            let left = client.left(self.now.into()).max(0) / client.per_token();
            assert_eq!(i128::from(peek.remaining()), left);
        }
    }

    fn call(&mut self, call: Call) {
        match call {
            Call::Wait(nanos) => self.now += nanos,
            Call::Back(nanos) => self.now -= nanos,
            Call::Decide(who, cost) => self.decide(who, cost),
            Call::Peek(who, cost) => {
                let expected = self.expected(who, cost);
                let peek = self.limiter.peek(self.ask(who, cost), self.now);
                assert_eq!(told(peek.verdict), expected);
            }
            Call::Settle(who, more) => self.settle(who, more),
            Call::SetPolicy(rate) => self.set_policy(rate),
            Call::SetLevel(level, rate) => {
                let level = usize::from(level);
                self.limiter.set_level(LEVELS[level], rate, self.now);
                if self.levels[level].rate != rate {
                    self.levels[level].set(rate, self.now.into());
                }
            }
            Call::Learn(who, rate) => self.learn(who, rate),
            Call::Forget(who) => self.forget(who),
            Call::SetLearned(who, rate) => self.set_learned(who, rate),
            Call::SetCommon(rate) => self.set_common(rate),
            Call::Tick => {
                assert_eq!(self.limiter.learned(0..2, self.now).count(), self.learned.len());
                self.spent.clear();
            }
            Call::SaveAndRestore => self.save_and_restore(),
        }
    }

    fn set_common(&mut self, rate: Option<Rate>) {
        let Some(rate) = rate else {
            self.limiter.unset_level(COMMON.level);
            self.common = None;
            return;
        };
        self.limiter.set_level(COMMON.level, rate, self.now);
        match &mut self.common {
            Some(slow) if slow.rate == rate => {}
            Some(slow) => slow.set(rate, self.now.into()),
            None => self.common = Some(Slow::new(rate)),
        }
    }
}

fn told(verdict: Verdict) -> Result<(), RefusedBy> {
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Refused { by, .. } => Err(by),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_sequence_is_decided_as_the_model_says(
        policy in rates(),
        levels in [rates(), rates()],
        calls in prop::collection::vec(calls(), 1..80),
    ) {
        let mut pair = Pair::new(policy, levels);
        calls.into_iter().for_each(|call| pair.call(call));
    }
}
