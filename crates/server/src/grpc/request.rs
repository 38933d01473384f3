//! `RateLimitRequest`, read in place: nothing of it is copied.

use super::fields::{Fields, Malformed, Value};
use openclaw_admission::{Descriptor, Unit, UnitRate};
use smallvec::SmallVec;

/// Descriptors in one request.
const DESCRIPTORS_MAX: usize = 256;

/// Entries of one descriptor.
const ENTRIES_MAX: usize = 64;

/// Entries as they stand in the message.
type Entries<'b> = SmallVec<[(&'b str, &'b str); 4]>;

/// Why a request can't be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRequest {
    #[error("the message is no `RateLimitRequest`")]
    Malformed,
    #[error("`domain` is empty")]
    NoDomain,
    #[error("`descriptors` is empty")]
    NoDescriptors,
    #[error("`descriptors` has more than {DESCRIPTORS_MAX}")]
    ManyDescriptors,
    #[error("`descriptors` has one without `entries`")]
    NoEntries,
    #[error("`entries` has more than {ENTRIES_MAX}")]
    ManyEntries,
    #[error("`entries` has one with an empty `key`")]
    NoKey,
    #[error("`limit.unit` is none of SECOND, MINUTE, HOUR, DAY, MONTH, YEAR")]
    Unit,
}

impl From<Malformed> for BadRequest {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// May these go on?
#[derive(Debug, Default)]
pub(super) struct RateLimitRequest<'b> {
    pub(super) domain: &'b str,
    descriptors: SmallVec<[Asked<'b>; 2]>,
    hits: u32,
}

#[derive(Debug, Default)]
struct Asked<'b> {
    entries: Entries<'b>,
    limit: Option<UnitRate>,
    hits: Option<u64>,
    gives_back: bool,
}

impl<'b> RateLimitRequest<'b> {
    /// # Errors
    /// Where it is none, or none that can be decided.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, BadRequest> {
        let mut request = Self::default();
        for field in Fields::of(bytes) {
            match field? {
                (1, value) => request.domain = value.text()?,
                (2, value) => request.add(value)?,
                (3, value) => request.hits = value.varint()? as u32,
                _ => {}
            }
        }
        if request.domain.is_empty() {
            return Err(BadRequest::NoDomain);
        }
        if request.descriptors.is_empty() { Err(BadRequest::NoDescriptors) } else { Ok(request) }
    }

    fn add(&mut self, value: Value<'b>) -> Result<(), BadRequest> {
        if self.descriptors.len() == DESCRIPTORS_MAX {
            return Err(BadRequest::ManyDescriptors);
        }
        self.descriptors.push(Asked::read(value.bytes()?)?);
        Ok(())
    }

    /// Whether any tokens are to be given back.
    pub(super) fn gives_back(&self) -> bool {
        self.descriptors.iter().any(|asked| asked.gives_back)
    }

    /// What is asked, in order, and whether tokens are given back.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (Descriptor<'_>, bool)> {
        self.descriptors.iter().map(|asked| (asked.descriptor(self.hits), asked.gives_back))
    }
}

impl<'b> Asked<'b> {
    fn read(bytes: &'b [u8]) -> Result<Self, BadRequest> {
        let mut asked = Self::default();
        for field in Fields::of(bytes) {
            match field? {
                (1, value) => asked.add(value)?,
                (2, value) => asked.limit = limit(value.bytes()?)?,
                (3, value) => asked.hits = Some(wrapped(value.bytes()?)?),
                (4, value) => asked.gives_back = value.varint()? != 0,
                _ => {}
            }
        }
        if asked.entries.is_empty() { Err(BadRequest::NoEntries) } else { Ok(asked) }
    }

    fn add(&mut self, value: Value<'b>) -> Result<(), BadRequest> {
        if self.entries.len() == ENTRIES_MAX {
            return Err(BadRequest::ManyEntries);
        }
        let (mut key, mut content) = ("", "");
        for field in Fields::of(value.bytes()?) {
            match field? {
                (1, value) => key = value.text()?,
                (2, value) => content = value.text()?,
                _ => {}
            }
        }
        self.entries.push((key, content));
        if key.is_empty() { Err(BadRequest::NoKey) } else { Ok(()) }
    }

    /// A descriptor's own count wins, also 0; a request's 0 stands for 1.
    fn descriptor(&self, hits_of_request: u32) -> Descriptor<'_> {
        let hits = self.hits.unwrap_or(u64::from(hits_of_request.max(1)));
        let hits = u32::try_from(hits).unwrap_or(u32::MAX);
        Descriptor { entries: &self.entries, hits, limit: self.limit }
    }
}

fn wrapped(bytes: &[u8]) -> Result<u64, Malformed> {
    let mut held = 0;
    for field in Fields::of(bytes) {
        if let (1, value) = field? {
            held = value.varint()?;
        }
    }
    Ok(held)
}

/// An override of no unit says nothing, as envoyproxy/ratelimit has it.
fn limit(bytes: &[u8]) -> Result<Option<UnitRate>, BadRequest> {
    let (mut requests_per_unit, mut unit) = (0, 0);
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => requests_per_unit = value.varint()? as u32,
            (2, value) => unit = value.varint()?,
            _ => {}
        }
    }
    let unit = match unit {
        0 => return Ok(None),
        1 => Unit::Second,
        2 => Unit::Minute,
        3 => Unit::Hour,
        4 => Unit::Day,
        5 => Unit::Month,
        6 => Unit::Year,
        _ => return Err(BadRequest::Unit),
    };
    Ok(Some(UnitRate { requests_per_unit, unit }))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
