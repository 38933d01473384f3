//! What people do: they change the settings, and silence alerts.

use super::{Bug, Waiting, World, span};
use crate::checker::{Ms, Tells};
use crate::routes::{Meant, inhibits, muted_ms};
use openclaw_pipeline::Input;
use openclaw_routing::{PostedSilence, SilenceId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A silence that waits for its answer.
#[derive(Debug)]
pub(super) struct SetSilence {
    tenant: usize,
    alerts: BTreeSet<u64>,
    to: Ms,
}

impl World {
    fn alerts_of(&self, tenant: usize) -> Vec<u64> {
        let sources = self.sources.iter().filter(|source| source.plan.tenant == tenant);
        sources.flat_map(|source| &source.plan.watched).map(|watched| watched.number).collect()
    }

    /// Tells the checker when alerts may be held, whatever the settings.
    pub(super) fn expect_holds(&mut self) {
        for tenant in 0..self.plan.tenants.len() {
            let plan = self.plan.tenants[tenant].clone();
            let alerts = self.alerts_of(tenant);
            if plan.generations.iter().any(|generation| generation.routes.has_mutes()) {
                let (from, to) = muted_ms(&plan.habitat);
                alerts.iter().for_each(|&alert| self.checker.quiet(alert, from, to));
            }
            if plan.habitat.has_inhibition {
                let pairs = alerts.iter().flat_map(|&one| alerts.iter().map(move |&other| (one, other)));
                let pairs = pairs.filter(|&(source, target)| inhibits(source, target));
                pairs.for_each(|(source, target)| self.checker.inhibits(source, target));
            }
        }
    }

    /// Tells the checker who is told of what from now on.
    pub(super) fn expect(&mut self, tenant: usize) {
        let plan = &self.plan.tenants[tenant];
        let routes = &plan.generations[self.generations[tenant]].routes;
        let alerts = self.alerts_of(tenant).into_iter();
        let tells: Tells = alerts.map(|alert| (alert, routes.tells(&plan.habitat, alert))).collect();
        self.checker.reloaded(tenant, self.now, tells);
    }

    pub(super) fn reload(&mut self, tenant: usize) {
        let generations = &self.plan.tenants[tenant].generations;
        let next = self.generations[tenant] + 1;
        let Some(generation) = generations.get(next) else { return };
        let settings = Arc::clone(&generation.settings);
        self.generations[tenant] = next;
        self.expect(tenant);
        self.saw("reload", 1);
        if self.is_listening() && self.bug != Some(Bug::StaleSettings) {
            self.step(settings.name.partition(), &Input::Configure { settings: &settings });
        }
    }

    pub(super) fn silence(&mut self, tenant: usize, means: Meant, ms: Ms) {
        if !self.is_listening() {
            return;
        }
        let name = self.name(tenant);
        let number = self.random.below(u64::MAX);
        let new_id = SilenceId::from_random((u128::from(number) << 64 | u128::from(number)).to_be_bytes());
        let silence = PostedSilence {
            id: None,
            matchers: means.matcher().into_iter().collect(),
            starts_at: None,
            ends_at: self.clock(self.now).plus(span(ms)),
            created_by: "ann".into(),
            comment: "".into(),
            annotations: Vec::new(),
        };
        let to = self.now + ms;
        let alerts: BTreeSet<u64> =
            self.alerts_of(tenant).into_iter().filter(|&alert| means.means(alert)).collect();
        // It may hold although its answer is lost.
        alerts.iter().for_each(|&alert| self.checker.quiet(alert, self.now, to));
        self.silences[tenant].push(new_id);
        let input = Input::SetSilence { tenant: &name, silence: &silence, new_id };
        let Some(stepped) = self.step(name.partition(), &input) else { return };
        let set = SetSilence { tenant, alerts, to };
        self.waiting.push((stepped.answer_at, Waiting::Silence(set)));
    }

    /// The answer is here.
    pub(super) fn silenced(&mut self, set: SetSilence) {
        self.saw("silenced", 1);
        // A message may have been decided in this very millisecond, before it.
        self.checker.silenced(set.tenant, set.alerts, self.now + 1, set.to);
    }

    pub(super) fn end_silence(&mut self, tenant: usize) {
        let Some(silence) = self.silences[tenant].pop().filter(|_| self.is_listening()) else { return };
        // Those that wait for their answer too, since nobody knows which it is.
        self.checker.silence_ends(tenant, self.now);
        for (_, waiting) in &mut self.waiting {
            if let Waiting::Silence(set) = waiting
                && set.tenant == tenant
            {
                set.to = self.now;
            }
        }
        let name = self.name(tenant);
        self.step(name.partition(), &Input::ExpireSilence { tenant: &name, silence, by: "ann" });
    }

    /// Planted: what a start finds has no silences.
    pub(super) fn lose_silences(&mut self) {
        if self.bug != Some(Bug::LostSilence) {
            return;
        }
        for tenant in 0..self.silences.len() {
            let name = self.name(tenant);
            for silence in self.silences[tenant].clone() {
                self.step(name.partition(), &Input::ExpireSilence { tenant: &name, silence, by: "nobody" });
            }
        }
    }
}
