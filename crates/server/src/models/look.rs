//! What is published, or asked for in Git, is begun with.

use super::change::Step;
use super::{Models, RolloutMode, State, named};
use openclaw_learning::artifact::{Digest, Model, ModelName};
use openclaw_learning::publish::PublishError;
use openclaw_learning::rollout::{Rollout, Stage};

/// Refused ones that are remembered.
const REFUSED_MAX: usize = 1024;

impl Models {
    /// Looks for what is to be begun with.
    pub(super) async fn look(&self) {
        match &self.mode {
            RolloutMode::Auto => self.begin_with_newest().await,
            RolloutMode::Gitops { file } => self.follow(file).await,
        }
        self.tell(&*self.state.lock().await);
    }

    /// Begins with the newest model that is published and can be served, if it
    /// is newer than all before.
    async fn begin_with_newest(&self) {
        if self.state.lock().await.kept.rollout.is_some() {
            return;
        }
        let names = match self.repository.names().await {
            Ok(names) => names,
            Err(error) => return tracing::warn!(%error, "published models can't be listed: tried again"),
        };
        let state = self.state.lock().await;
        let newest = names.into_iter().find(|name| self.is_new(&state, *name));
        drop(state);
        if let Some(newest) = newest {
            self.begin_or_refuse(newest, None).await;
        }
    }

    /// Whether it may be begun with now.
    pub(super) fn is_new(&self, state: &State, name: ModelName) -> bool {
        let (name, newest) = (Some(name), state.kept.newest);
        let is_other = if self.is_gitops() { name != newest } else { name > newest };
        let is_refused = name.is_some_and(|name| state.refused.contains(&name));
        is_other && !is_refused && state.kept.rollout.is_none()
    }

    /// Begins with a model. One that can't be served isn't asked for again; one
    /// that can't be had just now is.
    pub(super) async fn begin_or_refuse(&self, name: ModelName, digest: Option<Digest>) {
        let pulled = self.repository.pull(name, digest).await;
        let mut state = self.state.lock().await;
        // Somebody may have been faster.
        if !self.is_new(&state, name) {
            return;
        }
        match pulled.and_then(|published| self.begin_with(&mut state, &published.model)) {
            Ok(()) => {}
            Err(error @ (PublishError::Store(_) | PublishError::Missing { .. })) => {
                tracing::warn!(model = %name, %error, "the model can't be had: tried again");
            }
            Err(error) => self.refuse(&mut state, name, &error),
        }
    }

    fn begin_with(&self, state: &mut State, model: &Model) -> Result<(), PublishError> {
        let (name, loaded) = (model.name(), self.with_copy(model)?);
        let now = self.clock.now();
        let running = named(state.kept.running);
        // Another model, other clients first.
        let salt = now.nanos() as u64;
        let rollout = Rollout::new(self.steps.clone(), &running, &name.to_string(), salt, now);
        (state.kept.rollout, state.kept.newest) = (Some(rollout), Some(name));
        self.save(&state.kept);
        self.try_out(state, loaded);
        let step = Step::new("model.shadow", name, "it was published");
        self.note(&state.kept, step.at(Stage::SHADOW));
        Ok(())
    }

    fn refuse(&self, state: &mut State, name: ModelName, error: &PublishError) {
        tracing::error!(model = %name, %error, "the model is left out until the next start; others are not");
        if state.refused.len() >= REFUSED_MAX {
            state.refused.pop_first();
        }
        state.refused.insert(name);
        self.note(&state.kept, Step::new("model.refuse", name, &error.to_string()));
    }
}
