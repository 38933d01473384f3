//! What serving would have taken in of windows that nobody has served.

use crate::extract::{begins, counted};
use openclaw_admission::{
    Bounds, ClientState, Correction, Grant, Heard, Hold, PLAIN_OUTPUT, Plain, Predictor as _, RateSettings,
    Ticks,
};
use openclaw_telemetry::WindowRow;

/// Share of windows that a client's limit is to cover.
const COVERAGE: f32 = 0.99;
/// Hardly any: a policy's own aren't recorded.
const BOUNDS: Bounds = Bounds {
    headroom: 1.0,
    floor: RateSettings { rate_per_s: 0.05, burst: 1 },
    ceiling: RateSettings { rate_per_s: 1e15, burst: u32::MAX },
};

/// Clips those of a client's windows that nobody has served (`is_made_up`) as
/// serving does with the plain estimator. The others count as recorded.
pub(super) fn count(rows: &mut [WindowRow], is_made_up: impl Fn(usize) -> bool) {
    let correction = Correction { coverage: COVERAGE, range: Plain.correction_range() };
    let mut state = ClientState::default();
    for at in 0..rows.len() {
        if begins(&rows[at], rows[..at].last()) {
            state = ClientState::default();
        }
        let row = &mut rows[at];
        let unheld = !state.is_known() || !is_made_up(at);
        let bucket = match unheld {
            true => BOUNDS.ceiling,
            false => state.allowance(state.advised(), &BOUNDS, Hold::default()),
        };
        state.hear(Heard::new(row.answered.into(), row.own_faults.into(), libm::expf(row.latency)));
        let grant = Grant { bucket, is_strained: row.is_strained };
        if is_made_up(at) {
            let (_, took) = state.end(Ticks(row.ticks).window(), correction, grant);
            (row.counted, row.counted_burst) = (took.count, took.burst);
        } else {
            state.end(counted(row), correction, grant);
        }
        state.take_heard();
        state.predicted([PLAIN_OUTPUT; 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::service::{recorded, unanswered};
    use super::*;
    use crate::Random;
    use openclaw_admission::TICKS;

    #[test]
    fn hardly_anything_of_honest_windows_is_clipped() {
        let mut rows = recorded(400);
        let asked = |row: &WindowRow| row.ticks.iter().sum::<u32>() as f32;
        count(&mut rows, |_| true);
        let clipped = rows.iter().filter(|row| row.counted < asked(row)).count();
        assert!(clipped < 4, "{clipped} of 400");
    }

    #[test]
    fn a_flood_counts_as_far_as_it_is_let_in() {
        let mut rows = recorded(200);
        let before = rows.clone();
        for row in &mut rows[100..110] {
            row.ticks = [2_000; TICKS];
        }
        count(&mut rows, |at| (100..110).contains(&at));
        assert_eq!((&rows[..100], &rows[110..]), (&before[..100], &before[110..]), "counts as recorded");
        let usual = 20.0 * TICKS as f32;
        assert!(rows[100].counted < 4.0 * usual, "{}", rows[100].counted);
        assert!(rows[109].counted < 12.0 * usual && rows[109].counted > rows[100].counted);
        // With faults of its own it isn't believed at all.
        for row in &mut rows[100..110] {
            (row.answered, row.own_faults) = (1_000, 400);
        }
        count(&mut rows, |at| (100..110).contains(&at));
        assert!(rows[109].counted < 1.5 * usual, "{}", rows[109].counted);
    }

    /// A client that begins anew is let in until something is known of it.
    #[test]
    fn nothing_is_clipped_of_whom_nobody_knows() {
        let mut random = Random::new(1);
        let mut rows: Vec<WindowRow> =
            (0..8).map(|at| unanswered([u32::MAX; TICKS], at, &mut random)).collect();
        count(&mut rows, |_| true);
        assert!(rows.iter().all(|row| row.counted > 5e10), "{rows:?}");
    }
}
