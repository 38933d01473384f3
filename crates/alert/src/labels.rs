//! Label sets, kept as bytes: pairs sorted by name, each name and value with
//! its length before it. Equal label sets are equal bytes.

use crate::codec::{Put, Reader};

/// A label set (or annotations) in its encoded form, sorted by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Labels<'a>(&'a [u8]);

impl<'a> Labels<'a> {
    /// The set without labels.
    pub const EMPTY: Labels<'static> = Labels(&[]);

    /// The pairs that all of `sets` have, encoded; none without sets.
    #[must_use]
    pub fn shared(mut sets: impl Iterator<Item = Self>) -> Vec<u8> {
        let mut shared: Vec<_> = sets.next().into_iter().flat_map(|set| set.iter()).collect();
        for set in sets {
            if shared.is_empty() {
                break;
            }
            // Both sides are sorted by name, so one walk over the set does.
            let mut pairs = set.iter().peekable();
            shared.retain(|&(name, value)| {
                while pairs.next_if(|(other, _)| *other < name).is_some() {}
                pairs.peek() == Some(&(name, value))
            });
        }
        let mut builder = LabelsBuilder::default();
        shared.iter().for_each(|(name, value)| builder.push(name, value));
        let mut out = Vec::new();
        builder.write(&mut out, false);
        out
    }

    /// Takes bytes that [`LabelsBuilder`] wrote.
    #[must_use]
    pub fn from_encoded(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded form, which is also the identity.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Pairs in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            // Written by us from UTF-8 text, under a CRC: this can't fail.
            Some((reader.str().ok()?, reader.str().ok()?))
        })
    }

    /// The value of `name`; an absent label is the empty value, as in Alertmanager.
    #[must_use]
    pub fn get(&self, name: &str) -> &'a str {
        let mut reader = Reader::new(self.0);
        while let (Ok(found), Ok(value)) = (reader.bytes(), reader.bytes()) {
            if found == name.as_bytes() {
                return std::str::from_utf8(value).unwrap_or_default();
            }
        }
        ""
    }

    /// True without any label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Alertmanager's fingerprint: FNV-1a (64 bit) over `name 0xFF value 0xFF`
    /// in order of name. The API's name for an alert, not its identity.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = FNV_OFFSET;
        for (name, value) in self.iter() {
            hash = fnv1a_from(hash, name.as_bytes());
            hash = fnv1a_from(hash, &[0xff]);
            hash = fnv1a_from(hash, value.as_bytes());
            hash = fnv1a_from(hash, &[0xff]);
        }
        hash
    }
}

impl std::fmt::Debug for Labels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv1a_from(mut hash: u64, bytes: &[u8]) -> u64 {
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }
    hash
}

/// FNV-1a, 64 bit: a hash that is the same in every process and release, for
/// what is persisted. Not for tables that a stranger can fill.
#[must_use]
pub fn fnv1a(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(FNV_OFFSET, |hash, part| fnv1a_from(fnv1a_from(hash, part), &[0xff]))
}

/// Collects pairs in any order and writes them sorted. Reused over a batch, so
/// that an alert costs no allocation of its own.
#[derive(Debug, Default)]
pub struct LabelsBuilder {
    text: Vec<u8>,
    /// Start of the name, start of the value, end of the value in `text`.
    pairs: Vec<(u32, u32, u32)>,
}

impl LabelsBuilder {
    /// Forgets all pairs, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
    }

    /// Adds a pair; a later one of the same name wins, as in a JSON object.
    pub fn push(&mut self, name: &str, value: &str) {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(name.as_bytes());
        let middle = self.text.len() as u32;
        self.text.extend_from_slice(value.as_bytes());
        self.pairs.push((start, middle, self.text.len() as u32));
    }

    /// Number of pairs pushed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// True before the first pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Appends the pairs, sorted, the last of equal names only; with
    /// `drop_empty` those with an empty value are left out (labels, not
    /// annotations). Gives how many were written.
    pub fn write(&mut self, out: &mut Vec<u8>, drop_empty: bool) -> usize {
        let Self { text, pairs } = self;
        let name = |pair: &(u32, u32, u32)| &text[pair.0 as usize..pair.1 as usize];
        if !pairs.is_sorted_by(|a, b| name(a) < name(b)) {
            pairs.sort_by(|a, b| name(a).cmp(name(b)));
        }
        let mut written = 0;
        for (index, pair) in pairs.iter().enumerate() {
            let replaced = pairs.get(index + 1).is_some_and(|next| name(next) == name(pair));
            let value = &text[pair.1 as usize..pair.2 as usize];
            if replaced || (drop_empty && value.is_empty()) {
                continue;
            }
            out.put_bytes(name(pair));
            out.put_bytes(value);
            written += 1;
        }
        written
    }

    /// The pairs as a block of their own.
    #[must_use]
    pub fn encode<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Vec<u8> {
        let mut builder = Self::default();
        for (name, value) in pairs {
            builder.push(name, value);
        }
        let mut out = Vec::new();
        builder.write(&mut out, true);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn fingerprint_is_alertmanagers() {
        let bytes = LabelsBuilder::encode([("a", "b")]);
        let labels = Labels::from_encoded(&bytes);
        assert_eq!(format!("{:016x}", labels.fingerprint()), "d2b371819297f98a");
    }

    proptest! {
        #[test]
        fn builder_equals_a_sorted_map(pairs: Vec<(String, String)>) {
            let model: BTreeMap<&str, &str> =
                pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let bytes = LabelsBuilder::encode(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let labels = Labels::from_encoded(&bytes);
            let kept: Vec<_> = model.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (*n, *v)).collect();
            prop_assert_eq!(labels.iter().collect::<Vec<_>>(), kept);
            for (name, value) in model {
                prop_assert_eq!(labels.get(name), value);
            }
        }
    }
}
