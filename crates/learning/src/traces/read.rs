//! A file of arrivals, line by line, each bounded.

use super::{Trace, in_weeks, windows_a_day};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const LINE_BYTES_MAX: u64 = 256 << 20;
const SERIES_MAX: usize = 100_000;
/// 400 MB of memory.
const TICKS_MAX: usize = 100_000_000;
const COUNT_MAX: f32 = 1e9;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why arrivals were not read, and where.
#[derive(Debug, thiserror::Error)]
#[error("arrivals `{path}`, line {line}: {fault}", path = path.display())]
pub struct TraceError {
    /// Which file.
    pub path: PathBuf,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong there.
    pub fault: TraceFault,
}

/// What is wrong with a line of arrivals.
#[derive(Debug, thiserror::Error)]
pub enum TraceFault {
    /// The file system or gzip said no.
    #[error("{0}")]
    File(#[from] io::Error),
    /// Not what is expected.
    #[error(
        "{0}; expected {{\"client\": text, \"dataset\": text, \"tick_s\": seconds, \"counts\": [numbers]}}"
    )]
    Json(#[from] serde_json::Error),
    /// A line without end.
    #[error("longer than {LINE_BYTES_MAX} bytes; cut the series")]
    LineTooLong,
    /// More than memory is set aside for.
    #[error("more than {SERIES_MAX} series or {TICKS_MAX} ticks in all; split the file")]
    TooMuch,
    /// A count that is none.
    #[error("count `{count}` of tick {tick}; expected 0 to {COUNT_MAX}")]
    Count {
        /// From 0.
        tick: usize,
        /// As it stands there.
        count: f32,
    },
    /// Two series of one name.
    #[error("client `{0}` has been there before; give each series a name of its own")]
    Twice(String),
    /// A file without a series.
    #[error("nothing in it")]
    Empty,
}

#[derive(Deserialize)]
struct Line {
    client: String,
    dataset: String,
    tick_s: u32,
    counts: Vec<f32>,
}

/// Reads a file of arrivals.
///
/// # Errors
/// [`TraceError`] with the line that is at fault.
pub fn read(path: &Path) -> Result<Vec<Trace>, TraceError> {
    let fail = |line, fault| TraceError { path: path.to_owned(), line, fault };
    let mut file = BufReader::new(File::open(path).map_err(|error| fail(0, error.into()))?);
    let is_gzip = file.fill_buf().map_err(|error| fail(0, error.into()))?.starts_with(&GZIP);
    let read = match is_gzip {
        true => read_from(&mut BufReader::new(MultiGzDecoder::new(file))),
        false => read_from(&mut file),
    };
    read.map_err(|(line, fault)| fail(line, fault))
}

/// Reads arrivals from lines that aren't compressed.
///
/// # Errors
/// The line, from 1, and what is wrong with it.
pub fn read_from(lines: &mut dyn BufRead) -> Result<Vec<Trace>, (usize, TraceFault)> {
    let mut traces: Vec<Trace> = Vec::new();
    let (mut series, mut ticks, mut text) = (0, 0, Vec::new());
    for number in 1.. {
        text.clear();
        let bytes = lines.take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut text);
        match bytes.map_err(|error| (number, error.into()))? as u64 {
            0 => break,
            1..=LINE_BYTES_MAX => {}
            _ => return Err((number, TraceFault::LineTooLong)),
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let trace = parsed(&text).map_err(|fault| (number, fault))?;
        series += 1;
        ticks += trace.counts.len();
        if series > SERIES_MAX || ticks > TICKS_MAX {
            return Err((number, TraceFault::TooMuch));
        }
        traces.extend(in_weeks(trace));
    }
    match twice(&traces) {
        _ if series == 0 => Err((0, TraceFault::Empty)),
        Some(name) => Err((0, TraceFault::Twice(name))),
        None => Ok(traces),
    }
}

fn parsed(text: &[u8]) -> Result<Trace, TraceFault> {
    let Line { client, dataset, tick_s, counts } = serde_json::from_slice(text)?;
    let is_count = |count: &f32| (0.0..=COUNT_MAX).contains(count);
    if let Some(tick) = counts.iter().position(|count| !is_count(count)) {
        return Err(TraceFault::Count { tick, count: counts[tick] });
    }
    Ok(Trace { client, dataset, windows_a_day: windows_a_day(tick_s), counts })
}

fn twice(traces: &[Trace]) -> Option<String> {
    let mut names: Vec<&str> = traces.iter().map(|trace| trace.client.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn fault(text: &str) -> (usize, String) {
        let (line, fault) = read_from(&mut text.as_bytes()).unwrap_err();
        (line, fault.to_string())
    }

    const GOOD: &str = r#"{"client":"a","dataset":"d","tick_s":300,"start":"2015","counts":[1,2.5,0]}"#;

    #[test]
    fn faults_name_their_line() {
        let (line, text) = fault(&format!("{GOOD}\n\n{{\"client\":1}}\n"));
        assert!(line == 3 && text.contains("invalid type: integer `1`, expected a string"), "{line} {text}");
        let negative = GOOD.replace("2.5", "-2").replace("\"a\"", "\"b\"");
        assert_eq!(
            fault(&format!("{GOOD}\n{negative}")),
            (2, "count `-2` of tick 1; expected 0 to 1000000000".into())
        );
        assert_eq!(
            fault(&format!("{GOOD}\n{GOOD}")).1,
            "client `a` has been there before; give each series a name of its own"
        );
        assert_eq!(fault("\n \n"), (0, "nothing in it".into()));
        assert!(fault(&GOOD.replace("2.5", "1e39")).0 == 1);
    }

    #[test]
    fn gzip_or_not_is_seen_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let [plain, zipped] = ["a.jsonl", "b"].map(|name| folder.path().join(name));
        std::fs::write(&plain, GOOD).unwrap();
        let mut gzip =
            flate2::write::GzEncoder::new(File::create(&zipped).unwrap(), flate2::Compression::fast());
        gzip.write_all(GOOD.as_bytes()).unwrap();
        gzip.finish().unwrap();
        let traces = read(&plain).unwrap();
        assert_eq!((traces[0].windows_a_day, traces[0].counts.as_slice()), (24, &[1.0, 2.5, 0.0][..]));
        assert_eq!(read(&zipped).unwrap(), traces);
        std::fs::write(&zipped, [0x1f, 0x8b, 8, 0]).unwrap();
        assert!(matches!(read(&zipped).unwrap_err(), TraceError { line: 1, fault: TraceFault::File(_), .. }));
    }
}
