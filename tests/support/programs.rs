//! Other people's programs that some tests need.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a program is: in the folder that `scripts/test` installs to, or else on
/// `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(installed).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether a program is there; where it must be, its absence is a failure.
pub(crate) fn is_there(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    let is_checked = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !is_checked, "`{program}` is needed: run scripts/test, or unset CI to go without");
    if !found {
        let told = format!("left out: `{program}` can't be run\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    found
}

/// The same of one that `find` finds, and its place.
pub(crate) fn found(program: &str) -> Option<PathBuf> {
    found_by(program, &["--version"])
}

/// The same where a program tells its version in its own way.
pub(crate) fn found_by(program: &str, arguments: &[&str]) -> Option<PathBuf> {
    let file = find(program).unwrap_or_else(|| program.into());
    is_there(&file.to_string_lossy(), arguments).then_some(file)
}
