//! Whose limits the model on trial sets.

use openclaw_limiter::Key;

/// Groups that clients fall into: each is as good as one draw from all of
/// them, however unlike clients are among themselves.
pub const CLUSTERS: usize = 1024;

/// A part of the clients, in whole clusters; a larger part has all of a
/// smaller one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Part(u16);

impl Part {
    /// Nobody: predictions are made and compared, none is enforced.
    pub const NOBODY: Self = Self(0);
    /// Everybody.
    pub const EVERYBODY: Self = Self(CLUSTERS as u16);

    /// The nearest part that is at least that.
    #[must_use]
    pub fn of_percent(percent: f64) -> Self {
        Self((percent / 100.0 * CLUSTERS as f64).ceil().clamp(0.0, CLUSTERS as f64) as u16)
    }

    /// Whether a cluster is in it.
    #[must_use]
    pub fn has(self, cluster: usize) -> bool {
        cluster < usize::from(self.0)
    }
}

/// The cluster of a client in the trial that has that salt.
pub(super) fn cluster_of(key: Key, salt: u64) -> usize {
    let mut mixed = key.word() ^ salt;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 54) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_part_has_all_of_a_smaller() {
        let parts = [0.0, 5.0, 25.0, 50.0, 100.0].map(Part::of_percent);
        assert_eq!((parts[0], parts[4]), (Part::NOBODY, Part::EVERYBODY));
        for cluster in 0..CLUSTERS {
            let within = parts.map(|part| part.has(cluster));
            assert!(within.is_sorted(), "{cluster}: {within:?}");
        }
        assert_eq!((0..CLUSTERS).filter(|cluster| parts[1].has(*cluster)).count(), 52);
    }
}
