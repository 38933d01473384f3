//! Between the file's records and the limiter's table.

use super::format::Record;
use crate::limits::Limits;
use openclaw_limiter::PolicyId;
use std::collections::HashMap;
use std::io;

impl Limits {
    /// Each policy's index among the scopes that are saved.
    pub(super) fn policies_saved(&self) -> (HashMap<PolicyId, u32>, Vec<u64>) {
        let mut scopes = Vec::new();
        let mut indexes = HashMap::new();
        for tenant in self.tenants.load().values() {
            for policy in tenant.policies.policies() {
                indexes.entry(policy.id).or_insert_with(|| {
                    scopes.push(policy.scope);
                    scopes.len() as u32 - 1
                });
            }
        }
        (indexes, scopes)
    }

    /// The policies of saved scopes; nothing for those that have gone.
    pub(super) fn policies_of(&self, scopes: &[u64]) -> Vec<Option<PolicyId>> {
        let tenants = self.tenants.load();
        let all = tenants.values().flat_map(|tenant| tenant.policies.policies());
        let known: HashMap<u64, PolicyId> = all.map(|policy| (policy.scope, policy.id)).collect();
        scopes.iter().map(|scope| known.get(scope).copied()).collect()
    }

    /// All clients that aren't as good as new.
    pub(super) fn each_saved(
        &self,
        _policies: &HashMap<PolicyId, u32>,
        _now: u64,
        _each: impl FnMut(Record) -> io::Result<()>,
    ) -> io::Result<()> {
        Ok(())
    }

    /// Whether it was brought back.
    pub(super) fn restore(&self, _record: &Record, _policies: &[Option<PolicyId>], _now: u64) -> bool {
        false
    }
}
