//! Clients' windows, read back in order.
//!
//! Clients are read a part at a time, so that no more than a part is in memory:
//! files are sorted by the clients' place, so that a part is read without the
//! rest.

use crate::columns::Take;
use crate::error::TelemetryError;
use crate::files::Reader;
use crate::layout::{Day, Kind, Place, Span};
use crate::rows::{ClientId, WindowRow};
use crate::store::Store;
use openclaw_alert::TenantName;
use parquet::data_type::Int64Type;
use parquet::errors::Result as ParquetResult;
use std::ops::Range;
use std::sync::Arc;

/// Windows in memory at a time: some 200 MB.
const PART_ROWS: u64 = 1 << 20;
/// All places.
const PLACES: u64 = 1 << 32;
/// Parts of the places in which rows are counted beforehand.
const BINS: usize = 4096;
/// Columns.
const PLACE: usize = 0;
const TIMESTAMP: usize = 3;

/// Which windows are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowsQuery {
    /// Whose; everybody's where nobody is named.
    pub tenant: Option<TenantName>,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// About as many rows at most: with more, only some clients are given, each
    /// with all its windows, and weights say for how many they stand.
    pub rows_max: u64,
}

/// One client's windows under one policy, in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Whose client.
    pub tenant: TenantName,
    /// Who.
    pub client_id: ClientId,
    /// Under which policy.
    pub policy: Arc<str>,
    /// Its windows.
    pub rows: Vec<WindowRow>,
}

/// Reads clients one after the other.
#[derive(Debug)]
pub struct Windows {
    store: Store,
    groups: Vec<Group>,
    /// Places below which clients are wanted.
    end: u64,
    /// Ends of the parts that are still to be read, the next one last.
    parts: Vec<Range<u64>>,
    /// The part that has been read, sorted backwards.
    rows: Vec<(Arc<Place>, WindowRow)>,
}

/// A row group of a file.
#[derive(Debug)]
struct Group {
    place: Arc<Place>,
    span: Span,
    at: usize,
    rows: u64,
    /// Of clients' places.
    bounds: Range<u64>,
    /// When its first window ended.
    first_ms: Option<i64>,
}

impl Store {
    /// Clients' windows. Looks at all files' ends before it gives the first.
    ///
    /// # Errors
    /// Where a file can't be read.
    pub fn windows(&self, query: &WindowsQuery) -> Result<Windows, TelemetryError> {
        let mut groups = Vec::new();
        let tenants = self.tenants(Kind::Windows)?;
        for tenant in tenants.into_iter().filter(|name| query.tenant.as_ref().is_none_or(|it| it == name)) {
            for day in self.days(Kind::Windows, &tenant)? {
                if (query.from..=query.to).contains(&day) {
                    self.add_groups(Place { kind: Kind::Windows, tenant: tenant.clone(), day }, &mut groups)?;
                }
            }
        }
        let bins = bins(&groups);
        let end = end(&bins, query.rows_max);
        let parts = parts(&bins, end);
        Ok(Windows { store: self.clone(), groups, end, parts, rows: Vec::new() })
    }

