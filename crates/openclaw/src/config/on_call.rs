//! The rotas of a tenant's file: who is on call.

use super::fault::Place;
use super::names::{Kind, Names, new_name};
use super::problem::Problem;
use super::read::{At, Context, Field, section};
use super::units::format_duration;
use super::values::{Span, Text};
use openclaw_alert::{Timestamp, Zoned};
use openclaw_routing::{
    Location, MinuteOfDay, Override, Rota, RotaError, RotaSettings, Turn, WEEKS_MAX, Weekday,
};
use std::sync::Arc;
use std::time::Duration;

const ROTAS_MAX: usize = 100;
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

section! {
    /// People who take turns; receivers name it under `on_call`.
    RotaSection {
        /// The name that receivers use.
        name: Text,
        /// Whose clocks count: `Europe/Berlin`. Default `UTC`.
        timezone: Text,
        /// When the next person takes over: `Mon 09:00`, or `09:00` with `every: 1d`. Default `Mon 09:00`.
        handover: Text,
        /// How long a turn is: `1d`, or `1w` to `8w`. Default `1w`.
        every: Span,
        /// The day from which turns are counted: `2026-01-05`.
        starts: Text,
        /// Who takes turns, in this order.
        people: Vec<At<Text>>,
        /// Somebody takes over for a while; of two the later in the list counts.
        overrides: Vec<At<OverrideSection>>,
    }
}

section! {
    /// Somebody takes over for a while.
    OverrideSection {
        /// From here on: `2026-12-24T09:00:00+01:00`.
        from: Text,
        /// Up to here.
        until: Text,
        /// Who; need not be one of the people.
        person: Text,
    }
}

/// Adds them to `names`.
pub(super) fn checked(field: Field<Vec<At<RotaSection>>>, names: &mut Names, cx: &mut Context<'_>) {
    let sections = field.into_value().unwrap_or_default();
    if let Some(beyond) = sections.get(ROTAS_MAX) {
        cx.fault(&beyond.place, Problem::TooMany { what: "rotas", most: ROTAS_MAX });
    }
    for section in sections.into_iter().take(ROTAS_MAX) {
        if let Some(rota) = rota(section, names, cx) {
            names.rotas.push(Arc::new(rota));
        }
    }
}

fn rota(section: At<RotaSection>, names: &Names, cx: &mut Context<'_>) -> Option<Rota> {
    let At { value, place } = section;
    let name = value.name.required("name", &place, cx);
    let name =
        name.and_then(|name| new_name(Kind::Rota, &name, names.rotas.iter().map(|rota| rota.name()), cx));
    let timezone = match value.timezone.into_set() {
        Some(set) => cx.keep(&set.place, set.value.0.parse::<Location>()),
        None => cx.keep(&place, "UTC".parse::<Location>()),
    };
    let turn = turn(value.every, value.handover, &place, cx);
    let starts = value.starts.required("starts", &place, cx);
    let people = value.people.required("people", &place, cx);
    let overrides = value.overrides.into_set();
    let places = Places {
        rota: place,
        starts: starts.as_ref().map(|set| set.place.clone()),
        people: people.as_ref().map(|set| set.place.clone()),
        overrides: overrides.as_ref().map(|set| set.place.clone()),
    };
    let overrides = overrides.map(|set| set.value).unwrap_or_default();
    let overrides: Vec<_> = overrides.into_iter().filter_map(|section| instead(section, cx)).collect();
    let (every, handover_at) = turn?;
    let settings = RotaSettings {
        name: name?,
        timezone: timezone?,
        every,
        handover_at,
        starts: starts?.value.0,
        people: people?.value.into_iter().map(|person| person.value.0.into()).collect(),
        overrides,
    };
    Rota::new(settings).map_err(|error| cx.fault(places.of(&error), Problem::Rota(error))).ok()
}

/// Where the parts of a rota stand, to place its faults.
struct Places {
    rota: Place,
    starts: Option<Place>,
    people: Option<Place>,
    overrides: Option<Place>,
}

impl Places {
    fn of(&self, error: &RotaError) -> &Place {
        let part = match error {
            RotaError::Starts { .. } => &self.starts,
            RotaError::PeopleCount { .. } | RotaError::PersonEmpty => &self.people,
            RotaError::OverrideCount { .. }
            | RotaError::OverrideOrder { .. }
            | RotaError::OverridePerson { .. } => &self.overrides,
            RotaError::Every { .. } | RotaError::Handover => &None,
        };
        part.as_ref().unwrap_or(&self.rota)
    }
}

/// Length of a turn and the time of day of its end.
fn turn(
    every: Field<Span>,
    handover: Field<Text>,
    rota: &Place,
    cx: &mut Context<'_>,
) -> Option<(Turn, MinuteOfDay)> {
    let every_place = every.as_set().map_or(rota, |set| &set.place).clone();
    let every = every.into_value().map_or(WEEK, |span| span.0);
    let weeks = u8::try_from(every.as_secs() / WEEK.as_secs()).ok();
    let weeks = weeks.filter(|weeks| (1..=WEEKS_MAX).contains(weeks) && every == WEEK * u32::from(*weeks));
    if every != DAY && weeks.is_none() {
        let every = format_duration(every);
        cx.fault(&every_place, Problem::RotaEvery { every });
        return None;
    }
    let place = handover.as_set().map_or(rota, |set| &set.place).clone();
    let default = if every == DAY { "09:00" } else { "Mon 09:00" };
    let text = handover.into_value().map_or_else(|| default.to_owned(), |text| text.0);
    let (day, time) = text.rsplit_once(' ').unwrap_or(("", &text));
    let at = cx.keep(&place, time.parse::<MinuteOfDay>())?;
    match weeks {
        None if !day.is_empty() => {
            cx.fault(
                &place,
                Problem::RotaHandover { text: text.escape_debug().to_string(), example: "09:00" },
            );
            None
        }
        None => Some((Turn::Day, at)),
        Some(weeks) => match weekday(day) {
            Some(handover) => Some((Turn::Weeks { weeks, handover }, at)),
            None => {
                let text = text.chars().take(80).flat_map(char::escape_debug).collect();
                cx.fault(&place, Problem::RotaHandover { text, example: "Mon 09:00" });
                None
            }
        },
    }
}

/// `Mon` or `monday`.
fn weekday(text: &str) -> Option<Weekday> {
    const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let text = text.trim().to_lowercase();
    let day = DAYS.into_iter().find(|day| *day == text || day[..3] == text)?;
    day.parse().ok()
}

fn instead(section: At<OverrideSection>, cx: &mut Context<'_>) -> Option<Override> {
    let At { value, place } = section;
    let from = value.from.required("from", &place, cx).and_then(|text| time(&text, cx));
    let until = value.until.required("until", &place, cx).and_then(|text| time(&text, cx));
    let person = value.person.required("person", &place, cx)?.value.0.into();
    Some(Override { from: from?, until: until?, person })
}

fn time(text: &At<Text>, cx: &mut Context<'_>) -> Option<Timestamp> {
    let shown = || text.value.0.chars().take(80).flat_map(char::escape_debug).collect();
    let parsed = Zoned::parse(&text.value.0).map(|zoned| zoned.at);
    cx.keep(
        &text.place,
        parsed.map_err(|_| Problem::NotA {
            text: shown(),
            expected: "a time such as `2026-12-24T09:00:00+01:00`",
        }),
    )
}
