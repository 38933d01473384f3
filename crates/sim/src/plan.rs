//! What happens in a run, drawn from its seed before it begins.

use crate::checker::{Ms, Terms};
use crate::disk::Random;
use crate::routes::{Habitat, Meant, Routes};
use openclaw_admission::Limits;
use openclaw_alert::TenantName;
use openclaw_journal::Options;
use openclaw_pipeline::{RetryPolicy, TenantSettings};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Ms = 1000;
const MINUTE: Ms = 60 * SECOND;

/// Faults and changes happen until here; then everything comes to rest.
pub const BUSY_MS: Ms = 20 * MINUTE;
/// When all is told and forgotten.
pub const END_MS: Ms = BUSY_MS + 35 * MINUTE;
/// How long a source repeats that an alert has resolved.
pub const RESOLVED_FOR_MS: Ms = 15 * MINUTE;
/// How often a source repeats itself.
pub const RESEND_MS: Ms = MINUTE;
/// What a source that repeats itself says of each firing alert's end.
const ENDS_AFTER_MS: Ms = 4 * MINUTE;
/// How far the machine's clock may be off.
const CLOCK_OFF_MS: u64 = 40 * SECOND;

/// How a source behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// As Prometheus: changes at once, everything that fires each minute,
    /// what has resolved for 15 minutes; no retry in between.
    Repeats,
    /// Two of them that say the same.
    RepeatsTwice,
    /// Says each change until it is answered 2xx, then falls silent.
    SaysOnce,
    /// The same, but so impatient that it says everything twice at once.
    SaysOnceTwice,
}

impl Habit {
    /// Says each minute what is the case.
    #[must_use]
    pub fn repeats(self) -> bool {
        matches!(self, Self::Repeats | Self::RepeatsTwice)
    }

    /// Requests for one thing to say.
    #[must_use]
    pub fn times(self) -> usize {
        if matches!(self, Self::RepeatsTwice | Self::SaysOnceTwice) { 2 } else { 1 }
    }

    /// What it says of a firing alert's end, from now; `None` for nothing.
    #[must_use]
    pub fn ends_after_ms(self, alert: u64) -> Option<Ms> {
        if self.repeats() {
            return Some(ENDS_AFTER_MS);
        }
        alert.is_multiple_of(2).then_some(15 * MINUTE)
    }
}

/// One condition that a source watches.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Its number, the same in no other alert.
    pub number: u64,
    /// When it changes, first to firing.
    pub changes: Vec<Ms>,
}

/// One source.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// Whose.
    pub tenant: usize,
    /// How it behaves.
    pub habit: Habit,
    /// What it watches.
    pub watched: Vec<Watched>,
    /// When it is gone for good, without a word.
    pub gone_at: Option<Ms>,
}

/// How a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes everything, soon.
    Healthy,
    /// Takes everything, after seconds.
    Slow,
    /// Answers anything.
    Lying,
    /// Can't be reached, or says nothing.
    Down,
}

/// A receiver is in this mood for a while.
#[derive(Debug, Clone, Copy)]
pub struct Spell {
    /// From here…
    pub from: Ms,
    /// …to here.
    pub to: Ms,
    /// How it answers.
    pub mood: Mood,
}

/// Settings, and what they say in plain words.
#[derive(Debug, Clone)]
pub struct Generation {
    /// What decides about the tenant's alerts.
    pub settings: Arc<TenantSettings>,
    /// Who is told.
    pub routes: Routes,
}

/// One tenant.
#[derive(Debug, Clone)]
pub struct TenantPlan {
    /// Its settings, in the order in which they come.
    pub generations: Vec<Generation>,
    /// What stays the same in all of them.
    pub habitat: Habitat,
    /// What its receivers may expect.
    pub terms: Terms,
    /// When its receivers are not healthy.
    pub spells: Vec<Spell>,
}

/// Where a process may end between two things that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A request has been read, nothing is written.
    BeforeAppend,
    /// Appended, and not committed.
    Appended,
    /// The same, and what was appended will not be said again.
    SaidOnce,
    /// Committed, and nobody has been told.
    Committed,
    /// A message is on its way.
    Departed,
    /// The receiver has taken it, and its answer is on its way.
    Took,
    /// The answer is here, and not written down.
    Answered,
}

