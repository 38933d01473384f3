//! The lines of a run as tables for people.

use crate::error::LoadError;
use crate::figures::median;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What others are compared with.
const FLOOR: &str = "nginx `return 200`";

/// One measure of one server.
#[derive(Debug, Deserialize)]
struct Line {
    phase: String,
    who: String,
    round: u32,
    result: Map<String, Value>,
}

/// A column: its heading, its key, and whether it is shown as a ratio to the
/// floor's value of the same round.
struct Column(&'static str, &'static str, Shown);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Value,
    Ratio,
}
use Shown::{Ratio, Value as Plain};

const LATENCIES: [Column; 3] = [
    Column("p50 µs", "p50_us", Plain),
    Column("p99 µs", "p99_us", Plain),
    Column("p99.9 µs", "p999_us", Plain),
];

/// A phase, what stands above its table, and its columns.
struct Phase(&'static str, &'static str, Vec<Column>);

fn phases() -> Vec<Phase> {
    vec![
        Phase("http", "HTTP, keep-alive, closed loop", closed_loop()),
        Phase("grpc", "gRPC, closed loop", closed_loop()),
        Phase(
            "batch",
            "Many decisions a call",
            vec![
                Column("decisions/s", "decisions_per_s", Plain),
                Column("CPU µs a decision", "decision_cpu_us", Plain),
                Column("load's CPU µs a decision", "decision_load_us", Plain),
                Column("p50 µs a call", "p50_us", Plain),
                Column("p99 µs a call", "p99_us", Plain),
                Column("not allowed, share", "refused_share", Plain),
            ],
        ),
        Phase("latency", "HTTP, open loop at half of the saturated rate", open_loop()),
        Phase(
            "start",
            "From exec to ready",
            vec![Column("ready after, ms", "ready_ms", Plain), Column("RSS MiB", "rss_mib", Plain)],
        ),
        Phase(
            "memory",
            "Each client asked for once",
            vec![
                Column("clients", "clients", Plain),
                Column("RSS before, MiB", "rss_before_mib", Plain),
                Column("RSS after, MiB", "rss_mib", Plain),
                Column("bytes a client", "bytes_a_client", Plain),
            ],
        ),
    ]
}

fn closed_loop() -> Vec<Column> {
    let mut columns = vec![
        Column("requests/s", "requests_per_s", Plain),
        Column("× nginx", "requests_per_s", Ratio),
        Column("CPU µs", "server_cpu_us", Plain),
        Column("× nginx", "server_cpu_us", Ratio),
    ];
    columns.extend(LATENCIES);
    columns.push(Column("RSS MiB", "rss_mib", Plain));
    columns.push(Column("load's CPU µs", "load_cpu_us", Plain));
    columns.push(Column("not allowed, share", "refused_share", Plain));
    columns
}

fn open_loop() -> Vec<Column> {
    let mut columns =
        vec![Column("requests/s due", "rate", Plain), Column("answered", "requests_per_s", Plain)];
    columns.extend(LATENCIES);
    columns.push(Column("CPU µs", "server_cpu_us", Plain));
    columns.push(Column("load's CPU µs", "load_cpu_us", Plain));
    columns.push(Column("load late, p99.9 µs", "late_us_p999", Plain));
    columns.push(Column("5xx", "server_errors", Plain));
    columns
}

pub(crate) fn of_file(path: &Path) -> Result<String, LoadError> {
    let lines = lines(path)?;
    Ok(phases().iter().filter_map(|phase| table(phase, &lines)).collect::<Vec<String>>().join("\n"))
}

/// The middle of one server's values of one key, for the next measure.
pub(crate) fn median_of(path: &Path, phase: &str, who: &str, key: &str) -> Result<String, LoadError> {
    let lines = lines(path)?;
    let of_who: Vec<&Line> = lines.iter().filter(|line| line.phase == phase && line.who == who).collect();
    let mut values: Vec<f64> = by_round(&of_who, key).into_values().collect();
    median(&mut values).map(|value| value.to_string()).ok_or(LoadError::NoSamples)
}

