//! `parts.txt` and `contains.txt` hold what Alertmanager 0.31.1 answered.
//! `part|text|as it writes it`, with `!` where it refuses the text; and
//! `part=text,text …|time|yes or no`.

use super::*;
use openclaw_alert::Zoned;
use std::fmt::Display;
use std::str::FromStr;

fn at(text: &str) -> Timestamp {
    Zoned::parse(text).unwrap().at
}

fn rewritten<T: FromStr<Err = IntervalError> + Display>(text: &str) -> Result<String, IntervalError> {
    text.parse::<T>().map(|part| part.to_string())
}

fn time_range(text: &str) -> Result<TimeRange, IntervalError> {
    let (start, end) = text.split_once('-').unwrap();
    TimeRange::parse(start, end)
}

fn part(kind: &str, text: &str) -> Result<String, IntervalError> {
    match kind {
        "times" => time_range(text).map(|range| format!("{}-{}", range.start(), range.end())),
        "weekdays" => rewritten::<WeekdayRange>(text),
        "days_of_month" => rewritten::<DayOfMonthRange>(text),
        "months" => rewritten::<MonthRange>(text),
        "years" => rewritten::<YearRange>(text),
        "location" => rewritten::<Location>(text),
        other => panic!("{other}"),
    }
}

fn list<T: FromStr<Err = IntervalError>>(text: &str) -> Option<Vec<T>> {
    Some(text.split(',').map(|text| text.parse().unwrap()).collect())
}

fn interval(text: &str) -> TimeInterval {
    let mut interval = TimeInterval::default();
    for (part, text) in text.split_whitespace().map(|part| part.split_once('=').unwrap()) {
        match part {
            "times" => interval.times = Some(text.split(',').map(|text| time_range(text).unwrap()).collect()),
            "weekdays" => interval.weekdays = list(text),
            "days_of_month" => interval.days_of_month = list(text),
            "months" => interval.months = list(text),
            "years" => interval.years = list(text),
            "location" => interval.location = Some(text.parse().unwrap()),
            other => panic!("{other}"),
        }
    }
    interval
}

fn check(intervals: &str, time: &str, want: bool) {
    assert_eq!(interval(intervals).contains(at(time)), want, "{intervals} at {time}");
}

#[test]
fn parts_are_read_and_written_as_in_alertmanager() {
    for line in include_str!("parts.txt").lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let found = part(fields[0], fields[1]);
        assert_eq!(found.unwrap_or_else(|_| "!".to_owned()), fields[2], "{line}");
    }
}

#[test]
fn intervals_hold_as_in_alertmanager() {
    for line in include_str!("contains.txt").lines() {
        let fields: Vec<&str> = line.split('|').collect();
        check(fields[0], fields[1], fields[2] == "yes");
    }
}

#[test]
fn the_last_day_is_the_last_where_clocks_go_forward_too() {
    check("days_of_month=-1 location=Europe/Berlin", "2026-03-31T12:00:00Z", true);
    check("days_of_month=-1 location=Europe/Berlin", "2026-03-30T12:00:00Z", false);
    check("days_of_month=1:31 location=Europe/Berlin", "2026-03-31T12:00:00Z", true);
}

#[test]
fn an_empty_list_never_holds_and_new_leaves_it_unset() {
    let time = at("2026-03-31T12:00:00Z");
    let never = TimeInterval { months: Some(Vec::new()), ..TimeInterval::default() };
    assert!(!never.contains(time));
    assert!(TimeInterval::new(vec![], vec![], vec![], vec![], vec![], None).contains(time));
}

#[test]
fn local_is_utc() {
    let local: Location = "Local".parse().unwrap();
    assert_eq!(local.name(), "Local");
    check("times=12:00-12:01 location=Local", "2026-07-01T12:00:59Z", true);
}

#[test]
fn any_interval_of_a_name_is_enough() {
    let intervals = vec![interval("weekdays=sunday"), interval("times=00:00-06:00")];
    let named = NamedIntervals { name: "quiet".into(), intervals };
    assert!(named.contains(at("2026-11-22T12:00:00Z")));
    assert!(named.contains(at("2026-11-23T05:59:59Z")));
    assert!(!named.contains(at("2026-11-23T06:00:00Z")));
    assert!(!NamedIntervals { name: "none".into(), intervals: vec![] }.contains(at("2026-11-23T06:00:00Z")));
}

#[test]
fn errors_name_the_text_and_the_way_out() {
    for (kind, text, want) in [
        ("times", "9:00-10:00", "`9:00` is not a time of day from `00:00` to `24:00`, such as `09:30`"),
        (
            "times",
            "22:00-06:00",
            "`22:00 to 06:00` ends before it starts; write two ranges to go around the end",
        ),
        (
            "weekdays",
            "mon:fri",
            "`mon:fri` is not a day of the week or a range of them, such as `monday:friday`",
        ),
        (
            "days_of_month",
            "-1:5",
            "`-1:5` starts with a day counted from the month's end; its end must be negative too",
        ),
        (
            "location",
            "Mars/Base",
            "`Mars/Base` is not a time zone; use a name such as `Europe/Berlin` or `UTC`",
        ),
    ] {
        assert_eq!(part(kind, text).unwrap_err().to_string(), want);
    }
    let long = "x".repeat(10_000);
    assert!(part("years", &long).unwrap_err().to_string().len() < 200);
}