/// How a process ends.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// The machine loses power; otherwise only the process is killed.
    pub loses_power: bool,
    /// Until the next one starts.
    pub down_ms: Ms,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Now.
    Crash(Crash),
    /// As soon as this point is reached.
    CrashAt(Point, Crash),
    /// After so many changes of the disk: within a write, a sync, a snapshot,
    /// a recovery.
    PowerOff(u64, Crash),
    /// The next sync fails.
    SyncFails(Crash),
    /// The process ends in order and starts again.
    Restart,
    /// A snapshot is written.
    Snapshot,
    /// The machine stands still, as one does that is moved.
    Pause(Ms),
    /// The machine's clock is set to be off by so much.
    Clock(i64),
    /// A source is turned away for a while.
    Refuse(usize, Ms),
    /// A tenant's settings change to the next.
    Reload(usize),
    /// A person of a tenant silences some alerts for so long.
    Silence(usize, Meant, Ms),
    /// A person of a tenant ends its latest silence.
    EndSilence(usize),
}

/// A whole run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// It was drawn from this.
    pub seed: u64,
    /// Tenants by number.
    pub tenants: Vec<TenantPlan>,
    /// All their sources.
    pub sources: Vec<SourcePlan>,
    /// What goes wrong, and when.
    pub faults: Vec<(Ms, Fault)>,
    /// How the log is kept.
    pub options: Options,
    /// The disk writes less than it is given, now and then.
    pub short_writes: bool,
    /// How far two readings of the machine's clock may be off.
    pub clock_slack_ms: Ms,
}

impl Plan {
    /// Draws a run.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        // Twice, since neighbouring seeds give shifted rows of the same numbers.
        let random = &mut Random::new(Random::new(seed).below(u64::MAX));
        let tenants: Vec<TenantPlan> =
            neighbours(2 + random.below(2) as usize).iter().map(|name| draw_tenant(name, random)).collect();
        let mut sources = Vec::new();
        for tenant in 0..tenants.len() {
            for _ in 0..=random.below(2) {
                let first = 1 + 10 * sources.len() as u64;
                sources.push(draw_source(tenant, first, random));
            }
        }
        let has_clock_faults = random.one_in(3);
        let mut faults = draw_faults(sources.len(), has_clock_faults, random);
        for (number, tenant) in tenants.iter().enumerate() {
            draw_changes_of_mind(number, tenant, &mut faults, random);
        }
        faults.sort_by_key(|(at, _)| *at);
        let segment_bytes = 4096 * (4 + 4 * random.below(4));
        let options = Options {
            segment_bytes,
            retain_age: Duration::from_secs(60 + random.below(900)),
            retain_bytes: segment_bytes * (2 + random.below(4)),
            reserve_bytes: if random.one_in(2) { segment_bytes } else { 0 },
            ..Options::default()
        };
        let clock_slack_ms = if has_clock_faults { 2 * CLOCK_OFF_MS } else { 0 };
        Self { seed, tenants, sources, faults, options, short_writes: random.one_in(3), clock_slack_ms }
    }
}

/// Tenants, the first two of them in the same partition.
#[must_use]
pub fn neighbours(count: usize) -> Vec<TenantName> {
    let name = |number: usize| TenantName::new(&format!("tenant-{number}"));
    let Ok(first) = name(0) else { return Vec::new() };
    let all: Vec<TenantName> = (1..2000).filter_map(|number| name(number).ok()).collect();
    let (same, other): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|name| name.partition() == first.partition());
    std::iter::once(first).chain(same.into_iter().take(1)).chain(other).take(count).collect()
}

fn seconds(random: &mut Random, from: u64, to: u64) -> Duration {
    Duration::from_secs(from + random.below(to - from + 1))
}

fn draw_tenant(name: &TenantName, random: &mut Random) -> TenantPlan {
    let habitat = Habitat::draw(random);
    let is_tight = random.one_in(5);
    let limits =
        if is_tight { Limits { rate_per_s: 0.04, burst: 1, backlog_bytes: 600 } } else { Limits::default() };
    let in_the_way_ms = if is_tight { 4 * MINUTE } else { MINUTE };
    let patience_ms = (habitat.group_wait + 2 * habitat.group_interval).as_millis() as Ms + in_the_way_ms;
    let repeat_ms = habitat.repeat_interval.as_millis() as Ms;
    let (send_resolved, chats) = (habitat.send_resolved.clone(), habitat.chats.clone());
    let terms = Terms { patience_ms, repeat_ms, send_resolved, chats };
    let resolve_timeout = seconds(random, 240, 300);
    let mut told_before = BTreeSet::new();
    let mut generations = Vec::new();
    for _ in 0..=random.below(5) {
        let routes = Routes::draw(&habitat, random);
        let settings = TenantSettings {
            limits,
            resolve_timeout,
            retry: RetryPolicy { longest: Duration::from_secs(20), ..RetryPolicy::default() },
            ..TenantSettings::new(name.clone(), routes.routing(&habitat, &told_before))
        };
        told_before.extend(routes.live());
        generations.push(Generation { settings: Arc::new(settings), routes });
    }
    TenantPlan { generations, habitat, terms, spells: draw_spells(random) }
}

