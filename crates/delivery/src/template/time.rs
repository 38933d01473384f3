//! Points in time and spans as templates see them, with the methods that
//! Go's have.

use super::layout;
use super::value::{float, invalid, text_argument};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Zoned};
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, State, Value};
use openclaw_alert::Timestamp;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// How a time reads where no layout is given.
const PLAIN: &str = "2006-01-02 15:04:05.999999999 -0700 MST";
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A point in time in the zone it is shown in.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) at: Zoned,
    /// The time of the message, for `since`: templates have no clock.
    pub(super) now: Timestamp,
}

/// A span; nanoseconds, as in Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) i64);

impl Moment {
    /// In the offset that its sender wrote.
    pub(super) fn of(time: openclaw_alert::Zoned, now: Timestamp) -> Self {
        let zone = match time.offset_minutes {
            0 => TimeZone::UTC,
            minutes => TimeZone::fixed(Offset::from_seconds(i32::from(minutes) * 60).unwrap_or(Offset::UTC)),
        };
        Self { at: jiff_time(time.at).to_zoned(zone), now }
    }

    /// Go's zero time, the end of what has none.
    pub(super) fn none(now: Timestamp) -> Self {
        const YEAR_ONE: i64 = -62_135_596_800;
        let at = jiff::Timestamp::from_second(YEAR_ONE).unwrap_or_default();
        Self { at: at.to_zoned(TimeZone::UTC), now }
    }

    pub(super) fn now(now: Timestamp) -> Self {
        Self::of(openclaw_alert::Zoned::utc(now), now)
    }

    pub(super) fn since(&self) -> Span {
        span(jiff_time(self.now).as_nanosecond() - self.nanos())
    }

    pub(super) fn in_zone(&self, zone: TimeZone) -> Self {
        Self { at: self.at.with_time_zone(zone), now: self.now }
    }

    pub(super) fn format(&self, layout: &str) -> String {
        layout::format(layout, &self.at)
    }

    fn nanos(&self) -> i128 {
        self.at.timestamp().as_nanosecond()
    }

    fn plus(&self, span: Span) -> Result<Self, Error> {
        let at = self.at.checked_add(SignedDuration::from_nanos(span.0));
        Ok(Self { at: at.map_err(|error| invalid(error.to_string()))?, now: self.now })
    }

    /// A field or a method without arguments.
    fn field(&self, name: &str) -> Option<Value> {
        let at = &self.at;
        Some(match name {
            "UTC" | "Local" => Value::from_object(self.in_zone(TimeZone::UTC)),
            "Unix" => Value::from(at.timestamp().as_second()),
            "UnixMilli" => Value::from(self.nanos().div_euclid(1_000_000) as i64),
            "UnixNano" => Value::from(self.nanos() as i64),
            "Year" => Value::from(at.year()),
            "Month" => Value::from(layout::format("January", at)),
            "Day" => Value::from(at.day()),
            "Hour" => Value::from(at.hour()),
            "Minute" => Value::from(at.minute()),
            "Second" => Value::from(at.second()),
            "Nanosecond" => Value::from(at.subsec_nanosecond()),
            "YearDay" => Value::from(at.day_of_year()),
            "Weekday" => Value::from(layout::format("Monday", at)),
            "IsZero" => Value::from(self.nanos() == Self::none(self.now).nanos()),
            "String" => Value::from(self.format(PLAIN)),
            _ => return None,
        })
    }
}

fn jiff_time(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(at.nanos())).unwrap_or_default()
}

