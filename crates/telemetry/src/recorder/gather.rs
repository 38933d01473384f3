//! Rows of one kind on their way into files.

use crate::counts::{Counts, Dropped};
use crate::error::TelemetryError;
use crate::layout::{Day, Place, Span};
use crate::rows::Stored;
use crate::store::Store;
use openclaw_alert::{TenantName, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// How long rows wait for others: what a crash may lose.
const WAIT: Duration = Duration::from_secs(60);
/// Rows of a file.
const FILE_ROWS: usize = 1 << 16;
/// Rows in memory: then the largest file is written at once.
const ROWS_MAX: usize = 1 << 18;
/// Files written at a time, so that the disk isn't held up by very many
/// tenants; the others wait longer.
const FILES_A_TURN: usize = 2;
/// How often it is told that the disk fails.
const TELL: Duration = Duration::from_secs(60);
/// Clocks of those who report may be ahead by so much.
const AHEAD: Duration = Duration::from_secs(3600);

/// Rows by tenant and day.
pub(super) struct Gather<R> {
    store: Store,
    retention_days: u32,
    waiting: HashMap<Place, Waiting<R>>,
    rows: usize,
    /// The next file's number, where one has been written.
    numbers: HashMap<Place, u32>,
    /// The first day that is kept, when this was last looked at.
    oldest: Option<Day>,
    told_at: Option<Timestamp>,
}

struct Waiting<R> {
    rows: Vec<R>,
    since: Timestamp,
}

impl<R: Stored> Gather<R> {
    pub(super) fn new(store: Store, retention_days: u32) -> Self {
        let (waiting, numbers) = (HashMap::new(), HashMap::new());
        Self { store, retention_days, waiting, rows: 0, numbers, oldest: None, told_at: None }
    }

    /// Takes a row.
    pub(super) fn add(&mut self, tenant: TenantName, row: R, now: Timestamp, counts: &Counts) {
        let at = Timestamp::from_nanos(row.at_ms().saturating_mul(1_000_000));
        let day = Day::of(at);
        if day < Day::of(now).minus(self.retention_days) || at > now.plus(AHEAD) {
            return counts.lost(R::KIND, Dropped::OutOfTime, 1);
        }
        let place = Place { kind: R::KIND, tenant, day };
        let waiting = self.waiting.entry(place).or_insert_with(|| Waiting { rows: Vec::new(), since: now });
        waiting.rows.push(row);
        self.rows += 1;
    }

    /// Writes what has waited long enough, and what there is no room for.
    pub(super) fn write_due(&mut self, now: Timestamp, counts: &Counts) {
        self.forget_past(now);
        let is_due =
            |waiting: &Waiting<R>| waiting.rows.len() >= FILE_ROWS || now.since(waiting.since) >= WAIT;
        let mut due: Vec<(Timestamp, Place)> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| is_due(waiting))
            .map(|(place, waiting)| (waiting.since, place.clone()))
            .collect();
        due.sort_unstable_by_key(|(since, _)| *since);
        for (_, place) in due.into_iter().take(FILES_A_TURN) {
            self.write(&place, now, counts);
        }
        while self.rows > ROWS_MAX {
            let largest = self.waiting.iter().max_by_key(|(_, waiting)| waiting.rows.len());
            let Some(place) = largest.map(|(place, _)| place.clone()) else { return };
            self.write(&place, now, counts);
        }
    }

    /// Writes everything.
    pub(super) fn write_all(&mut self, now: Timestamp, counts: &Counts) {
        let places: Vec<Place> = self.waiting.keys().cloned().collect();
        for place in places {
            self.write(&place, now, counts);
        }
    }

    /// Nothing comes any more of days that are not kept.
    fn forget_past(&mut self, now: Timestamp) {
        let oldest = Day::of(now).minus(self.retention_days);
        if self.oldest.replace(oldest) != Some(oldest) {
            self.numbers.retain(|place, _| place.day >= oldest);
        }
    }

    /// Forgets a tenant.
    pub(super) fn forget(&mut self, tenant: &TenantName) {
        self.waiting.retain(|place, _| place.tenant != *tenant);
        self.numbers.retain(|place, _| place.tenant != *tenant);
        self.rows = self.waiting.values().map(|waiting| waiting.rows.len()).sum();
    }

    fn write(&mut self, place: &Place, now: Timestamp, counts: &Counts) {
        let Some(Waiting { rows, .. }) = self.waiting.remove(place) else { return };
        self.rows -= rows.len();
        match self.write_rows(place, &rows) {
            Ok(bytes) => counts.wrote(R::KIND, rows.len() as u64, bytes),
            Err(error) => {
                counts.lost(R::KIND, Dropped::DiskFailed, rows.len() as u64);
                self.tell(&error, now);
            }
        }
    }

    fn write_rows(&mut self, place: &Place, rows: &[R]) -> Result<u64, TelemetryError> {
        let number = match self.numbers.get(place) {
            Some(number) => *number,
            // What a merge has left half done counts, too.
            None => {
                let (spans, left) = self.store.spans(place)?;
                spans.iter().chain(&left).map(|span| span.last.saturating_add(1)).max().unwrap_or(0)
            }
        };
        // Also where it fails: the file may be there nevertheless.
        self.numbers.insert(place.clone(), number.saturating_add(1));
        self.store.write(place, Span::one(number), rows)
    }

    fn tell(&mut self, error: &TelemetryError, now: Timestamp) {
        if self.told_at.is_none_or(|told_at| now.since(told_at) >= TELL) {
            self.told_at = Some(now);
            tracing::error!(%error, "telemetry can't be written: rows are lost until it can");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ObservationRow;

    #[test]
    fn days_that_are_not_kept_any_more_take_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        store.prepare().unwrap();
        let (mut gather, counts) = (Gather::new(store, 90), Counts::default());
        for day in 0..200 {
            let now = Timestamp::from_secs(1_772_323_200 + day * 86_400);
            let row = ObservationRow {
                client_id: "c".into(),
                at_ms: now.millis(),
                response_time_ms: 1.0,
                status_code: 200,
                weight: 1.0,
            };
            gather.add(TenantName::new("acme").unwrap(), row, now, &counts);
            gather.write_due(now.plus(WAIT), &counts);
        }
        assert_eq!(gather.numbers.len(), 91);
    }
}
