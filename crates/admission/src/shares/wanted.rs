//! How large a share the demand asks for.

use super::{Share, WHOLE};

/// A thirty-second of the limit is kept apart in equal parts, so that whoever
/// gets its first request while others have all the demand isn't at nothing.
const KEPT_APART: u32 = 32;

/// The share of who has `own` of the demand, the others `others`.
pub(super) fn share(own: u64, others: u64, replicas: u32) -> Share {
    let replicas = replicas.max(1);
    let all = u128::from(own) + u128::from(others);
    if all == 0 {
        return Share::among(replicas);
    }
    let least = WHOLE / KEPT_APART / replicas;
    let rest = u128::from(WHOLE - least * replicas);
    Share(least + (rest * u128::from(own) / all) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_all_want_is_never_more_than_the_whole(demands in prop::collection::vec(0_u64..1 << 40, 1..40)) {
            let all: u64 = demands.iter().sum();
            let wanted = demands.iter().map(|own| share(*own, all - own, demands.len() as u32));
            let sum: u32 = wanted.map(Share::parts).sum();
            prop_assert!(sum <= WHOLE);
            prop_assert!(sum >= WHOLE - 2 * demands.len() as u32, "{}", sum);
        }
    }

    #[test]
    fn who_has_all_the_demand_gets_nearly_all() {
        assert_eq!(share(5, 0, 1), Share::WHOLE);
        assert_eq!(share(0, 5, 4).parts(), 7812);
        assert_eq!(share(5, 0, 4).parts(), 976_564);
        assert_eq!(share(3, 3, 2), Share::among(2));
    }
}