/// Go's spans end where 64 bits do.
fn span(nanos: i128) -> Span {
    Span(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(PLAIN))
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.field(key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (name, args) {
            ("Format", [layout]) => Ok(self.format(text_argument(name, layout)?).into()),
            ("Add", [by]) => self.plus(span_argument(name, by)?).map(Value::from_object),
            ("Sub", [other]) => {
                let nanos = self.nanos() - moment_argument(name, other)?.nanos();
                Ok(Value::from_object(span(nanos)))
            }
            ("Before", [other]) => Ok((self.nanos() < moment_argument(name, other)?.nanos()).into()),
            ("After", [other]) => Ok((self.nanos() > moment_argument(name, other)?.nanos()).into()),
            ("Equal", [other]) => Ok((self.nanos() == moment_argument(name, other)?.nanos()).into()),
            (name, []) => self.field(name).ok_or_else(|| unknown_method("time", name)),
            (name, _) => Err(unknown_method("time", name)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        Some(self.nanos().cmp(&other.nanos()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(super) fn moment_argument<'v>(function: &str, value: &'v Value) -> Result<&'v Moment, Error> {
    value
        .downcast_object_ref::<Moment>()
        .ok_or_else(|| invalid(format!("`{function}` takes a time such as `StartsAt`, not `{value}`")))
}

/// A span, or a plain number of nanoseconds.
fn span_argument(function: &str, value: &Value) -> Result<Span, Error> {
    if let Some(span) = value.downcast_object_ref::<Span>() {
        return Ok(*span);
    }
    let nanos = i64::try_from(value.clone()).ok().or_else(|| {
        let nanos = f64::try_from(value.clone()).ok()?;
        (nanos.fract() == 0.0 && nanos.abs() < 9.2e18).then_some(nanos as i64)
    });
    nanos.map(Span).ok_or_else(|| invalid(format!("`{function}` takes a span or nanoseconds, not `{value}`")))
}

fn unknown_method(kind: &str, name: &str) -> Error {
    invalid(format!("a {kind} has no method `{name}` with these arguments"))
}

impl Span {
    fn seconds(self) -> f64 {
        let whole = self.0 / NANOS_PER_SECOND;
        whole as f64 + (self.0 % NANOS_PER_SECOND) as f64 / NANOS_PER_SECOND as f64
    }

    fn parts(self, unit: i64) -> f64 {
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }

    fn field(self, name: &str) -> Option<Value> {
        Some(match name {
            "Seconds" => Value::from(self.seconds()),
            "Minutes" => Value::from(self.parts(60 * NANOS_PER_SECOND)),
            "Hours" => Value::from(self.parts(3600 * NANOS_PER_SECOND)),
            "Milliseconds" => Value::from(self.0 / 1_000_000),
            "Microseconds" => Value::from(self.0 / 1_000),
            "Nanoseconds" => Value::from(self.0),
            "String" => Value::from(self.to_string()),
            "Abs" => Value::from_object(Self(self.0.saturating_abs())),
            _ => return None,
        })
    }

    /// To a multiple of `unit`, halves away from zero.
    fn rounded(self, unit: Self) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        let rest = self.0 % unit.0;
        let cut = self.0 - rest;
        let up = i128::from(rest).abs() * 2 >= i128::from(unit.0);
        Self(if up { cut.saturating_add(unit.0 * rest.signum()) } else { cut })
    }
}

/// `1h2m3.5s`, below a second `1.5ms`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", float(nanos as f64 / 1e3)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", float(nanos as f64 / 1e6)),
            _ => write_long(f, nanos),
        }
    }
}

fn write_long(f: &mut fmt::Formatter<'_>, nanos: u64) -> fmt::Result {
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if seconds >= 3600 {
        write!(f, "{}h", seconds / 3600)?;
    }
    if seconds >= 60 {
        write!(f, "{}m", seconds / 60 % 60)?;
    }
    write!(f, "{}", seconds % 60)?;
    if rest > 0 {
        write!(f, ".{}", format!("{rest:09}").trim_end_matches('0'))?;
    }
    f.write_str("s")
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.field(key.as_str()?)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.0 != 0
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (name, args) {
            ("Round", [unit]) => Ok(Value::from_object(self.rounded(span_argument(name, unit)?))),
            ("Truncate", [unit]) => {
                let unit = span_argument(name, unit)?.0;
                Ok(Value::from_object(if unit <= 0 { **self } else { Self(self.0 - self.0 % unit) }))
            }
            (name, []) => self.field(name).ok_or_else(|| unknown_method("span", name)),
            (name, _) => Err(unknown_method("span", name)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `1d 2h 3m 4s`, below a minute four digits: `1.5s`, `12.34ms`.
pub(super) fn humanize_duration(value: &Value) -> Result<String, Error> {
    let seconds = match value.downcast_object_ref::<Span>() {
        Some(span) => span.seconds(),
        None => number_argument("humanizeDuration", value)?,
    };
    Ok(humanized(seconds))
}

fn number_argument(function: &str, value: &Value) -> Result<f64, Error> {
    let number = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    number.ok_or_else(|| invalid(format!("`{function}` takes a span or seconds, not `{value}`")))
}

fn humanized(mut seconds: f64) -> String {
    if !seconds.is_finite() || seconds == 0.0 {
        let digits = super::printf::general(seconds, 4);
        return if seconds == 0.0 { format!("{digits}s") } else { digits };
    }
    if seconds.abs() < 1.0 {
        let mut prefix = "";
        for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if seconds.abs() >= 1.0 {
                break;
            }
            prefix = smaller;
            seconds *= 1000.0;
        }
        return format!("{}{prefix}s", super::printf::general(seconds, 4));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as i64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", super::printf::general(seconds.abs(), 4)),
        (0, 0, _) => format!("{sign}{minutes}m {rest}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {rest}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_gos() {
        for (nanos, want) in [
            (0, "0s"),
            (999, "999ns"),
            (1_500, "1.5µs"),
            (1_100_000, "1.1ms"),
            (-2_000_000_000, "-2s"),
            (3_723_500_000_000, "1h2m3.5s"),
            (60_000_000_000, "1m0s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(Span(nanos).to_string(), want);
        }
        assert_eq!(Span(3_723_500_000_000).rounded(Span(60_000_000_000)).to_string(), "1h2m0s");
        assert_eq!(Span(-90_000_000_000).rounded(Span(60_000_000_000)).to_string(), "-2m0s");
    }

    #[test]
    fn durations_for_people() {
        for (seconds, want) in [
            (0.0, "0s"),
            (0.0001234, "123.4us"),
            (1.2345, "1.234s"),
            (59.0, "59s"),
            (-61.0, "-1m 1s"),
            (90_061.0, "1d 1h 1m 1s"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(humanized(seconds), want);
        }
    }
}