fn lines(path: &Path) -> Result<Vec<Line>, LoadError> {
    let text =
        fs::read_to_string(path).map_err(|source| LoadError::File { path: path.to_owned(), source })?;
    text.lines().enumerate().map(|(at, line)| parse(path, at, line)).collect()
}

fn parse(path: &Path, index: usize, line: &str) -> Result<Line, LoadError> {
    serde_json::from_str(line).map_err(|source| LoadError::Line {
        path: path.to_owned(),
        line: index + 1,
        source,
    })
}

/// Nothing for a phase that was not run.
fn table(phase: &Phase, lines: &[Line]) -> Option<String> {
    let Phase(name, title, columns) = phase;
    let of_phase: Vec<&Line> = lines.iter().filter(|line| line.phase == *name).collect();
    let mut out = format!("{title}:\n\n| |");
    for Column(heading, ..) in columns {
        let _ = write!(out, " {heading} |");
    }
    let _ = writeln!(out, "\n|---|{}", "---:|".repeat(columns.len()));
    for who in in_order(&of_phase) {
        let cells: Vec<String> = columns.iter().map(|column| cell(middle(&of_phase, who, column))).collect();
        let _ = writeln!(out, "| {who} | {} |", cells.join(" | "));
    }
    (!of_phase.is_empty()).then_some(out)
}

/// Each server once, as they came.
fn in_order<'l>(lines: &[&'l Line]) -> Vec<&'l str> {
    let mut seen = Vec::new();
    for line in lines {
        if !seen.contains(&line.who.as_str()) {
            seen.push(line.who.as_str());
        }
    }
    seen
}

/// Ratios are those of the rounds: both servers had the same machine then.
fn middle(lines: &[&Line], who: &str, Column(_, key, shown): &Column) -> Option<f64> {
    let of = |who: &str| {
        let of_who: Vec<&Line> = lines.iter().filter(|line| line.who == who).copied().collect();
        by_round(&of_who, key)
    };
    let values = of(who);
    if *shown == Plain {
        return median(&mut values.into_values().collect::<Vec<f64>>());
    }
    let floor = of(FLOOR);
    let ratios = values.iter().filter_map(|(round, value)| Some(value / floor.get(round)?));
    median(&mut ratios.filter(|ratio| ratio.is_finite()).collect::<Vec<f64>>())
}

/// A result's value of each round; rounds without one are left out.
fn by_round(lines: &[&Line], key: &str) -> BTreeMap<u32, f64> {
    lines.iter().filter_map(|line| Some((line.round, line.result.get(key)?.as_f64()?))).collect()
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(0.0) => "0".to_owned(),
        Some(value) => format!("{value:.2}"),
    }
}

#[test]
fn ratios_are_those_of_the_rounds() {
    let line = |who: &str, round: u32, cpu: f64| {
        let text = format!(
            r#"{{"who":"{who}","phase":"grpc","round":{round},"result":{{"server_cpu_us":{cpu},"rss_mib":null}}}}"#
        );
        parse(Path::new("f"), 0, &text).unwrap()
    };
    let lines = [line(FLOOR, 1, 1.0), line("ours", 1, 2.0), line(FLOOR, 2, 300.0), line("ours", 2, 30.0)];
    let found = phases().iter().filter_map(|phase| table(phase, &lines)).collect::<Vec<String>>();
    assert_eq!(found.len(), 1);
    let rows: Vec<&str> = found[0].lines().skip(4).collect();
    assert_eq!(rows[0], "| nginx `return 200` | – | – | 150 | 1.00 | – | – | – | – | – | – |");
    assert_eq!(rows[1], "| ours | – | – | 16.0 | 1.05 | – | – | – | – | – | – |");
    assert!(parse(Path::new("f"), 4, "{").unwrap_err().to_string().contains("line 5"));
}
