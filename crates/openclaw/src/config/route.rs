//! The route of a tenant's file, in Alertmanager's words.

use super::problem::Problem;
use super::read::{At, Context, Field, Later, section};
use super::receivers;
use super::units::format_duration;
use super::values::{Fraction, Span, Text};
use openclaw_routing::{GroupBy, Route};
use std::sync::Arc;
use std::time::Duration;

const GROUP_LABELS_MAX: usize = 64;
const YEAR: Duration = Duration::from_secs(365 * 86_400);

section! {
    /// Who is told, and how alerts are grouped.
    RouteSection {
        /// A receiver by name.
        receiver: Text,
        /// Labels whose values make alerts one group; `['...']` for all. Default: one group for all alerts.
        group_by: Vec<At<Text>>,
        /// How long a new group waits for more alerts. Default `30s`.
        group_wait: Span,
        /// How long after a notification the next may follow. Default `5m`.
        group_interval: Span,
        /// How long until a group that still fires is told again. Default `4h`.
        repeat_interval: Span,
        /// Alerts below this score don't take the route. Only 0 so far.
        min_score: Fraction,
        #[schemars(skip)]
        routes: Later,
        #[schemars(skip)]
        matchers: Later,
        #[schemars(skip)]
        mute_time_intervals: Later,
        #[schemars(skip)]
        active_time_intervals: Later,
    }
}

/// The route; `receivers` are the names that are defined.
pub(super) fn checked(
    section: At<RouteSection>,
    receivers: &[Arc<str>],
    cx: &mut Context<'_>,
) -> Option<Route> {
    let At { value, place } = section;
    let receiver = value.receiver.required("receiver", &place, cx);
    let receiver = receiver.and_then(|name| receivers::named(&name, receivers, cx));
    if let Some(set) = value.min_score.as_set().filter(|set| set.value.0 > 0.0) {
        cx.fault(&set.place, Problem::NotYet { what: "min_score".to_owned() });
    }
    let default = Route::new("");
    let second = Duration::from_secs(1);
    let group_wait = timer("group_wait", value.group_wait, default.group_wait, Duration::ZERO, cx);
    let group_interval = timer("group_interval", value.group_interval, default.group_interval, second, cx);
    let repeat_place = value.repeat_interval.as_set().map_or(&place, |set| &set.place).clone();
    let repeat_interval =
        timer("repeat_interval", value.repeat_interval, default.repeat_interval, second, cx);
    if repeat_interval < group_interval {
        let (repeat, group) = (format_duration(repeat_interval), format_duration(group_interval));
        cx.fault(&repeat_place, Problem::RepeatTooShort { repeat, group });
    }
    let group_by = group_by(value.group_by, cx);
    Some(Route { receiver: receiver?, group_by, group_wait, group_interval, repeat_interval })
}

fn timer(
    key: &'static str,
    field: Field<Span>,
    default: Duration,
    least: Duration,
    cx: &mut Context<'_>,
) -> Duration {
    let Some(set) = field.into_set() else { return default };
    if !(least..=YEAR).contains(&set.value.0) {
        let (least, most) = (format_duration(least), format_duration(YEAR));
        cx.fault(&set.place, Problem::OutOfRange { key, least, most });
        return default;
    }
    set.value.0
}

fn group_by(field: Field<Vec<At<Text>>>, cx: &mut Context<'_>) -> GroupBy {
    let labels = field.into_value().unwrap_or_default();
    if let Some(beyond) = labels.get(GROUP_LABELS_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "labels to group by", most: GROUP_LABELS_MAX });
    }
    for (index, label) in labels.iter().enumerate() {
        let name = &label.value.0;
        if name == "..." && labels.len() > 1 {
            cx.fault(&label.place, Problem::AllLabelsNotAlone);
        } else if labels[..index].iter().any(|before| before.value.0 == *name) {
            cx.fault(&label.place, Problem::LabelTwice { label: name.escape_debug().to_string() });
        }
    }
    match labels.as_slice() {
        [all] if all.value.0 == "..." => GroupBy::All,
        _ => GroupBy::Labels(labels.into_iter().take(GROUP_LABELS_MAX).map(|label| label.value.0).collect()),
    }
}
