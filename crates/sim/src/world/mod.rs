//! The loop: one event after the other in virtual time, nothing else.
//!
//! A run is drawn from a seed alone, so the same seed gives the same run, and
//! a traced [`World::run`] tells the story of a failure that a quick run
//! has found.

mod faults;
mod people;
mod sends;
mod sources;

use crate::checker::{Checker, Ms, Statement, Violation};
use crate::disk::{PowerLossDisk, Random};
use crate::forgetful::ForgetfulDisk;
use crate::machine::{Flaws, Machine, Stepped};
use crate::plan::{BUSY_MS, Crash, END_MS, Fault, Plan, Point};
use openclaw_alert::{Feedback, PartitionId, TenantName, Timestamp};
use openclaw_journal::{Disk, Position};
use openclaw_pipeline::{Action, Input, TenantSettings};
use openclaw_routing::SilenceId;
use people::SetSilence;
use sends::Attempt;
use sources::{Request, Source};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// When runs begin, by the machine's clock.
const EPOCH: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A fault put into the world on purpose: the checker has to notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Requests are answered before the commit.
    EarlyAnswer,
    /// Renewals are answered before the commit of what they renew.
    HastyRenewal,
    /// Some messages that tell of an end are not sent.
    LostResolve,
    /// Some messages are sent again under another key.
    DoubledSend,
    /// After a start, nobody minds that nobody listened before.
    FalseExpiry,
    /// Some messages go to another tenant's receiver.
    CrossTenantSend,
    /// A listing shows another tenant's alerts.
    CrossTenantRead,
    /// Commits don't sync.
    SkippedSync,
    /// Silences are gone after a start.
    LostSilence,
    /// Who has left the settings hears nothing more.
    ForgottenReceiver,
    /// New settings count from the next start on.
    StaleSettings,
    /// Some messages that show what somebody did are not sent.
    HiddenAction,
    /// Some messages come without what was given back for the last one.
    LostReceipt,
}

/// What happens next.
#[derive(Debug)]
enum Event {
    Resend(usize),
    Gone(usize),
    Change {
        source: usize,
        watched: usize,
    },
    Retry {
        source: usize,
        watched: usize,
        change: usize,
    },
    Tick,
    Commit,
    Depart(Box<Attempt>),
    Arrive(Box<Attempt>),
    Answer(Box<Attempt>),
    Fault(Fault),
    Boot {
        down_since: Ms,
        power_off_after: Option<u64>,
    },
    Look,
    /// Nothing more goes wrong.
    Calm,
}

/// What waits for a commit.
enum Waiting {
    Answer(Request),
    Silence(SetSilence),
    /// What somebody did, by the checker's number.
    Act(usize),
    Send(Box<Attempt>),
}

/// How a run went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// What happened, where it was asked for.
    pub trace: Vec<String>,
    /// Messages that receivers took.
    pub taken: u64,
    /// Processes that started.
    pub boots: u64,
    /// Requests that were answered 2xx.
    pub answered: u64,
    /// How often something came up that a set of runs should have seen.
    pub seen: BTreeMap<String, u64>,
}

/// Everything there is in a run.
pub struct World {
    plan: Plan,
    bug: Option<Bug>,
    random: Random,
    now: Ms,
    clock_off_ms: i64,
    events: BTreeMap<(Ms, u64), Event>,
    sequence: u64,
    disk: PowerLossDisk,
    skips_syncs: Arc<AtomicBool>,
    machine: Option<Machine>,
    /// Counts processes; what one had under way dies with it.
    life: u64,
    waiting: Vec<(Position, Waiting)>,
    commit_is_due: bool,
    /// What is to be committed will not be said again.
    said_once: bool,
    tick_at: Ms,
    paused_until: Ms,
    restart_tries: u32,
    in_flight: u32,
    crash_at: Option<(Point, Crash)>,
    power_off: Option<Crash>,
    refused_until: Vec<Ms>,
    /// By tenant: which of its settings count.
    generations: Vec<usize>,
    /// By tenant: its silences, the latest last.
    silences: Vec<Vec<SilenceId>>,
    sources: Vec<Source>,
    checker: Checker,
    outcome: Outcome,
    is_traced: bool,
}

