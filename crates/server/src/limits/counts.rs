//! Decisions, counted by each thread for itself.

use openclaw_admission::{Answer, Policy};
use openclaw_limiter::PolicyId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// As the metric names them.
const RESULTS: [&str; 3] = ["allow", "deny", "would_deny"];

/// A line of the cache for one policy and one thread, so that threads don't
/// take it from each other.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; RESULTS.len()]);

#[derive(Debug)]
struct OfPolicy {
    id: PolicyId,
    name: Arc<str>,
    cores: Box<[Line]>,
}

/// A tenant's decisions so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Vec<Arc<OfPolicy>>);

impl Counts {
    /// The same for these policies, in their order; policies that have gone
    /// stay, at the end.
    pub(super) fn for_policies<'p>(
        mut self,
        policies: impl Iterator<Item = &'p Policy>,
        cores: usize,
    ) -> Self {
        let mut all = Vec::new();
        for policy in policies {
            let is_it = |known: &Arc<OfPolicy>| known.id == policy.id && known.name == policy.settings.name;
            let known = self.0.iter().position(is_it);
            all.push(
                known.map_or_else(|| Arc::new(OfPolicy::new(policy, cores)), |at| self.0.swap_remove(at)),
            );
        }
        all.append(&mut self.0);
        Self(all)
    }

    /// What each policy said; one that allowed what another refused counts
    /// nothing, since nothing was taken of it.
    pub(super) fn count(&self, core: usize, answer: &Answer<'_>) {
        for state in &answer.states {
            let result = match (answer.allowed, state.is_refused(), state.policy.settings.dry_run) {
                (true, false, _) => 0,
                (_, true, false) => 1,
                (_, true, true) => 2,
                (false, false, _) => continue,
            };
            let Some(policy) = self.0.iter().find(|policy| policy.id == state.policy.id) else { continue };
            if let Some(line) = policy.cores.get(core) {
                line.0[result].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn each(&self, mut each: impl FnMut(&str, &'static str, u64)) {
        for policy in &self.0 {
            for (index, result) in RESULTS.into_iter().enumerate() {
                let sum = policy.cores.iter().map(|line| line.0[index].load(Ordering::Relaxed)).sum();
                each(&policy.name, result, sum);
            }
        }
    }
}

impl OfPolicy {
    fn new(policy: &Policy, cores: usize) -> Self {
        let cores = (0..cores).map(|_| Line::default()).collect();
        Self { id: policy.id, name: Arc::clone(&policy.settings.name), cores }
    }
}
