//! All checks of a kind of server run at once, since they mostly wait; their
//! tests then ask for the outcomes.

use crate::CHECKS;
use crate::target::{Kind, Target};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// What a check found: nothing, or what is wrong.
pub(crate) type Outcome = Result<(), String>;

/// A line of the list.
pub(crate) struct Check {
    /// Its line in `CHECKLIST.md`.
    pub(crate) number: &'static str,
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Target) -> Outcome,
    pub(crate) is_ours_only: bool,
}

impl Check {
    fn outcome(&self, kind: Kind) -> Outcome {
        let run = || (self.run)(&mut Target::new(kind, self.name));
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Checks at a time: enough to hide their waits, few enough that two cores
/// start their servers in time.
const AT_A_TIME: usize = 12;

/// The longest that all checks of a kind may take, with a slow machine in mind.
const ALL_CHECKS: Duration = Duration::from_secs(300);

#[derive(Default)]
struct Board {
    outcomes: Mutex<HashMap<&'static str, Outcome>>,
    posted: Condvar,
}

impl Board {
    fn post(&self, name: &'static str, outcome: Outcome) {
        self.outcomes.lock().unwrap().insert(name, outcome);
        self.posted.notify_all();
    }

    fn wait(&self, name: &str) -> Outcome {
        let end = Instant::now() + ALL_CHECKS;
        let mut outcomes = self.outcomes.lock().unwrap();
        loop {
            if let Some(outcome) = outcomes.get(name) {
                return outcome.clone();
            }
            let left = end.checked_duration_since(Instant::now()).expect("the check comes to an end");
            outcomes = self.posted.wait_timeout(outcomes, left).unwrap().0;
        }
    }
}

/// Runs these on a few threads; does not wait for them.
fn start(kind: Kind, mut checks: Vec<&'static Check>) -> Arc<Board> {
    let board = Arc::<Board>::default();
    checks.reverse();
    let open = Arc::new(Mutex::new(checks));
    for _ in 0..AT_A_TIME {
        let (board, open) = (Arc::clone(&board), Arc::clone(&open));
        std::thread::spawn(move || {
            loop {
                let Some(check) = open.lock().unwrap().pop() else { return };
                board.post(check.name, check.outcome(kind));
            }
        });
    }
    board
}

/// Runs all of these and gives their outcomes.
pub(crate) fn run_all(kind: Kind, checks: &'static [Check]) -> Vec<(&'static Check, Outcome)> {
    let board = start(kind, checks.iter().collect());
    checks.iter().map(|check| (check, board.wait(check.name))).collect()
}

/// Whether this run of the test program includes a test.
fn is_asked_for(test: &str) -> bool {
    let filters: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    filters.is_empty() || filters.iter().any(|filter| test.contains(filter.as_str()))
}

/// A test's name, as its module's path and the check's name make it.
fn test_name(kind_module: &str, check: &Check) -> String {
    format!("{kind_module}::{}", check.name)
}

/// Fails where the check does. The first call starts the others that were asked
/// for.
#[track_caller]
pub(crate) fn holds(kind: Kind, module: &str, name: &'static str) {
    static BOARDS: [OnceLock<Arc<Board>>; 2] = [OnceLock::new(), OnceLock::new()];
    if !kind.is_there() {
        return;
    }
    let kind_module = module.split("::").nth(1).unwrap();
    let board = BOARDS[usize::from(kind == Kind::OpenClaw)].get_or_init(|| {
        let runs = |check: &&Check| {
            let is_for_kind = kind == Kind::OpenClaw || !check.is_ours_only;
            is_for_kind && is_asked_for(&test_name(kind_module, check))
        };
        start(kind, CHECKS.iter().filter(runs).collect())
    });
    let check = CHECKS.iter().find(|check| check.name == name).unwrap();
    let outcome = match is_asked_for(&test_name(kind_module, check)) {
        true => board.wait(name),
        false => check.outcome(kind),
    };
    if let Err(wrong) = outcome {
        panic!("{}: {wrong}", check.number);
    }
}
