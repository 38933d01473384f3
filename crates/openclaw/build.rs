//! Which source this program is of, for the cards of models that it trains.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=OPENCLAW_REVISION");
    if let Some(revision) = std::env::var("OPENCLAW_REVISION").ok().or_else(of_git) {
        println!("cargo::rustc-env=OPENCLAW_REVISION={revision}");
    }
}

/// Nothing where the source is not a clone.
fn of_git() -> Option<String> {
    let log = Path::new("../../.git/logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let revision = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| revision.trim().to_owned()).filter(|text| !text.is_empty())
}
