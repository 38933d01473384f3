//! How models come into service.

use super::problem::Problem;
use super::read::{At, Context, Field, choice, section};
use super::units::format_duration;
use super::values::{Count, Span, Text};
use openclaw_learning::rollout::{Settings, Stage, Step};
use openclaw_server::RolloutMode;
use std::ops::RangeInclusive;
use std::time::Duration;

const HOLD: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(30 * 86_400);
const WINDOWS: RangeInclusive<u64> = 100..=1_000_000_000;

section! {
    /// How models come into service: in shadow first, then for more and more clients.
    RolloutSection {
        /// `auto` (the default): each that is published is begun with. `gitops`: only `file` says what runs.
        mode: ModeName,
        /// For `gitops`: the file that names `version` and `digest`. Relative paths start at this file's folder.
        file: Text,
        /// Percent of clients whose limits a model sets, after it was in shadow. Default `[5, 25, 50, 100]`.
        steps: Vec<At<Count>>,
        /// How long a model is in shadow at least. Default `2h`.
        shadow: Span,
        /// How long each step is held at least. Default `1h`.
        hold: Span,
        /// Windows of clients, of 12 seconds each, that are seen in each step at least. Default 2000.
        windows: Count,
    }
}

choice! {
    /// Who says which model runs.
    ModeName {
        Auto = "auto",
        Gitops = "gitops",
    }
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct RolloutSettings {
    pub(crate) mode: RolloutMode,
    pub(crate) steps: Settings,
}

pub(super) fn checked(field: Field<RolloutSection>, cx: &mut Context<'_>) -> RolloutSettings {
    let section = field.into_value().unwrap_or_default();
    let mode = mode(section.mode, section.file, cx);
    let shadow = hold("shadow", section.shadow, 2, cx);
    let hold = hold("hold", section.hold, 1, cx);
    let windows = windows(section.windows, cx);
    let first = Step { stage: Stage::SHADOW, hold: shadow, windows };
    let mut steps = vec![first];
    let Some(At { value: percents, place }) = section.steps.into_set() else {
        let usual = Settings::default();
        steps.extend(usual.steps()[1..].iter().map(|step| Step { hold, windows, ..*step }));
        return RolloutSettings { mode, steps: Settings::new(steps).unwrap_or_default() };
    };
    for At { value: Count(percent), place } in percents {
        match u8::try_from(percent).ok().and_then(Stage::of_percent) {
            Some(stage) => steps.push(Step { stage, hold, windows }),
            None => {
                let (least, most) = ("1".to_owned(), "100".to_owned());
                cx.fault(&place, Problem::OutOfRange { key: "steps", least, most });
            }
        }
    }
    let steps = match Settings::new(steps) {
        Ok(steps) => steps,
        Err(error) => {
            cx.fault(&place, Problem::Steps { reason: error.to_string() });
            Settings::default()
        }
    };
    RolloutSettings { mode, steps }
}

fn mode(mode: Field<ModeName>, file: Field<Text>, cx: &mut Context<'_>) -> RolloutMode {
    match mode.into_set() {
        Some(At { value: ModeName::Gitops, place }) => match file.required("file", &place, cx) {
            Some(file) => RolloutMode::Gitops { file: cx.folder.join(file.value.0) },
            None => RolloutMode::Auto,
        },
        Some(At { value: ModeName::Auto, .. }) | None => RolloutMode::Auto,
    }
}

fn hold(key: &'static str, field: Field<Span>, hours: u64, cx: &mut Context<'_>) -> Duration {
    let Some(set) = field.into_set() else { return Duration::from_secs(hours * 3600) };
    if !HOLD.contains(&set.value.0) {
        let (least, most) = (format_duration(*HOLD.start()), format_duration(*HOLD.end()));
        cx.fault(&set.place, Problem::OutOfRange { key, least, most });
    }
    set.value.0
}

fn windows(field: Field<Count>, cx: &mut Context<'_>) -> u64 {
    let Some(set) = field.into_set() else { return 2_000 };
    if !WINDOWS.contains(&set.value.0) {
        let (least, most) = (WINDOWS.start().to_string(), WINDOWS.end().to_string());
        cx.fault(&set.place, Problem::OutOfRange { key: "windows", least, most });
    }
    set.value.0
}
