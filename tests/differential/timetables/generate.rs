//! Random timetables.

use super::case::{Action, Case, Grouping, Hook, Known, Lane, Muting, Place, Post, Step};
use super::timeline::{NO_REPEAT_MS, RESOLVE_TIMEOUT_MS, checked};
use crate::random::Random;
use std::collections::BTreeSet;

pub(super) const CASES: usize = 200;
const TWO_SOURCES: usize = 6;
const REFUSED: usize = 8;
const BACKOFF: usize = 8;

/// The last event of any case comes before.
const LAST_MS: u64 = 38_000;
const ROUNDS_MAX: usize = 14;
/// Longer than the play.
const FAR_MS: i64 = 90_000;
const SHAPES_MAX: usize = 20;
const TRIES_MAX: usize = 500;
/// Fewer calls than this are not worth a place.
const STEPS_MIN: usize = 3;

pub(super) fn cases(seed: u64) -> Vec<Case> {
    (0..CASES).map(|number| case(&mut Random::of_case(seed, number), number)).collect()
}

fn case(random: &mut Random, number: usize) -> Case {
    if number < TWO_SOURCES {
        return two_sources(random, number);
    }
    if number < TWO_SOURCES + REFUSED {
        return refused(random, number);
    }
    if number < TWO_SOURCES + REFUSED + BACKOFF {
        return backoff(random, number);
    }
    for _ in 0..SHAPES_MAX {
        let shape = Draft::new(random.clone(), number);
        for _ in 0..TRIES_MAX {
            let mut draft = shape.clone();
            draft.random = random.fork();
            if let Some(case) = draft.checked() {
                return case;
            }
        }
    }
    panic!("no timetable without chance was drawn for case {number}");
}

fn empty(number: usize) -> Case {
    Case {
        number,
        lanes: Vec::new(),
        groups: Vec::new(),
        sources: BTreeSet::new(),
        targets: BTreeSet::new(),
        steps: Vec::new(),
        known: Vec::new(),
        end_ms: 0,
    }
}

fn hook(path: &str) -> Hook {
    Hook { path: format!("/{path}"), send_resolved: true, fails: None }
}

fn main_lane(number: usize, interval_ms: u64, wait_ms: u64) -> Lane {
    let name = format!("c{number}");
    Lane {
        hooks: vec![hook(&name)],
        name,
        place: Place::Main,
        grouping: Grouping::By(&[]),
        wait_ms,
        interval_ms,
        repeat_ms: NO_REPEAT_MS,
        muting: Muting::None,
    }
}

/// A wait that keeps ticks and events apart.
fn wait_ms(random: &mut Random, interval_ms: u64) -> u64 {
    match interval_ms {
        1000 => random.pick(&[400, 500, 600]),
        2000 => random.pick(&[600, 800, 1000]),
        _ => random.pick(&[800, 1000]),
    }
}

/// What a random case is drawn with.
#[derive(Clone)]
struct Draft {
    random: Random,
    case: Case,
    first_ms: u64,
    interval_ms: u64,
    rounds: usize,
    /// The first alerts are older than `group_wait`: their groups tick at once.
    is_old: bool,
    has_silences: bool,
    quiet_ends_allowed: bool,
    idle_ends_allowed: bool,
    /// What each alert was last posted with: start and end.
    posted: Vec<Option<(i64, i64)>>,
    silences: Vec<(Option<usize>, i64)>,
    notes: u64,
}

impl Draft {
    fn new(mut random: Random, number: usize) -> Self {
        let interval_ms = random.pick(&[1000, 1000, 2000, 2000, 3000]);
        let first_ms = 500 + 100 * random.below(20) as u64;
        let alerts = 1 + random.below(4);
        let mut draft = Self {
            case: empty(number),
            first_ms,
            interval_ms,
            rounds: ROUNDS_MAX.min(((LAST_MS - first_ms) / interval_ms) as usize - 1),
            is_old: random.percent(12),
            has_silences: random.percent(35),
            quiet_ends_allowed: false,
            idle_ends_allowed: false,
            posted: vec![None; alerts],
            silences: Vec::new(),
            notes: 0,
            random,
        };
        draft.case.groups = (0..alerts).map(|_| draft.random.pick(&["a", "a", "a", "b"])).collect();
        draft.add_inhibition();
        draft.add_lanes();
        draft
    }

