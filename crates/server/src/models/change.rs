//! What is done to models, by evidence or by hand.

use super::audit::{self, Entry};
use super::kept::Kept;
use super::loaded::{Loaded, Made};
use super::{Models, RolloutMode, State, named};
use openclaw_admission::Plain;
use openclaw_learning::artifact::{Model, ModelError, ModelName};
use openclaw_learning::publish::{PublishError, StoreError};
use openclaw_learning::rollout::{Event, Figures, Reason, Rollout, Stage};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// Whose doing it is where nobody asked.
const BY_ITSELF: &str = "rollout";
/// Why, where somebody did.
const BY_HAND: &str = "somebody said so";
/// Names that are shown.
const SHOWN_MAX: usize = 100;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelsError {
    #[error(
        "models are changed in Git alone (`rollout.mode: gitops`): commit another version to `model.yaml`, or let `openclaw model commit NAME` do it"
    )]
    Gitops,
    #[error("`{name}` runs already")]
    Running { name: ModelName },
    #[error("nothing ran before and no rollout is under way: there is nothing to go back to")]
    NothingBefore,
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the published models can't be listed: {0}")]
    Store(#[from] StoreError),
}

impl Models {
    /// Puts in force what was kept.
    pub(super) fn resume(&self, state: &mut State) {
        let kept = &state.kept;
        let loaded = [kept.running, kept.previous].into_iter().flatten().find_map(|name| self.copy(name));
        state.is_fallback = kept.running.is_some()
            && loaded.as_ref().map(|loaded| loaded.predictor.name().to_owned())
                != kept.running.map(|n| n.to_string());
        if let Some(loaded) = loaded {
            state.made = loaded.made;
            self.limits.with_adapter(|adapter| {
                adapter.replace(loaded.predictor);
                adapter.set_baseline(state.made.baselines.clone());
            });
        }
        let Some(name) = state.kept.candidate() else { return };
        match self.copy(name) {
            Some(loaded) => self.try_out(state, loaded),
            None => {
                state.kept.rollout = None;
                self.note(&state.kept, Step::new("model.rollback", name, "its copy can't be loaded"));
                self.save(&state.kept);
            }
        }
    }

    fn copy(&self, name: ModelName) -> Option<Loaded> {
        let loaded = self.copies.load(name).map(|model| Loaded::new(&model));
        loaded.inspect_err(|error| tracing::error!(model = %name, %error, "a model can't be loaded")).ok()
    }

    pub(super) fn can_load(&self, name: ModelName) -> bool {
        self.copy(name).is_some()
    }

    pub(super) fn is_gitops(&self) -> bool {
        self.mode != RolloutMode::Auto
    }

    /// Goes on with the rollout that is kept.
    pub(super) fn try_out(&self, state: &mut State, loaded: Loaded) {
        let Some(rollout) = &state.kept.rollout else { return };
        let (salt, part) = (rollout.salt(), rollout.stage().part());
        state.time = Some(loaded.time);
        state.candidate_made = loaded.made;
        self.limits.with_adapter(|adapter| {
            adapter.try_out(loaded.predictor, salt);
            adapter.set_part(part);
        });
    }

    /// Looks at what was seen of the model on its way.
    pub(super) fn judge(&self, state: &mut State) {
        let Some(rollout) = &mut state.kept.rollout else { return };
        if let Some(seen) = self.limits.with_adapter(openclaw_admission::Adapter::take_evidence) {
            rollout.observe(&seen);
        }
        let row_nanos = state.time.as_ref().and_then(|time| time.nanos());
        match rollout.step(self.clock.now(), row_nanos) {
            None => {}
            Some(Event::Advanced { to, figures, .. }) => self.advance(state, to, figures),
            Some(Event::Promoted { figures }) => {
                self.promote_candidate(state, BY_ITSELF, "it did no worse all the way", Some(figures));
            }
            Some(Event::RolledBack { at, reason, figures }) => {
                let candidate = state.kept.candidate();
                self.leave_out(state, candidate, &format!("{reason}, at {at}"));
                self.take_back(state, BY_ITSELF, at, reason, Some(figures));
                self.forget_others(&state.kept);
            }
        }
    }

    fn advance(&self, state: &mut State, to: Stage, figures: Figures) {
        // First on the disk: what a crash leaves must not have fewer clients
        // than the file says.
        self.save(&state.kept);
        self.limits.with_adapter(|adapter| adapter.set_part(to.part()));
        let step = Step::new("model.advance", state.kept.candidate(), "it did no worse so far");
        self.note(&state.kept, step.at(to).seen(Some(figures)));
    }

    fn promote_candidate(&self, state: &mut State, who: &str, why: &str, figures: Option<Figures>) {
        let Some(candidate) = state.kept.candidate() else { return };
        state.made = std::mem::take(&mut state.candidate_made);
        self.limits.with_adapter(|adapter| {
            adapter.promote();
            adapter.set_baseline(state.made.baselines.clone());
        });
        self.now_runs(state, candidate);
        let step = Step::new("model.promote", candidate, why).by(who).at(Stage::ALL);
        self.note(&state.kept, step.seen(figures));
    }

