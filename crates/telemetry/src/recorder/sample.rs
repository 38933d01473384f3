//! Fewer rows than come, with weights so that sums stay right on average.

use crate::rows::{ClientId, ObservationRow};
use openclaw_alert::Timestamp;
use std::num::NonZeroU32;

/// How long it is counted before it is judged how many clients there is room for.
const PERIOD_MS: i64 = 10_000;
/// One client in so many at least, as a power of two.
const HALVINGS_MAX: u32 = 20;

/// Numbers that nobody needs to guess.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64, brought below `end` by multiplication.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let word = word ^ (word >> 31);
        ((u128::from(word) * u128::from(end)) >> 64) as u64
    }
}

/// A tenant's observations of one second: each as likely to be kept as any other.
#[derive(Debug, Default)]
pub(super) struct Reservoir {
    kept: Vec<ObservationRow>,
    seen: u64,
}

impl Reservoir {
    /// Tells whether one more row is held now.
    pub(super) fn take(&mut self, row: ObservationRow, max: NonZeroU32, dice: &mut Dice) -> bool {
        self.seen += 1;
        if self.kept.len() < max.get() as usize {
            self.kept.push(row);
            return true;
        }
        if let Ok(at) = usize::try_from(dice.below(self.seen))
            && let Some(kept) = self.kept.get_mut(at)
        {
            *kept = row;
        }
        false
    }

    /// The rows, and how many are not among them.
    pub(super) fn empty(&mut self) -> (impl Iterator<Item = ObservationRow> + use<>, u64) {
        let Self { kept, seen } = std::mem::take(self);
        let weight = seen as f32 / kept.len().max(1) as f32;
        let left = seen - kept.len() as u64;
        (kept.into_iter().map(move |row| ObservationRow { weight, ..row }), left)
    }
}

/// Which of a tenant's clients are kept: always the same ones, so that their
/// windows follow one another.
#[derive(Debug, Default)]
pub(super) struct Clients {
    halvings: u32,
    kept: u64,
    since_ms: i64,
}

impl Clients {
    /// What a client's window stands for; nothing where it isn't kept.
    pub(super) fn weight(&mut self, client: ClientId, max: NonZeroU32, now: Timestamp) -> Option<f32> {
        let room = u64::from(max.get()) * (PERIOD_MS as u64 / 1000);
        if self.kept >= 2 * room {
            self.halve();
        }
        if (now.millis() - self.since_ms).unsigned_abs() >= PERIOD_MS.unsigned_abs() {
            self.since_ms = now.millis();
            match self.kept {
                kept if kept > room => self.halve(),
                kept if kept < room / 4 => self.halvings = self.halvings.saturating_sub(1),
                _ => {}
            }
            self.kept = 0;
        }
        let is_kept = u64::from(client.place()) << self.halvings < 1 << 32;
        is_kept.then(|| {
            self.kept += 1;
            (1_u32 << self.halvings) as f32
        })
    }

    fn halve(&mut self) {
        self.halvings = (self.halvings + 1).min(HALVINGS_MAX);
        self.kept = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ms: f32) -> ObservationRow {
        ObservationRow {
            client_id: "c".into(),
            at_ms: 0,
            response_time_ms: ms,
            status_code: 200,
            weight: 0.0,
        }
    }

    /// Whatever the order, sums are right on average, and each row is kept as
    /// often as any other.
    #[test]
    fn sums_of_sampled_observations_are_unbiased() {
        let (max, mut dice) = (NonZeroU32::new(20).unwrap(), Dice::new(7));
        let (rounds, rows) = (20_000_u32, 100_u32);
        let (mut sum, mut kept) = (0.0_f64, vec![0_u32; rows as usize]);
        let mut reservoir = Reservoir::default();
        for _ in 0..rounds {
            for at in 0..rows {
                let _ = reservoir.take(row(at as f32), max, &mut dice);
            }
            let (sampled, left) = reservoir.empty();
            assert_eq!(left, 80);
            for row in sampled {
                assert_eq!(row.weight, 5.0);
                sum += f64::from(row.response_time_ms * row.weight);
                kept[row.response_time_ms as usize] += 1;
            }
        }
        let exact = f64::from(rows * (rows - 1) / 2);
        let mean = sum / f64::from(rounds);
        // The mean of 20 000 strays by 1.5 parts in 10 000.
        assert!((mean / exact - 1.0).abs() < 1e-3, "{mean} for {exact}");
        // Of 4000 expected each, 57 is one deviation.
        let (least, most) = (kept.iter().min().unwrap(), kept.iter().max().unwrap());
        assert!(*least > 3700 && *most < 4300, "{least} {most}");
    }

    #[test]
    fn what_there_is_room_for_stands_for_itself() {
        let (max, mut dice) = (NonZeroU32::new(3).unwrap(), Dice::new(7));
        let mut reservoir = Reservoir::default();
        assert!((0..3).all(|at| reservoir.take(row(at as f32), max, &mut dice)));
        let (rows, left) = reservoir.empty();
        assert_eq!(left, 0);
        assert_eq!(
            rows.map(|row| (row.response_time_ms, row.weight)).collect::<Vec<_>>(),
            [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)]
        );
        assert_eq!(reservoir.empty().0.count(), 0);
    }

    /// 16 000 clients with a window each twelve seconds, and room for 100 rows
    /// a second: the same clients are kept, and stand for all.
    #[test]
    fn windows_are_kept_of_the_same_clients() {
        let max = NonZeroU32::new(100).unwrap();
        let mut clients = Clients::default();
        let windows = |clients: &mut Clients, seconds: std::ops::Range<i64>| {
            let mut kept = Vec::new();
            for second in seconds {
                let now = Timestamp::from_secs(second);
                let of_second = (0..16_000_u64).filter(|client| client % 12 == second as u64 % 12);
                let ids = of_second
                    .map(|client| ClientId(client.wrapping_mul(0xdead_beef_9871) & 0xffff_ffff_ffff));
                kept.extend(ids.filter_map(|id| clients.weight(id, max, now).map(|weight| (id, weight))));
            }
            kept
        };
        windows(&mut clients, 0..240);
        let first = windows(&mut clients, 240..252);
        let second = windows(&mut clients, 252..264);
        let ids = |rows: &[(ClientId, f32)]| {
            let mut ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(ids(&first), ids(&second));
        assert!(first.len() <= 1200, "{}", first.len());
        let stood_for: f32 = first.iter().map(|(_, weight)| weight).sum();
        assert!((stood_for / 16_000.0 - 1.0).abs() < 0.1, "{stood_for}");
        // Fewer come: all are kept again.
        let few = |clients: &mut Clients, second| {
            clients.weight(ClientId(second as u64 * 77), max, Timestamp::from_secs(second))
        };
        for second in 264..400 {
            let _ = few(&mut clients, second);
        }
        assert_eq!(few(&mut clients, 400), Some(1.0));
    }
}