    fn add_inhibition(&mut self) {
        // An old target is told at once, and whether its source is seen before is chance.
        if self.is_old || self.posted.len() < 2 || !self.random.percent(25) {
            return;
        }
        self.case.sources.insert(0);
        self.case.targets = (1..self.posted.len()).filter(|_| self.random.percent(80)).collect();
    }

    fn add_lanes(&mut self) {
        let number = self.case.number;
        let wait_ms = wait_ms(&mut self.random, self.interval_ms);
        let mut main = main_lane(number, self.interval_ms, wait_ms);
        main.grouping = self.grouping();
        main.muting = self.muting();
        let can_be_quiet = self.has_silences || !self.case.sources.is_empty();
        self.quiet_ends_allowed = can_be_quiet && self.random.percent(50);
        // A message that only one of both sends would move the repeats that follow.
        self.idle_ends_allowed = self.quiet_ends_allowed || self.random.percent(40);
        if !self.idle_ends_allowed {
            main.repeat_ms = self.interval_ms * self.random.pick(&[5, 7, 9]) / 2;
        }
        main.hooks[0].send_resolved = self.random.percent(85);
        if self.random.percent(15) {
            main.hooks.push(Hook { send_resolved: self.random.percent(50), ..hook(&format!("c{number}-b")) });
        }
        let child = self.random.percent(20).then(|| self.child(&main));
        let second = self.random.percent(30).then(|| self.second(&main));
        self.case.lanes = [Some(main), child, second].into_iter().flatten().collect();
    }

    fn child(&mut self, main: &Lane) -> Lane {
        let only = self.random.below(self.posted.len());
        let name = format!("{}-child", main.name);
        Lane { hooks: vec![hook(&name)], name, place: Place::Child(only), ..main.clone() }
    }

    fn second(&mut self, main: &Lane) -> Lane {
        let name = format!("{}-second", main.name);
        let hooks = vec![Hook { send_resolved: self.random.percent(80), ..hook(&name) }];
        let times = self.random.pick(&[1, 2]);
        Lane {
            name,
            hooks,
            place: Place::Second,
            grouping: self.grouping(),
            interval_ms: main.interval_ms * times,
            repeat_ms: main.repeat_ms * times,
            ..main.clone()
        }
    }

    fn grouping(&mut self) -> Grouping {
        self.random.pick(&[Grouping::All, Grouping::By(&[]), Grouping::By(&["grp"]), Grouping::By(&["n"])])
    }

    fn muting(&mut self) -> Muting {
        if self.random.percent(88) {
            return Muting::None;
        }
        let name = self.random.pick(&["always", "never"]);
        if self.random.percent(50) { Muting::Mute(name) } else { Muting::Active(name) }
    }

    /// The time of an event of a round.
    fn at_ms(&self, round: usize) -> u64 {
        let phase_ms = if self.is_old && round > 0 { self.interval_ms / 2 } else { 0 };
        self.first_ms + phase_ms + round as u64 * self.interval_ms
    }

    /// A timetable, where nothing in it is left to chance.
    fn checked(self) -> Option<Case> {
        let old_ms = self.is_old.then_some(self.first_ms);
        let quiet_ends_allowed = self.quiet_ends_allowed;
        let mut case = self.filled();
        case.known = checked(&case, old_ms, quiet_ends_allowed)?;
        case.known.push(Known::IdleEnds);
        (case.steps.len() >= STEPS_MIN).then_some(case)
    }

    fn filled(mut self) -> Case {
        for round in 0..self.rounds {
            self.add_posts(round);
            if self.has_silences {
                self.add_silence(round);
            }
        }
        self.case.end_ms = self.at_ms(self.rounds);
        self.case
    }

    fn step(&mut self, at_ms: u64, action: Action) {
        self.case.steps.push(Step { at_ms, action });
    }

