//! Small files become large ones, old ones go.

use crate::error::TelemetryError;
use crate::layout::{Day, Kind, Place, Span};
use crate::rows::{ObservationRow, Stored, WindowRow};
use crate::store::Store;
use openclaw_alert::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Rows of a file that is made of several: some 50 MB of memory.
const RUN_ROWS: u64 = 1 << 18;
/// So many files of the day that is running become one.
const OPEN_FILES: usize = 32;
/// How long after its end a day's rows may still come.
const LATE: Duration = Duration::from_secs(3600);
/// How long files that were merged are still there for readers who knew them.
const READ_WITHIN: Duration = Duration::from_secs(2 * 3600);

/// What has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tended {
    /// Files that are now part of others.
    pub merged: usize,
    /// Days of tenants that are not kept any more.
    pub removed_days: usize,
}

impl Store {
    /// Makes small files into large ones, and removes days that are older than
    /// so many. A [`crate::Recorder`] does so by itself.
    #[must_use]
    pub fn tend(&self, now: Timestamp, retention_days: u32) -> Tended {
        Tender::new(self.clone(), retention_days).tend(now)
    }
}

/// Keeps files few and young.
#[derive(Debug)]
pub(crate) struct Tender {
    store: Store,
    retention_days: u32,
    /// Days that are over, with their files, where these are as few as they can be.
    done: HashMap<Place, usize>,
    /// Files that others have taken the place of, and since when; nothing
    /// before the first round, since nobody knows how old those are.
    aside: Option<VecDeque<(Timestamp, PathBuf)>>,
    /// Nobody waits for the rest any more.
    stopped: Arc<AtomicBool>,
}

impl Tender {
    pub(crate) fn new(store: Store, retention_days: u32) -> Self {
        Self { store, retention_days, done: HashMap::new(), aside: None, stopped: Arc::default() }
    }

    /// Set to end it after the files at hand: what is left is done another time.
    pub(crate) fn stopped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Looks at every folder once; one that fails doesn't keep the others from
    /// it.
    pub(crate) fn tend(&mut self, now: Timestamp) -> Tended {
        let mut tended = Tended::default();
        self.forget_replaced(now);
        for place in self.places() {
            if self.is_stopped() {
                break;
            }
            if let Err(error) = self.tend_place(&place, now, &mut tended) {
                let Place { tenant, day, .. } = &place;
                tracing::warn!(%tenant, %day, %error, "a day of telemetry can't be tended: it is tried again");
            }
        }
        tended
    }

    fn forget_replaced(&mut self, now: Timestamp) {
        let Some(aside) = &mut self.aside else {
            self.aside = Some(VecDeque::new());
            if let Err(error) = self.store.forget_replaced() {
                tracing::warn!(%error, "files of telemetry that have been merged can't be removed");
            }
            return;
        };
        while let Some((_, path)) = aside.pop_front_if(|(since, _)| since.plus(READ_WITHIN) <= now) {
            // It may have gone with its tenant. Folders go with their last file.
            let _ = fs::remove_file(&path);
            let _ = path.parent().map(fs::remove_dir);
        }
    }

    fn replace(&mut self, place: &Place, spans: &[Span], now: Timestamp) -> Result<(), TelemetryError> {
        let moved = self.store.replace(place, spans)?;
        self.aside.get_or_insert_default().extend(moved.into_iter().map(|path| (now, path)));
        Ok(())
    }

    fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for kind in Kind::ALL {
            for tenant in self.store.tenants(kind).unwrap_or_default() {
                let days = self.store.days(kind, &tenant).unwrap_or_default();
                places.extend(days.into_iter().map(|day| Place { kind, tenant: tenant.clone(), day }));
            }
        }
        places
    }

    fn tend_place(
        &mut self,
        place: &Place,
        now: Timestamp,
        tended: &mut Tended,
    ) -> Result<(), TelemetryError> {
        if place.day < Day::of(now).minus(self.retention_days) {
            tended.removed_days += 1;
            self.done.remove(place);
            return self.store.remove_day(place);
        }
        match place.kind {
            Kind::Observations => self.merge::<ObservationRow>(place, now, tended),
            Kind::Windows => self.merge::<WindowRow>(place, now, tended),
        }
    }

    fn merge<R: Stored>(
        &mut self,
        place: &Place,
        now: Timestamp,
        tended: &mut Tended,
    ) -> Result<(), TelemetryError> {
        let store = self.store.clone();
        let turn = store.turn();
        let (spans, left) = store.spans(place)?;
        if !left.is_empty() {
            self.replace(place, &left, now)?;
            tended.merged += left.len();
        }
        drop(turn);
        let is_over = place.day.end().plus(LATE) < now;
        if self.done.get(place) == Some(&spans.len()) {
            return Ok(());
        }
        let mut files = spans.len();
        for group in self.groups(place, &spans, is_over)? {
            if self.is_stopped() {
                return Ok(());
            }
            if self.merge_group::<R>(place, &group, now)? {
                tended.merged += group.len();
                files -= group.len() - 1;
            }
        }
        if is_over {
            self.done.insert(place.clone(), files);
        }
        Ok(())
    }

    /// Neighbours that may become one file.
    fn groups(&self, place: &Place, spans: &[Span], is_over: bool) -> Result<Vec<Vec<Span>>, TelemetryError> {
        let mut groups: Vec<(Vec<Span>, u64)> = vec![(Vec::new(), 0)];
        let ones = spans.iter().filter(|span| span.is_one()).count();
        if spans.len() < 2 || (!is_over && ones < OPEN_FILES) {
            return Ok(Vec::new());
        }
        for span in spans {
            let rows = self.store.open(place, *span, |file| Ok(file.rows()))?;
            let is_apart = !is_over && !span.is_one();
            if let Some((group, sum)) =
                groups.last_mut().filter(|(_, sum)| sum + rows <= RUN_ROWS && !is_apart)
            {
                group.push(*span);
                *sum += rows;
            } else {
                groups.push(if is_apart { (Vec::new(), 0) } else { (vec![*span], rows) });
            }
        }
        Ok(groups.into_iter().map(|(group, _)| group).filter(|group| group.len() > 1).collect())
    }

    /// False where somebody has taken a file away meanwhile.
    fn merge_group<R: Stored>(
        &mut self,
        place: &Place,
        group: &[Span],
        now: Timestamp,
    ) -> Result<bool, TelemetryError> {
        let store = self.store.clone();
        let _turn = store.turn();
        if group.iter().any(|span| !self.store.path(place, *span).exists()) {
            return Ok(false);
        }
        let mut rows: Vec<R> = Vec::new();
        for span in group {
            self.store.open(place, *span, |file| file.read_all(&mut rows))?;
        }
        R::sort(&mut rows);
        let span = Span { first: group[0].first, last: group[group.len() - 1].last };
        self.store.write(place, span, &rows)?;
        self.replace(place, group, now)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::TenantName;

    /// A day of one tenant that is worth merging.
    fn three_small_files() -> (tempfile::TempDir, Store, Place, Timestamp) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        store.prepare().unwrap();
        let begin = Timestamp::from_secs(1_772_323_200);
        let (tenant, day) = (TenantName::new("acme").unwrap(), Day::of(begin));
        let place = Place { kind: Kind::Observations, tenant, day };
        let row = ObservationRow {
            client_id: "c".into(),
            at_ms: begin.millis(),
            response_time_ms: 1.0,
            status_code: 200,
            weight: 1.0,
        };
        for number in 0..3 {
            store.write(&place, Span::one(number), std::slice::from_ref(&row)).unwrap();
        }
        (folder, store, place, begin)
    }

    #[test]
    fn who_is_stopped_leaves_the_rest_for_another_time() {
        let (_folder, store, _, begin) = three_small_files();
        let later = begin.plus(Duration::from_secs(3 * 86_400));
        let mut stopped = Tender::new(store.clone(), 90);
        stopped.stopped().store(true, Ordering::Relaxed);
        assert_eq!(stopped.tend(later), Tended::default());
        assert_eq!(Tender::new(store, 90).tend(later).merged, 3);
    }

    #[test]
    fn who_reads_for_long_still_finds_what_was_listed() {
        let (_folder, store, place, begin) = three_small_files();
        let listed = store.spans(&place).unwrap().0;
        let mut tender = Tender::new(store.clone(), 90);
        let after = |minutes: u64| begin.plus(Duration::from_secs(26 * 3600 + 60 * minutes));
        let is_there = || listed.iter().all(|span| store.open(&place, *span, |_| Ok(())).is_ok());
        assert_eq!(tender.tend(after(0)).merged, 3);
        for minutes in [10, 60, 119] {
            let _ = tender.tend(after(minutes));
            assert!(is_there(), "{minutes}");
        }
        let _ = tender.tend(after(120));
        assert!(!is_there());
    }
}
