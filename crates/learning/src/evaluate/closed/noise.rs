//! Measured capacity noise: a table whose column `rel_capacity` is what a
//! machine could do over its median, gzipped or not.

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const BYTES_MAX: u64 = 64 << 20;
const SAMPLES_MAX: usize = 10_000_000;
const COLUMN: &str = "rel_capacity";
/// A machine that does nothing, or a hundred times its median, was measured wrongly.
const BETWEEN: (f64, f64) = (0.01, 100.0);
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why capacity noise was not read.
#[derive(Debug, thiserror::Error)]
pub enum NoiseError {
    /// The file system or gzip said no.
    #[error("capacity noise `{path}`: {error}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// The first line doesn't name the column.
    #[error("capacity noise has no column `{COLUMN}`; name it in the first line")]
    NoColumn,
    /// A number that is none, or absurd.
    #[error("capacity noise, line {line}: `{COLUMN}` isn't a number between {} and {}", BETWEEN.0, BETWEEN.1)]
    Number {
        /// From 1.
        line: usize,
    },
    /// More than memory is set aside for.
    #[error("capacity noise has more than {SAMPLES_MAX} samples; cut the file")]
    TooMuch,
}

/// Reads a file of capacity noise.
///
/// # Errors
/// [`NoiseError`] with the line that is at fault.
pub fn read_noise(path: &Path) -> Result<Vec<f64>, NoiseError> {
    let fail = |error| NoiseError::File { path: path.to_owned(), error };
    let mut file = BufReader::new(File::open(path).map_err(fail)?);
    let is_gzip = file.fill_buf().map_err(fail)?.starts_with(&GZIP);
    let mut text = String::new();
    let read = match is_gzip {
        true => MultiGzDecoder::new(file).take(BYTES_MAX).read_to_string(&mut text),
        false => file.take(BYTES_MAX).read_to_string(&mut text),
    };
    read.map_err(fail)?;
    parsed(&text)
}

fn parsed(text: &str) -> Result<Vec<f64>, NoiseError> {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head.split(',').position(|name| name.trim() == COLUMN).ok_or(NoiseError::NoColumn)?;
    let mut samples = Vec::new();
    for (at, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = line.split(',').nth(column).and_then(|cell| cell.trim().parse().ok());
        let is_sound = |number: &f64| (BETWEEN.0..=BETWEEN.1).contains(number);
        samples.push(number.filter(is_sound).ok_or(NoiseError::Number { line: at + 2 })?);
        if samples.len() > SAMPLES_MAX {
            return Err(NoiseError::TooMuch);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_read_and_faults_are_named() {
        assert_eq!(parsed("vm,ts,rel_capacity\n0,1,1.25\n\n0,2,0.9\n").unwrap(), [1.25, 0.9]);
        assert!(matches!(parsed("vm,ts\n0,1\n"), Err(NoiseError::NoColumn)));
        for cell in ["NaN", "0", "-1", "x", "", "1e9"] {
            let told = parsed(&format!("rel_capacity\n1\n{cell},\n")).unwrap_err();
            assert!(matches!(told, NoiseError::Number { line: 3 }), "{cell}: {told}");
        }
    }

    #[test]
    fn a_file_may_be_gzipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.csv.gz");
        let mut gzip =
            flate2::GzBuilder::new().read("rel_capacity\n0.5\n".as_bytes(), flate2::Compression::fast());
        let mut bytes = Vec::new();
        gzip.read_to_end(&mut bytes).unwrap();
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read_noise(&path).unwrap(), [0.5]);
        assert!(matches!(read_noise(&folder.path().join("none")), Err(NoiseError::File { .. })));
    }
}
