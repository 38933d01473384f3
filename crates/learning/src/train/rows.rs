//! What is learned from.

use openclaw_admission::{Base, FEATURES, Features, OUTPUTS};

/// Targets beyond this many scales are taken for it.
pub const TARGET_MAX: f32 = 30.0;

/// A client's window: what was known before it and what it needed, in 52 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Known before.
    pub features: Features,
    /// What the outputs should have covered, in scales from the centre.
    pub target: [f32; OUTPUTS],
    /// How much it counts.
    pub weight: f32,
}

impl Row {
    /// Of a window that needed ln(1 + tokens) and ln(1 + burst). Clients that
    /// hardly stray weigh less: an error of theirs in scales is a small one.
    #[must_use]
    pub fn new(features: Features, base: Base, needed: [f32; OUTPUTS]) -> Self {
        let target = std::array::from_fn(|output| {
            let target = (needed[output] - base.centre[output]) / base.scale[output];
            target.clamp(-TARGET_MAX, TARGET_MAX)
        });
        Self { features, target, weight: (0.5 * (base.scale[0] + base.scale[1])).min(1.0) }
    }

    pub(super) fn is_finite(&self) -> bool {
        self.features.iter().chain(&self.target).all(|number| number.is_finite())
            && self.weight.is_finite()
            && self.weight >= 0.0
    }

    fn numbers(&self) -> impl Iterator<Item = f32> {
        self.features.into_iter().chain(self.target).chain([self.weight])
    }
}

/// Tells other rows from these.
pub(super) fn hash(rows: &[Row]) -> u64 {
    // FNV-1a over words: rows aren't made up by anybody who would gain by a collision.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ rows.len() as u64;
    for number in rows.iter().flat_map(Row::numbers) {
        hash = (hash ^ u64::from(number.to_bits())).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

const _: () = assert!(size_of::<Row>() == 4 * (FEATURES + OUTPUTS + 1));
