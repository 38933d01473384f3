//! Sources: what they say when, and what they make of the answer.

use super::{Bug, Event, Waiting, World, span, statement};
use crate::checker::Ms;
use crate::plan::{Point, RESEND_MS, RESOLVED_FOR_MS, SourcePlan};
use crate::routes::alertname;
use openclaw_alert::{Batch, LabelsBuilder, Zoned};
use openclaw_pipeline::Input;

/// A source and what it remembers.
pub(super) struct Source {
    pub(super) plan: SourcePlan,
    /// By what it watches: how many of the changes have come.
    changed: Vec<usize>,
    /// By what it watches: changes that were answered.
    answered: Vec<usize>,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Request {
    source: usize,
    /// Watched, its alert, the checker's number of the statement, and the
    /// change that it speaks of.
    statements: Vec<(usize, u64, usize, usize)>,
}

impl Source {
    pub(super) fn new(plan: &SourcePlan) -> Self {
        let none = vec![0; plan.watched.len()];
        Self { plan: plan.clone(), changed: none.clone(), answered: none }
    }

    fn fires(&self, watched: usize) -> bool {
        self.changed[watched] % 2 == 1
    }

    /// When the present state of what is watched began.
    fn since(&self, watched: usize) -> Ms {
        self.changed[watched].checked_sub(1).map_or(0, |last| self.plan.watched[watched].changes[last])
    }

    /// When it last began to fire.
    fn fired_at(&self, watched: usize) -> Ms {
        let changes = &self.plan.watched[watched].changes;
        let last = self.changed[watched].saturating_sub(1) / 2 * 2;
        changes.get(last).copied().unwrap_or(0)
    }

    fn is_gone(&self, now: Ms) -> bool {
        self.plan.gone_at.is_some_and(|gone_at| gone_at <= now)
    }

    /// What a source that repeats itself has to say now.
    fn repeated(&self, now: Ms) -> Vec<usize> {
        let is_said = |&watched: &usize| {
            self.changed[watched] > 0 && (self.fires(watched) || self.since(watched) + RESOLVED_FOR_MS > now)
        };
        (0..self.changed.len()).filter(is_said).collect()
    }
}

impl World {
    pub(super) fn begin_sources(&mut self) {
        for number in 0..self.sources.len() {
            let plan = self.sources[number].plan.clone();
            for (watched, what) in plan.watched.iter().enumerate() {
                let changes = what.changes.iter();
                changes.for_each(|&at| self.schedule(at, Event::Change { source: number, watched }));
            }
            if let Some(gone_at) = plan.gone_at {
                self.schedule(gone_at, Event::Gone(number));
            }
            if plan.habit.repeats() {
                let at = self.random.below(RESEND_MS);
                self.schedule(at, Event::Resend(number));
            }
        }
    }

    pub(super) fn gone(&mut self, number: usize) {
        let watched = &self.sources[number].plan.watched;
        watched.iter().for_each(|what| self.checker.gone(what.number, self.now));
    }

    pub(super) fn resend(&mut self, number: usize) {
        self.schedule(self.now + RESEND_MS, Event::Resend(number));
        let said = self.sources[number].repeated(self.now);
        self.say(number, &said);
    }

    pub(super) fn change(&mut self, number: usize, watched: usize) {
        self.sources[number].changed[watched] += 1;
        self.say(number, &[watched]);
        if !self.sources[number].plan.habit.repeats() {
            let change = self.sources[number].changed[watched];
            self.schedule(self.now + 10_000, Event::Retry { source: number, watched, change });
        }
    }

    /// A source that says everything once asks whether it was heard.
    pub(super) fn retry(&mut self, number: usize, watched: usize, change: usize) {
        let source = &self.sources[number];
        let is_latest = source.changed[watched] == change;
        if is_latest && source.answered[watched] < change && !source.is_gone(self.now) {
            self.say(number, &[watched]);
            self.schedule(self.now + 10_000, Event::Retry { source: number, watched, change });
        }
    }

    fn say(&mut self, number: usize, said: &[usize]) {
        let source = &self.sources[number];
        if said.is_empty() || source.is_gone(self.now) {
            return;
        }
        for _ in 0..source.plan.habit.times() {
            self.post(number, said);
        }
    }

