//! The time intervals of a tenant's file, in Alertmanager's words.

use super::names::{Kind, Names, new_name};
use super::problem::Problem;
use super::read::{At, Context, Field, section};
use super::values::{LabelValue, Text};
use openclaw_routing::{IntervalError, Location, NamedIntervals, TimeInterval, TimeRange};
use std::str::FromStr;
use std::sync::Arc;

const NAMES_MAX: usize = 1000;
const PARTS_MAX: usize = 128;

section! {
    /// Times under a name, for routes and silences.
    NamedIntervalsSection {
        /// The name.
        name: Text,
        /// Any of these.
        time_intervals: Vec<At<IntervalSection>>,
    }
}

section! {
    /// Times at which all parts that are set hold; of each part, any entry.
    IntervalSection {
        /// Times of the day.
        times: Vec<At<TimesSection>>,
        /// Days of the week: `monday:friday`, `sunday`.
        weekdays: Vec<At<LabelValue>>,
        /// Days of the month, from its end where negative: `1:5`, `-3:-1`.
        days_of_month: Vec<At<LabelValue>>,
        /// Months by name or number: `january:march`, `12`.
        months: Vec<At<LabelValue>>,
        /// Years: `2026:2028`, `2030`.
        years: Vec<At<LabelValue>>,
        /// Where these times are: `Europe/Berlin`. Default `UTC`; `Local` is UTC too.
        location: Text,
    }
}

section! {
    /// Times of the day; the end is left out.
    TimesSection {
        /// `HH:MM`.
        start_time: Text,
        /// `HH:MM`, up to `24:00`.
        end_time: Text,
    }
}

/// Adds them to `names`.
pub(super) fn checked(field: Field<Vec<At<NamedIntervalsSection>>>, names: &mut Names, cx: &mut Context<'_>) {
    for At { value, place } in field.into_value().unwrap_or_default() {
        if names.intervals.len() == NAMES_MAX {
            cx.fault(&place, Problem::TooMany { what: "time intervals", most: NAMES_MAX });
            return;
        }
        let sections = bounded(value.time_intervals, cx);
        let intervals = sections.into_iter().filter_map(|section| interval(section, cx)).collect();
        let Some(name) = value.name.required("name", &place, cx) else { continue };
        let taken = names.intervals.iter().map(|known| &known.name);
        let Some(name) = new_name(Kind::Interval, &name, taken, cx) else { continue };
        names.intervals.push(Arc::new(NamedIntervals { name, intervals }));
    }
}

fn bounded<T>(field: Field<Vec<At<T>>>, cx: &mut Context<'_>) -> Vec<At<T>> {
    let mut list = field.into_value().unwrap_or_default();
    if let Some(beyond) = list.get(PARTS_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "parts of a time interval", most: PARTS_MAX });
        list.truncate(PARTS_MAX);
    }
    list
}

fn interval(section: At<IntervalSection>, cx: &mut Context<'_>) -> Option<TimeInterval> {
    let value = section.value;
    let times = list(value.times, |times: &At<TimesSection>, cx| time_range(times, cx), cx);
    let weekdays = list(value.weekdays, part, cx);
    let days_of_month = list(value.days_of_month, part, cx);
    let months = list(value.months, part, cx);
    let years = list(value.years, part, cx);
    let location = match value.location.into_set() {
        Some(set) => Some(cx.keep(&set.place, set.value.0.parse::<Location>())?),
        None => None,
    };
    Some(TimeInterval { times, weekdays, days_of_month, months, years, location })
}

/// Left out, a part holds always; an empty list never does, as in Alertmanager.
fn list<S, T>(
    field: Field<Vec<At<S>>>,
    part: impl Fn(&At<S>, &mut Context<'_>) -> Option<T>,
    cx: &mut Context<'_>,
) -> Option<Vec<T>> {
    if field.is_absent() {
        return None;
    }
    Some(bounded(field, cx).iter().filter_map(|section| part(section, cx)).collect())
}

fn part<T: FromStr<Err = IntervalError>>(text: &At<LabelValue>, cx: &mut Context<'_>) -> Option<T> {
    cx.keep(&text.place, text.value.0.parse::<T>())
}

fn time_range(section: &At<TimesSection>, cx: &mut Context<'_>) -> Option<TimeRange> {
    let At { value, place } = section;
    for (key, field) in [("start_time", &value.start_time), ("end_time", &value.end_time)] {
        if field.is_absent() {
            cx.fault(place, Problem::Missing { key });
        }
    }
    let (start, end) = (value.start_time.as_set()?, value.end_time.as_set()?);
    cx.keep(place, TimeRange::parse(&start.value.0, &end.value.0))
}
