//! A notification's alerts as Alertmanager orders and sums them up.

use crate::situation::is_over;
use openclaw_alert::codec::Reader;
use openclaw_alert::{Content, Labels, Notification, NotifiedAlert, Status, Zoned};
use std::cmp::Ordering;

/// An alert beside its decoded content.
#[derive(Clone, Copy)]
pub(crate) struct View<'n> {
    pub(crate) alert: &'n NotifiedAlert,
    pub(crate) content: Content<'n>,
    job_and_instance: [Option<&'n [u8]>; 2],
    label_count: usize,
}

impl<'n> View<'n> {
    fn of(alert: &'n NotifiedAlert) -> Self {
        let content = alert.view();
        let mut view = Self { alert, content, job_and_instance: [None; 2], label_count: 0 };
        let mut reader = Reader::new(content.labels.as_bytes());
        while let (Ok(name), Ok(value)) = (reader.bytes(), reader.bytes()) {
            view.label_count += 1;
            match name {
                b"job" => view.job_and_instance[0] = Some(value),
                b"instance" => view.job_and_instance[1] = Some(value),
                _ => {}
            }
        }
        view
    }

    /// Its name, or what stands for it.
    pub(crate) fn name(&self) -> &'n str {
        match self.content.labels.get("alertname") {
            "" => "alert",
            name => name,
        }
    }

    /// What it is doing, and since when.
    pub(crate) fn state(&self) -> (&'static str, Zoned) {
        match self.alert.status {
            Status::Firing => ("Firing", self.alert.starts_at),
            Status::Resolved => ("Resolved", self.alert.ends_at),
        }
    }

    /// What its author says of it.
    pub(crate) fn told(&self) -> Option<&'n str> {
        let annotations = self.content.annotations;
        let told = ["summary", "description", "message"].map(|name| annotations.get(name));
        told.into_iter().find(|text| !text.is_empty())
    }

    /// Labels that are not the group's.
    pub(crate) fn own_labels<'g>(
        &self,
        group: Labels<'g>,
    ) -> impl Iterator<Item = (&'n str, &'n str)> + use<'n, 'g> {
        let all = self.content.labels.iter();
        all.filter(move |(name, value)| *name != "alertname" && group.get(name) != *value)
    }

    /// Where it leads, and what is there; any text may stand for an address.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&'n str, &'static str)> + use<'n> {
        let annotation = |name| self.content.annotations.get(name);
        [
            (self.content.generator_url, "Source"),
            (annotation("runbook_url"), "Runbook"),
            (annotation("dashboard_url"), "Dashboard"),
        ]
        .into_iter()
    }

    /// By job, instance, then labels.
    fn order(&self, other: &Self) -> Ordering {
        let pairs = self.job_and_instance.iter().zip(&other.job_and_instance);
        let by_place = pairs.map(|(a, b)| absent_last(*a, *b)).find(|order| order.is_ne());
        by_place
            .unwrap_or_else(|| self.label_count.cmp(&other.label_count))
            .then_with(|| by_labels(self.content.labels, other.content.labels))
    }
}

/// The alerts by job, instance, then labels.
pub(crate) fn ordered(notification: &Notification) -> Vec<View<'_>> {
    let mut views: Vec<_> = notification.alerts.iter().map(View::of).collect();
    views.sort_by(View::order);
    views
}

/// The alerts as people read them: firing first, then the higher score.
pub(crate) fn by_urgency(notification: &Notification) -> Vec<View<'_>> {
    with_last(notification, |alert| alert.status == Status::Resolved)
}

/// The same for tools that follow what people do: what a person said to be
/// over comes last as well.
pub(crate) fn open_first(notification: &Notification) -> Vec<View<'_>> {
    with_last(notification, is_over)
}

fn with_last(notification: &Notification, is_last: fn(&NotifiedAlert) -> bool) -> Vec<View<'_>> {
    let mut views = ordered(notification);
    views.sort_by(|a, b| {
        let by_score = b.alert.score.value().total_cmp(&a.alert.score.value());
        is_last(a.alert).cmp(&is_last(b.alert)).then(by_score)
    });
    views
}

fn absent_last(a: Option<&[u8]>, b: Option<&[u8]>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// Two sets of equally many labels: at the first name that only one has, the
/// other is first; at the first value that differs, the smaller is.
fn by_labels(a: Labels<'_>, b: Labels<'_>) -> Ordering {
    let (mut a, mut b) = (Reader::new(a.as_bytes()), Reader::new(b.as_bytes()));
    while let (Ok(name_a), Ok(value_a), Ok(name_b), Ok(value_b)) =
        (a.bytes(), a.bytes(), b.bytes(), b.bytes())
    {
        let order = name_b.cmp(name_a).then_with(|| value_a.cmp(value_b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// The pairs that all sets have, encoded.
pub(crate) fn common<'n>(sets: impl Iterator<Item = Labels<'n>>) -> Vec<u8> {
    Labels::shared(sets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{alert, page};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    type Set = BTreeMap<&'static str, &'static str>;

    fn set() -> impl Strategy<Value = Set> {
        let name = prop::sample::select(vec!["a", "b", "c", "instance", "job", "z"]);
        prop::collection::btree_map(name, prop::sample::select(vec!["1", "2", "10"]), 0..5)
    }

    fn encoded(sets: &[Set]) -> Notification {
        let pairs = |set: &Set| set.iter().map(|(n, v)| (*n, *v)).collect::<Vec<_>>();
        page(sets.iter().map(|set| alert(&pairs(set), &[])).collect())
    }

    /// Alertmanager's own way of saying which of two alerts comes first.
    fn is_before(a: &Set, b: &Set) -> bool {
        for name in ["job", "instance"] {
            match (a.get(name), b.get(name)) {
                (None, None) => {}
                (None, Some(_)) => return false,
                (Some(_), None) => return true,
                (Some(a), Some(b)) if a != b => return a < b,
                _ => {}
            }
        }
        if a.len() != b.len() {
            return a.len() < b.len();
        }
        let names: BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for name in names {
            match (a.get(*name), b.get(*name)) {
                (None, _) => return true,
                (_, None) => return false,
                (Some(a), Some(b)) if a != b => return a < b,
                _ => {}
            }
        }
        false
    }

    fn labels(view: &View<'_>) -> Vec<(String, String)> {
        view.content.labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    proptest! {
        #[test]
        fn order_is_alertmanagers(sets in prop::collection::vec(set(), 0..8)) {
            let notification = encoded(&sets);
            let ours: Vec<_> = ordered(&notification).iter().map(labels).collect();
            let mut left = sets;
            for found in ours {
                let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                let first = left.iter().position(|set| !left.iter().any(|other| is_before(other, set))).unwrap();
                let want: Vec<_> = left.remove(first).into_iter().collect();
                prop_assert_eq!(found, want);
            }
        }

        #[test]
        fn common_is_what_every_set_has(sets in prop::collection::vec(set(), 0..5)) {
            let notification = encoded(&sets);
            let shared = common(notification.alerts.iter().map(|alert| alert.view().labels));
            let ours: Vec<_> = Labels::from_encoded(&shared).iter().collect();
            let first = sets.first().cloned().unwrap_or_default();
            let want: Vec<_> =
                first.into_iter().filter(|(n, v)| sets.iter().all(|set| set.get(n) == Some(v))).collect();
            prop_assert_eq!(ours, want);
        }
    }
}
