//! Decisions on Envoy's descriptors.

use super::{Limits, TenantLimits};
use openclaw_admission::{PolicyState, Request, UnknownPolicy};
use openclaw_limiter::Verdict;
use smallvec::SmallVec;

/// One list of entries that is limited as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descriptor<'r> {
    /// Keys and values, the outer first; at least one.
    pub(crate) entries: &'r [(&'r str, &'r str)],
    /// Instead of what the tenant's settings say.
    pub(crate) limit: Option<Limit>,
    /// How many.
    pub(crate) hits: Hits,
}

/// A limit that the request itself brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) requests: u32,
    pub(crate) seconds: u32,
}

/// What becomes of the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hits {
    /// 0 asks for the state alone.
    Take(u32),
    GiveBack(u32),
}

/// What was decided on a descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided<'t> {
    pub(crate) allowed: bool,
    /// Nothing where no limit is meant for it.
    pub(crate) state: Option<PolicyState<'t>>,
}

impl Decided<'_> {
    const UNLIMITED: Self = Self { allowed: true, state: None };

    /// Until it may be asked again; nothing where it may go on, or never.
    pub(crate) fn retry_after_nanos(&self) -> Option<u64> {
        match self.state?.verdict {
            Verdict::Refused { retry_after_nanos, .. } if !self.allowed => {
                Some(retry_after_nanos).filter(|nanos| *nanos < u64::MAX)
            }
            _ => None,
        }
    }
}

impl Limits {
    /// Takes a descriptor's tokens, or none. A domain is a policy's name, and
    /// what the entries say is the client; a domain that nobody has set up is
    /// free, as with envoyproxy/ratelimit.
    pub(crate) fn decide_descriptor<'t>(
        &self,
        tenant: &'t TenantLimits,
        domain: &str,
        descriptor: &Descriptor<'_>,
        now_nanos: u64,
    ) -> Decided<'t> {
        let mut client = SmallVec::<[u8; 256]>::new();
        joined(descriptor.entries, &mut client);
        let Hits::Take(cost) = descriptor.hits else { return Decided::UNLIMITED };
        let request = Request { client: &client, policy: Some(domain), path: "", method: "", plan: "", cost };
        match self.decide(tenant, &request, now_nanos) {
            Ok(answer) => Decided { allowed: answer.allowed, state: answer.state },
            Err(UnknownPolicy) => Decided::UNLIMITED,
        }
    }
}

/// Keys and values, none of which can be mistaken for others.
fn joined(entries: &[(&str, &str)], client: &mut SmallVec<[u8; 256]>) {
    for text in entries.iter().flat_map(|(key, value)| [key, value]) {
        // No byte of UTF-8 is 0xff.
        client.extend_from_slice(text.as_bytes());
        client.push(0xff);
    }
}