    fn now_runs(&self, state: &mut State, name: ModelName) {
        let kept = &mut state.kept;
        let before = kept.running.replace(name);
        // What can't be loaded is nothing to go back to.
        kept.previous =
            if state.is_fallback { kept.previous.filter(|served| *served != name) } else { before };
        kept.newest = kept.newest.max(Some(name));
        kept.rollout = None;
        (state.time, state.is_fallback) = (None, false);
        state.kept.forget_digests();
        self.save(&state.kept);
        self.forget_others(&state.kept);
    }

    /// Ends a rollout, if there is one.
    pub(super) fn give_up(&self, state: &mut State, who: &str, reason: Reason) {
        if let Some(rollout) = &state.kept.rollout {
            let (at, figures) = (rollout.stage(), rollout.figures());
            self.take_back(state, who, at, reason, Some(figures));
        }
    }

    fn take_back(&self, state: &mut State, who: &str, at: Stage, reason: Reason, figures: Option<Figures>) {
        self.limits.with_adapter(openclaw_admission::Adapter::take_back);
        let candidate = state.kept.candidate();
        (state.kept.rollout, state.time) = (None, None);
        self.save(&state.kept);
        let why = reason.to_string();
        let step = Step::new("model.rollback", candidate, &why).by(who).at(at);
        self.note(&state.kept, step.seen(figures));
    }

    /// Makes a model the one that runs, whatever evidence says.
    pub(crate) async fn promote(&self, name: ModelName, who: &str) -> Result<(), ModelsError> {
        let done = self.promoted(name, who).await;
        self.tell(&*self.state.lock().await);
        done
    }

    async fn promoted(&self, name: ModelName, who: &str) -> Result<(), ModelsError> {
        if self.is_promoted_at_once(&mut *self.state.lock().await, name, who)? {
            return Ok(());
        }
        // Meanwhile others may be judged, and gone back from.
        let published = self.repository.pull(name, None).await?;
        let mut state = self.state.lock().await;
        if self.is_promoted_at_once(&mut state, name, who)? {
            return Ok(());
        }
        let loaded = self.with_copy(&published.model)?;
        self.give_up(&mut state, who, Reason::OtherPromoted);
        self.put(&mut state, Some(loaded));
        state.kept.digests.insert(name, published.digest);
        self.now_runs(&mut state, name);
        let step = Step::new("model.promote", name, BY_HAND).by(who).at(Stage::ALL);
        self.note(&state.kept, step);
        Ok(())
    }

    /// False where the model has to be fetched first.
    fn is_promoted_at_once(
        &self,
        state: &mut State,
        name: ModelName,
        who: &str,
    ) -> Result<bool, ModelsError> {
        if self.is_gitops() {
            return Err(ModelsError::Gitops);
        }
        if state.kept.running == Some(name) && !state.is_fallback {
            return Err(ModelsError::Running { name });
        }
        let is_candidate = state.kept.candidate() == Some(name);
        if is_candidate {
            let figures = state.kept.rollout.as_ref().map(Rollout::figures);
            self.promote_candidate(state, who, BY_HAND, figures);
        }
        Ok(is_candidate)
    }

    /// Ready to be put in force, also where its repository is away.
    pub(super) fn with_copy(&self, model: &Model) -> Result<Loaded, PublishError> {
        match self.copies.keep(model) {
            Ok(()) => Ok(Loaded::new(model)),
            Err(ModelError::File(error)) => Err(StoreError::File(error).into()),
            Err(error) => Err(PublishError::Model { name: model.name(), error: Box::new(error) }),
        }
    }

    /// Puts another model in the place of the running one at once.
    fn put(&self, state: &mut State, loaded: Option<Loaded>) {
        let (predictor, made) = match loaded {
            Some(loaded) => (loaded.predictor, loaded.made),
            None => (Box::new(Plain) as _, Made::default()),
        };
        state.made = made;
        self.limits.with_adapter(|adapter| {
            adapter.replace(predictor);
            adapter.set_baseline(state.made.baselines.clone());
        });
    }

    /// The same, while another goes on with its way.
    pub(super) fn put_beside(&self, state: &mut State, loaded: Loaded) {
        self.put(state, Some(loaded));
        if let Some(candidate) = state.kept.candidate().and_then(|name| self.copy(name)) {
            self.try_out(state, candidate);
        }
    }

    /// Leaves limits to the plain estimator.
    pub(super) fn stand_back(&self, state: &mut State, who: &str, why: &str) {
        let left = state.kept.running;
        self.put(state, None);
        (state.kept.running, state.kept.previous, state.is_fallback) = (None, left, false);
        self.save(&state.kept);
        self.note(&state.kept, Step::new("model.rollback", left, why).by(who).at(Stage::ALL));
        self.forget_others(&state.kept);
    }

    /// Ends a rollout, or goes back to the model before the running one, and
    /// without one to the plain estimator.
    pub(crate) async fn roll_back(&self, who: &str) -> Result<(), ModelsError> {
        self.may_roll_back()?;
        let mut state = self.state.lock().await;
        let left = state.kept.candidate().or(state.kept.running);
        if left.is_some() {
            self.leave_out(&mut state, left, &format!("{who} said so"));
        }
        let done = self.go_back(&mut state, who, BY_HAND);
        self.tell(&state);
        done
    }

