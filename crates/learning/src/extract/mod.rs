//! Recorded windows with what was known of the client before them, through the
//! code that serves: what it had made of the same traffic, to the bit.

mod record;

pub use record::window_row;

use crate::train::Known;
use libm::log1pf;
use openclaw_admission::{Answers, Base, ClientState, Features, OUTPUTS, Ticks, Window};
use openclaw_telemetry::WindowRow;

/// Windows after which it doesn't matter any more what was known before the
/// first: less than one part in 400 of it is left.
const WINDOWS_FORGOTTEN: u32 = 300;

/// A recorded window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recorded {
    /// What was known before it, and what it needed: all that was asked for.
    pub known: Known,
    /// ln(1 + tokens), ln(1 + burst): of what was asked for that which counts,
    /// at most so many times the client's bucket.
    pub counted: [f32; OUTPUTS],
    /// What the client's answers in it were like.
    pub answers: Answers,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// For how many windows it stands.
    pub weight: f32,
}

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
        let follows = self.last.is_some_and(|last| row.follows(last));
        if row.before == 0 || !follows {
            *self = Self { is_whole: row.before == 0, ..Self::default() };
        }
        self.last = Some(row);
        self.windows = self.windows.saturating_add(1);
        self.state.roll(Window { count: row.counted, burst: row.counted_burst });
        let features = self.state.features(answers(row));
        After { features, base: self.state.base(), is_whole: self.is_whole, windows: self.windows }
    }
}

/// What was known of a client after each of its windows; these are one
/// client's, in the order of time.
pub fn after_each<'r>(rows: &'r [WindowRow]) -> impl Iterator<Item = After> + use<'r> {
    let mut past = Past::default();
    rows.iter().map(move |row| past.take(row))
}

/// A client's windows of whose past enough is known.
pub fn recorded(rows: &[WindowRow]) -> impl Iterator<Item = Recorded> {
    let pairs = after_each(rows).zip(rows).zip(rows.iter().skip(1));
    pairs.filter_map(|((after, row), next)| {
        let is_known = after.is_whole && next.before >= openclaw_admission::WINDOWS_MIN;
        let is_enough = is_known || after.windows >= WINDOWS_FORGOTTEN;
        (is_enough && next.follows(row)).then(|| of(&after, next))
    })
}

fn of(after: &After, row: &WindowRow) -> Recorded {
    let logs = |window: Window| [log1pf(window.count), log1pf(window.burst)];
    Recorded {
        known: Known { features: after.features, base: after.base, needed: logs(Ticks(row.ticks).window()) },
        counted: logs(Window { count: row.counted, burst: row.counted_burst }),
        answers: answers(row),
        at_ms: row.at_ms,
        weight: row.weight,
    }
}

fn answers(row: &WindowRow) -> Answers {
    Answers::of(row.answered, row.own_faults, row.latency)
}
