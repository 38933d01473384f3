//! Places where a test can have the process killed.
//!
//! In builds with debug assertions, `OPENCLAW_CRASH_AT=stage:n` makes the
//! n-th [`hit`] of `stage` append the stage's name to the file that
//! `OPENCLAW_CRASH_LOG` names, then kill the process with SIGKILL, so that
//! nothing is flushed, unwound or closed. In other builds a hit is nothing.

/// Passes a stage.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn hit(_stage: &str) {}

/// Passes a stage.
#[cfg(debug_assertions)]
pub fn hit(stage: &str) {
    if let Some(plan) = plan()
        && plan.stage == stage
        && plan.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1
    {
        kill(stage);
    }
}

#[cfg(debug_assertions)]
struct Plan {
    stage: String,
    left: std::sync::atomic::AtomicI64,
}

#[cfg(debug_assertions)]
fn plan() -> Option<&'static Plan> {
    static PLAN: std::sync::OnceLock<Option<Plan>> = std::sync::OnceLock::new();
    PLAN.get_or_init(|| parse(&std::env::var("OPENCLAW_CRASH_AT").ok()?)).as_ref()
}

#[cfg(debug_assertions)]
fn parse(text: &str) -> Option<Plan> {
    let (stage, count) = text.rsplit_once(':')?;
    Some(Plan { stage: stage.to_owned(), left: count.parse::<i64>().ok()?.into() })
}

#[cfg(debug_assertions)]
fn kill(stage: &str) {
    use std::io::Write;
    if let Some(path) = std::env::var_os("OPENCLAW_CRASH_LOG")
        && let Ok(mut log) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        // The kill below must come whether or not this can be written.
        let _ = writeln!(log, "{stage}");
    }
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
