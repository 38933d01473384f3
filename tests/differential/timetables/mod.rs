//! Who is told what, when, beside a real Alertmanager: many timetables at once,
//! each a route of its own.

mod case;
mod compare;
mod generate;
mod play;
mod servers;
mod settings;
mod timeline;
mod told;

use crate::random::seed;
use crate::support::programs::is_there;
use crate::support::{now, pause};
use case::Case;
use compare::{Counts, Difference, compare};
use generate::cases;
use play::{Posting, Start, play};
use servers::{Alertmanager, OpenClaw, Service};
use settings::{Sinks, yaml};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use told::{ByPath, told};

const SHOWN_MAX: usize = 12;
/// A machine that is later than this shows nothing.
const LATE_MS_MAX: i64 = 250;

/// What is compared with Alertmanager.
#[derive(Clone, Copy)]
struct Other {
    start: fn(&str) -> Box<dyn Service + Send>,
    /// Else it is another Alertmanager, and nothing differs on purpose.
    is_ours: bool,
}

/// One run of all cases.
struct Run {
    differences: Vec<Difference>,
    counts: Counts,
    messages: usize,
    calls: usize,
    late_ms_max: i64,
}

/// Plays the cases to both, and compares.
fn run(cases: &[Case], other: Other) -> Run {
    let sinks = [Sinks::new(cases), Sinks::new(cases)];
    let theirs = Alertmanager::start(&yaml(cases, &sinks[0]));
    let ours = (other.start)(&yaml(cases, &sinks[1]));
    let start =
        Start { at: Instant::now() + Duration::from_millis(200), time: now() + Duration::from_millis(200) };
    let targets = [theirs.target(), ours.target()];
    let [their_posting, our_posting] = std::thread::scope(|scope| {
        let threads = targets.each_ref().map(|target| scope.spawn(move || play(cases, target, start)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(their_posting.refused.is_empty(), "Alertmanager refuses {:?}", their_posting.refused);
    let end_ms = cases.iter().map(|case| case.end_ms).max().unwrap_or(0);
    let end = start.at + Duration::from_millis(end_ms);
    pause(end.saturating_duration_since(Instant::now()));
    let both = [told(&sinks[0], start), told(&sinks[1], start)];
    let mut compared = compared(cases, &both, &our_posting, other.is_ours);
    compared.calls = their_posting.calls + our_posting.calls;
    compared.late_ms_max = their_posting.late_ms_max.max(our_posting.late_ms_max);
    compared
}

fn compared(cases: &[Case], both: &[ByPath; 2], posting: &Posting, is_ours: bool) -> Run {
    let mut run =
        Run { differences: Vec::new(), counts: Counts::new(), messages: 0, calls: 0, late_ms_max: 0 };
    for case in cases {
        let plain = Case {
            known: case.known.iter().filter(|known| is_ours || known.is_chance()).cloned().collect(),
            ..case.clone()
        };
        let mut found = compare(&plain, both, &mut run.counts);
        if let Some(said) = posting.refused.get(&case.number) {
            found.iter_mut().for_each(|difference| difference.why = format!("we answer {said}"));
        }
        run.differences.extend(found);
    }
    run.messages = both[0].values().flat_map(|groups| groups.values()).map(Vec::len).sum();
    run
}

/// Cases that differ, in a second run too: a machine that stood still for a
/// moment differs once.
fn differing(all: &[Case], other: Other) -> Run {
    let first = run(all, other);
    say(all.len(), &first);
    if first.differences.is_empty() {
        return first;
    }
    let is_again = |case: &&Case| first.differences.iter().any(|difference| difference.case == case.number);
    let again: Vec<Case> = all.iter().filter(is_again).cloned().collect();
    let second = run(&again, other);
    say(again.len(), &second);
    second
}

fn say(cases: usize, run: &Run) {
    let different = count_cases(&run.differences);
    crate::report(&format!(
        "timetables: {cases} cases, {} calls, {} messages, at most {} ms late; {different} cases differ; on purpose: {:?}",
        run.calls, run.messages, run.late_ms_max, run.counts
    ));
}

fn count_cases(differences: &[Difference]) -> usize {
    let mut cases: Vec<usize> = differences.iter().map(|difference| difference.case).collect();
    cases.dedup();
    cases.len()
}

fn check(other: Other) {
    if !is_there("alertmanager", &["--version"]) {
        return;
    }
    let _alone = crate::alone();
    let seed = seed();
    let mut all = cases(seed);
    if let Ok(only) = std::env::var("OPENCLAW_CASE") {
        let only: usize = only.parse().expect("`OPENCLAW_CASE` is a case's number");
        all.retain(|case| case.number == only);
    }
    let run = differing(&all, other);
    let Run { differences, late_ms_max, .. } = &run;
    if differences.is_empty() {
        return;
    }
    let cases = count_cases(differences);
    let told = show(&all, differences);
    let slow = if *late_ms_max > LATE_MS_MAX { "; the machine is too busy to say" } else { "" };
    panic!("seed {seed}: {cases} of {} cases differ, twice{slow}\n{told}", all.len());
}

/// The differences, the shortest timetables first, each up to where it differs.
fn show(all: &[Case], differences: &[Difference]) -> String {
    let mut sorted: Vec<(usize, &Case, &Difference)> = differences
        .iter()
        .map(|difference| {
            let case = all.iter().find(|case| case.number == difference.case).unwrap();
            let is_before = |at_ms: u64| (at_ms as i64) < difference.at_ms;
            (case.steps.iter().filter(|step| is_before(step.at_ms)).count(), case, difference)
        })
        .collect();
    sorted.sort_by_key(|(steps, ..)| *steps);
    let mut told = String::new();
    for (steps, case, difference) in sorted.iter().take(SHOWN_MAX) {
        let Difference { path, group, why, theirs, ours, .. } = difference;
        let _ = writeln!(told, "case {} at {path}, group {group}: {why}", case.number);
        for lane in &case.lanes {
            let _ = writeln!(told, "  {lane:?}");
        }
        let _ =
            writeln!(told, "  sources {:?} targets {:?} known {:?}", case.sources, case.targets, case.known);
        for step in &case.steps[..*steps] {
            let _ = writeln!(told, "  {:>6} ms {:?}", step.at_ms, step.action);
        }
        let _ = writeln!(told, "  theirs {theirs:#?}\n  ours {ours:#?}\n");
    }
    told
}

#[test]
fn receivers_are_told_what_alertmanager_tells() {
    check(Other { start: |settings| Box::new(OpenClaw::start(settings)), is_ours: true });
}

#[test]
#[ignore = "tests this test: two Alertmanagers must not differ"]
fn two_alertmanagers_do_not_differ() {
    check(Other { start: |settings| Box::new(Alertmanager::start(settings)), is_ours: false });
}
