//! What is published, or asked for in Git, is begun with.

use super::change::Step;
use super::gitops::Retry;
use super::{Models, RolloutMode, State, named};
use openclaw_learning::artifact::{Digest, ModelName};
use openclaw_learning::publish::{PublishError, Published, Wanted};
use openclaw_learning::rollout::{Reason, Rollout, Stage};

/// Refused ones that are remembered.
const REFUSED_MAX: usize = 1024;

/// Another model, other clients first; one model, the same everywhere.
fn salt_of(published: &Published) -> u64 {
    let (name, digest) = (published.model.name(), published.digest);
    let hex = Digest::of(format!("{name} {digest}").as_bytes()).hex();
    u64::from_str_radix(&hex[..16], 16).unwrap_or_default()
}

impl Models {
    /// Looks for what is to be begun with.
    pub(super) async fn look(&self) {
        self.mend().await;
        match &self.mode {
            RolloutMode::Auto => self.begin_with_newest().await,
            RolloutMode::Gitops { .. } | RolloutMode::Git { .. } => self.follow().await,
        }
        self.tell(&*self.state.lock().await);
    }

    /// Begins with the newest model that is published and can be served, if it
    /// is newer than all before.
    async fn begin_with_newest(&self) {
        if self.state.lock().await.kept.rollout.as_ref().is_some_and(|rollout| !self.is_overdue(rollout)) {
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
            self.begin_or_refuse(newest).await;
        }
    }

    /// Whether nobody has come by whom it could be judged.
    fn is_overdue(&self, rollout: &Rollout) -> bool {
        rollout.is_overdue(self.clock.now(), self.hold_max)
    }

    /// Whether it may be begun with now.
    fn is_new(&self, state: &State, name: ModelName) -> bool {
        let is_free = state.kept.rollout.as_ref().is_none_or(|rollout| self.is_overdue(rollout));
        Some(name) > state.kept.newest && !state.refused.contains(&name) && is_free
    }

    /// Begins with a model. One that can't be served isn't asked for again; one
    /// that can't be had just now is.
    async fn begin_or_refuse(&self, name: ModelName) {
        let pulled = self.repository.pull(name, None).await;
        let mut state = self.state.lock().await;
        // Somebody may have been faster.
        if !self.is_new(&state, name) {
            return;
        }
        match pulled.and_then(|published| self.begin_with(&mut state, &published, "it was published")) {
            Ok(()) => {}
            Err(error @ (PublishError::Store(_) | PublishError::Missing { .. })) => {
                tracing::warn!(model = %name, %error, "the model can't be had: tried again");
            }
            Err(error) => self.refuse(&mut state, name, &error),
        }
    }

    /// In the place of one that was never judged, where there is one.
    pub(super) fn begin_with(
        &self,
        state: &mut State,
        published: &Published,
        why: &str,
    ) -> Result<(), PublishError> {
        let model = &published.model;
        let (name, loaded) = (model.name(), self.with_copy(model)?);
        self.give_up(state, "rollout", Reason::NotJudged);
        let now = self.clock.now();
        let running = named(state.kept.running);
        let rollout = Rollout::new(self.steps.clone(), &running, &name.to_string(), salt_of(published), now);
        (state.kept.rollout, state.kept.newest) = (Some(rollout), Some(name));
        state.kept.digests.insert(name, published.digest);
        state.kept.forget_digests();
        self.save(&state.kept);
        self.try_out(state, loaded);
        self.note(&state.kept, Step::new("model.shadow", name, why).at(Stage::SHADOW));
        Ok(())
    }

    fn refuse(&self, state: &mut State, name: ModelName, error: &PublishError) {
        tracing::error!(model = %name, %error, "the model is left out until the next start; others are not");
        if state.refused.len() >= REFUSED_MAX {
            state.refused.pop_first();
        }
        state.refused.insert(name);
        self.note_refused(state, name, error);
    }

    pub(super) fn note_refused(&self, state: &State, name: ModelName, error: &PublishError) {
        self.note(&state.kept, Step::new("model.refuse", name, &error.to_string()));
    }

    /// Fetches the model that should run, where its copy can't be loaded and
    /// another runs in its place.
    async fn mend(&self) {
        let now = self.clock.now();
        let state = self.state.lock().await;
        let Some(name) = state.kept.running.filter(|_| state.is_fallback) else { return };
        let wanted = Wanted { version: Some(name), digest: state.kept.digests.get(&name).copied() };
        if state.mend_again.is_some_and(|retry| retry.holds_up(wanted, now)) {
            return;
        }
        drop(state);
        let pulled = self.repository.pull(name, wanted.digest).await;
        let mut state = self.state.lock().await;
        // Somebody may have chosen another meanwhile.
        if !state.is_fallback || state.kept.running != Some(name) {
            return;
        }
        match pulled.and_then(|published| self.with_copy(&published.model)) {
            Ok(loaded) => {
                self.put_beside(&mut state, loaded);
                (state.is_fallback, state.mend_again) = (false, None);
                self.note(
                    &state.kept,
                    Step::new("model.mend", name, "its copy was fetched again").at(Stage::ALL),
                );
            }
            Err(error) => {
                tracing::warn!(model = %name, %error, "the model that should run can't be had: tried again");
                state.mend_again = Some(Retry::after(state.mend_again, wanted, now));
            }
        }
    }
}
