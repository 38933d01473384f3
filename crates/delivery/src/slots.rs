//! Bounds on sends under way: in all, and for each tenant a share, so that one
//! tenant's hanging receivers can't hold up the others.
//!
//! When full, a send waits its turn, in order, until its own time-out.

use openclaw_alert::TenantName;
use std::collections::HashMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

pub(crate) struct Slots {
    all: Semaphore,
    per_tenant: NonZeroU16,
    /// Only tenants with a send under way or waiting.
    lanes: Mutex<HashMap<TenantName, Arc<Semaphore>>>,
}

/// The right to one send; given back on drop.
pub(crate) struct Slot<'s> {
    _of_all: SemaphorePermit<'s>,
    _of_tenant: OwnedSemaphorePermit,
    // Last, so that it sees the tenant's permit gone.
    _lane: Lane<'s>,
}

/// Forgets the tenant when its last send is over.
struct Lane<'s> {
    slots: &'s Slots,
    tenant: TenantName,
}

impl Slots {
    pub(crate) fn new(all: NonZeroU16, per_tenant: NonZeroU16) -> Self {
        let all = Semaphore::new(usize::from(all.get()));
        Self { all, per_tenant, lanes: Mutex::default() }
    }

    /// Waits for the tenant's share first, so that a tenant over it takes
    /// nothing of the whole.
    pub(crate) async fn acquire(&self, tenant: &TenantName) -> Result<Slot<'_>, AcquireError> {
        let lane = Lane { slots: self, tenant: tenant.clone() };
        let of_tenant = self.lane(tenant).acquire_owned().await?;
        let of_all = self.all.acquire().await?;
        Ok(Slot { _of_all: of_all, _of_tenant: of_tenant, _lane: lane })
    }

    fn lane(&self, tenant: &TenantName) -> Arc<Semaphore> {
        let mut lanes = self.lanes();
        let lane = lanes
            .entry(tenant.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(usize::from(self.per_tenant.get()))));
        Arc::clone(lane)
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<TenantName, Arc<Semaphore>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        let mut lanes = self.slots.lanes();
        let unused = lanes.get(&self.tenant).is_some_and(|lane| Arc::strong_count(lane) == 1);
        if unused {
            lanes.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    fn slots(all: u16, per_tenant: u16) -> Slots {
        Slots::new(NonZeroU16::new(all).unwrap(), NonZeroU16::new(per_tenant).unwrap())
    }

    async fn free(slots: &Slots, tenant: &TenantName) -> bool {
        timeout(Duration::from_millis(5), slots.acquire(tenant)).await.is_ok()
    }

    #[tokio::test]
    async fn a_tenant_over_its_share_leaves_the_rest_to_others() {
        let slots = slots(3, 2);
        let [noisy, quiet] = ["noisy", "quiet"].map(|name| TenantName::new(name).unwrap());
        let held = [slots.acquire(&noisy).await.unwrap(), slots.acquire(&noisy).await.unwrap()];
        assert!(!free(&slots, &noisy).await);
        assert!(free(&slots, &quiet).await);
        let third = slots.acquire(&quiet).await.unwrap();
        assert!(!free(&slots, &quiet).await, "the whole is bounded too");
        drop(held);
        assert!(free(&slots, &noisy).await);
        drop(third);
        assert!(slots.lanes().is_empty(), "idle tenants cost no memory");
    }

    #[tokio::test]
    async fn giving_up_leaves_nothing_behind() {
        let slots = slots(1, 1);
        let [first, second] = ["first", "second"].map(|name| TenantName::new(name).unwrap());
        let held = slots.acquire(&first).await.unwrap();
        assert!(!free(&slots, &first).await);
        assert!(!free(&slots, &second).await);
        assert_eq!(slots.lanes().len(), 1);
        drop(held);
        assert!(slots.lanes().is_empty());
        assert!(free(&slots, &second).await);
    }
}
