//! When and how models are made by themselves.

use super::problem::Problem;
use super::read::{Context, Field, section};
use super::units::{format_duration, format_size};
use super::values::{Count, Flag, Fraction, Size, Span, Text};
use openclaw_learning::schedule::{Schedule, ScheduleError};
use std::ops::RangeInclusive;
use std::time::Duration;

const DAYS: RangeInclusive<u64> = 1..=366;
const MEMORY: RangeInclusive<u64> = 256 << 20..=1 << 40;
const RUN: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(7 * 86_400);
const QUANTILES: RangeInclusive<f64> = 0.5..=0.9999;

section! {
    /// When and how models are made by themselves: extract, train, validate, publish.
    TrainingSection {
        /// Whether they are. Default `true`.
        enabled: Flag,
        /// When, as a cron pattern: minute, hour, day, month, weekday. Default `0 3 * * *`, every night.
        schedule: Text,
        /// The time zone of `schedule`, an IANA name. Default `UTC`.
        timezone: Text,
        /// Days of telemetry that a model is trained on. Default 30.
        days: Count,
        /// Share of windows that a client's limit is to cover. Default 0.99.
        quantile: Fraction,
        /// The most memory that training may take. Default `2GiB`.
        memory_bytes: Size,
        /// A run that takes longer is ended. Default `6h`.
        run_max: Span,
    }
}

/// The section, checked.
#[derive(Debug, Clone)]
pub(crate) struct TrainingSettings {
    pub(crate) is_enabled: bool,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) days: u32,
    pub(crate) quantile: f32,
    pub(crate) memory_bytes: u64,
    pub(crate) run_max: Duration,
}

pub(super) fn checked(field: Field<TrainingSection>, cx: &mut Context<'_>) -> TrainingSettings {
    let section = field.into_value().unwrap_or_default();
    let schedule = schedule(section.schedule, section.timezone, cx);
    TrainingSettings {
        is_enabled: section.enabled.into_value().is_none_or(|flag| flag.0),
        schedule,
        days: days(section.days, cx),
        quantile: quantile(section.quantile, cx),
        memory_bytes: memory(section.memory_bytes, cx),
        run_max: run_max(section.run_max, cx),
    }
}

fn schedule(pattern: Field<Text>, zone: Field<Text>, cx: &mut Context<'_>) -> Option<Schedule> {
    let (pattern, zone) = (pattern.into_set(), zone.into_set());
    let text = |set: &Option<super::read::At<Text>>, default: &str| {
        set.as_ref().map_or_else(|| default.to_owned(), |set| set.value.0.clone())
    };
    match Schedule::parse(&text(&pattern, "0 3 * * *"), &text(&zone, "UTC")) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            let place = if matches!(error, ScheduleError::Zone { .. }) { zone } else { pattern };
            if let Some(set) = place {
                cx.fault(&set.place, Problem::Schedule { reason: error.to_string() });
            }
            None
        }
    }
}

fn days(field: Field<Count>, cx: &mut Context<'_>) -> u32 {
    let Some(set) = field.into_set() else { return 30 };
    if !DAYS.contains(&set.value.0) {
        let (least, most) = (DAYS.start().to_string(), DAYS.end().to_string());
        cx.fault(&set.place, Problem::OutOfRange { key: "days", least, most });
    }
    u32::try_from(set.value.0).unwrap_or(u32::MAX)
}

fn quantile(field: Field<Fraction>, cx: &mut Context<'_>) -> f32 {
    let Some(set) = field.into_set() else { return 0.99 };
    if !QUANTILES.contains(&f64::from(set.value.0)) {
        let (least, most) = (QUANTILES.start().to_string(), QUANTILES.end().to_string());
        cx.fault(&set.place, Problem::OutOfRange { key: "quantile", least, most });
    }
    set.value.0
}

fn memory(field: Field<Size>, cx: &mut Context<'_>) -> u64 {
    let Some(set) = field.into_set() else { return 2 << 30 };
    if !MEMORY.contains(&set.value.0) {
        let (least, most) = (format_size(*MEMORY.start()), format_size(*MEMORY.end()));
        cx.fault(&set.place, Problem::OutOfRange { key: "memory_bytes", least, most });
    }
    set.value.0
}

fn run_max(field: Field<Span>, cx: &mut Context<'_>) -> Duration {
    let Some(set) = field.into_set() else { return Duration::from_secs(6 * 3600) };
    if !RUN.contains(&set.value.0) {
        let (least, most) = (format_duration(*RUN.start()), format_duration(*RUN.end()));
        cx.fault(&set.place, Problem::OutOfRange { key: "run_max", least, most });
    }
    set.value.0
}