    fn add_groups(&self, place: Place, groups: &mut Vec<Group>) -> Result<(), TelemetryError> {
        let place = Arc::new(place);
        for span in self.spans(&place)?.0 {
            self.open(&place, span, |file| {
                groups.extend((0..file.groups()).map(|at| Group::of(file, &place, span, at)));
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Group {
    fn of(file: &Reader<'_>, place: &Arc<Place>, span: Span, at: usize) -> Self {
        let (rows, bounds) = (file.group_rows(at), file.bounds(at, PLACE));
        let first_ms = file.bounds(at, TIMESTAMP).map(|(first, _)| first);
        let bound = |bound: i64| bound.max(0).cast_unsigned().min(PLACES - 1);
        let bounds = bounds.map_or(0..PLACES, |(least, most)| bound(least)..bound(most) + 1);
        Self { place: Arc::clone(place), span, at, rows, bounds, first_ms }
    }
}

/// How many rows there are of each part of the places: a group's are taken to
/// lie evenly between its bounds.
fn bins(groups: &[Group]) -> Vec<f64> {
    let width = PLACES / BINS as u64;
    let mut bins = vec![0.0; BINS];
    for Group { rows, bounds, .. } in groups {
        let each = *rows as f64 / (bounds.end - bounds.start) as f64;
        for at in bounds.start / width..=(bounds.end - 1) / width {
            let within = bounds.end.min((at + 1) * width) - bounds.start.max(at * width);
            bins[at as usize] += each * within as f64;
        }
    }
    bins
}

/// The place below which there are about as many rows as are wanted.
fn end(bins: &[f64], rows_max: u64) -> u64 {
    let (width, mut left) = (PLACES / BINS as u64, rows_max as f64);
    for (at, rows) in bins.iter().enumerate() {
        if *rows > left {
            return at as u64 * width + (width as f64 * left / rows) as u64;
        }
        left -= rows;
    }
    PLACES
}

/// Parts of about as many rows as may be in memory, the first one last.
fn parts(bins: &[f64], end: u64) -> Vec<Range<u64>> {
    let width = PLACES / BINS as u64;
    let (mut parts, mut start, mut sum) = (Vec::new(), 0, 0.0);
    for (at, rows) in bins.iter().enumerate() {
        // With very many rows there are too many in one of the bins alone.
        let pieces = ((rows / PART_ROWS as f64).ceil() as u64).clamp(1, width);
        for piece in 0..pieces {
            let begin = at as u64 * width + piece * width / pieces;
            if begin >= end {
                break;
            }
            if sum + rows / pieces as f64 > PART_ROWS as f64 && begin > start {
                parts.push(start..begin);
                (start, sum) = (begin, 0.0);
            }
            sum += rows / pieces as f64;
        }
    }
    parts.push(start..end);
    parts.reverse();
    parts
}

impl Windows {
    /// Of no greater a share of clients: those who read different days and the
    /// same share are given the same clients.
    #[must_use]
    pub fn at_most(mut self, share: f64) -> Self {
        self.end = self.end.min((share * PLACES as f64) as u64);
        self.parts = parts(&bins(&self.groups), self.end);
        self
    }

    /// The share of clients that are given.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.end as f64 / PLACES as f64
    }

    /// Rows that there are, before clients are sampled.
    #[must_use]
    pub fn rows_in_files(&self) -> u64 {
        self.groups.iter().map(|group| group.rows).sum()
    }

    /// When the first window ended that there is, in milliseconds since 1970.
    #[must_use]
    pub fn first_ms(&self) -> Option<i64> {
        self.groups.iter().filter_map(|group| group.first_ms).min()
    }

    fn read(&mut self, part: &Range<u64>) -> Result<(), TelemetryError> {
        let least_weight = (PLACES as f64 / self.end.max(1) as f64) as f32;
        let is_within = |group: &&Group| group.bounds.start < part.end && part.start < group.bounds.end;
        for group in self.groups.iter().filter(is_within) {
            let rows = self.store.open(&group.place, group.span, |file| read_part(file, group, part))?;
            self.rows.extend(rows.into_iter().map(|row| {
                // Who was kept one in four and is wanted one in two stands for four.
                let weight = row.weight.max(least_weight);
                (Arc::clone(&group.place), WindowRow { weight, ..row })
            }));
        }
        self.rows.sort_unstable_by(|(a_place, a), (b_place, b)| {
            let order = (b.client_id.place(), b.client_id).cmp(&(a.client_id.place(), a.client_id));
            let order = order.then_with(|| b_place.tenant.cmp(&a_place.tenant));
            order.then_with(|| (&b.policy, b.at_ms, b.before).cmp(&(&a.policy, a.at_ms, a.before)))
        });
        Ok(())
    }

    fn next_series(&mut self) -> Option<Series> {
        let (place, first) = self.rows.pop()?;
        let mut series = Series {
            tenant: place.tenant.clone(),
            client_id: first.client_id,
            policy: Arc::clone(&first.policy),
            rows: vec![first],
        };
        let is_same = |(place, row): &mut (Arc<Place>, WindowRow)| {
            row.client_id == series.client_id && row.policy == series.policy && place.tenant == series.tenant
        };
        while let Some((_, row)) = self.rows.pop_if(is_same) {
            series.rows.push(row);
        }
        Some(series)
    }
}

fn places(take: &mut Take<'_>) -> ParquetResult<Vec<i64>> {
    take.each::<Int64Type>()
}

/// The rows of a group whose clients' places are within a part.
fn read_part(file: &Reader<'_>, group: &Group, part: &Range<u64>) -> Result<Vec<WindowRow>, TelemetryError> {
    let all = 0..usize::try_from(group.rows).unwrap_or(usize::MAX);
    let is_wanted = |place: u64| part.contains(&place);
    let places = file.with(group.at, all, places)?;
    let wanted = |place: &i64| is_wanted(place.cast_unsigned());
    let Some(first) = places.iter().position(wanted) else { return Ok(Vec::new()) };
    let last = places.iter().rposition(wanted).unwrap_or(first);
    let mut rows = file.read::<WindowRow>(group.at, first..last + 1)?;
    rows.retain(|row| is_wanted(row.client_id.place().into()));
    Ok(rows)
}

impl Iterator for Windows {
    type Item = Result<Series, TelemetryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(series) = self.next_series() {
                return Some(Ok(series));
            }
            let part = self.parts.pop()?;
            if let Err(error) = self.read(&part) {
                self.parts.clear();
                return Some(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_has_more_rows_than_there_is_room_for() {
        let width = PLACES / BINS as u64;
        for each in [0.5, 100.0, 5e5, 6e5, 5e6, 3e9] {
            let bins = vec![each; BINS];
            let wanted = end(&bins, 7_200_000);
            let parts = parts(&bins, wanted);
            assert_eq!((parts[parts.len() - 1].start, parts[0].end), (0, wanted));
            assert!(parts.windows(2).all(|pair| pair[1].end == pair[0].start));
            let rows = |part: &Range<u64>| (part.end - part.start) as f64 * each / width as f64;
            let most = parts.iter().map(rows).fold(0.0, f64::max);
            assert!(most < 1.01 * PART_ROWS as f64, "{most} of {each}");
        }
    }
}
