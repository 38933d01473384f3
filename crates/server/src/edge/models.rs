//! The edge's models: those of its upstream, as far as its own keys trust them.
//!
//! Promises: nobody who decides waits for it; what runs is swapped between two
//! batches of clients; without the upstream, and after a restart without it,
//! what was told last stays in force; a client has the arm here that it has
//! there.

use super::spool::UpstreamOptions;
use crate::files::{self, READABLE};
use crate::limits::{Limits, ModelsTold, SeedError, has_seed, keep_seed, load_seed};
use crate::models::{Loaded, Made, Names, TOLD_BYTES_MAX, Told, ToldCandidate};
use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue, StatusCode};
use openclaw_admission::Plain;
use openclaw_delivery::{FetchError, Poster, PosterError, Secret, Target, TlsSettings};
use openclaw_learning::artifact::ModelName;
use openclaw_learning::publish::{
    BUNDLE_BYTES_MAX, Bundle, MODELS_FOLDER, PublishError, StoreError, VerifyingKey,
};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two questions.
const ASK: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Until what can't be had is asked for again, where it does not run.
const AGAIN: Duration = Duration::from_secs(10);
/// For a whole answer.
const ANSWER: Duration = Duration::from_secs(10);
/// For one that a start waits for.
const FIRST_ANSWER: Duration = Duration::from_secs(1);
/// Where the last that was told, and its models, are in the models' folder.
const FOLDER: &str = "followed";
const TOLD: &str = "told";
const PATH: [&str; 3] = ["api", "v1", "models"];

/// Why models aren't followed just now.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Unanswered(#[from] FetchError),
    #[error(transparent)]
    Settings(#[from] PosterError),
    #[error(
        "`{host}` answered {status}: it should be as new as this edge, and `edge.upstream.key` an operator's"
    )]
    Answered { host: String, status: StatusCode },
    #[error("`{host}` tells what this edge does not understand: update it")]
    Unknown { host: String },
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("`{path}`: {source}")]
    Folder { path: String, source: io::Error },
}

/// Follows the upstream's models.
pub(super) struct Follower {
    url: Target,
    key: Secret,
    tls: TlsSettings,
    running: Poster,
    trusted: Vec<VerifyingKey>,
    data: PathBuf,
    limits: Arc<Limits>,
    takes_names: bool,
    /// What is in force.
    told: Told,
    /// What the upstream says, and what stands for that there.
    said: Option<Told>,
    tag: Option<HeaderValue>,
    /// When what can't be had besides the running model is asked for again.
    again: Option<Instant>,
}

/// What is kept of what was told.
fn read_told(folder: &Path) -> Option<Told> {
    serde_json::from_slice(&fs::read(folder.join(TOLD)).ok()?).ok()
}

impl Follower {
    /// Puts in force what was told last. Nothing where no key is trusted.
    pub(super) fn start(
        upstream: &UpstreamOptions,
        trusted: Vec<VerifyingKey>,
        data: &Path,
        limits: &Arc<Limits>,
        takes_names: bool,
    ) -> Result<Option<Self>, PosterError> {
        if trusted.is_empty() {
            tracing::info!(
                "the upstream's models are not followed: `models.verify.keys` names nobody who signs them"
            );
            return Ok(None);
        }
        let UpstreamOptions { url, key, tls, .. } = upstream.clone();
        let running = Poster::new(&url, &[&PATH[..], &["running"]].concat(), &key, tls.clone())?;
        let (limits, data) = (Arc::clone(limits), data.to_owned());
        let told = Told::default();
        let (said, tag, again) = (None, None, None);
        let mut follower =
            Self { url, key, tls, running, trusted, data, limits, takes_names, told, said, tag, again };
        follower.resume();
        Ok(Some(follower))
    }

    fn folder(&self) -> PathBuf {
        self.data.join(MODELS_FOLDER).join(FOLDER)
    }

    fn resume(&mut self) {
        let Some(mut told) = read_told(&self.folder()) else { return };
        told.candidate = told.candidate.filter(|candidate| self.kept(candidate.model).is_ok());
        told.previous = told.previous.filter(|previous| self.kept(*previous).is_ok());
        match self.loaded(&told) {
            Ok(loaded) => self.put(told, loaded),
            Err(error) => tracing::warn!(%error, "the models of before can't be loaded: they are asked for"),
        }
    }

