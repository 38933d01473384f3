//! What processes cost, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A process and all that it has started.
fn family(pids: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in all_processes() {
        if let Some(parent) = stat_field(pid, 1) {
            children.entry(parent as u32).or_default().push(pid);
        }
    }
    let mut found = pids.to_vec();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found
}

fn all_processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// A number of `/proc/PID/stat`, counted from the state, which is 0.
fn stat_field(pid: u32, index: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold spaces and brackets.
    stat.rsplit(')').next()?.split_whitespace().nth(index)?.parse().ok()
}

/// Time that all threads of these processes and of their children have run:
/// nanoseconds of `schedstat`, where `stat` counts in ticks of 10 ms.
pub(crate) fn cpu(pids: &[u32]) -> Duration {
    let folders = family(pids).into_iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
    // A thread may have ended since it was listed.
    let threads = folders.flatten().filter_map(Result::ok);
    Duration::from_nanos(threads.filter_map(|thread| run_nanos(&thread.path().join("schedstat"))).sum())
}

fn run_nanos(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// Time of this process, threads that have ended included, with the programs
/// that it has run and waited for.
pub(crate) fn own_cpu() -> Duration {
    let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let own = Duration::new(own.tv_sec.unsigned_abs(), own.tv_nsec as u32);
    // User and system time of waited-for children, in ticks of 10 ms.
    let stat = |index| stat_field(std::process::id(), index).unwrap_or(0);
    own + Duration::from_millis(10 * (stat(13) + stat(14)))
}

/// Resident memory of these processes and of their children.
pub(crate) fn rss_mib(pids: &[u32]) -> f64 {
    family(pids).into_iter().filter_map(rss_kib).sum::<f64>() / 1024.0
}

fn rss_kib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// False for a process that has ended, even where nobody has asked how.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}

#[test]
fn children_are_counted() {
    let before = own_cpu();
    let mut child = std::process::Command::new("sh")
        .args(["-c", "n=0; while [ $n -lt 300000 ]; do n=$((n+1)); done; exec sleep 5"])
        .spawn()
        .unwrap();
    let has_worked = |span: Duration| span >= Duration::from_millis(20);
    let seen = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        has_worked(cpu(&[child.id()]))
    });
    assert!(seen && rss_mib(&[child.id()]) > 0.3 && is_running(child.id()));
    let both = family(&[std::process::id()]);
    assert!(both.contains(&child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!is_running(child.id()) && cpu(&[child.id()]).is_zero());
    assert!(has_worked(own_cpu() - before));
}
