//! The order of alerts in a group, as Alertmanager has it.

use openclaw_alert::Labels;
use std::cmp::Ordering;

/// By `job`, then by `instance`, who lacks it last; then as label sets.
pub(super) fn compare(left: Labels<'_>, right: Labels<'_>) -> Ordering {
    by_value(left, right, "job")
        .then_with(|| by_value(left, right, "instance"))
        .then_with(|| by_labels(left, right))
}

/// No label has the empty value.
fn by_value(left: Labels<'_>, right: Labels<'_>, name: &str) -> Ordering {
    let (left, right) = (left.get(name), right.get(name));
    left.is_empty().cmp(&right.is_empty()).then(left.cmp(right))
}

/// The fewer labels first, then name by name: who lacks the first name that
/// one of them lacks comes first.
fn by_labels(left: Labels<'_>, right: Labels<'_>) -> Ordering {
    let by_count = left.iter().count().cmp(&right.iter().count());
    let mut pairs = left.iter().zip(right.iter());
    let first = pairs.find_map(|(one, other)| match one.0.cmp(other.0) {
        Ordering::Equal if one.1 == other.1 => None,
        Ordering::Equal => Some(one.1.cmp(other.1)),
        name => Some(name.reverse()),
    });
    by_count.then(first.unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::LabelsBuilder;

    #[test]
    fn jobs_go_before_instances_before_the_rest() {
        let in_order: [&[(&str, &str)]; 8] = [
            &[("a", "z"), ("instance", "1"), ("job", "api")],
            &[("a", "b"), ("instance", "2"), ("job", "api")],
            &[("job", "api")],
            &[("a", "b"), ("job", "api")],
            &[("a", "z"), ("instance", "1")],
            &[("a", "1")],
            &[("a", "2")],
            &[("a", "1"), ("b", "1")],
        ];
        let encoded: Vec<_> =
            in_order.iter().map(|pairs| LabelsBuilder::encode(pairs.iter().copied())).collect();
        for (i, left) in encoded.iter().enumerate() {
            for (j, right) in encoded.iter().enumerate() {
                let got = compare(Labels::from_encoded(left), Labels::from_encoded(right));
                assert_eq!(got, i.cmp(&j), "{:?} {:?}", in_order[i], in_order[j]);
            }
        }
    }
}
