//! What came in each tick of the window that is running.

/// Ticks in a window.
pub const TICKS: usize = 12;

/// Counts of a window's ticks in two bytes each: exact up to 65 535, beyond
/// that to one part in 32 768 of the largest.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    counts: [u16; TICKS],
    shift: u8,
    /// Negative while the first window waits for its turn.
    filled: i8,
}

/// Tokens asked for in each tick of a window: exact up to 65 535 a tick,
/// beyond that to one part in 32 768 of the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticks(pub [u32; TICKS]);

impl Ticks {
    /// What the window came to.
    #[must_use]
    pub fn window(&self) -> Window {
        Window::of(self.0.map(|count| count as f32))
    }
}

/// A window that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Tokens asked for.
    pub count: f32,
    /// Depth of the bucket that would have let all of it through, were it
    /// refilled at the window's own mean.
    pub burst: f32,
}

impl Tally {
    /// Begins to count after that many ticks, so that windows of different
    /// clients end at different ticks.
    pub(super) fn after(ticks: u8) -> Self {
        Self { filled: -((ticks as usize % TICKS) as i8), ..Self::default() }
    }

    /// Counts one tick. Gives all of the window's when it is its last.
    pub(super) fn tick(&mut self, count: u32) -> Option<Ticks> {
        let at = usize::try_from(self.filled).ok();
        self.filled += 1;
        let at = at?;
        while count >> self.shift > u32::from(u16::MAX) {
            self.shift += 1;
            self.counts.iter_mut().for_each(|count| *count >>= 1);
        }
        self.counts[at] = (count >> self.shift) as u16;
        (at + 1 == TICKS).then(|| self.end())
    }

    /// What the running window has counted so far, and its ticks.
    pub(super) fn so_far(&self) -> (f32, usize) {
        let ticks = usize::try_from(self.filled).unwrap_or(0);
        let sum: u32 = self.counts[..ticks].iter().map(|count| u32::from(*count)).sum();
        (sum as f32 * self.unit(), ticks)
    }

    /// Whether ticks are counted, and not only waited for.
    pub(super) fn has_begun(&self) -> bool {
        self.filled >= 0
    }

    fn unit(&self) -> f32 {
        (1_u32 << self.shift) as f32
    }

    fn end(&mut self) -> Ticks {
        let Self { counts, shift, .. } = std::mem::take(self);
        Ticks(counts.map(|count| u32::from(count) << shift))
    }
}

impl Window {
    /// From what came in each tick.
    #[must_use]
    pub fn of(ticks: [f32; TICKS]) -> Self {
        let count: f32 = ticks.iter().sum();
        let refill = count / TICKS as f32;
        let (mut owed, mut burst) = (0.0_f32, 0.0_f32);
        for came in ticks {
            owed = (owed - refill).max(0.0) + came;
            burst = burst.max(owed);
        }
        Self { count, burst }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_window_is_as_if_counted_in_full(
            counts in prop::array::uniform12(prop_oneof![0_u32..100, 0_u32..70_000, 0_u32..u32::MAX]),
            wait in 0_u8..12,
        ) {
            let mut tally = Tally::after(wait);
            for _ in 0..wait {
                prop_assert_eq!(tally.tick(7), None);
            }
            let ended = counts.iter().filter_map(|count| tally.tick(*count));
            let windows: Vec<Window> = ended.map(|ticks| ticks.window()).collect();
            let exact = Window::of(counts.map(|count| count as f32));
            prop_assert_eq!(windows.len(), 1);
            let largest = *counts.iter().max().unwrap();
            let tolerance = if largest <= u32::from(u16::MAX) { 1e-6 } else { 12.0 / 32_768.0 };
            prop_assert!((windows[0].count - exact.count).abs() <= tolerance * exact.count);
            prop_assert!((windows[0].burst - exact.burst).abs() <= tolerance * exact.count);
            prop_assert_eq!(tally, Tally::default());
        }
    }
}
