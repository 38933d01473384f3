//! The numbers of policies and shared buckets in the limiter. A name keeps its
//! number as long as settings have it; then another may get it.

use super::{LEVELS, POLICIES};
use openclaw_admission::{Numbers, TOTAL};
use openclaw_alert::TenantName;
use openclaw_limiter::{LevelId, PolicyId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// All numbers that have been given.
#[derive(Debug)]
pub(super) struct Registry {
    policies: Given<(TenantName, Arc<str>)>,
    levels: Given<(TenantName, LevelName)>,
}

/// Whose clients share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LevelOf {
    Policy,
    Tenant,
}

/// What a shared bucket is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LevelName {
    Policy(Arc<str>),
    Tenant,
    Backend,
}

/// Numbers by name.
#[derive(Debug)]
struct Given<N> {
    by_name: HashMap<N, Number>,
    most: u32,
    next: u32,
    free: Vec<u32>,
    turn: u64,
}

#[derive(Debug)]
struct Number {
    number: u32,
    /// When settings had the name last.
    turn: u64,
}

impl Default for Registry {
    fn default() -> Self {
        Self { policies: Given::new(u32::from(POLICIES)), levels: Given::new(LEVELS) }
    }
}

impl Registry {
    /// The number and the scope of every policy that has one.
    pub(super) fn scopes(&self) -> impl Iterator<Item = (PolicyId, u64)> + '_ {
        let named = self.policies.by_name.iter();
        named.map(|((tenant, name), given)| (PolicyId(given.number as u16), scope(tenant, name)))
    }

    /// The number and the scope of every shared bucket that has one, and whose
    /// it is; not of those by which backends are held up, which are set anew each
    /// second.
    pub(super) fn levels(&self) -> impl Iterator<Item = (LevelId, u64, LevelOf)> + '_ {
        let named = self.levels.by_name.iter();
        named.filter_map(|((tenant, name), given)| {
            let (scope, of) = match name {
                LevelName::Policy(name) => (scope(tenant, name), LevelOf::Policy),
                LevelName::Tenant => (scope(tenant, TOTAL), LevelOf::Tenant),
                LevelName::Backend => return None,
            };
            Some((LevelId(given.number), scope, of))
        })
    }

    /// Settings are put in force anew: names that they had neither last time nor
    /// have now give their numbers away where there are no others.
    pub(super) fn begin(&mut self) {
        self.policies.begin();
        self.levels.begin();
    }

    /// A tenant keeps what it has.
    pub(super) fn keep(&mut self, tenant: &TenantName) {
        self.policies.keep(|(of, _)| of == tenant);
        self.levels.keep(|(of, _)| of == tenant);
    }
}

impl<N: Hash + Eq> Given<N> {
    fn new(most: u32) -> Self {
        Self { by_name: HashMap::new(), most, next: 0, free: Vec::new(), turn: 0 }
    }

    fn begin(&mut self) {
        self.turn += 1;
        if self.next < self.most {
            return;
        }
        // Requests that are under way may still ask by the settings before.
        let (last, free) = (self.turn - 1, &mut self.free);
        self.by_name.retain(|_, given| {
            let stays = given.turn >= last;
            if !stays {
                free.push(given.number);
            }
            stays
        });
    }

    fn keep(&mut self, is_kept: impl Fn(&N) -> bool) {
        let turn = self.turn;
        let kept = self.by_name.iter_mut().filter(|(name, _)| is_kept(name));
        kept.for_each(|(_, given)| given.turn = turn);
    }

    fn number(&mut self, name: N) -> Option<u32> {
        if let Some(given) = self.by_name.get_mut(&name) {
            given.turn = self.turn;
            return Some(given.number);
        }
        let fresh = (self.next < self.most).then_some(self.next);
        let number = self.free.pop().or(fresh)?;
        self.next = self.next.max(number + 1);
        self.by_name.insert(name, Number { number, turn: self.turn });
        Some(number)
    }
}

/// Gives the numbers of one tenant.
pub(super) struct TenantNumbers<'r> {
    registry: &'r mut Registry,
    tenant: TenantName,
    is_short: bool,
}

impl<'r> TenantNumbers<'r> {
    pub(super) fn new(registry: &'r mut Registry, tenant: &TenantName) -> Self {
        Self { registry, tenant: tenant.clone(), is_short: false }
    }

    /// Whether there were too few numbers: what was numbered can't be put in
    /// force.
    pub(super) fn is_short(&self) -> bool {
        self.is_short
    }

    fn level(&mut self, of: LevelName) -> LevelId {
        let number = self.registry.levels.number((self.tenant.clone(), of));
        self.is_short |= number.is_none();
        LevelId(number.unwrap_or(LEVELS))
    }
}

impl Numbers for TenantNumbers<'_> {
    fn policy(&mut self, name: &Arc<str>) -> (PolicyId, u64) {
        let number = self.registry.policies.number((self.tenant.clone(), Arc::clone(name)));
        self.is_short |= number.is_none();
        // The number beyond the last is nobody's.
        (PolicyId(number.map_or(POLICIES, |number| number as u16)), scope(&self.tenant, name))
    }

    fn policy_level(&mut self, name: &Arc<str>) -> LevelId {
        self.level(LevelName::Policy(Arc::clone(name)))
    }

    fn tenant_level(&mut self) -> LevelId {
        self.level(LevelName::Tenant)
    }

    fn backend_level(&mut self) -> LevelId {
        self.level(LevelName::Backend)
    }
}

/// FNV-1a; what it is hashed with again is secret.
fn scope(tenant: &TenantName, policy: &str) -> u64 {
    let bytes = tenant.as_str().bytes().chain([0]).chain(policy.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_of_names_that_have_gone_are_given_again() {
        let mut given = Given::new(10);
        for turn in 0..100 {
            given.begin();
            assert_eq!(given.number("stays".to_owned()), Some(0));
            let now: HashSet<_> = (0..3).map(|at| given.number(format!("{turn}/{at}")).unwrap()).collect();
            assert_eq!((now.len(), now.contains(&0)), (3, false));
        }
    }

    #[test]
    fn what_is_in_force_keeps_its_number() {
        let mut given = Given::new(2);
        given.begin();
        let numbers = [1, 2, 3].map(|name| given.number(name));
        assert_eq!(numbers, [Some(0), Some(1), None]);
        given.begin();
        assert_eq!(given.number(1), Some(0));
        assert_eq!(given.number(3), None, "the settings before had the other");
        given.begin();
        given.keep(|name| *name == 1);
        assert_eq!(given.number(3), Some(1));
        given.begin();
        assert_eq!([1, 3].map(|name| given.number(name)), [Some(0), Some(1)]);
    }
}
