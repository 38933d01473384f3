//! The routes of a tenant's file, in Alertmanager's words.

use super::fault::Place;
use super::matchers::{self, OldMatch};
use super::names::{Kind, Names, named};
use super::problem::Problem;
use super::read::{At, Context, Field, section};
use super::units::format_duration;
use super::values::{Conditions, Flag, Fraction, Span, Text};
use openclaw_routing::{Escalation, GroupBy, NamedIntervals, ROUTES_MAX, RouteSettings};
use std::sync::Arc;
use std::time::Duration;

const GROUP_LABELS_MAX: usize = 64;
const DEPTH_MAX: usize = 32;
const ESCALATIONS_MAX: usize = 8;
const INTERVALS_MAX: usize = 64;
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const SECOND: Duration = Duration::from_secs(1);

section! {
    /// Who is told, and how alerts are grouped. A route hands down what stands up to `escalate` to its children.
    RouteSection {
        /// A receiver by name.
        receiver: Text,
        /// Labels whose values make alerts one group; `['...']` for all. Default: one group for all alerts of a route.
        group_by: Vec<At<Text>>,
        /// How long a new group waits for more alerts. Default `30s`.
        group_wait: Span,
        /// How long after a notification the next may follow. Default `5m`.
        group_interval: Span,
        /// How long until a group that still fires is told again. Default `4h`.
        repeat_interval: Span,
        /// Who is told of what nobody has acknowledged by then; `[]` for nobody.
        escalate: Vec<At<EscalationSection>>,
        /// What an alert has to meet, all of it. The root has none.
        matchers: Vec<At<Conditions>>,
        /// Labels with these values; `matchers` say the same.
        r#match as "match": OldMatch,
        /// Labels whose values these patterns match; `matchers` say the same.
        match_re: OldMatch,
        /// `true`: siblings after this route see what it takes. Default `false`.
        r#continue as "continue": Flag,
        /// Takes alerts with this score or more, where scores count (`rating.mode: enforce`).
        min_score: Fraction,
        /// Takes alerts below this score, where scores count, and keeps them from the digest.
        max_score: Fraction,
        /// Nothing new is told in these time intervals, by name.
        mute_time_intervals: Vec<At<Text>>,
        /// Something new is told in these time intervals only, by name.
        active_time_intervals: Vec<At<Text>>,
        /// Children: the first that matches takes an alert.
        routes: Vec<At<RouteSection>>,
    }
}

section! {
    /// A step of an escalation.
    EscalationSection {
        /// This long after the alert began to be told.
        after: Span,
        /// A receiver by name.
        receiver: Text,
    }
}

/// The routes; the names are those that are defined.
pub(super) fn checked(
    section: At<RouteSection>,
    names: &Names,
    cx: &mut Context<'_>,
) -> Option<RouteSettings> {
    let mut checker = Checker { names, routes: 0 };
    check_root(&section, cx);
    checker.route(section, 0, cx)
}

fn check_root(section: &At<RouteSection>, cx: &mut Context<'_>) {
    let At { value, place } = section;
    if matches!(value.receiver, Field::Absent) {
        cx.fault(place, Problem::Missing { key: "receiver" });
    }
    let is_more =
        |field: &Field<Fraction>| field.as_set().filter(|set| set.value.0 > 0.0).map(|set| set.place.clone());
    let continues = value.r#continue.as_set().filter(|set| set.value.0).map(|set| set.place.clone());
    let refused = [
        ("matchers", filled(&value.matchers)),
        ("match", value.r#match.as_set().filter(|set| !set.value.0.is_empty()).map(|set| set.place.clone())),
        (
            "match_re",
            value.match_re.as_set().filter(|set| !set.value.0.is_empty()).map(|set| set.place.clone()),
        ),
        ("continue", continues),
        ("min_score", is_more(&value.min_score)),
        ("max_score", value.max_score.as_set().map(|set| set.place.clone())),
        ("mute_time_intervals", filled(&value.mute_time_intervals)),
        ("active_time_intervals", filled(&value.active_time_intervals)),
    ];
    for (key, place) in refused {
        if let Some(place) = place {
            cx.fault(&place, Problem::RootTakesAll { key });
        }
    }
}

fn filled<T>(list: &Field<Vec<At<T>>>) -> Option<Place> {
    list.as_set().filter(|set| !set.value.is_empty()).map(|set| set.place.clone())
}

struct Checker<'a> {
    names: &'a Names,
    routes: usize,
}

