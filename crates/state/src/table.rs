use crate::key::{KeyHash, hash_key, split_key};
use crate::{KeyId, Scope, Scopes};
use foldhash::fast::RandomState;
use openclaw_alert::TenantName;
use std::collections::HashMap;
use std::hint::black_box;

/// What a verified key allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The key's public part, for logs and as the client's name.
    pub id: KeyId,
    /// The tenant it belongs to; `None` for an operator's key of no tenant.
    pub tenant: Option<TenantName>,
    /// What it may be used for.
    pub scopes: Scopes,
}

impl Credential {
    /// True where the key has this scope.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }
}

/// The live keys at one point in time. It never changes: a server swaps in the
/// next one, so that checking a key takes no lock.
#[derive(Debug, Default)]
pub struct KeyTable {
    by_id: HashMap<KeyId, Entry, RandomState>,
}

#[derive(Debug)]
struct Entry {
    hash: KeyHash,
    credential: Credential,
}

impl KeyTable {
    pub(crate) fn insert(&mut self, hash: KeyHash, credential: Credential) {
        self.by_id.insert(credential.id, Entry { hash, credential });
    }

    /// The credential behind a whole key, or nothing.
    #[must_use]
    #[inline]
    pub fn verify(&self, key: &str) -> Option<&Credential> {
        let entry = self.by_id.get(&split_key(key)?)?;
        same(&entry.hash, &hash_key(key.as_bytes())).then_some(&entry.credential)
    }

    /// Number of live keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True without any live key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// Compares every byte, so that the time taken doesn't tell how many agree.
fn same(left: &KeyHash, right: &KeyHash) -> bool {
    let difference = left.iter().zip(right).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewKey;
    use proptest::prelude::*;

    fn table_of(keys: &[NewKey]) -> KeyTable {
        let mut table = KeyTable::default();
        for new in keys {
            let tenant = TenantName::new("acme").ok();
            table.insert(new.hash(), Credential { id: new.id, tenant, scopes: Scope::Read.into() });
        }
        table
    }

    #[test]
    fn a_difference_in_any_bit_is_seen() {
        let hash = hash_key(b"x");
        assert!(same(&hash, &hash));
        for bit in 0..256 {
            let mut other = hash;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!same(&hash, &other));
        }
    }

    proptest! {
        #[test]
        fn only_the_whole_key_verifies(place in 0_usize..32, char in "[0-9A-Za-z]", extra in ".{0,3}") {
            let keys = [NewKey::random().unwrap(), NewKey::random().unwrap()];
            let table = table_of(&keys);
            let key = keys[0].key.expose();
            prop_assert_eq!(table.verify(key).map(|credential| credential.id), Some(keys[0].id));
            let mut changed = key.to_owned();
            changed.replace_range(place..=place, &char);
            prop_assert_eq!(table.verify(&changed).is_some(), changed == key);
            let longer = format!("{key}{extra}");
            prop_assert_eq!(table.verify(&longer).is_some(), extra.is_empty());
            let mixed = format!("{}{}", &key[..10], &keys[1].key.expose()[10..]);
            prop_assert!(table.verify(&mixed).is_none());
        }

        #[test]
        fn random_text_never_verifies(text in prop_oneof![".{0,64}", "oc[0-9A-Za-z]{30}"]) {
            prop_assert!(table_of(&[NewKey::random().unwrap()]).verify(&text).is_none());
        }
    }
}
