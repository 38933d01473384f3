//! Which rule holds a descriptor.

use super::settings::{DomainSettings, RuleLimit, RuleSettings};
use crate::policy::{Adaptation, ClientBucket, Numbers, Policy, glob, part};
use crate::shares::Share;
use openclaw_limiter::{self as limiter, Limiter, PolicyId, Rate};
use std::sync::Arc;

/// All rules of a tenant, by domain and by the entries that descriptors come
/// with.
///
/// At each entry the rule of its key and value is taken, or else the first in
/// the file's order whose pattern its value fits, or else the one of its key
/// alone; there is no way back from a rule that has been taken. A descriptor
/// that ends above or goes on below the rule meets none.
#[derive(Debug)]
pub struct DescriptorTree {
    domains: Vec<(Arc<str>, Node)>,
}

/// A rule in force.
#[derive(Debug)]
pub struct Rule {
    /// What the settings say, but for the rules below.
    pub settings: RuleSettings,
    pub(super) bucket: Option<RuleBucket>,
    below: Node,
}

/// Where a rule counts.
#[derive(Debug)]
pub(super) enum RuleBucket {
    Unlimited,
    Blocked,
    Own {
        policy: PolicyId,
        scope: u64,
        rate: Rate,
    },
    /// By its place in the tenant's list.
    Policy(usize),
}

/// The rules for one entry.
#[derive(Debug, Default)]
struct Node {
    /// Sorted by key and value.
    exact: Vec<Rule>,
    /// In the order of the file.
    patterns: Vec<Rule>,
    /// For all values; sorted by key.
    any: Vec<Rule>,
}

/// Gives numbers while the tree is built.
struct Builder<'b, N> {
    numbers: &'b mut N,
    policies: &'b [Policy],
}

impl DescriptorTree {
    /// Numbers the rules of a tenant; `policies` are those that they name.
    pub(in crate::policy) fn new(
        settings: &[DomainSettings],
        policies: &[Policy],
        numbers: &mut impl Numbers,
    ) -> Self {
        let mut builder = Builder { numbers, policies };
        let domains = settings.iter().map(|settings| {
            let path = format!("descriptors/{}", settings.domain);
            (Arc::clone(&settings.domain), builder.node(&settings.rules, &path))
        });
        Self { domains: domains.collect() }
    }

    /// Whether nobody may ask.
    pub(in crate::policy) fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Whether that domain is known.
    #[must_use]
    pub fn knows(&self, domain: &str) -> bool {
        self.node(domain).is_some()
    }

    /// The rule that holds such a descriptor; one without a limit holds none.
    #[must_use]
    pub fn matched(&self, domain: &str, entries: &[(&str, &str)]) -> Option<&Rule> {
        let mut node = self.node(domain)?;
        let (last, before) = entries.split_last()?;
        for entry in before {
            node = &node.find(*entry)?.below;
        }
        node.find(*last).filter(|rule| rule.bucket.is_some())
    }

    fn node(&self, domain: &str) -> Option<&Node> {
        self.domains.iter().find(|(known, _)| **known == *domain).map(|(_, node)| node)
    }

    /// Puts all rules in force; what is left of their buckets stays.
    pub(in crate::policy) fn install(&self, limiter: &Limiter, share: Share, now_nanos: u64) {
        self.domains.iter().for_each(|(_, node)| node.install(limiter, share, now_nanos));
    }

    pub(in crate::policy) fn client_buckets(&self) -> Vec<ClientBucket> {
        let mut buckets = Vec::new();
        self.domains.iter().for_each(|(_, node)| node.client_buckets(&mut buckets));
        buckets
    }
}

impl Rule {
    fn key(&self) -> &str {
        &self.settings.key
    }

    fn value(&self) -> &str {
        self.settings.value.as_deref().unwrap_or_default()
    }
}

impl Node {
    fn find(&self, (key, value): (&str, &str)) -> Option<&Rule> {
        if let Ok(at) = self.exact.binary_search_by(|rule| (rule.key(), rule.value()).cmp(&(key, value))) {
            return Some(&self.exact[at]);
        }
        let fits =
            |rule: &&Rule| rule.key() == key && glob::matches(rule.value().as_bytes(), value.as_bytes());
        if let Some(rule) = self.patterns.iter().find(fits) {
            return Some(rule);
        }
        let at = self.any.binary_search_by(|rule| rule.key().cmp(key)).ok()?;
        Some(&self.any[at])
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.exact.iter().chain(&self.patterns).chain(&self.any)
    }

    fn install(&self, limiter: &Limiter, share: Share, now_nanos: u64) {
        for rule in self.rules() {
            if let Some(RuleBucket::Own { policy, rate, .. }) = rule.bucket {
                let rate = part(rate, share);
                limiter.set_policy(policy, limiter::Policy { rate, within: [None, None] }, now_nanos);
            }
            rule.below.install(limiter, share, now_nanos);
        }
    }

    fn client_buckets(&self, buckets: &mut Vec<ClientBucket>) {
        for rule in self.rules() {
            if let Some(RuleBucket::Own { policy: id, scope, rate }) = rule.bucket {
                let within = [None, None];
                buckets.push(ClientBucket { id, scope, rate, within, adaptation: Adaptation::Off });
            }
            rule.below.client_buckets(buckets);
        }
    }
}

impl<N: Numbers> Builder<'_, N> {
    fn node(&mut self, rules: &[RuleSettings], path: &str) -> Node {
        let mut node = Node::default();
        for settings in rules {
            let rules = match &settings.value {
                Some(value) if value.contains('*') => &mut node.patterns,
                Some(_) => &mut node.exact,
                None => &mut node.any,
            };
            rules.push(self.rule(settings, path));
        }
        node.exact.sort_by(|one, other| (one.key(), one.value()).cmp(&(other.key(), other.value())));
        node.any.sort_by(|one, other| one.key().cmp(other.key()));
        node
    }

    fn rule(&mut self, settings: &RuleSettings, above: &str) -> Rule {
        let value = settings.value.as_deref();
        // Lengths, so that no two rules have one path.
        let lengths = (settings.key.len(), value.map(str::len));
        let path = format!("{above}/{lengths:?}{}={}", settings.key, value.unwrap_or_default());
        let bucket = settings.limit.as_ref().and_then(|limit| self.bucket(limit, &path));
        let below = self.node(&settings.rules, &path);
        Rule { settings: RuleSettings { rules: Vec::new(), ..settings.clone() }, bucket, below }
    }

    fn bucket(&mut self, limit: &RuleLimit, path: &str) -> Option<RuleBucket> {
        match limit {
            RuleLimit::Unlimited => Some(RuleBucket::Unlimited),
            RuleLimit::Bucket { rate, .. } if rate.requests_per_unit == 0 => Some(RuleBucket::Blocked),
            RuleLimit::Bucket { rate, burst } => {
                let (policy, scope) = self.numbers.policy(&path.into());
                let rate = Rate::new(rate.per_s(), burst.unwrap_or(rate.requests_per_unit));
                Some(RuleBucket::Own { policy, scope, rate })
            }
            RuleLimit::Policy(name) => {
                let at = self.policies.iter().position(|policy| policy.settings.name == *name)?;
                Some(RuleBucket::Policy(at))
            }
        }
    }
}
