//! What is remembered of a client that learns.

use super::answers::{Answers, Heard};
use super::features::Base;
use super::habit::Habit;
use super::sums::{Decided, Sums};
use super::tally::{Tally, Ticks, Window};
use libm::{expm1f, log1pf};
use openclaw_limiter::Key;

/// Windows after which a client is known well enough to be advised.
pub const WINDOWS_MIN: u8 = 8;
/// Windows over which the slow level comes to rest; more of them aren't counted.
pub const WINDOWS_COUNTED: u8 = 100;
/// Steps of the history's older part; the newest windows are kept exactly.
const STEPS: f32 = 2048.0;

/// A client, in 120 bytes: levels and deviations in log space, the last six
/// windows, what was advised, what it is used to, the ticks of the window that
/// is running and what was decided in it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientState {
    rate: f32,
    rate_fast: f32,
    rate_slow: f32,
    burst: f32,
    burst_fast: f32,
    level: f32,
    advised: [f32; 2],
    correction: [f32; 2],
    last: [f32; 2],
    before_last: f32,
    habit: Habit,
    older_rate: [u16; 4],
    older_burst: [u16; 5],
    heard: Heard,
    tally: Tally,
    sums: Sums,
    windows: u8,
    /// A byte of the client's key: whose line has become another's without a
    /// word begins anew.
    owner: u8,
}

impl Default for ClientState {
    fn default() -> Self {
        Self::starting_after(0)
    }
}

impl ClientState {
    /// Of a client that nothing is known of; its first window begins after
    /// that many ticks.
    #[must_use]
    pub fn starting_after(ticks: u8) -> Self {
        Self {
            rate: 0.0,
            rate_fast: 0.3,
            rate_slow: 0.3,
            burst: 0.0,
            burst_fast: 0.3,
            level: 0.0,
            advised: [0.0; 2],
            correction: [0.0; 2],
            last: [0.0; 2],
            before_last: 0.0,
            older_rate: [0; 4],
            older_burst: [0; 5],
            heard: Heard::default(),
            tally: Tally::after(ticks),
            sums: Sums::default(),
            habit: Habit::default(),
            windows: 0,
            owner: 0,
        }
    }

    /// Counts what came in one tick. Gives all of the window's when it is its
    /// last.
    pub fn tick(&mut self, count: u32) -> Option<Ticks> {
        self.tally.tick(count)
    }

    /// Counts what was decided in one tick.
    pub(super) fn decide(&mut self, decided: Decided) {
        if self.tally.has_begun() {
            self.sums.add(decided);
        }
    }

    /// What was decided in the window; the next begins with nothing.
    pub(super) fn take_decided(&mut self) -> Decided {
        std::mem::take(&mut self.sums).decided()
    }

    /// Takes in answers that the client has got within the running window.
    pub fn hear(&mut self, answers: Heard) {
        self.heard = self.heard.and(answers);
    }

