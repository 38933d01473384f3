//! The checklist of `CHECKLIST.md`, held against a real Alertmanager and
//! against the program: what one passes, the other passes.
//!
//! A check is a function of a target; the list below gives it its number. Each
//! is a test of its own for each kind of server, and all of a kind run at once.

mod alertmanager;
mod amtool;
mod checks;
mod expect;
mod suite;
#[path = "../support/mod.rs"]
mod support;
mod target;
mod told;

use crate::suite::Check;
use crate::target::Kind;

/// Lists the checks, and makes tests of them. `both`: Alertmanager passes it
/// too; `ours`: we do more than it does, or knowingly something else.
macro_rules! checks {
    ($($module:ident { $($who:ident $number:literal $name:ident)* })*) => {
        const CHECKS: &[Check] = &[$($(
            Check {
                number: $number,
                name: concat!(stringify!($module), "::", stringify!($name)),
                run: checks::$module::$name,
                is_ours_only: is_ours_only!($who),
            },
        )*)*];

        mod alertmanager_031 {
            $(mod $module { $(on_alertmanager!($who $module $name);)* })*
        }

        mod openclaw {
            $(mod $module { $(holds!(OpenClaw $module $name);)* })*
        }
    };
}

macro_rules! is_ours_only {
    (both) => {
        false
    };
    (ours) => {
        true
    };
}

macro_rules! on_alertmanager {
    (both $module:ident $name:ident) => {
        holds!(Alertmanager $module $name);
    };
    (ours $module:ident $name:ident) => {};
}

macro_rules! holds {
    ($kind:ident $module:ident $name:ident) => {
        #[test]
        fn $name() {
            let name = concat!(stringify!($module), "::", stringify!($name));
            crate::suite::holds(crate::target::Kind::$kind, module_path!(), name);
        }
    };
}

include!("list.rs");

#[test]
fn a_server_that_says_yes_fails_every_check() {
    let are_amtools_there = amtool::both().len() == 2;
    let passed: Vec<_> = suite::run_all(Kind::SaysYes, CHECKS)
        .into_iter()
        .filter(|(check, _)| are_amtools_there || !check.number.starts_with("amtool."))
        .filter_map(|(check, outcome)| outcome.is_ok().then(|| format!("{} {}", check.number, check.name)))
        .collect();
    assert!(passed.is_empty(), "these ask for nothing:\n{}", passed.join("\n"));
}