    fn post(&mut self, number: usize, said: &[usize]) {
        let request = self.state(number, said);
        if !self.is_listening() {
            self.trace(|| format!("source {number} reaches nobody"));
            return;
        }
        let tenant = self.sources[number].plan.tenant;
        let (name, source) = (self.name(tenant), format!("s{number}"));
        if self.now < self.refused_until[number] {
            self.saw("turned away", 1);
            self.step(name.partition(), &Input::TurnedAway { tenant: &name, source: &source });
            return;
        }
        if self.reached(Point::BeforeAppend) {
            return;
        }
        let batch = self.batch(number, said);
        let Some(stepped) =
            self.step(name.partition(), &Input::Alerts { tenant: &name, source: &source, batch: &batch })
        else {
            return;
        };
        let taken = stepped.taken;
        self.trace(|| format!("source {number} posts {said:?}: {taken:?}"));
        self.saw("deferred", taken.deferred.into());
        self.saw("refused", taken.refused.into());
        if taken.refused > 0 {
            return; // 429: whatever was taken is not acknowledged
        }
        self.said_once |= taken.accepted > 0 && !self.sources[number].plan.habit.repeats();
        if self.bug == Some(Bug::EarlyAnswer) {
            return self.acknowledge(&request);
        }
        self.waiting.push((stepped.answer_at, Waiting::Answer(request)));
        self.answer_what_is_durable();
    }

    /// What needs no commit of its own is answered at once.
    fn answer_what_is_durable(&mut self) {
        let Some(durable) = self.machine.as_ref().map(crate::machine::Machine::durable) else { return };
        let ready = |(at, waiting): &(_, Waiting)| *at <= durable && matches!(waiting, Waiting::Answer(_));
        while let Some(index) = self.waiting.iter().position(ready) {
            if let (_, Waiting::Answer(request)) = self.waiting.remove(index) {
                self.acknowledge(&request);
            }
        }
    }

    /// Tells the checker what the source is about to say.
    fn state(&mut self, number: usize, said: &[usize]) -> Request {
        let (now, source) = (self.now, &self.sources[number]);
        let timeout = self.plan.tenants[source.plan.tenant].generations[0].settings.resolve_timeout;
        let mut statements = Vec::new();
        for &watched in said {
            let alert = source.plan.watched[watched].number;
            let fires = source.fires(watched);
            let lasts_ms = source.plan.habit.ends_after_ms(alert).unwrap_or(timeout.as_millis() as Ms);
            let until = if fires { now + lasts_ms } else { now };
            let number = self.checker.stated(source.plan.tenant, alert, statement(now, fires, until));
            statements.push((watched, alert, number, source.changed[watched]));
        }
        Request { source: number, statements }
    }

    fn batch(&self, number: usize, said: &[usize]) -> Batch {
        let source = &self.sources[number];
        let mut batch = Batch::default();
        for &watched in said {
            let alert = source.plan.watched[watched].number;
            let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
            labels.push("alertname", alertname(alert));
            labels.push("n", &alert.to_string());
            // What is measured changes now and then, and with it the text.
            annotations.push("value", &(self.now / 400_000).to_string());
            let habit = source.plan.habit;
            let starts_at = habit.repeats().then(|| self.source_clock(source.fired_at(watched)));
            let ends_at = match source.fires(watched) {
                true => habit.ends_after_ms(alert).map(|ms| self.source_clock(self.now + ms)),
                false => Some(self.source_clock(source.since(watched))),
            };
            batch.push(&mut labels, &mut annotations, "", starts_at, ends_at);
        }
        batch
    }

    /// Sources have clocks of their own, which are right.
    fn source_clock(&self, at: Ms) -> Zoned {
        Zoned::utc(super::EPOCH.plus(span(at)))
    }

    pub(super) fn acknowledge(&mut self, request: &Request) {
        self.outcome.answered += 1;
        for &(watched, alert, statement, change) in &request.statements {
            self.checker.acknowledged(alert, statement, self.now);
            let answered = &mut self.sources[request.source].answered[watched];
            *answered = change.max(*answered);
        }
    }
}
