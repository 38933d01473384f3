//! Where history for training and reports is kept.

use super::problem::Problem;
use super::read::{At, Context, Field, OtherEngine, section};
use super::units::format_duration;
use super::values::{Count, Span};
use openclaw_telemetry::RecorderOptions;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const RETENTION: RangeInclusive<Duration> = DAY..=Duration::from_secs(10 * 365 * 86_400);
const ROWS: RangeInclusive<u64> = 1..=1_000_000;

section! {
    /// Where history for training and reports is kept.
    TelemetrySection {
        /// Parquet files in the data folder, below `telemetry`.
        parquet: ParquetSection,
        /// ClickHouse.
        #[schemars(skip)]
        clickhouse: OtherEngine,
    }
}

section! {
    /// Parquet files in the data folder, below `telemetry`.
    ParquetSection {
        /// How long days are kept. Default `90d`.
        retention: Span,
        /// Observations that are kept of a tenant in a second, and windows of its clients; of more, some are kept that stand for all. Default 1000.
        max_rows_per_s: Count,
    }
}

pub(super) fn checked(field: Field<TelemetrySection>, cx: &mut Context<'_>) -> RecorderOptions {
    let parquet = field.into_value().unwrap_or_default().parquet.into_value().unwrap_or_default();
    let default = RecorderOptions::default();
    RecorderOptions {
        retention_days: retention(parquet.retention, cx).unwrap_or(default.retention_days),
        max_rows_per_s: max_rows_per_s(parquet.max_rows_per_s, cx).unwrap_or(default.max_rows_per_s),
    }
}

fn retention(field: Field<Span>, cx: &mut Context<'_>) -> Option<u32> {
    let At { value: Span(span), place } = field.into_set()?;
    if !RETENTION.contains(&span) {
        let (least, most) = (format_duration(*RETENTION.start()), format_duration(*RETENTION.end()));
        cx.fault(&place, Problem::OutOfRange { key: "retention", least, most });
    }
    u32::try_from(span.as_secs().div_ceil(DAY.as_secs())).ok()
}

fn max_rows_per_s(field: Field<Count>, cx: &mut Context<'_>) -> Option<NonZeroU32> {
    let At { value: Count(rows), place } = field.into_set()?;
    if !ROWS.contains(&rows) {
        let (least, most) = (ROWS.start().to_string(), ROWS.end().to_string());
        cx.fault(&place, Problem::OutOfRange { key: "max_rows_per_s", least, most });
    }
    NonZeroU32::new(u32::try_from(rows).ok()?)
}