    fn add_posts(&mut self, round: usize) {
        let (mut posts, mut again) = (Vec::new(), Vec::new());
        for alert in 0..self.posted.len() {
            let at = self.at_ms(round) as i64;
            match self.posted[alert] {
                Some((starts, ends)) if ends > at => match self.random.below(100) {
                    0..15 => posts.push(self.fire(round, alert, Some(starts))),
                    15..29 => posts.push(self.end(alert, starts, at)),
                    29..33 => {
                        posts.push(self.end(alert, starts, at));
                        again.push(self.fire(round, alert, Some(at + 50)));
                    }
                    _ => {}
                },
                // Prometheus repeats a resolve for a quarter of an hour.
                Some((starts, ends)) => match self.random.below(100) {
                    0..15 => posts.push(self.fire(round, alert, None)),
                    15..30 if self.idle_ends_allowed => posts.push(self.end(alert, starts, ends)),
                    _ => {}
                },
                None => match self.random.below(100) {
                    // Over before anybody heard of it.
                    0..3 if self.idle_ends_allowed => posts.push(self.end(alert, at - 100, at)),
                    // Over before anybody was told of it.
                    3..6 if self.idle_ends_allowed => {
                        posts.push(self.fire(round, alert, None));
                        again.push(self.end(alert, at, at + 100));
                    }
                    percent if percent < if round == 0 { 60 } else { 28 } => {
                        posts.push(self.fire(round, alert, None));
                    }
                    _ => {}
                },
            }
        }
        for (delay_ms, posts) in [(0, posts), (100, again)] {
            if !posts.is_empty() {
                self.step(self.at_ms(round) + delay_ms, Action::Post(posts));
            }
        }
    }

    fn note(&mut self) -> u64 {
        self.notes += 1;
        self.notes
    }

    fn end(&mut self, alert: usize, starts: i64, at: i64) -> Post {
        self.posted[alert] = Some((starts, at));
        Post { alert, starts_ms: Some(starts.min(at)), ends_ms: Some(at), note: self.note() }
    }

    fn fire(&mut self, round: usize, alert: usize, starts: Option<i64>) -> Post {
        let at = self.at_ms(round) as i64;
        let is_first_old = self.is_old && round == 0;
        let starts = match starts {
            Some(starts) => starts,
            None if is_first_old || self.random.percent(4) => at - 20_000,
            None => at,
        };
        let later = round + 1 + self.random.below(4);
        let (starts_ms, ends_ms) = match self.random.below(100) {
            // Both left out: it ends with the timeout.
            0..12 if !is_first_old => (None, None),
            12..20 if !is_first_old => (Some(starts), None),
            20..40 => (Some(starts), Some(self.at_ms(later) as i64)),
            // Only the end: the start is the end, too.
            40..44 if !is_first_old => (None, Some(at + FAR_MS)),
            _ => (Some(starts), Some(at + FAR_MS)),
        };
        let ends = ends_ms.unwrap_or(at + RESOLVE_TIMEOUT_MS);
        let ends = self.posted[alert].map_or(ends, |(_, old)| if old > at { ends.max(old) } else { ends });
        self.posted[alert] = Some((starts_ms.unwrap_or(at), ends));
        Post { alert, starts_ms, ends_ms, note: self.note() }
    }

    fn add_silence(&mut self, round: usize) {
        let at_ms = self.at_ms(round);
        let (from_round, to_round) = (round + self.random.below(3), round + 3 + self.random.below(5));
        let (from_ms, to_ms) = (self.at_ms(from_round) as i64, self.at_ms(to_round) as i64);
        let open = self.silences.iter().rposition(|(_, to)| *to > at_ms as i64);
        match open {
            Some(number) if self.random.percent(20) => {
                self.silences[number].1 = 0;
                self.step(at_ms, Action::Expire { number });
            }
            Some(number) if self.random.percent(15) => {
                let alert = self.silences[number].0;
                self.silences[number].1 = to_ms;
                self.step(at_ms, Action::Silence { number, alert, from_ms, to_ms });
            }
            _ if self.silences.len() < 3 && self.random.percent(20) => {
                let number = self.silences.len();
                let alert = self.random.percent(60).then(|| self.random.below(self.posted.len()));
                self.silences.push((alert, to_ms));
                self.step(at_ms, Action::Silence { number, alert, from_ms, to_ms });
            }
            _ => {}
        }
    }
}

fn fires(alert: usize, at_ms: u64, ends_ms: i64) -> Post {
    Post { alert, starts_ms: Some(at_ms as i64), ends_ms: Some(ends_ms), note: at_ms }
}

fn ends(alert: usize, since_ms: u64, at_ms: u64) -> Post {
    Post { alert, starts_ms: Some(since_ms as i64), ends_ms: Some(at_ms as i64), note: at_ms }
}

