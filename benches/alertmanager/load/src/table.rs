//! The lines of a run as a table for people.

use crate::error::LoadError;
use crate::figures::{median, rounded};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// One measure of one server.
#[derive(Debug, Deserialize)]
struct Line {
    who: Who,
    phase: String,
    round: u32,
    configuration: String,
    build: String,
    fdatasync_us_p50: f64,
    result: Map<String, Value>,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Who {
    Openclaw,
    Alertmanager,
}

/// Phase, key of its result, and what the table calls it.
const ROWS: [(&str, &str, &str); 38] = [
    ("batch-new", "cpu_s_per_100k", "batches of 100, all new: CPU s for 100,000"),
    ("batch-new", "cpu_s_per_100k_told", "… until the receiver has them all"),
    ("batch-new", "told_after_s", "… told after the last answer, s (group_wait 1 s, group_interval 5 s)"),
    ("batch-new", "alerts_per_s", "… alerts/s"),
    ("batch-repeats", "cpu_s_per_100k", "batches of 100, 90 % repeats: CPU s for 100,000"),
    ("batch-repeats", "alerts_per_s", "… alerts/s"),
    ("single-new", "cpu_s_per_100k", "one a request, 8 connections, new: CPU s for 100,000"),
    ("single-new", "alerts_per_s", "… alerts/s"),
    ("single-new", "post_ms_p50", "… POST p50, ms"),
    ("single-new", "post_ms_p99", "… POST p99, ms"),
    ("single-repeats", "cpu_s_per_100k", "one a request, 8 connections, repeats: CPU s for 100,000"),
    ("single-repeats", "alerts_per_s", "… alerts/s"),
    ("memory", "rss_mib", "100,000 active, after two resends: resident MiB"),
    ("memory", "peak_mib", "… at its highest, MiB"),
    ("listing", "alerts_cpu_s", "100,000 active: `GET /api/v2/alerts`, CPU s"),
    ("listing", "alerts_growth_mib", "… grows by, MiB"),
    ("listing", "groups_cpu_s", "… `GET /api/v2/alerts/groups`, CPU s"),
    ("listing", "groups_growth_mib", "… grows by, MiB"),
    ("listing", "first_page_ms_p50", "… first page of `GET /api/v1/alerts`, p50 of 21, ms"),
    ("latency", "post_ms_p50", "POST of a new alert, one connection: p50, ms"),
    ("latency", "post_ms_p99", "… p99, ms"),
    ("notify", "notify_ms_p50", "POST to webhook, no group_wait: p50, ms"),
    ("notify", "notify_ms_p95", "… p95, ms"),
    ("kill9-accepted", "told_firing", "1,000 accepted, `kill -9`, started again: told"),
    ("kill9-accepted", "silences", "… silences left of 1"),
    ("kill9-accepted", "ready_ms", "… ready again after, ms"),
    ("kill9-told", "told_firing_again", "1,000 told, `kill -9`, posted again: told twice"),
    ("kill9-told", "told_resolved", "… then resolved: closed at the receiver"),
    ("kill9-resolved", "told_firing", "1,000 accepted: told"),
    (
        "kill9-resolved",
        "told_resolved",
        "… resolves accepted, `kill -9`, started again: closed at the receiver",
    ),
    ("storm", "p99_ratio", "quiet tenant's POST p99 beside a storm ÷ alone"),
    ("storm", "quiet_ms_p99_alone", "… alone, ms"),
    ("storm", "quiet_ms_p99_in_storm", "… beside the storm, ms"),
    ("storm", "storm_alerts_per_s", "… the storm, alerts/s"),
    ("storm", "storm_refused_share", "… of these refused, share"),
    ("storm", "storm_cpu_share", "… the storm's own CPU, cores"),
    ("startup", "ready_ms", "start with nothing kept: ready after, ms"),
    ("startup", "rss_mib", "… resident MiB"),
];

pub(crate) fn of_file(path: &Path, peer: &str) -> Result<String, LoadError> {
    let text =
        fs::read_to_string(path).map_err(|source| LoadError::File { path: path.to_owned(), source })?;
    let lines: Result<Vec<Line>, LoadError> =
        text.lines().enumerate().map(|(at, line)| parse(path, at, line)).collect();
    Ok(table(&lines?, peer))
}

fn parse(path: &Path, index: usize, line: &str) -> Result<Line, LoadError> {
    serde_json::from_str(line).map_err(|source| LoadError::Line {
        path: path.to_owned(),
        line: index + 1,
        source,
    })
}

fn table(lines: &[Line], peer: &str) -> String {
    let mut out = format!(
        "| work | openclaw | {peer} | ratio | configuration | build | fdatasyncs | fdatasync p50 µs |\n\
         |---|---:|---:|---:|---|---|---:|---:|\n"
    );
    for (phase, key, title) in ROWS {
        let of_phase: Vec<&Line> = lines.iter().filter(|line| line.phase == phase).collect();
        let ours = by_round(&of_phase, Who::Openclaw, key);
        let theirs = by_round(&of_phase, Who::Alertmanager, key);
        if ours.is_empty() && theirs.is_empty() {
            continue;
        }
        // The rounds' own ratios: both servers had the same machine then.
        let mut ratios: Vec<f64> = ours
            .iter()
            .filter_map(|(round, ours)| {
                theirs.get(round).filter(|theirs| **theirs != 0.0).map(|theirs| ours / theirs)
            })
            .collect();
        let syncs = by_round(&of_phase, Who::Openclaw, "syncs");
        let (configuration, build) = of_ours(&of_phase);
        let mut disk: Vec<f64> = of_phase.iter().map(|line| line.fdatasync_us_p50).collect();
        // Writing to a string can't fail.
        let _ = writeln!(
            out,
            "| {title} | {} | {} | {} | {configuration} | {build} | {} | {} |",
            middle(ours),
            middle(theirs),
            cell(median(&mut ratios)),
            middle(syncs),
            cell(median(&mut disk).map(f64::round)),
        );
    }
    out
}

/// A result's value of each round; rounds without one are left out.
fn by_round(lines: &[&Line], who: Who, key: &str) -> BTreeMap<u32, f64> {
    let of_who = lines.iter().filter(|line| line.who == who);
    of_who.filter_map(|line| Some((line.round, line.result.get(key)?.as_f64()?))).collect()
}

fn of_ours<'l>(lines: &[&'l Line]) -> (&'l str, &'l str) {
    let ours = lines.iter().find(|line| line.who == Who::Openclaw);
    ours.map_or(("–", "–"), |line| (line.configuration.as_str(), line.build.as_str()))
}

fn middle(values: BTreeMap<u32, f64>) -> String {
    cell(median(&mut values.into_values().collect::<Vec<f64>>()))
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) => rounded(value).to_string(),
    }
}

#[test]
fn ratios_are_those_of_the_rounds() {
    let line = |who: &str, round: u32, cpu: f64| {
        let text = format!(
            r#"{{"who":"{who}","phase":"batch-new","round":{round},"configuration":"default","build":"release","fdatasync_us_p50":130,"result":{{"cpu_s_per_100k":{cpu},"syncs":null}}}}"#
        );
        parse(Path::new("f"), 0, &text).unwrap()
    };
    let lines = [
        line("openclaw", 1, 1.0),
        line("alertmanager", 1, 2.0),
        line("openclaw", 2, 3.0),
        line("alertmanager", 2, 30.0),
    ];
    let table = table(&lines, "Alertmanager 1");
    let row = table.lines().nth(2).unwrap();
    assert_eq!(
        row,
        "| batches of 100, all new: CPU s for 100,000 | 2 | 16 | 0.3 | default | release | – | 130 |"
    );
    assert_eq!(table.lines().count(), 3);
    assert!(parse(Path::new("f"), 4, "{").unwrap_err().to_string().contains("line 5"));
}