    fn kept(&self, name: ModelName) -> Result<Loaded, FollowError> {
        let bundle = Bundle::kept(&self.folder(), name)?.ok_or(PublishError::Missing { name })?;
        Ok(Loaded::new(&bundle.verified(&self.trusted)?.model))
    }

    fn loaded(&self, told: &Told) -> Result<HashMap<ModelName, Loaded>, FollowError> {
        told.models().map(|name| Ok((name, self.kept(name)?))).collect()
    }

    /// Asks until it is dropped.
    pub(super) async fn keep_following(mut self) {
        let (mut wait, mut is_away) = (ASK, false);
        loop {
            match self.follow().await {
                Ok(()) => {
                    wait = ASK;
                    if std::mem::replace(&mut is_away, false) {
                        tracing::info!("the upstream's models are followed again");
                    }
                }
                Err(error) => {
                    wait = (wait * 2).min(LONGEST_WAIT);
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "the upstream's models can't be followed: those of before stay");
                    }
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn follow(&mut self) -> Result<(), FollowError> {
        let is_due = self.again.is_some_and(|again| again <= Instant::now());
        let Some((mut said, tag)) = self.ask(!is_due).await? else { return Ok(()) };
        let names = said.names.take();
        if is_due || self.said.as_ref() != Some(&said) {
            self.take(said).await?;
        }
        if let Some(names) = names {
            self.agree(names)?;
        }
        self.tag = tag;
        Ok(())
    }

    /// What the upstream says; nothing where that is as before.
    async fn ask(&self, if_changed: bool) -> Result<Option<(Told, Option<HeaderValue>)>, FollowError> {
        let mut headers = HeaderMap::new();
        headers.extend(self.tag.clone().filter(|_| if_changed).map(|tag| (IF_NONE_MATCH, tag)));
        let answer = self.running.get(headers, TOLD_BYTES_MAX, Instant::now() + ANSWER).await?;
        let host = || self.running.host().to_owned();
        match answer.status {
            StatusCode::NOT_MODIFIED if if_changed => return Ok(None),
            StatusCode::OK => {}
            status => return Err(FollowError::Answered { host: host(), status }),
        }
        let said = serde_json::from_slice(&answer.body);
        Ok(Some((said.map_err(|_| FollowError::Unknown { host: host() })?, answer.etag)))
    }

    /// Puts in force what can be had of it. Nothing waits for a model that does
    /// not run.
    async fn take(&mut self, said: Told) -> Result<(), FollowError> {
        if let Some(running) = said.running
            && let Err(error) = self.fetch(running).await
        {
            (self.said, self.tag) = (None, None);
            self.end_trial()?;
            return Err(error);
        }
        let is_new = self.said.as_ref() != Some(&said);
        let mut told = said.clone();
        if let Some(ToldCandidate { model, .. }) = said.candidate
            && !self.has(model, is_new).await
        {
            told.candidate = None;
        }
        if let Some(previous) = said.previous
            && !self.has(previous, is_new).await
        {
            told.previous = None;
        }
        self.again = (told != said).then(|| Instant::now() + AGAIN);
        if self.said.is_none() || told != self.told {
            self.go_over_to(told)?;
        }
        self.said = Some(said);
        Ok(())
    }

    /// Whether a model that does not run is here, or can be had.
    async fn has(&self, name: ModelName, is_new: bool) -> bool {
        let Err(error) = self.fetch(name).await else { return true };
        if is_new {
            tracing::warn!(model = %name, %error, "a model that does not run can't be had: it is asked for again");
        }
        false
    }

    /// The upstream has gone on to what can't be had: what was on trial is not
    /// any more.
    fn end_trial(&mut self) -> Result<(), FollowError> {
        if self.told.candidate.is_none() {
            return Ok(());
        }
        self.go_over_to(Told { candidate: None, ..self.told.clone() })
    }

    /// To what is here, from now on and after a restart.
    fn go_over_to(&mut self, told: Told) -> Result<(), FollowError> {
        let loaded = self.loaded(&told)?;
        self.keep(&told)?;
        self.put(told, loaded);
        Ok(())
    }

    /// From the next start on: what is known of clients now is known under the
    /// names of now. Replicas that share limits have agreed among themselves.
    fn agree(&self, Names(seed): Names) -> Result<(), FollowError> {
        if self.takes_names && load_seed(&self.data)? != seed {
            keep_seed(&self.data, seed)?;
            tracing::info!("from the next start on each client has the arm that it has upstream");
        }
        Ok(())
    }

    /// A model, unless it is here.
    async fn fetch(&self, name: ModelName) -> Result<(), FollowError> {
        if self.kept(name).is_ok() {
            return Ok(());
        }
        let version = name.to_string();
        let path = [&PATH[..], &[&version, "bundle"]].concat();
        let poster = Poster::new(&self.url, &path, &self.key, self.tls.clone())?;
        let answer = poster.get(HeaderMap::new(), BUNDLE_BYTES_MAX, Instant::now() + ANSWER).await?;
        let host = || poster.host().to_owned();
        if answer.status != StatusCode::OK {
            return Err(FollowError::Answered { host: host(), status: answer.status });
        }
        let bundle = Bundle::from_json(&answer.body).filter(|bundle| bundle.name() == name);
        let bundle = bundle.ok_or_else(|| FollowError::Unknown { host: host() })?;
        bundle.verified(&self.trusted)?;
        Ok(bundle.keep(&self.folder())?)
    }

    /// For the next start; what isn't needed goes.
    fn keep(&self, told: &Told) -> Result<(), FollowError> {
        let folder = self.folder();
        let failed = |source| FollowError::Folder { path: folder.display().to_string(), source };
        let write = || {
            fs::create_dir_all(&folder)?;
            files::replace(&folder.join(TOLD), &serde_json::to_vec(told)?, READABLE)?;
            let needed: Vec<String> = told.models().map(|name| format!("{name}.json")).collect();
            for entry in fs::read_dir(&folder)?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name != TOLD && !needed.contains(&name) {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        write().map_err(failed)
    }

    /// Puts in force what was told, between two batches of clients.
    fn put(&mut self, told: Told, mut loaded: HashMap<ModelName, Loaded>) {
        let before = std::mem::replace(&mut self.told, told);
        let Told { running, candidate, .. } = self.told;
        let on_trial = candidate.and_then(|candidate| Some((candidate, loaded.remove(&candidate.model)?)));
        let made = running.and_then(|name| loaded.remove(&name));
        let of_running = made.as_ref().map(|loaded| loaded.made.clone()).unwrap_or_default();
        let is_same = before.running == running;
        let is_promoted = !is_same && before.candidate.is_some_and(|before| Some(before.model) == running);
        self.limits.with_adapter(|adapter| {
            if !is_same {
                if !(is_promoted && adapter.promote()) {
                    let predictor = made.map_or_else(|| Box::new(Plain) as _, |loaded| loaded.predictor);
                    adapter.replace(predictor);
                }
                adapter.set_baseline(of_running.baselines.clone());
            }
            let Some((candidate, loaded)) = on_trial else { return adapter.take_back() };
            let goes_on = is_same && before.candidate.is_some_and(|before| before.is_trial_of(&candidate));
            if !goes_on {
                adapter.try_out(loaded.predictor, candidate.salt.0);
            }
            adapter.set_part(candidate.stage.part());
        });
        self.tell(&of_running);
    }

    fn tell(&self, of_running: &Made) {
        let candidate = self.told.candidate;
        let named =
            |name: Option<ModelName>| name.map_or_else(|| "plain".to_owned(), |name| name.to_string());
        tracing::info!(running = named(self.told.running), candidate = ?candidate, "the upstream's models are in force");
        self.limits.tell_models(ModelsTold {
            candidate: candidate.map(|candidate| (candidate.model.to_string(), candidate.stage.to_string())),
            created_at: of_running.created_at,
            ..ModelsTold::default()
        });
    }
}

/// Before the first client is known: hashes names as the upstream does, so that
/// each client has the same arm here. Without an answer the next start does.
pub(super) async fn take_names(upstream: &UpstreamOptions, data: &Path) -> Result<(), PosterError> {
    if has_seed(data) {
        return Ok(());
    }
    let UpstreamOptions { url, key, tls, .. } = upstream;
    let poster = Poster::new(url, &[&PATH[..], &["running"]].concat(), key, tls.clone())?;
    let answer = poster.get(HeaderMap::new(), TOLD_BYTES_MAX, Instant::now() + FIRST_ANSWER).await;
    let told = answer.ok().filter(|answer| answer.status == StatusCode::OK);
    let told = told.and_then(|answer| serde_json::from_slice::<Told>(&answer.body).ok());
    if let Some(Names(seed)) = told.and_then(|told| told.names)
        && let Err(error) = keep_seed(data, seed)
    {
        tracing::warn!(%error, "clients may have another arm here than upstream");
    }
    Ok(())
}
