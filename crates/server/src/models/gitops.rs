//! Which model is to run, as a file from Git says.

use super::{Models, State};
use openclaw_learning::artifact::{Digest, ModelName};
use std::fs;
use std::io;
use std::path::Path;

/// Longer than any such file.
const BYTES_MAX: u64 = 64 << 10;
/// Who is noted in the audit log, and why.
const GIT: &str = "git";
const SAYS_SO: &str = "the file says so";

/// What a file can't be followed for.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("longer than {BYTES_MAX} bytes")]
    TooLong,
    #[error("`version` is missing or no model's name: write `version: model-YYYYMMDD`")]
    Version,
    #[error("`digest` is none: write `digest: sha256:…`, or leave it out")]
    Digest,
}

/// The version that is asked for; every other key is for people.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    version: ModelName,
    digest: Option<Digest>,
}

fn read(file: &Path) -> Result<Wanted, FileError> {
    if fs::metadata(file)?.len() > BYTES_MAX {
        return Err(FileError::TooLong);
    }
    parse(&fs::read_to_string(file)?)
}

fn parse(text: &str) -> Result<Wanted, FileError> {
    let of = |key: &str| {
        let values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        values.map(plain).next()
    };
    let version = of("version").and_then(|text| text.parse().ok()).ok_or(FileError::Version)?;
    let digest = of("digest").filter(|text| !text.is_empty());
    let digest = digest.map(|text| text.parse().map_err(|_| FileError::Digest)).transpose()?;
    Ok(Wanted { version, digest })
}

/// A scalar without its comment and quotes.
fn plain(value: &str) -> &str {
    let value = value.split_once(" #").map_or(value, |(value, _)| value).trim();
    value.trim_matches(|quote| quote == '"' || quote == '\'')
}

impl Models {
    /// Does what the file says: another version is begun with, the one that runs
    /// or ran before is gone back to at once.
    pub(super) async fn follow(&self, file: &Path) {
        let Wanted { version, digest } = match read(file) {
            Ok(wanted) => wanted,
            Err(error) => {
                return tracing::warn!(file = %file.display(), %error, "what runs stays: the file can't be followed");
            }
        };
        if self.is_yet_to_begin(&mut *self.state.lock().await, version) {
            self.begin_or_refuse(version, digest).await;
        }
    }

    /// Goes back where that is what is wanted.
    fn is_yet_to_begin(&self, state: &mut State, version: ModelName) -> bool {
        let wanted = Some(version);
        if wanted == state.kept.candidate() {
            return false;
        }
        let is_before = wanted == state.kept.previous;
        if state.kept.rollout.is_some() {
            self.went_back(state);
        }
        if wanted == state.kept.running {
            return false;
        }
        if is_before {
            self.went_back(state);
            return false;
        }
        self.is_new(state, version)
    }

    fn went_back(&self, state: &mut State) {
        if let Err(error) = self.go_back(state, GIT, SAYS_SO) {
            tracing::warn!(%error, "nothing to go back to");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_trainer_writes_and_people_do() {
        let version = "model-20261122.1".parse().unwrap();
        let digest = format!("sha256:{}", "5a".repeat(32));
        let wanted = Wanted { version, digest: Some(digest.parse().unwrap()) };
        assert_eq!(parse(&format!("version: model-20261122.1\ndigest: {digest}\n")).unwrap(), wanted);
        let quoted =
            format!("# ours\ndigest: \"{digest}\"  # pinned\nversion: 'model-20261122.1'\ngates: {{}}\n");
        assert_eq!(parse(&quoted).unwrap(), wanted);
        assert_eq!(parse("version: model-20261122.1").unwrap(), Wanted { digest: None, ..wanted });
        assert!(matches!(parse("digest: x"), Err(FileError::Version)));
        assert!(matches!(parse("version: latest"), Err(FileError::Version)));
        assert!(matches!(parse("version: model-20261122\ndigest: 5a"), Err(FileError::Digest)));
    }
}