impl Checker<'_> {
    fn route(
        &mut self,
        section: At<RouteSection>,
        depth: usize,
        cx: &mut Context<'_>,
    ) -> Option<RouteSettings> {
        let At { value, place } = section;
        self.routes += 1;
        if self.routes == ROUTES_MAX + 1 {
            cx.fault(&place, Problem::TooMany { what: "routes", most: ROUTES_MAX });
        }
        let names = self.names;
        let receiver =
            value.receiver.into_set().and_then(|name| named(Kind::Receiver, &name, &names.receivers, cx));
        let group_interval = timer("group_interval", &value.group_interval, SECOND, cx);
        let repeat_interval = timer("repeat_interval", &value.repeat_interval, SECOND, cx);
        check_repeat(group_interval, repeat_interval, &value.repeat_interval, cx);
        let group_wait = timer("group_wait", &value.group_wait, Duration::ZERO, cx);
        let (min_score, max_score) = scores(value.min_score, value.max_score, cx);
        Some(RouteSettings {
            receiver,
            group_by: group_by(value.group_by, cx),
            group_wait,
            group_interval,
            repeat_interval,
            matchers: matchers::all(value.matchers, value.r#match, value.match_re, cx),
            continues: value.r#continue.into_value().is_some_and(|flag| flag.0),
            mute: intervals(value.mute_time_intervals, names, cx),
            active: intervals(value.active_time_intervals, names, cx),
            min_score,
            max_score,
            escalations: escalations(value.escalate, names, cx),
            routes: self.children(value.routes, depth, cx),
        })
    }

    fn children(
        &mut self,
        field: Field<Vec<At<RouteSection>>>,
        depth: usize,
        cx: &mut Context<'_>,
    ) -> Vec<RouteSettings> {
        let Some(At { value, place }) = field.into_set() else { return Vec::new() };
        if depth + 1 >= DEPTH_MAX && !value.is_empty() {
            cx.fault(&place, Problem::TooDeep { most: DEPTH_MAX });
            return Vec::new();
        }
        // What is beyond the bound has its fault already.
        let room = (ROUTES_MAX + 1).saturating_sub(self.routes);
        value.into_iter().take(room).filter_map(|child| self.route(child, depth + 1, cx)).collect()
    }
}

/// Where only one of the two is set, the other may come from above, and a group
/// is told again at the next tick: as in Alertmanager.
fn check_repeat(
    group: Option<Duration>,
    repeat: Option<Duration>,
    field: &Field<Span>,
    cx: &mut Context<'_>,
) {
    if let (Some(group), Some(repeat), Some(set)) = (group, repeat, field.as_set())
        && repeat < group
    {
        let (repeat, group) = (format_duration(repeat), format_duration(group));
        cx.fault(&set.place, Problem::RepeatTooShort { repeat, group });
    }
}

fn scores(min: Field<Fraction>, max: Field<Fraction>, cx: &mut Context<'_>) -> (Option<f32>, Option<f32>) {
    let min = min.into_value().map(|fraction| fraction.0).filter(|least| *least > 0.0);
    let Some(max) = max.into_set() else { return (min, None) };
    if max.value.0 <= min.unwrap_or(0.0) {
        cx.fault(&max.place, Problem::NoScoreBetween);
    }
    (min, Some(max.value.0))
}

pub(super) fn timer(
    key: &'static str,
    field: &Field<Span>,
    least: Duration,
    cx: &mut Context<'_>,
) -> Option<Duration> {
    let set = field.as_set()?;
    if !(least..=YEAR).contains(&set.value.0) {
        let (least, most) = (format_duration(least), format_duration(YEAR));
        cx.fault(&set.place, Problem::OutOfRange { key, least, most });
        return None;
    }
    Some(set.value.0)
}

fn group_by(field: Field<Vec<At<Text>>>, cx: &mut Context<'_>) -> Option<GroupBy> {
    let labels = field.into_value()?;
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
    Some(match labels.as_slice() {
        [all] if all.value.0 == "..." => GroupBy::All,
        _ => GroupBy::Labels(labels.into_iter().take(GROUP_LABELS_MAX).map(|label| label.value.0).collect()),
    })
}

fn intervals(field: Field<Vec<At<Text>>>, names: &Names, cx: &mut Context<'_>) -> Vec<Arc<NamedIntervals>> {
    let list = field.into_value().unwrap_or_default();
    if let Some(beyond) = list.get(INTERVALS_MAX) {
        cx.fault(
            &beyond.place,
            Problem::TooMany { what: "time intervals of one route", most: INTERVALS_MAX },
        );
    }
    let known: Vec<Arc<str>> = names.intervals.iter().map(|known| Arc::clone(&known.name)).collect();
    let mut found = Vec::new();
    for name in list.iter().take(INTERVALS_MAX) {
        // A list with faults has its own; what it defines is known by name.
        if named(Kind::Interval, name, &known, cx).is_some() {
            found.extend(names.intervals.iter().find(|known| *known.name == *name.value.0).cloned());
        }
    }
    found
}

fn escalations(
    field: Field<Vec<At<EscalationSection>>>,
    names: &Names,
    cx: &mut Context<'_>,
) -> Option<Vec<Escalation>> {
    let steps = field.into_value()?;
    if let Some(beyond) = steps.get(ESCALATIONS_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "steps of an escalation", most: ESCALATIONS_MAX });
    }
    Some(steps.into_iter().take(ESCALATIONS_MAX).filter_map(|step| escalation(step, names, cx)).collect())
}

fn escalation(section: At<EscalationSection>, names: &Names, cx: &mut Context<'_>) -> Option<Escalation> {
    let At { value, place } = section;
    let receiver = value.receiver.required("receiver", &place, cx);
    let receiver = receiver.and_then(|name| named(Kind::Receiver, &name, &names.receivers, cx));
    let after = timer("after", &value.after, SECOND, cx);
    value.after.required("after", &place, cx);
    Some(Escalation { after: after?, receiver: receiver? })
}
