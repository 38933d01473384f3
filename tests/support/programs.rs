//! Other people's programs that some tests need.

use std::io::Write as _;
use std::process::Command;

/// Whether a program is there; where it must be, its absence is a failure.
pub(crate) fn is_there(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    let is_checked = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !is_checked, "`{program}` is needed: install it, or unset CI to go without");
    if !found {
        let told = format!("left out: `{program}` can't be run\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    found
}