/// Two sources hold one target back; the one that would end later ends first.
fn two_sources(random: &mut Random, number: usize) -> Case {
    let interval_ms = random.pick(&[1000, 2000]);
    let wait_ms = wait_ms(random, interval_ms);
    let first_ms = 500 + 100 * random.below(20) as u64;
    let at = |round: u64| first_ms + round * interval_ms;
    let (first_ends_ms, last_ends_ms) = (at(2), at(4 + random.below(3) as u64));
    let post = |at_ms: u64, posts| Step { at_ms, action: Action::Post(posts) };
    let fired = |alert, ends_ms| fires(alert, first_ms, ends_ms);
    let steps = vec![
        post(first_ms, vec![fired(0, FAR_MS), fired(1, FAR_MS + 10_000), fired(2, FAR_MS)]),
        post(first_ends_ms, vec![ends(1, first_ms, first_ends_ms)]),
        post(last_ends_ms, vec![ends(0, first_ms, last_ends_ms)]),
        post(at(9), vec![ends(2, first_ms, at(9))]),
    ];
    let mut lane = main_lane(number, interval_ms, wait_ms);
    lane.grouping = Grouping::By(&["n"]);
    let known = vec![Known::TwoSources { target: 2, first_ends_ms, last_ends_ms }];
    let (sources, targets) = (BTreeSet::from([0, 1]), BTreeSet::from([2]));
    Case {
        lanes: vec![lane],
        groups: vec!["a"; 3],
        sources,
        targets,
        steps,
        known,
        end_ms: at(12),
        ..empty(number)
    }
}

/// Two webhooks, and one of them says at first that it never will.
fn refused(random: &mut Random, number: usize) -> Case {
    let interval_ms = random.pick(&[1000, 2000]);
    let mut lane = main_lane(number, interval_ms, wait_ms(random, interval_ms));
    let first_ms = 500 + 100 * random.below(20) as u64;
    let at = |round: u64| first_ms + round * interval_ms;
    let status = random.pick(&[400, 404, 410]);
    lane.hooks.push(Hook { fails: Some((status, 1)), ..hook(&format!("c{number}-b")) });
    let mut case = two_alerts(number, lane, [at(0), at(4), at(7), at(9)]);
    case.known = vec![Known::Refused { until_ms: at(4) }];
    case.end_ms = at(12);
    case
}

/// Two webhooks, and one of them fails at first.
fn backoff(random: &mut Random, number: usize) -> Case {
    let interval_ms = random.pick(&[1000, 2000]);
    let mut lane = main_lane(number, interval_ms, wait_ms(random, interval_ms));
    let first_ms = 500 + 100 * random.below(20) as u64;
    let at = |n: u64| first_ms + n * 7000;
    let (status, times) = (random.pick(&[500, 502, 503]), random.pick(&[1, 2]));
    lane.hooks.push(Hook { fails: Some((status, times)), ..hook(&format!("c{number}-b")) });
    let mut case = two_alerts(number, lane, [at(0), at(1), at(2), at(3)]);
    // Ours waits at most 1 s, then 2 s; theirs some 0.75 s, then 1.1 s.
    case.known = vec![Known::Backoff { slack_ms: 3500 + interval_ms }];
    case.end_ms = at(4);
    case
}

/// One fires, another fires, the first ends, the other ends.
fn two_alerts(number: usize, lane: Lane, at_ms: [u64; 4]) -> Case {
    let post = |at_ms: u64, post| Step { at_ms, action: Action::Post(vec![post]) };
    let steps = vec![
        post(at_ms[0], fires(0, at_ms[0], FAR_MS)),
        post(at_ms[1], fires(1, at_ms[1], FAR_MS)),
        post(at_ms[2], ends(0, at_ms[0], at_ms[2])),
        post(at_ms[3], ends(1, at_ms[1], at_ms[3])),
    ];
    Case { lanes: vec![lane], groups: vec!["a"; 2], steps, ..empty(number) }
}

#[test]
fn a_seed_draws_the_same_cases_with_every_feature() {
    let (one, two) = (cases(7), cases(7));
    assert_eq!(format!("{one:?}"), format!("{two:?}"));
    assert_ne!(format!("{one:?}"), format!("{:?}", cases(8)));
    let count = |has: &dyn Fn(&Case) -> bool| one.iter().filter(|case| has(case)).count();
    let silences = |case: &Case| case.steps.iter().any(|step| matches!(step.action, Action::Silence { .. }));
    assert!(count(&silences) > 20);
    assert!(count(&|case| !case.sources.is_empty()) > 20);
    assert!(count(&|case| case.known.iter().any(|known| matches!(known, Known::QuietEnd { .. }))) > 5);
    assert!(count(&|case| case.lanes.len() > 1) > 40);
    assert!(count(&|case| case.lanes[0].muting != Muting::None) > 10);
    assert!(count(&|case| case.steps.len() > 5) > 60);
}
