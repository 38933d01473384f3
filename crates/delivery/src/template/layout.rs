//! Times written after Go's layouts: an example time (`Mon Jan 2 15:04:05
//! 2006`) whose parts say what stands where.

use jiff::Zoned;
use std::fmt::Write as _;

/// What a part of a layout stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year { short: bool },
    MonthName { short: bool },
    Month { pad: bool },
    WeekdayName { short: bool },
    Day { pad: Pad },
    DayOfYear { pad: Pad },
    Hour24,
    Hour12 { pad: bool },
    Minute { pad: bool },
    Second { pad: bool },
    HalfDay { upper: bool },
    ZoneName,
    Offset { zulu: bool, colons: bool, minutes: bool, seconds: bool },
    Fraction { digits: usize, trim: bool, mark: char },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pad {
    None,
    Space,
    Zero,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Longer spellings before the shorter ones that they begin with.
const PARTS: [(&str, Part); 33] = [
    ("January", Part::MonthName { short: false }),
    ("Monday", Part::WeekdayName { short: false }),
    ("MST", Part::ZoneName),
    ("2006", Part::Year { short: false }),
    ("002", Part::DayOfYear { pad: Pad::Zero }),
    ("__2", Part::DayOfYear { pad: Pad::Space }),
    ("01", Part::Month { pad: true }),
    ("02", Part::Day { pad: Pad::Zero }),
    ("03", Part::Hour12 { pad: true }),
    ("04", Part::Minute { pad: true }),
    ("05", Part::Second { pad: true }),
    ("06", Part::Year { short: true }),
    ("15", Part::Hour24),
    ("1", Part::Month { pad: false }),
    ("_2", Part::Day { pad: Pad::Space }),
    ("2", Part::Day { pad: Pad::None }),
    ("3", Part::Hour12 { pad: false }),
    ("4", Part::Minute { pad: false }),
    ("5", Part::Second { pad: false }),
    ("PM", Part::HalfDay { upper: true }),
    ("pm", Part::HalfDay { upper: false }),
    ("-07:00:00", offset(false, true, true, true)),
    ("-070000", offset(false, false, true, true)),
    ("-07:00", offset(false, true, true, false)),
    ("-0700", offset(false, false, true, false)),
    ("-07", offset(false, false, false, false)),
    ("Z07:00:00", offset(true, true, true, true)),
    ("Z070000", offset(true, false, true, true)),
    ("Z07:00", offset(true, true, true, false)),
    ("Z0700", offset(true, false, true, false)),
    ("Z07", offset(true, false, false, false)),
    ("Jan", Part::MonthName { short: true }),
    ("Mon", Part::WeekdayName { short: true }),
];

const fn offset(zulu: bool, colons: bool, minutes: bool, seconds: bool) -> Part {
    Part::Offset { zulu, colons, minutes, seconds }
}

/// `time` as `layout` says; what is no part of a time stays as it is.
pub(super) fn format(layout: &str, time: &Zoned) -> String {
    let mut out = String::with_capacity(layout.len() + 16);
    let mut rest = layout;
    while let Some(char) = rest.chars().next() {
        let (part, taken) = match part(rest) {
            Some(found) => found,
            None => {
                out.push(char);
                rest = &rest[char.len_utf8()..];
                continue;
            }
        };
        write(&mut out, part, time);
        rest = &rest[taken..];
    }
    out
}

fn part(rest: &str) -> Option<(Part, usize)> {
    // An underscore and the year, not a padded day.
    if rest.starts_with("_2006") {
        return None;
    }
    if let Some(found) = fraction(rest) {
        return Some(found);
    }
    let known = PARTS.iter().find(|(text, part)| {
        let abbreviated = matches!(part, Part::MonthName { short: true } | Part::WeekdayName { short: true });
        let after = rest.strip_prefix(text);
        after.is_some_and(|after| !(abbreviated && after.starts_with(|char: char| char.is_ascii_lowercase())))
    })?;
    Some((known.1, known.0.len()))
}

/// `.000` or `,999`, where no other digit follows.
fn fraction(rest: &str) -> Option<(Part, usize)> {
    let mark = rest.chars().next().filter(|char| matches!(char, '.' | ','))?;
    let digit = rest[1..].chars().next().filter(|char| matches!(char, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|&char| char == digit).count();
    let followed = rest[1 + digits..].starts_with(|char: char| char.is_ascii_digit());
    let part = Part::Fraction { digits: digits.min(9), trim: digit == '9', mark };
    (!followed).then_some((part, 1 + digits))
}

fn write(out: &mut String, part: Part, time: &Zoned) {
    let hour12 = (time.hour() + 11).rem_euclid(12) + 1;
    // Writing to a string can't fail.
    let _ = match part {
        Part::Year { short: false } => write!(out, "{:04}", time.year()),
        Part::Year { short: true } => write!(out, "{:02}", time.year().rem_euclid(100)),
        Part::MonthName { short } => out.write_str(name(&MONTHS, time.month(), short)),
        Part::Month { pad } => number(out, time.month(), pad),
        Part::WeekdayName { short } => {
            out.write_str(name(&WEEKDAYS, time.weekday().to_monday_one_offset(), short))
        }
        Part::Day { pad } => padded(out, i16::from(time.day()), pad, 2),
        Part::DayOfYear { pad } => padded(out, time.day_of_year(), pad, 3),
        Part::Hour24 => number(out, time.hour(), true),
        Part::Hour12 { pad } => number(out, hour12, pad),
        Part::Minute { pad } => number(out, time.minute(), pad),
        Part::Second { pad } => number(out, time.second(), pad),
        Part::HalfDay { upper } => out.write_str(match (time.hour() >= 12, upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }),
        Part::ZoneName => out.write_str(&zone_name(time)),
        Part::Offset { zulu: true, .. } if time.offset().seconds() == 0 => out.write_str("Z"),
        Part::Offset { colons, minutes, seconds, .. } => {
            write_offset(out, time.offset().seconds(), colons, minutes, seconds)
        }
        Part::Fraction { digits, trim, mark } => {
            write_fraction(out, time.subsec_nanosecond(), digits, trim, mark)
        }
    };
}

fn name(names: &[&'static str], one_based: i8, short: bool) -> &'static str {
    let index = usize::try_from(one_based - 1).unwrap_or_default();
    let name = names.get(index).copied().unwrap_or_default();
    if short { &name[..3] } else { name }
}

fn number(out: &mut String, value: i8, pad: bool) -> std::fmt::Result {
    padded(out, i16::from(value), if pad { Pad::Zero } else { Pad::None }, 2)
}

fn padded(out: &mut String, value: i16, pad: Pad, width: usize) -> std::fmt::Result {
    match pad {
        Pad::None => write!(out, "{value}"),
        Pad::Space => write!(out, "{value:width$}"),
        Pad::Zero => write!(out, "{value:0width$}"),
    }
}

/// The zone's abbreviation, or its offset where it has none.
fn zone_name(time: &Zoned) -> String {
    let seconds = time.offset().seconds();
    if time.time_zone().iana_name().is_none() {
        if seconds == 0 {
            return "UTC".to_owned();
        }
        let mut out = String::new();
        let _ = write_offset(&mut out, seconds, false, seconds % 3600 != 0, false);
        // A bare offset of whole hours reads `+02` as a name, but four digits as an unnamed zone.
        return if seconds % 3600 == 0 { format!("{out}00") } else { out };
    }
    time.time_zone().to_offset_info(time.timestamp()).abbreviation().to_owned()
}

fn write_offset(
    out: &mut String,
    seconds: i32,
    colons: bool,
    minutes: bool,
    with_seconds: bool,
) -> std::fmt::Result {
    let colon = if colons { ":" } else { "" };
    let span = seconds.abs();
    write!(out, "{}{:02}", if seconds < 0 { '-' } else { '+' }, span / 3600)?;
    if minutes {
        write!(out, "{colon}{:02}", span / 60 % 60)?;
    }
    if with_seconds {
        write!(out, "{colon}{:02}", span % 60)?;
    }
    Ok(())
}

fn write_fraction(out: &mut String, nanos: i32, digits: usize, trim: bool, mark: char) -> std::fmt::Result {
    let all = format!("{nanos:09}");
    let shown = &all[..digits];
    let shown = if trim { shown.trim_end_matches('0') } else { shown };
    if shown.is_empty() { Ok(()) } else { write!(out, "{mark}{shown}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layout: &str, time: &str, want: &str) {
        let time: jiff::Timestamp = time.parse().unwrap();
        assert_eq!(format(layout, &time.to_zoned(jiff::tz::TimeZone::UTC)), want, "{layout}");
    }

    #[test]
    fn layouts_are_gos() {
        let time = "2026-01-02T03:04:05.0607Z";
        check("2006-01-02T15:04:05.999999999Z07:00", time, "2026-01-02T03:04:05.0607Z");
        check("2006-01-02T15:04:05.000Z0700", time, "2026-01-02T03:04:05.060Z");
        check("Mon Jan _2 15:04:05 MST 2006", time, "Fri Jan  2 03:04:05 UTC 2026");
        check("Monday, 02-Jan-06 15:04:05 MST", time, "Friday, 02-Jan-26 03:04:05 UTC");
        check("3:04PM 1/2/06 -0700 -07:00 -07", time, "3:04AM 1/2/26 +0000 +00:00 +00");
        check("3:04pm 002 __2", "2026-02-09T00:30:00Z", "12:30am 040  40");
        check("Month Janet .0002 05,00 é_2006", time, "Month Janet .0002 05,06 é_2026");
    }
}