fn draw_spells(random: &mut Random) -> Vec<Spell> {
    let mut spells = Vec::new();
    let mut at = random.below(4 * MINUTE);
    while at < BUSY_MS {
        let longest = if random.one_in(4) { 6 * MINUTE } else { MINUTE };
        let to = at + 1 + random.below(longest);
        let mood = [Mood::Slow, Mood::Lying, Mood::Lying, Mood::Down][random.below(4) as usize];
        spells.push(Spell { from: at, to: to.min(BUSY_MS), mood });
        at = to + random.below(6 * MINUTE);
    }
    spells
}

fn draw_source(tenant: usize, first: u64, random: &mut Random) -> SourcePlan {
    let habit = match random.below(6) {
        0 => Habit::RepeatsTwice,
        1 => Habit::SaysOnce,
        2 => Habit::SaysOnceTwice,
        _ => Habit::Repeats,
    };
    let watched = (0..=random.below(4))
        .map(|index| Watched { number: first + index, changes: draw_changes(habit, random) })
        .collect();
    let gone_at = random.one_in(3).then(|| BUSY_MS / 2 + random.below(BUSY_MS / 2));
    SourcePlan { tenant, habit, watched, gone_at }
}

fn draw_changes(habit: Habit, random: &mut Random) -> Vec<Ms> {
    let mut changes = Vec::new();
    let mut at = random.below(5 * MINUTE);
    while at < BUSY_MS {
        changes.push(at);
        let is_short = random.one_in(if habit.repeats() { 2 } else { 6 });
        let longest = if is_short { MINUTE } else { 12 * MINUTE };
        at += SECOND + random.below(longest);
    }
    // Nothing fires for ever.
    if !changes.len().is_multiple_of(2) {
        changes.push(BUSY_MS);
    }
    changes
}

fn draw_faults(sources: usize, has_clock_faults: bool, random: &mut Random) -> Vec<(Ms, Fault)> {
    let count = 2 + random.below(7);
    let mut faults: Vec<(Ms, Fault)> =
        (0..count).map(|_| (random.below(BUSY_MS), draw_fault(sources, has_clock_faults, random))).collect();
    if has_clock_faults {
        faults.push((BUSY_MS, Fault::Clock(0)));
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

/// What people change: settings, now and then just before the process ends,
/// and silences.
fn draw_changes_of_mind(
    number: usize,
    tenant: &TenantPlan,
    faults: &mut Vec<(Ms, Fault)>,
    random: &mut Random,
) {
    for _ in 1..tenant.generations.len() {
        let at = random.below(BUSY_MS);
        faults.push((at, Fault::Reload(number)));
        match random.below(4) {
            0 => faults.push((at + random.below(20), Fault::Crash(draw_crash(random)))),
            1 => faults.push((at, Fault::CrashAt(draw_point(random), draw_crash(random)))),
            _ => {}
        }
    }
    for _ in 0..random.below(4) {
        let (at, lasts) = (random.below(BUSY_MS), MINUTE + random.below(12 * MINUTE));
        faults.push((at, Fault::Silence(number, Meant::draw(random), lasts)));
        if random.one_in(3) {
            faults.push((at + random.below(lasts), Fault::EndSilence(number)));
        }
    }
}

fn draw_fault(sources: usize, has_clock_faults: bool, random: &mut Random) -> Fault {
    match random.below(12) {
        0 | 1 => Fault::Crash(draw_crash(random)),
        2..=4 => Fault::CrashAt(draw_point(random), draw_crash(random)),
        5 | 6 => Fault::PowerOff(1 + random.below(25), draw_crash(random)),
        7 => Fault::Restart,
        8 => Fault::Snapshot,
        9 if random.one_in(2) => Fault::SyncFails(draw_crash(random)),
        9 => Fault::Pause(random.below(10 * MINUTE)),
        10 if has_clock_faults => Fault::Clock(random.below(2 * CLOCK_OFF_MS) as i64 - CLOCK_OFF_MS as i64),
        _ => Fault::Refuse(random.below(sources as u64) as usize, MINUTE + random.below(10 * MINUTE)),
    }
}

fn draw_crash(random: &mut Random) -> Crash {
    let longest = if random.one_in(4) { 10 * MINUTE } else { 20 * SECOND };
    Crash { loses_power: !random.one_in(4), down_ms: 1 + random.below(longest) }
}

fn draw_point(random: &mut Random) -> Point {
    const POINTS: [Point; 9] = [
        Point::SaidOnce,
        Point::SaidOnce,
        Point::BeforeAppend,
        Point::Appended,
        Point::SaidOnce,
        Point::Committed,
        Point::Departed,
        Point::Took,
        Point::Answered,
    ];
    POINTS[random.below(POINTS.len() as u64) as usize]
}
