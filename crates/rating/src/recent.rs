//! A bounded table that forgets what has not been touched for longest.

use std::collections::HashMap;

const NONE: u32 = u32::MAX;

/// Values by 64-bit key, at most `limit`. Which one is forgotten follows from
/// the order of touches alone, so it is the same on every replay.
#[derive(Debug, Clone)]
pub(crate) struct Recent<T> {
    limit: usize,
    /// Hashed with a seed of the process, since senders choose what is keyed.
    index: HashMap<u64, u32>,
    slots: Vec<Slot<T>>,
    oldest: u32,
    newest: u32,
}

#[derive(Debug, Clone)]
struct Slot<T> {
    key: u64,
    older: u32,
    newer: u32,
    value: T,
}

impl<T: Default> Recent<T> {
    pub(crate) fn new(limit: usize) -> Self {
        assert!((1..NONE as usize).contains(&limit), "a table holds 1 to 2^32 - 2 values, not {limit}");
        Self { limit, index: HashMap::new(), slots: Vec::new(), oldest: NONE, newest: NONE }
    }

    pub(crate) fn get(&self, key: u64) -> Option<&T> {
        self.index.get(&key).map(|&at| &self.slots[at as usize].value)
    }

    /// The value of `key`, made where absent, now the last to be forgotten.
    pub(crate) fn touch(&mut self, key: u64) -> &mut T {
        let at = match self.index.get(&key) {
            Some(&at) => {
                self.unlink(at);
                at
            }
            None => self.claim(key),
        };
        self.link_newest(at);
        &mut self.slots[at as usize].value
    }

    /// A slot for a new key, outside the order: a fresh one, or the oldest's.
    fn claim(&mut self, key: u64) -> u32 {
        let slot = Slot { key, older: NONE, newer: NONE, value: T::default() };
        let at = if self.slots.len() < self.limit {
            self.slots.push(slot);
            self.slots.len() as u32 - 1
        } else {
            let at = self.oldest;
            self.unlink(at);
            self.index.remove(&self.slots[at as usize].key);
            self.slots[at as usize] = slot;
            at
        };
        self.index.insert(key, at);
        at
    }

    fn unlink(&mut self, at: u32) {
        let (older, newer) = (self.slots[at as usize].older, self.slots[at as usize].newer);
        match older {
            NONE => self.oldest = newer,
            _ => self.slots[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            _ => self.slots[newer as usize].older = older,
        }
    }

    fn link_newest(&mut self, at: u32) {
        self.slots[at as usize].older = self.newest;
        self.slots[at as usize].newer = NONE;
        match self.newest {
            NONE => self.oldest = at,
            newest => self.slots[newest as usize].newer = at,
        }
        self.newest = at;
    }

    /// From the first to be forgotten to the last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let mut at = self.oldest;
        std::iter::from_fn(move || {
            let slot = self.slots.get(at as usize)?;
            at = slot.newer;
            Some((slot.key, &slot.value))
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// About what the heap holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        let index_entry = size_of::<(u64, u32)>() + 1;
        self.slots.capacity() * size_of::<Slot<T>>() + self.index.capacity() * index_entry * 8 / 7
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_list_in_order_of_touch(limit in 1_usize..6, touches in proptest::collection::vec(0_u64..9, 0..60)) {
            let mut table = Recent::<u32>::new(limit);
            let mut model: Vec<(u64, u32)> = Vec::new();
            for key in touches {
                let value = match model.iter().position(|(known, _)| *known == key) {
                    Some(at) => model.remove(at).1,
                    None => 0,
                };
                if model.len() == limit {
                    model.remove(0);
                }
                model.push((key, value + 1));
                *table.touch(key) += 1;
                prop_assert_eq!(table.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>(), model.clone());
                for key in 0..9 {
                    let want = model.iter().find(|(known, _)| *known == key).map(|(_, value)| value);
                    prop_assert_eq!(table.get(key), want);
                }
            }
        }
    }
}