    /// What the answers of the running window were like so far.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.heard.answers()
    }

    /// The answers of the window; the next begins with none.
    pub fn take_heard(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }

    /// Takes in a window that has ended.
    pub fn roll(&mut self, window: Window) {
        let now = [log1pf(window.count), log1pf(window.burst)];
        if self.windows == 0 {
            self.begin(now);
        } else {
            self.shift(now);
        }
        self.windows = (self.windows + 1).min(WINDOWS_COUNTED);
        self.level += (1.0 / (f32::from(self.windows) + 1.0)).max(0.01) * (now[0] - self.level);
        self.habit.roll(window.count);
        let off = now[0] - self.rate;
        self.rate_fast += 0.1 * (off.abs() - self.rate_fast);
        self.rate_slow += 0.02 * (off.abs() - self.rate_slow);
        self.rate += 0.3 * off;
        let off = now[1] - self.burst;
        self.burst_fast += 0.1 * (off.abs() - self.burst_fast);
        self.burst += 0.3 * off;
    }

    fn begin(&mut self, now: [f32; 2]) {
        (self.rate, self.burst, self.level) = (now[0], now[1], now[0]);
        (self.last, self.before_last) = (now, now[0]);
        self.habit = Habit::begin(expm1f(now[0]));
        self.older_rate = [packed(now[0]); 4];
        self.older_burst = [packed(now[1]); 5];
    }

    fn shift(&mut self, now: [f32; 2]) {
        self.older_rate.rotate_right(1);
        self.older_rate[0] = packed(self.before_last);
        self.older_burst.rotate_right(1);
        self.older_burst[0] = packed(self.last[1]);
        self.before_last = self.last[0];
        self.last = now;
    }

    /// Where the client is and how far it strays.
    #[must_use]
    pub fn base(&self) -> Base {
        let rate_scale = 0.5 * (self.rate_fast + self.rate_slow) + 0.03;
        Base { centre: [self.rate, self.burst], scale: [rate_scale, self.burst_fast + 0.05] }
    }

    /// ln(1 + tokens) of the last window and of its burst.
    #[must_use]
    pub fn last(&self) -> [f32; 2] {
        self.last
    }

    pub(super) fn level(&self) -> f32 {
        self.level
    }

    pub(super) fn before_last(&self) -> f32 {
        self.before_last
    }

    /// The largest of the last six windows.
    pub(super) fn max6(&self) -> [f32; 2] {
        let largest = |older: &[u16]| older.iter().copied().max().map_or(0.0, unpacked);
        [
            largest(&self.older_rate).max(self.last[0]).max(self.before_last),
            largest(&self.older_burst).max(self.last[1]),
        ]
    }

    /// Tokens a tick that the client has used for long.
    #[must_use]
    pub fn past_use(&self) -> f32 {
        expm1f(self.level) / super::TICKS as f32
    }

    /// Tokens a tick that the client is used to: all but a twentieth of its
    /// windows stay within.
    #[must_use]
    pub fn usual(&self) -> f32 {
        self.habit.usual()
    }

    pub(super) fn habit(&self) -> Habit {
        self.habit
    }

    pub(super) fn habit_mut(&mut self) -> &mut Habit {
        &mut self.habit
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard
    }

    /// Windows that have been taken in, up to a hundred.
    #[must_use]
    pub fn windows(&self) -> u8 {
        self.windows
    }

    /// What was advised for the running window, in log space.
    #[must_use]
    pub fn advised(&self) -> [f32; 2] {
        self.advised
    }

    pub(super) fn advise(&mut self, advised: [f32; 2]) {
        self.advised = advised;
    }

    /// How far outputs are corrected, in scales.
    #[must_use]
    pub fn correction(&self) -> [f32; 2] {
        self.correction
    }

    pub(super) fn correction_mut(&mut self) -> &mut [f32; 2] {
        &mut self.correction
    }

    /// What the running window has counted so far, and its ticks.
    #[must_use]
    pub fn so_far(&self) -> (f32, usize) {
        self.tally.so_far()
    }

    /// Whether nothing came in the last two windows.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.windows >= 2 && self.last[0] == 0.0 && self.before_last == 0.0
    }

    /// Begins anew unless it is this client's already; tells whether it did.
    pub(super) fn belong_to(&mut self, key: Key) -> bool {
        let is_new = !self.belongs_to(key);
        if is_new {
            *self = Self { owner: owner(key), ..Self::starting_after(phase(key)) };
        }
        is_new
    }

    /// Whether it is this client's.
    pub(super) fn belongs_to(&self, key: Key) -> bool {
        self.owner == owner(key)
    }

    /// Puts another prediction in the place of the one that is in force.
    pub(super) fn adopt(&mut self, advised: [f32; 2], correction: [f32; 2]) {
        (self.advised, self.correction) = (advised, correction);
    }
}

fn owner(key: Key) -> u8 {
    (key.word() >> 8) as u8
}

/// Ticks after which a client's first window begins.
fn phase(key: Key) -> u8 {
    ((key.word() >> 32) % super::TICKS as u64) as u8
}

fn packed(log: f32) -> u16 {
    (log * STEPS + 0.5) as u16
}

fn unpacked(packed: u16) -> f32 {
    f32::from(packed) / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_takes_120_bytes() {
        assert!(size_of::<ClientState>() <= 120, "{}", size_of::<ClientState>());
    }
}
