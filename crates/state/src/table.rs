use crate::key::{KeyHash, hash_key, split_key};
use crate::{KeyId, Scope, Scopes};
use foldhash::fast::RandomState;
use openclaw_alert::TenantName;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// Whether it was used since this was last asked; shared by the tables
    /// that follow each other, so that no use is lost between them.
    is_used: Arc<AtomicBool>,
}

impl KeyTable {
    pub(crate) fn insert(&mut self, hash: KeyHash, credential: Credential) {
        self.by_id.insert(credential.id, Entry { hash, credential, is_used: Arc::default() });
    }

    /// The credential behind a whole key, or nothing. Notes that it was used.
    #[must_use]
    #[inline]
    pub fn verify(&self, key: &str) -> Option<&Credential> {
        let entry = self.by_id.get(&split_key(key)?)?;
        if !same(&entry.hash, &hash_key(key.as_bytes())) {
            return None;
        }
        // Written once between two looks, so that threads don't take the cache
        // line from each other.
        if !entry.is_used.load(Ordering::Relaxed) {
            entry.is_used.store(true, Ordering::Relaxed);
        }
        Some(&entry.credential)
    }

    /// Takes over from an earlier table which keys were used.
    pub fn follow(&mut self, earlier: &Self) {
        for (id, entry) in &mut self.by_id {
            if let Some(before) = earlier.by_id.get(id) {
                entry.is_used = Arc::clone(&before.is_used);
            }
        }
    }

    /// The keys used since they were last [forgotten](Self::forget_use).
    pub fn used(&self) -> impl Iterator<Item = KeyId> {
        let used = self.by_id.iter().filter(|(_, entry)| entry.is_used.load(Ordering::Relaxed));
        used.map(|(id, _)| *id)
    }

    /// That these keys were used has been written down.
    pub fn forget_use(&self, ids: &[KeyId]) {
        for entry in ids.iter().filter_map(|id| self.by_id.get(id)) {
            entry.is_used.store(false, Ordering::Relaxed);
        }
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
        fn uses_outlive_a_table(uses in proptest::collection::vec((0_usize..3, any::<bool>()), 0..20)) {
            let keys = [(); 3].map(|()| NewKey::random().unwrap());
            let mut table = table_of(&keys);
            let mut want = std::collections::BTreeSet::new();
            for (key, is_swap) in uses {
                if is_swap {
                    let mut next = table_of(&keys);
                    next.follow(&table);
                    // A request that began before the swap ends after it.
                    let _ = table.verify(keys[key].key.expose());
                    table = next;
                } else {
                    let _ = table.verify(keys[key].key.expose());
                }
                want.insert(keys[key].id);
                prop_assert_eq!(table.used().collect::<std::collections::BTreeSet<_>>(), want.clone());
                if want.len() == 2 {
                    table.forget_use(&[keys[key].id]);
                    want.remove(&keys[key].id);
                }
            }
        }

        #[test]
        fn random_text_never_verifies(text in prop_oneof![".{0,64}", "oc[0-9A-Za-z]{30}"]) {
            prop_assert!(table_of(&[NewKey::random().unwrap()]).verify(&text).is_none());
        }
    }
}
