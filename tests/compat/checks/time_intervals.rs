//! Times at which routes are mute, or not.

use super::later;
use crate::expect::{ensure, names, same};
use crate::suite::Outcome;
use crate::support::{Alert, now};
use crate::target::Target;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

const DAYS: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Parts of today: what an interval is made from.
struct Today {
    weekday: usize,
    day: u32,
    month: usize,
    hour: i32,
}

impl Today {
    fn new() -> Self {
        let (text, seconds) = (later(Duration::ZERO), now().duration_since(UNIX_EPOCH).unwrap().as_secs());
        let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap();
        Self {
            weekday: (seconds / 86_400 % 7) as usize,
            day: number(8..10),
            month: number(5..7) as usize - 1,
            hour: number(11..13) as i32,
        }
    }

    /// Intervals, and whether they are now. None ends or begins within hours of
    /// now, so that midnight may pass.
    fn intervals(&self) -> Vec<(String, bool)> {
        let far_day = DAYS[(self.weekday + 3) % 7];
        let far_month = MONTHS[(self.month + 6) % 12];
        let is_middle = (6..=20).contains(&self.day);
        let (far_days, far_days_from_end) = if is_middle { ("25:28", "-3:-1") } else { ("11:13", "-19:-15") };
        // A place where it is 18 o'clock, or 9 where that is too near to the hour
        // here, or no place on Earth.
        let there = if (15..=21).contains(&self.hour) || self.hour < 4 { 9 } else { 18 };
        let zone = format!("Etc/GMT{:+}", self.hour - there);
        let around = format!("[{{ start_time: '{:02}:00', end_time: '{:02}:00' }}]", there - 2, there + 3);
        let never_there = "[{ start_time: '00:00', end_time: '04:00' }]";
        vec![
            ("{}".to_owned(), true),
            ("{ years: ['2000:2099'] }".to_owned(), true),
            ("{ years: ['2000:2001', '2003'] }".to_owned(), false),
            (format!("{{ weekdays: ['{far_day}'] }}"), false),
            ("{ weekdays: ['monday:friday', saturday, sunday] }".to_owned(), true),
            (format!("{{ months: ['{far_month}'] }}"), false),
            (format!("{{ months: ['{}'] }}", (self.month + 6) % 12 + 1), false),
            ("{ months: ['january:june', '7:12'] }".to_owned(), true),
            (format!("{{ days_of_month: ['{far_days}'] }}"), false),
            (format!("{{ days_of_month: ['{far_days_from_end}'] }}"), false),
            ("{ days_of_month: ['1:15', '-17:-1'] }".to_owned(), true),
            ("{ times: [{ start_time: '00:00', end_time: '24:00' }] }".to_owned(), true),
            (format!("{{ times: {around}, location: '{zone}' }}"), true),
            (format!("{{ times: {never_there}, location: '{zone}' }}"), false),
            // All parts must hold.
            (format!("{{ years: ['2000:2099'], weekdays: ['{far_day}'] }}"), false),
        ]
    }
}

/// A route for each interval, which is mute in it.
fn each_mutes(intervals: &[(String, bool)]) -> String {
    let (mut routes, mut named) = (String::new(), String::new());
    for (n, (interval, _)) in intervals.iter().enumerate() {
        let _ = writeln!(routes, "  - {{ matchers: ['n=\"{n}\"'], mute_time_intervals: [i{n}] }}");
        let _ = writeln!(named, "- {{ name: i{n}, time_intervals: [{interval}] }}");
    }
    format!(
        "route:\n  receiver: a\n  group_by: [n]\n  group_wait: 100ms\n  group_interval: 1s\n  routes:\n{routes}\
         time_intervals:\n{named}receivers: [{{ name: a, webhook_configs: [{{ url: HOOK/a }}] }}]\n"
    )
}

pub(crate) fn every_part_of_an_interval_counts(target: &mut Target) -> Outcome {
    let intervals = Today::new().intervals();
    target.start(&each_mutes(&intervals))?;
    let alert = |n: usize| Alert::new(&format!("{n:02}")).label("n", &n.to_string());
    target.fire(&(0..intervals.len()).map(alert).collect::<Vec<_>>())?;
    let is_told = |n: &usize| !intervals[*n].1;
    let want: Vec<_> = (0..intervals.len()).filter(is_told).map(|n| format!("firing {n:02}")).collect();
    target.wait_told("/a", want.len())?;
    target.pause(Duration::from_millis(300));
    let mut told = target.summary("/a");
    told.sort();
    ensure!(told == want, "told {told:?}, want {want:?} of {intervals:?}");
    Ok(())
}

const ONE_MUTE: &str = "\
route:
  receiver: a
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  routes:
  - { matchers: [alertname=muted], mute_time_intervals: [never, always] }
  - { matchers: [alertname=inactive], active_time_intervals: [never, past] }
  - { matchers: [alertname=told], mute_time_intervals: [never], active_time_intervals: [past, always] }
time_intervals:
- { name: always, time_intervals: [{ years: ['2000:2099'] }] }
- { name: never, time_intervals: [{ years: ['2000'] }] }
mute_time_intervals: [{ name: past, time_intervals: [{ years: ['2001'] }] }]
receivers: [{ name: a, webhook_configs: [{ url: HOOK/a }] }]
";

pub(crate) fn only_groups_show_who_mutes_them(target: &mut Target) -> Outcome {
    target.start(ONE_MUTE)?;
    target.fire(&["muted", "inactive", "told"].map(Alert::new))?;
    target.expect_told("/a", &["firing told"])?;
    let status = |name: &str| -> Result<Value, String> {
        let groups = target.groups(&format!("?filter=alertname={name}"))?;
        Ok(groups[0]["alerts"][0]["status"].clone())
    };
    for (name, by) in [("muted", json!(["always"])), ("inactive", json!(["never", "past"]))] {
        let status = target.wait(name, || {
            let status = status(name)?;
            Ok((status["state"] == "suppressed").then_some(status))
        })?;
        same(name, &status["mutedBy"], &by)?;
        let listed = target.alert(name)?["status"].clone();
        same("in the list", (&listed["state"], &listed["mutedBy"]), (&json!("active"), &json!([])))?;
    }
    let told = status("told")?;
    same("told", (&told["state"], &told["mutedBy"]), (&json!("active"), &json!([])))
}

pub(crate) fn muted_groups_can_be_left_out(target: &mut Target) -> Outcome {
    target.start(ONE_MUTE)?;
    target.fire(&["muted", "inactive", "told"].map(Alert::new))?;
    let shown = |query: &str| -> Result<Vec<String>, String> {
        let groups = target.groups(query)?;
        let mut shown: Vec<_> =
            groups.as_array().into_iter().flatten().flat_map(|group| names(&group["alerts"])).collect();
        shown.sort();
        Ok(shown)
    };
    target.wait("two are mute", || Ok((shown("?muted=false")? == ["told"]).then_some(())))?;
    same("all", shown("")?, ["inactive", "muted", "told"])
}

pub(crate) fn what_was_muted_is_told_afterwards(target: &mut Target) -> Outcome {
    target.start(ONE_MUTE)?;
    target.fire(&["muted", "told"].map(Alert::new))?;
    target.expect_told("/a", &["firing told"])?;
    // The group stays, and goes on being looked at.
    target.reload(&ONE_MUTE.replace("[never, always] }", "[never] }"))?;
    target.expect_told("/a", &["firing told", "firing muted"])
}