impl World {
    /// A world at the beginning of a run.
    #[must_use]
    pub fn new(plan: Plan, bug: Option<Bug>) -> Self {
        let terms = plan.tenants.iter().map(|tenant| tenant.terms.clone()).collect();
        let checker = Checker::new(terms, plan.clock_slack_ms);
        let outcome = Outcome::default();
        Self {
            bug,
            random: Random::new(Random::new(!plan.seed).below(u64::MAX)),
            now: 0,
            clock_off_ms: 0,
            events: BTreeMap::new(),
            sequence: 0,
            disk: PowerLossDisk::new(plan.seed),
            skips_syncs: Arc::new(AtomicBool::new(false)),
            machine: None,
            life: 0,
            waiting: Vec::new(),
            commit_is_due: false,
            said_once: false,
            tick_at: Ms::MAX,
            paused_until: 0,
            restart_tries: 0,
            in_flight: 0,
            crash_at: None,
            power_off: None,
            refused_until: vec![0; plan.sources.len()],
            generations: vec![0; plan.tenants.len()],
            silences: vec![Vec::new(); plan.tenants.len()],
            sources: plan.sources.iter().map(Source::new).collect(),
            checker,
            outcome,
            is_traced: false,
            plan,
        }
    }

    /// Runs to the end.
    #[must_use]
    pub fn run(mut self, is_traced: bool) -> Outcome {
        self.is_traced = is_traced;
        self.begin();
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > END_MS {
                break;
            }
            self.now = at;
            self.happen(event);
        }
        self.now = END_MS;
        self.finish()
    }

    fn begin(&mut self) {
        self.expect_holds();
        (0..self.plan.tenants.len()).for_each(|tenant| self.expect(tenant));
        self.boot(0, None);
        for (tenant, plan) in self.plan.tenants.iter().enumerate() {
            let spells = plan.spells.iter();
            spells.for_each(|spell| self.checker.trouble(Some(tenant), spell.from, spell.to));
        }
        for (at, fault) in self.plan.faults.clone() {
            self.schedule(at, Event::Fault(fault));
        }
        self.schedule(1000, Event::Look);
        self.schedule(BUSY_MS, Event::Calm);
        self.begin_sources();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Resend(source) => self.resend(source),
            Event::Gone(source) => self.gone(source),
            Event::Change { source, watched } => self.change(source, watched),
            Event::Retry { source, watched, change } => self.retry(source, watched, change),
            Event::Tick => self.tick(),
            Event::Commit => self.commit(),
            Event::Depart(attempt) => self.depart(attempt),
            Event::Arrive(attempt) => self.arrive(&attempt),
            Event::Answer(attempt) => self.answer(attempt),
            Event::Fault(fault) => self.fault(fault),
            Event::Boot { down_since, power_off_after } => self.boot(down_since, power_off_after),
            Event::Look => self.look(),
            Event::Calm => self.calm_down(),
        }
    }

    fn finish(mut self) -> Outcome {
        self.commit();
        let tenants = self.tenants();
        let left = match &self.machine {
            Some(machine) => machine.leftovers(&tenants),
            None => vec!["nothing runs".into()],
        };
        left.into_iter().for_each(|text| self.violated("rest", text));
        self.restart_in_order();
        let mut violations = self.outcome.violations;
        violations.extend(self.checker.finish(END_MS));
        Outcome { violations, ..self.outcome }
    }

    fn violated(&mut self, promise: &'static str, text: String) {
        self.trace(|| format!("VIOLATION {promise}: {text}"));
        self.outcome.violations.push(Violation { promise, at: self.now, text });
    }

    fn trace(&mut self, text: impl FnOnce() -> String) {
        if self.is_traced {
            let (seconds, millis) = (self.now / 1000, self.now % 1000);
            self.outcome.trace.push(format!("{seconds:>5}.{millis:03} {}", text()));
        }
    }

    fn saw(&mut self, what: &str, times: u64) {
        if times > 0 {
            *self.outcome.seen.entry(what.to_owned()).or_default() += times;
        }
    }

    fn schedule(&mut self, at: Ms, event: Event) {
        self.sequence += 1;
        self.events.insert((at.max(self.now), self.sequence), event);
    }

    fn tenants(&self) -> Vec<Arc<TenantSettings>> {
        let current = self.plan.tenants.iter().zip(&self.generations);
        current.map(|(tenant, &number)| Arc::clone(&tenant.generations[number].settings)).collect()
    }

    fn name(&self, tenant: usize) -> TenantName {
        self.plan.tenants[tenant].generations[0].settings.name.clone()
    }

    fn disk(&self) -> Arc<dyn Disk> {
        if self.bug == Some(Bug::SkippedSync) {
            let skips = Arc::clone(&self.skips_syncs);
            return Arc::new(ForgetfulDisk { disk: self.disk.clone(), skips });
        }
        Arc::new(self.disk.clone())
    }

    fn flaws(&self) -> Flaws {
        Flaws {
            skips_grace: self.bug == Some(Bug::FalseExpiry),
            hasty_renewals: self.bug == Some(Bug::HastyRenewal),
        }
    }

    /// A time as the machine's clock shows it.
    fn clock(&self, at: Ms) -> Timestamp {
        let at = at as i64 + self.clock_off_ms;
        Timestamp::from_nanos(EPOCH.nanos() + at * 1_000_000)
    }

    /// When the machine's clock will show this time.
    fn when(&self, clock: Timestamp) -> Ms {
        let ms = clock.nanos().saturating_sub(EPOCH.nanos()).div_euclid(1_000_000).saturating_add(1);
        ms.saturating_sub(self.clock_off_ms).max(0) as Ms
    }

    fn is_listening(&self) -> bool {
        self.machine.is_some() && self.now >= self.paused_until
    }

    /// One step of the machine; `None` where it ended over it.
    fn step(&mut self, partition: PartitionId, input: &Input<'_>) -> Option<Stepped> {
        let now = self.clock(self.now);
        match self.machine.as_mut()?.step(partition, input, now) {
            Ok(mut stepped) => {
                self.queue_sends(partition, &mut stepped);
                self.commit_soon();
                Some(stepped)
            }
            Err(ended) => {
                self.machine_ended(&ended);
                None
            }
        }
    }

    fn commit_soon(&mut self) {
        if !self.commit_is_due {
            self.commit_is_due = true;
            let takes = if self.random.one_in(50) { 300 } else { self.random.below(8) };
            self.schedule(self.now + takes, Event::Commit);
        }
        self.plan_tick();
    }

    fn commit(&mut self) {
        if self.now < self.paused_until {
            return self.schedule(self.paused_until, Event::Commit);
        }
        self.commit_is_due = false;
        let said_once = std::mem::take(&mut self.said_once);
        if (said_once && self.reached(Point::SaidOnce)) || self.reached(Point::Appended) {
            return;
        }
        let is_time_for_upkeep = self.random.one_in(20);
        let Some(machine) = self.machine.as_mut() else { return };
        let kept = if is_time_for_upkeep { machine.maintain() } else { Ok(()) };
        match kept.and_then(|()| machine.commit()) {
            Ok(durable) => self.settle(durable),
            Err(ended) => self.machine_ended(&ended),
        }
    }

    /// Answers and sends what the commit has made durable.
    fn settle(&mut self, durable: Position) {
        if self.reached(Point::Committed) {
            return;
        }
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| *at <= durable);
        self.waiting = waiting;
        for (_, waiting) in ready {
            match waiting {
                Waiting::Answer(request) => self.acknowledge(&request),
                Waiting::Silence(set) => self.silenced(set),
                Waiting::Act(act) => self.checker.act_acknowledged(act, self.now),
                Waiting::Send(attempt) => {
                    let at = self.now + self.random.below(5);
                    self.schedule(at, Event::Depart(attempt));
                }
            }
        }
    }

    fn plan_tick(&mut self) {
        let Some(machine) = &self.machine else { return };
        let Some(next) = machine.deadlines().map(|(_, at)| at).min().filter(|at| *at < Timestamp::MAX) else {
            return;
        };
        let at = self.when(next).max(self.now);
        if at < self.tick_at || self.tick_at < self.now {
            self.tick_at = at;
            self.schedule(at, Event::Tick);
        }
    }

    fn tick(&mut self) {
        if self.now < self.paused_until {
            return self.schedule(self.paused_until, Event::Tick);
        }
        self.tick_at = Ms::MAX;
        let Some(machine) = &self.machine else { return };
        let now = self.clock(self.now);
        let due: Vec<PartitionId> =
            machine.deadlines().filter(|(_, at)| *at <= now).map(|(id, _)| id).collect();
        for partition in due {
            self.step(partition, &Input::Tick);
        }
        self.plan_tick();
    }

    /// People look at their tenant's alerts, and say something to one.
    fn look(&mut self) {
        let pause_ms = 30_000 + self.random.below(60_000);
        self.schedule(self.now + pause_ms, Event::Look);
        if !self.is_listening() {
            return;
        }
        if self.random.one_in(4) {
            self.snapshot();
        }
        for tenant in 0..self.plan.tenants.len() {
            self.look_as(tenant);
        }
    }

    fn look_as(&mut self, tenant: usize) {
        let reads_other = self.bug == Some(Bug::CrossTenantRead) && self.random.one_in(20);
        let whose = if reads_other { (tenant + 1) % self.plan.tenants.len() } else { tenant };
        let (name, now) = (self.name(whose), self.clock(self.now));
        let Some(partition) = self.machine.as_ref().and_then(|machine| machine.partition_of(&name)) else {
            return;
        };
        let mut keys = partition.list(&name);
        keys.retain(|key| {
            let alert = partition.alert(&name, key.episode);
            alert.is_some_and(|alert| partition.is_listed(&alert, now))
        });
        let seen: Vec<u64> = keys
            .iter()
            .filter_map(|key| partition.alert(&name, key.episode)?.content.labels.get("n").parse().ok())
            .collect();
        let pick = keys.get(self.random.below(keys.len().max(1) as u64) as usize);
        let labels = pick.and_then(|key| partition.alert(&name, key.episode)).map(|alert| {
            (alert.id.offset, alert.rated_at, alert.score, alert.content.labels.as_bytes().to_vec())
        });
        let id = partition.id();
        seen.into_iter().for_each(|alert| self.checker.saw(tenant, alert, self.now));
        if let Some((episode, rated_at, score, labels)) = labels.filter(|_| whose == tenant) {
            let labels = openclaw_alert::Labels::from_encoded(&labels);
            let source = "s0";
            let of = openclaw_pipeline::PastAlert { tenant: &name, source, episode, rated_at, score, labels };
            let action = if self.random.one_in(2) { Feedback::Ack } else { Feedback::Dismiss };
            let number = labels.get("n").parse().unwrap_or_default();
            let act = self.checker.acts(tenant, number, self.now);
            let input = Input::Feedback { of, action: Action::new(action, "ann", "") };
            if let Some(stepped) = self.step(id, &input) {
                self.waiting.push((stepped.answer_at, Waiting::Act(act)));
            }
        }
    }
}

/// A statement of a source about one of its alerts.
fn statement(at: Ms, fires: bool, until: Ms) -> Statement {
    Statement { at, fires, until, acknowledged_at: None }
}

fn span(ms: Ms) -> Duration {
    Duration::from_millis(ms)
}