    pub(super) fn go_back(&self, state: &mut State, who: &str, why: &str) -> Result<(), ModelsError> {
        if state.kept.rollout.is_some() {
            self.give_up(state, who, Reason::ByHand);
            self.forget_others(&state.kept);
            return Ok(());
        }
        let left = state.kept.running.ok_or(ModelsError::NothingBefore)?;
        let before = state.kept.previous.and_then(|name| Some((name, self.copy(name)?)));
        let (name, loaded) = before.unzip();
        self.put(state, loaded);
        (state.kept.running, state.kept.previous, state.is_fallback) = (name, None, false);
        self.save(&state.kept);
        let step = Step::new("model.rollback", left, why).by(who).at(Stage::ALL);
        self.note(&state.kept, step);
        self.forget_others(&state.kept);
        Ok(())
    }

    /// Puts in force again what had given way to the plain estimator; tells
    /// whether it could be loaded.
    pub(super) fn comes_back(&self, state: &mut State, name: ModelName, who: &str, why: &str) -> bool {
        let Some(loaded) = self.copy(name) else { return false };
        self.put(state, Some(loaded));
        state.kept.previous = None;
        self.now_runs(state, name);
        self.note(&state.kept, Step::new("model.promote", name, why).by(who).at(Stage::ALL));
        true
    }

    /// All that is known, for people.
    pub(crate) async fn told(&self) -> Result<Value, ModelsError> {
        let published = self.repository.names().await?;
        let state = self.state.lock().await;
        let kept = &state.kept;
        let rollout = kept.rollout.as_ref().map(|rollout| {
            json!({
                "candidate": rollout.candidate(),
                "stage": rollout.stage().to_string(),
                "since": audit::time(rollout.since()),
                "figures": rollout.figures(),
            })
        });
        Ok(json!({
            "mode": if self.is_gitops() { "gitops" } else { "auto" },
            "running": named(kept.running),
            "serving": self.limits.predictor(),
            "previous": kept.previous,
            "rollout": rollout,
            "gitops": self.told_of_git(&state),
            "published": published.iter().take(SHOWN_MAX).collect::<Vec<_>>(),
        }))
    }

    pub(super) fn save(&self, kept: &Kept) {
        if let Err(error) = kept.save(&self.folder) {
            tracing::error!(%error, "what is known of models can't be kept: after a restart it is as it was before");
        }
    }

    fn forget_others(&self, kept: &Kept) {
        if let Err(error) = self.copies.keep_only(kept.needed()) {
            tracing::warn!(%error, "copies of models that nobody needs can't be removed");
        }
    }

    pub(super) fn note(&self, kept: &Kept, step: Step<'_>) {
        let Step { what, who, model, stage, why, figures } = step;
        self.steps_done.count(what);
        let (model, running) = (named(model), named(kept.running));
        tracing::info!(what, who, model, stage, running, why, "models");
        let at = audit::time(self.clock.now());
        let (who, why) = (who.to_owned(), why.to_owned());
        let entry = Entry { at, who, what, model, stage, running, why, figures };
        if let Err(error) = self.audit.note(&entry) {
            tracing::error!(%error, "the audit log can't be written");
        }
    }
}

/// Steps since the start.
#[derive(Debug, Default)]
pub(super) struct StepsDone([AtomicU64; RESULTS.len()]);

/// As the audit log and metrics name them.
const RESULTS: [(&str, &str); 5] = [
    ("model.shadow", "begun"),
    ("model.advance", "advanced"),
    ("model.promote", "promoted"),
    ("model.rollback", "rolled_back"),
    ("model.refuse", "refused"),
];

impl StepsDone {
    fn count(&self, what: &str) {
        let of = RESULTS.iter().zip(&self.0).find(|((name, _), _)| *name == what);
        of.into_iter().for_each(|(_, count)| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }

    pub(super) fn told(&self) -> Vec<(&'static str, u64)> {
        RESULTS
            .iter()
            .zip(&self.0)
            .map(|((_, result), count)| (*result, count.load(Ordering::Relaxed)))
            .collect()
    }
}

/// What the audit log is told.
pub(super) struct Step<'s> {
    what: &'static str,
    who: &'s str,
    model: Option<ModelName>,
    stage: String,
    why: &'s str,
    figures: Option<Figures>,
}

impl<'s> Step<'s> {
    /// Of nobody's doing.
    pub(super) fn new(what: &'static str, model: impl Into<Option<ModelName>>, why: &'s str) -> Self {
        Self { what, who: BY_ITSELF, model: model.into(), stage: String::new(), why, figures: None }
    }

    fn by(self, who: &'s str) -> Self {
        Self { who, ..self }
    }

    pub(super) fn at(self, stage: Stage) -> Self {
        Self { stage: stage.to_string(), ..self }
    }

    fn seen(self, figures: Option<Figures>) -> Self {
        Self { figures, ..self }
    }
}
