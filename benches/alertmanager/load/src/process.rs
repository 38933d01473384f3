//! What a process costs, as the kernel counts it.

use crate::error::LoadError;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time that all threads of a process have run: nanoseconds of `schedstat`,
/// where `stat` counts in ticks of 10 ms.
pub(crate) fn cpu(pid: u32) -> Result<Duration, LoadError> {
    let folder = PathBuf::from(format!("/proc/{pid}/task"));
    let threads = fs::read_dir(&folder).map_err(|source| LoadError::File { path: folder.clone(), source })?;
    let mut nanos = 0;
    for thread in threads.filter_map(Result::ok) {
        // A thread may have ended since it was listed.
        nanos += run_nanos(&thread.path().join("schedstat")).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// Time that the calling thread has run.
pub(crate) fn own_thread_cpu() -> Duration {
    Duration::from_nanos(run_nanos(Path::new("/proc/thread-self/schedstat")).unwrap_or(0))
}

fn run_nanos(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// False for a process that has ended, even where nobody has asked how.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may hold spaces and brackets.
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}

/// Resident memory, now and at its highest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) rss_mib: f64,
    pub(crate) peak_mib: f64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory, LoadError> {
    let path = PathBuf::from(format!("/proc/{pid}/status"));
    let status = fs::read_to_string(&path).map_err(|source| LoadError::File { path, source })?;
    Ok(Memory { rss_mib: mib(&status, "VmRSS:"), peak_mib: mib(&status, "VmHWM:") })
}

/// Lets the highest be counted from now on.
pub(crate) fn forget_peak(pid: u32) -> Result<(), LoadError> {
    let path = PathBuf::from(format!("/proc/{pid}/clear_refs"));
    fs::write(&path, "5").map_err(|source| LoadError::File { path, source })
}

fn mib(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
    let kib: f64 = line.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}

#[test]
fn this_process_costs_something() {
    let before = cpu(std::process::id()).unwrap();
    let own_before = own_thread_cpu();
    let mut sum = 0_u64;
    while own_thread_cpu() < own_before + Duration::from_millis(20) {
        sum = (0..100_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
    }
    assert!(cpu(std::process::id()).unwrap() >= before + Duration::from_millis(15));
    let memory = memory(std::process::id()).unwrap();
    assert!(memory.rss_mib > 0.5 && memory.peak_mib >= memory.rss_mib * 0.9);
}

#[test]
fn a_process_that_is_gone_is_an_error() {
    assert!(cpu(u32::MAX).is_err() && memory(u32::MAX).is_err() && !is_running(u32::MAX));
    assert!(is_running(std::process::id()));
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let was_seen = (0..2000).any(|_| {
        std::thread::yield_now();
        !is_running(child.id())
    });
    child.wait().unwrap();
    assert!(was_seen);
}
