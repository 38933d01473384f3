//! Recorded windows with what was known of the client before them, through the
//! code that serves: what it had made of the same traffic, to the bit.

mod record;

pub use record::window_row;

use crate::train::Known;
use libm::log1pf;
use openclaw_admission::{Answers, Base, ClientState, Features, Ticks, Window};
use openclaw_telemetry::WindowRow;

/// Windows after which it doesn't matter any more what was known before the
/// first: less than one part in 400 of it is left.
const WINDOWS_FORGOTTEN: u32 = 300;

/// What was known of a client after a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct After {
    /// What the next prediction was made from.
    pub features: Features,
    /// Where the client was.
    pub base: Base,
    /// Whether all of the client's past is there, so that these are the numbers
    /// that served, to the bit.
    pub is_whole: bool,
    /// Windows that it is made of, from the first on, or from a gap on.
    pub windows: u32,
}

/// Goes along a client's windows.
#[derive(Debug, Default)]
struct Past<'r> {
    state: ClientState,
    last: Option<&'r WindowRow>,
    is_whole: bool,
    windows: u32,
}

impl<'r> Past<'r> {
    fn take(&mut self, row: &'r WindowRow) -> After {
        if begins(row, self.last) {
            *self = Self { is_whole: row.before == 0, ..Self::default() };
        }
        self.last = Some(row);
        self.windows = self.windows.saturating_add(1);
        self.state.roll(counted(row));
        let features = self.state.features(answers(row));
        After { features, base: self.state.base(), is_whole: self.is_whole, windows: self.windows }
    }
}

/// Whether nothing that is known was known before a window: the client's first,
/// or one behind a gap.
pub(crate) fn begins(row: &WindowRow, earlier: Option<&WindowRow>) -> bool {
    row.before == 0 || !earlier.is_some_and(|earlier| row.follows(earlier))
}

/// What was known of a client after each of its windows; these are one
/// client's, in the order of time.
pub fn after_each<'r>(rows: &'r [WindowRow]) -> impl Iterator<Item = After> + use<'r> {
    let mut past = Past::default();
    rows.iter().map(move |row| past.take(row))
}

/// A client's windows of whose past enough is known.
pub fn recorded(rows: &[WindowRow]) -> impl Iterator<Item = Known> {
    let pairs = after_each(rows).zip(rows).zip(rows.iter().skip(1));
    pairs.filter_map(|((after, row), next)| {
        let is_known = after.is_whole && next.before >= openclaw_admission::WINDOWS_MIN;
        let is_enough = is_known || after.windows >= WINDOWS_FORGOTTEN;
        (is_enough && next.follows(row)).then(|| of(&after, next))
    })
}

fn of(after: &After, row: &WindowRow) -> Known {
    let logs = |window: Window| [log1pf(window.count), log1pf(window.burst)];
    Known {
        features: after.features,
        base: after.base,
        needed: logs(Ticks(row.ticks).window()),
        counted: logs(counted(row)),
        answers: answers(row),
        at_ms: row.at_ms,
        weight: row.weight,
    }
}

/// What was taken in of a window.
pub(crate) fn counted(row: &WindowRow) -> Window {
    Window { count: row.counted, burst: row.counted_burst }
}

/// What was heard of a window.
pub(crate) fn answers(row: &WindowRow) -> Answers {
    Answers::of(row.answered, row.own_faults, row.latency)
}
