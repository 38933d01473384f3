//! What the command line asks of the service that runs on a data folder: a file
//! that it finds within a second, or when it starts.

use super::Models;
use super::change::ModelsError;
use openclaw_learning::artifact::ModelName;
use openclaw_learning::publish::MODELS_FOLDER;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const WISH: &str = "wish.json";
const ANSWER: &str = "answer.json";
/// Longer than any wish.
const BYTES_MAX: u64 = 4 << 10;
/// How long the service may take.
const WITHIN: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// That a model runs.
    Promote(ModelName),
    /// That the one before runs.
    RollBack,
}

#[derive(Serialize, Deserialize)]
struct Asked {
    /// Tells answers apart.
    number: u64,
    by: String,
    wish: Wish,
}

#[derive(Serialize, Deserialize)]
struct Answered {
    number: u64,
    refusal: Option<String>,
}

/// Why a wish was not granted.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// The service says no.
    #[error("{0}")]
    Refused(String),
    /// Nobody was there.
    #[error(
        "no service has answered on `{}` within {} s; it does this when it starts", folder.display(), WITHIN.as_secs()
    )]
    NoAnswer {
        /// The models' folder.
        folder: PathBuf,
    },
    /// The folder.
    #[error("`{}`: {source}", folder.display())]
    Folder {
        /// The models' folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Asks the service on a data folder and waits for its answer.
///
/// # Errors
/// [`WishError`].
pub fn ask(data: &Path, wish: Wish, by: &str) -> Result<(), WishError> {
    let folder = data.join(MODELS_FOLDER);
    let failed = |source| WishError::Folder { folder: folder.clone(), source };
    let number = number().map_err(failed)?;
    fs::create_dir_all(&folder).map_err(failed)?;
    put(&folder, WISH, &Asked { number, by: by.to_owned(), wish }).map_err(failed)?;
    let end = Instant::now() + WITHIN;
    while Instant::now() < end {
        let answer: Option<Answered> = read(&folder.join(ANSWER)).map_err(failed)?;
        if let Some(answer) = answer.filter(|answer| answer.number == number) {
            return answer.refusal.map_or(Ok(()), |refusal| Err(WishError::Refused(refusal)));
        }
        std::thread::park_timeout(LOOK);
    }
    Err(WishError::NoAnswer { folder })
}

fn number() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(bytes))
}

fn put(folder: &Path, name: &str, content: &impl Serialize) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, serde_json::to_vec(content)?)?;
    fs::rename(new, folder.join(name))
}

/// Nothing where there is no file; what is none of these counts for nothing.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    match fs::metadata(path) {
        Ok(found) if found.len() > BYTES_MAX => Ok(None),
        Ok(_) => Ok(serde_json::from_slice(&fs::read(path)?).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Models {
    /// Does what the command line has asked for since.
    pub(super) async fn take_wish(&self) {
        let path = self.folder.join(WISH);
        let asked: Option<Asked> = match read(&path) {
            Ok(asked) => asked,
            Err(error) => return tracing::warn!(%error, "a wish can't be read"),
        };
        let Some(Asked { number, by, wish }) = asked else { return };
        // Once and no more, whatever becomes of it.
        if let Err(error) = fs::remove_file(&path) {
            return tracing::warn!(%error, "a wish can't be taken");
        }
        let done = match wish {
            Wish::Promote(name) => self.promote(name, &by).await,
            Wish::RollBack => self.roll_back(&by).await,
        };
        let refusal = done.err().map(|error: ModelsError| error.to_string());
        if let Err(error) = put(&self.folder, ANSWER, &Answered { number, refusal }) {
            tracing::warn!(%error, "a wish can't be answered");
        }
    }
}
