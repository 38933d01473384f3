//! The thread that writes.

use super::gather::Gather;
use super::sample::{Clients, Dice, Reservoir};
use super::{Command, Now, RecorderOptions};
use crate::counts::{Counts, Dropped};
use crate::layout::Kind;
use crate::rows::{ObservationRow, WindowRow};
use crate::store::Store;
use openclaw_alert::{TenantName, Timestamp};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

/// Queues are looked at this often: who puts something in wakes nobody.
const LOOK: Duration = Duration::from_millis(50);
/// Rows that are taken before the clock is looked at again.
const TURN_ROWS: usize = 1 << 15;
/// Turns in which full queues are emptied.
const QUEUE_TURNS: usize = 8;
/// Observations of a second in memory: then it ends early.
const SAMPLED_MAX: usize = 1 << 18;
/// Tenants whose sampling is remembered while nothing comes of them.
const TENANTS_MAX: usize = 1 << 16;

/// Where rows come from.
pub(super) struct Inbox {
    pub(super) observations: Receiver<(TenantName, ObservationRow)>,
    pub(super) windows: Receiver<Vec<(TenantName, WindowRow)>>,
    /// Windows among them.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) commands: Receiver<Command>,
}

/// Samples, gathers, writes.
pub(super) struct Work {
    store: Store,
    options: RecorderOptions,
    now: Now,
    counts: Arc<Counts>,
    dice: Dice,
    second: i64,
    sampled: HashMap<TenantName, Reservoir>,
    sampled_rows: usize,
    clients: HashMap<TenantName, Clients>,
    observations: Gather<ObservationRow>,
    windows: Gather<WindowRow>,
}

impl Work {
    pub(super) fn new(store: Store, options: RecorderOptions, now: Now, counts: Arc<Counts>) -> Self {
        let days = options.retention_days;
        Self {
            options,
            now,
            counts,
            dice: Dice::new(RandomState::new().hash_one(0)),
            second: 0,
            sampled: HashMap::new(),
            sampled_rows: 0,
            clients: HashMap::new(),
            observations: Gather::new(store.clone(), days),
            windows: Gather::new(store.clone(), days),
            store,
        }
    }

    pub(super) fn run(mut self, inbox: &Inbox, stopped: &Receiver<()>) {
        let mut pause = LOOK;
        loop {
            match inbox.commands.recv_timeout(pause) {
                Ok(command) => self.obey(command, inbox),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                return;
            }
            let is_more = self.take_in(inbox);
            let now = (self.now)();
            self.observations.write_due(now, &self.counts);
            self.windows.write_due(now, &self.counts);
            pause = if is_more { Duration::ZERO } else { LOOK };
        }
    }

    fn obey(&mut self, command: Command, inbox: &Inbox) {
        // As much as the queues hold; what comes meanwhile is not waited for.
        for _ in 0..QUEUE_TURNS {
            if !self.take_in(inbox) {
                break;
            }
        }
        self.end_second();
        let now = (self.now)();
        match command {
            Command::Flush(done) => {
                self.observations.write_all(now, &self.counts);
                self.windows.write_all(now, &self.counts);
                let _ = done.send(());
            }
            Command::Erase(tenant, done) => {
                self.observations.forget(&tenant);
                self.windows.forget(&tenant);
                self.clients.remove(&tenant);
                let _ = done.send(self.store.erase(&tenant));
            }
        }
    }

    /// Takes what waits; tells whether there may be more.
    fn take_in(&mut self, inbox: &Inbox) -> bool {
        let now = (self.now)();
        if now.secs() != self.second {
            self.second = now.secs();
            self.end_second();
        }
        let mut rows = 0;
        for (tenant, row) in inbox.observations.try_iter().take(TURN_ROWS) {
            rows += 1;
            self.sample(tenant, row);
        }
        for batch in inbox.windows.try_iter() {
            rows += batch.len();
            inbox.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            batch.into_iter().for_each(|(tenant, row)| self.window(tenant, row, now));
            if rows >= 2 * TURN_ROWS {
                break;
            }
        }
        rows >= TURN_ROWS
    }

    fn sample(&mut self, tenant: TenantName, row: ObservationRow) {
        let reservoir = self.sampled.entry(tenant).or_default();
        let is_one_more = reservoir.take(row, self.options.max_rows_per_s, &mut self.dice);
        self.sampled_rows += usize::from(is_one_more);
        if self.sampled_rows >= SAMPLED_MAX {
            self.end_second();
        }
    }

    fn end_second(&mut self) {
        let now = (self.now)();
        for (tenant, mut reservoir) in self.sampled.drain() {
            let (rows, left) = reservoir.empty();
            self.counts.lost(Kind::Observations, Dropped::Sampled, left);
            rows.for_each(|row| self.observations.add(tenant.clone(), row, now, &self.counts));
        }
        self.sampled_rows = 0;
        self.observations.write_due(now, &self.counts);
    }

    fn window(&mut self, tenant: TenantName, row: WindowRow, now: Timestamp) {
        if self.clients.len() >= TENANTS_MAX && !self.clients.contains_key(&tenant) {
            self.clients.clear();
        }
        let clients = self.clients.entry(tenant.clone()).or_default();
        match clients.weight(row.client_id, self.options.max_rows_per_s, now) {
            Some(weight) => self.windows.add(tenant, WindowRow { weight, ..row }, now, &self.counts),
            None => self.counts.lost(Kind::Windows, Dropped::Sampled, 1),
        }
    }
}
