//! Deficit round robin over bounded per-tenant queues (Shreedhar and Varghese,
//! "Efficient Fair Queuing using Deficit Round Robin", SIGCOMM 1995).

use std::collections::VecDeque;

/// The queue of one tenant is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Items waiting, by tenant. Serving takes turns: each turn a tenant may take
/// items worth [`FairQueue::QUANTUM_BYTES`] and what it left over from before,
/// so that a tenant waits for at most one turn of each other one, however long
/// their queues are.
#[derive(Debug)]
pub struct FairQueue<T> {
    queues: Vec<Queue<T>>,
    /// Tenants with something waiting, in the order of their turns.
    turns: VecDeque<usize>,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<(T, u32)>,
    bytes: u64,
    deficit: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0, deficit: 0 }
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { queues: Vec::new(), turns: VecDeque::new() }
    }
}

impl<T> FairQueue<T> {
    /// Bytes a tenant may take in one turn.
    pub const QUANTUM_BYTES: u64 = 16 << 10;

    /// Puts an item at the end of its tenant's queue.
    pub fn push(&mut self, tenant: usize, item: T, bytes: u32) {
        if self.queues.len() <= tenant {
            self.queues.resize_with(tenant + 1, Queue::default);
        }
        let queue = &mut self.queues[tenant];
        if queue.items.is_empty() {
            queue.deficit = 0;
            self.turns.push_back(tenant);
        }
        queue.bytes += u64::from(bytes);
        queue.items.push_back((item, bytes));
    }

    /// Whether `bytes` more would stay within `bound_bytes`.
    ///
    /// # Errors
    /// [`Full`] when not.
    pub fn room(&self, tenant: usize, bytes: u64, bound_bytes: u64) -> Result<(), Full> {
        if self.bytes(tenant) + bytes <= bound_bytes { Ok(()) } else { Err(Full) }
    }

    /// Drops what waits of one tenant.
    pub fn clear(&mut self, tenant: usize) {
        if let Some(queue) = self.queues.get_mut(tenant) {
            *queue = Queue::default();
            self.turns.retain(|turn| *turn != tenant);
        }
    }

    /// Serves one turn: gives items of the tenant whose turn it is to `take`
    /// until its quantum is spent, its queue is empty, or `may` says that it
    /// may not go on now. Gives false when no tenant could take anything.
    pub fn turn(&mut self, mut may: impl FnMut(usize) -> bool, mut take: impl FnMut(usize, T)) -> bool {
        for _ in 0..self.turns.len() {
            let Some(tenant) = self.turns.pop_front() else { return false };
            let queue = &mut self.queues[tenant];
            queue.deficit += Self::QUANTUM_BYTES;
            let mut taken = false;
            while let Some((_, bytes)) = queue.items.front() {
                let bytes = u64::from(*bytes);
                if bytes > queue.deficit || !may(tenant) {
                    break;
                }
                queue.deficit -= bytes;
                queue.bytes -= bytes;
                if let Some((item, _)) = queue.items.pop_front() {
                    take(tenant, item);
                    taken = true;
                }
            }
            // What a tenant can't use because of its own limit is not saved up.
            queue.deficit = queue.deficit.min(Self::QUANTUM_BYTES);
            if !queue.items.is_empty() {
                self.turns.push_back(tenant);
            }
            if taken {
                return true;
            }
        }
        false
    }

    /// Bytes waiting of one tenant.
    #[must_use]
    pub fn bytes(&self, tenant: usize) -> u64 {
        self.queues.get(tenant).map_or(0, |queue| queue.bytes)
    }

    /// Items waiting of one tenant.
    #[must_use]
    pub fn len(&self, tenant: usize) -> usize {
        self.queues.get(tenant).map_or(0, |queue| queue.items.len())
    }

    /// Tenants with something waiting, in the order of their turns.
    pub fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
        self.turns.iter().copied()
    }

    /// Items of one tenant, oldest first, with their bytes.
    pub fn items(&self, tenant: usize) -> impl Iterator<Item = &(T, u32)> {
        self.queues.get(tenant).into_iter().flat_map(|queue| queue.items.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_dropped_takes_no_turn() {
        let mut queue = FairQueue::default();
        (0..3).for_each(|tenant| queue.push(tenant, tenant, 10));
        queue.clear(1);
        queue.clear(7);
        assert_eq!(queue.waiting().collect::<Vec<_>>(), [0, 2]);
        assert_eq!((queue.len(1), queue.bytes(1)), (0, 0));
        queue.push(1, 9, 10);
        let mut taken = Vec::new();
        while queue.turn(|_| true, |_, item| taken.push(item)) {}
        assert_eq!(taken, [0, 2, 9]);
    }

    proptest! {
        /// However much the others have waiting, a tenant's first item is
        /// served within one turn of each, and each keeps its own order.
        #[test]
        fn a_quiet_tenant_waits_one_round(loads in prop::collection::vec(1_usize..400, 2..8), bytes in 100_u32..2000) {
            let mut queue = FairQueue::default();
            for (tenant, &load) in loads.iter().enumerate() {
                (0..load).for_each(|item| queue.push(tenant, item, bytes));
            }
            let quiet = loads.len();
            queue.push(quiet, 0, bytes);
            let mut served = vec![0; quiet + 1];
            let mut turns = 0;
            while served[quiet] == 0 {
                turns += 1;
                prop_assert!(turns <= quiet + 1);
                let more = queue.turn(|_| true, |tenant, item| {
                    assert_eq!(item, served[tenant]);
                    served[tenant] += 1;
                });
                prop_assert!(more);
            }
            let a_turn = (FairQueue::<usize>::QUANTUM_BYTES * 2 / u64::from(bytes)) as usize;
            prop_assert!(served.iter().all(|&count| count <= a_turn));
        }

        #[test]
        fn everything_comes_out_once(loads in prop::collection::vec(0_usize..100, 1..6)) {
            let mut queue = FairQueue::default();
            for (tenant, &load) in loads.iter().enumerate() {
                (0..load).for_each(|item| queue.push(tenant, item, 700));
            }
            let mut served = vec![0; loads.len()];
            while queue.turn(|_| true, |tenant, _| served[tenant] += 1) {}
            prop_assert_eq!(&served, &loads);
            prop_assert!((0..loads.len()).all(|tenant| queue.bytes(tenant) == 0 && queue.len(tenant) == 0));
        }
    }

    #[test]
    fn a_tenant_without_tokens_holds_up_nobody() {
        let mut queue = FairQueue::default();
        queue.push(0, 'a', 10);
        queue.push(1, 'b', 10);
        let mut served = Vec::new();
        while queue.turn(|tenant| tenant == 1, |tenant, item| served.push((tenant, item))) {}
        assert_eq!(served, [(1, 'b')]);
        assert_eq!(queue.len(0), 1);
    }

    #[test]
    fn room_is_bounded_in_bytes() {
        let mut queue = FairQueue::default();
        queue.push(0, 'a', 60);
        assert_eq!(queue.room(0, 40, 100), Ok(()));
        assert_eq!(queue.room(0, 41, 100), Err(Full));
    }
}
