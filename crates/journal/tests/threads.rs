//! The log with its threads: who waits is woken, not too early, and always.

mod common;

use common::{Handled, SEGMENT_BYTES, append, block_on, eventually, frame, options, poll_once};
use openclaw_alert::{PartitionId, Timestamp};
use openclaw_journal::{
    AppendError, Class, CommitError, Edit, Frame, Health, Log, Options, Position, StoredFrame,
};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

#[test]
fn everyone_is_woken_and_nobody_before_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Handled::new(&folder);
    let log = disk.log(options());
    disk.hand.track();
    disk.hand.sync_delay_micros.store(300, Ordering::SeqCst);
    thread::scope(|scope| {
        for partition in 0..8 {
            let (log, disk) = (log.clone(), disk.clone());
            scope.spawn(move || {
                for number in 0..150_u64 {
                    let payload = vec![partition; (number as usize * 37) % 900];
                    let end = append(&log, &frame(partition, number, &payload));
                    if number.is_multiple_of(3) {
                        // Given up while it is registered: must not matter.
                        let mut given_up = log.committed(end);
                        let _ = poll_once(&mut given_up);
                        continue;
                    }
                    if number.is_multiple_of(5) {
                        log.wait(end).unwrap();
                    } else {
                        block_on(log.committed(end)).unwrap();
                    }
                    assert!(log.durable() >= end);
                    let before_end = end.get() - 1;
                    let synced = disk.hand.synced_to(before_end / SEGMENT_BYTES);
                    assert!(synced > before_end % SEGMENT_BYTES, "woken before the sync");
                }
            });
        }
    });
    log.shutdown();
    let stats = log.stats();
    assert_eq!((stats.frames, stats.pending_bytes), (8 * 150, 0));
    assert!(stats.segments > 5, "has to have crossed segments: {stats:?}");
    assert!(stats.syncs.count() < 8 * 150, "commits are shared");
    assert!(stats.syncs.quantile(0.5) >= Duration::from_micros(300));
    check_all_there(log.read_from(Position::START).map(Result::unwrap), 8, 150);
}

fn check_all_there(frames: impl Iterator<Item = StoredFrame>, partitions: u8, each: u64) {
    let mut next = vec![0; partitions.into()];
    for frame in frames {
        let partition = frame.partition.get();
        assert_eq!(frame.base_offset, next[usize::from(partition)], "in the order of appending");
        next[usize::from(partition)] += 1;
        assert_eq!(frame.payload, vec![partition; (frame.base_offset as usize * 37) % 900]);
    }
    assert_eq!(next, vec![each; partitions.into()]);
}

#[test]
fn readers_follow_while_more_is_appended_and_old_segments_go() {
    let folder = tempfile::tempdir().unwrap();
    let log = Handled::new(&folder).log(Options { retain_bytes: 4 * SEGMENT_BYTES, ..options() });
    let total = 3000_u64;
    let seen = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut frames = log.read_from(Position::START);
            let mut last = None;
            while last != Some(total - 1) {
                let Some(frame) = frames.next() else {
                    log.wait(Position::new(frames.position().get() + 1)).unwrap_or_default();
                    continue;
                };
                let frame = frame.unwrap();
                assert!(last.is_none_or(|last| frame.base_offset > last), "order");
                assert_eq!(log.read_at(frame.position).ok().as_ref().unwrap_or(&frame), &frame);
                last = Some(frame.base_offset);
                seen.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            for number in 0..total {
                let end = append(&log, &frame(3, number, &[number as u8; 300]));
                if number.is_multiple_of(400) {
                    let mut snapshot = log.snapshot().unwrap();
                    snapshot.add(PartitionId::new(3).unwrap(), end, b"state").unwrap();
                    snapshot.finish().unwrap();
                    assert!(log.durable() >= end, "a snapshot is never ahead");
                    log.retain(Timestamp::from_secs(1_700_000_000));
                }
            }
            log.wait(log.durable()).unwrap();
        });
    });
    assert!(seen.load(Ordering::Relaxed) > 0);
    eventually("old segments go", || {
        log.retain(Timestamp::from_secs(1_700_000_000));
        log.stats().segments <= 12
    });
    assert_eq!(log.damage(), []);
}

#[test]
fn a_failed_sync_reaches_everyone() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Handled::new(&folder);
    let log = disk.log(options());
    let good = append(&log, &frame(1, 0, b"good"));
    log.wait(good).unwrap();
    disk.hand.close_gate();
    let ends: Vec<Position> = (1..5).map(|number| append(&log, &frame(1, number, b"bad"))).collect();
    thread::scope(|scope| {
        for &end in &ends {
            let log = &log;
            scope.spawn(move || assert!(matches!(block_on(log.committed(end)), Err(CommitError::Failed(_)))));
            scope.spawn(move || assert!(matches!(log.wait(end), Err(CommitError::Failed(_)))));
        }
        disk.hand.syncs_fail.store(true, Ordering::SeqCst);
        disk.hand.open_gate();
    });
    // A disk that works again must not bring the log back.
    disk.hand.syncs_fail.store(false, Ordering::SeqCst);
    assert!(matches!(log.append(&frame(1, 9, b"later")), Err(AppendError::Failed(_))));
    assert!(matches!(log.admit(Class::Outcome, 64), Err(AppendError::Failed(_))));
    assert!(matches!(log.health(), Health::Failed(_)));
    assert!(block_on(log.committed(good)).is_ok(), "what was durable stays so");
    block_on(log.room());
    log.shutdown();
}

#[test]
fn a_slow_disk_pushes_back() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Handled::new(&folder);
    let log = disk.log(Options { segment_bytes: 64 << 20, reserve_bytes: 0, ..options() });
    eventually("the next segment is there", || folder.path().join("segments/0000000000000001.seg").exists());
    let mebibyte = vec![7; 1 << 20];
    disk.hand.close_gate();
    assert_eq!(poll_once(&mut log.room()), Poll::Ready(()));
    let mut last = Position::START;
    for number in 0..17 {
        last = log.append(&frame(1, number, &mebibyte)).unwrap();
    }
    let mut room = log.room();
    assert_eq!(poll_once(&mut room), Poll::Pending);
    assert!(log.pending_bytes() > 17 << 20);
    let permit = log.admit(Class::Intake, 1024).unwrap();
    let refused = (17..200).find_map(|number| log.append(&frame(1, number, &mebibyte)).err());
    assert!(matches!(refused, Some(AppendError::Busy)), "{refused:?}");
    assert!(log.append_with(permit, &frame(1, 999, &mebibyte)).is_ok(), "a permit holds");
    disk.hand.open_gate();
    block_on(room);
    log.wait(last).unwrap();
    log.append(&frame(1, 1000, &mebibyte)).unwrap();
}

#[test]
fn shutdown_commits_what_is_pending() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Handled::new(&folder);
    let log = disk.log(options());
    disk.hand.close_gate();
    let ends: Vec<Position> = (0..50).map(|number| append(&log, &frame(1, number, b"x"))).collect();
    let waiting = log.committed(ends[49]);
    let beyond = log.committed(Position::new(ends[49].get() + 1));
    disk.hand.open_gate();
    log.shutdown();
    assert!(block_on(waiting).is_ok());
    assert!(matches!(block_on(beyond), Err(CommitError::Closed { .. })));
    assert!(matches!(log.append(&frame(1, 50, b"x")), Err(AppendError::Closed)));
    drop(log);
    // Nobody calls shutdown this time: the last clone to go does it.
    let log = disk.log(options());
    let end = append(&log.clone(), &frame(1, 50, b"x"));
    drop(log);
    let writer = disk.writer(options());
    assert_eq!(writer.read_from(Position::START).count(), 51);
    assert_eq!(writer.reader().durable(), end);
}

#[test]
fn the_last_log_may_be_dropped_on_its_own_thread() {
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Wake};
    struct DropLog(Mutex<Option<Log>>);
    impl Wake for DropLog {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = Handled::new(&folder);
    let log = disk.log(options());
    disk.hand.close_gate();
    let end = append(&log, &frame(1, 0, b"x"));
    let mut committed = log.committed(end);
    let holder = Arc::new(DropLog(Mutex::new(Some(log))));
    let waker = Arc::clone(&holder).into();
    let polled = std::pin::Pin::new(&mut committed).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    disk.hand.open_gate();
    eventually("the log is dropped", || holder.0.try_lock().is_ok_and(|log| log.is_none()));
    block_on(committed).unwrap();
    eventually("the threads end", || {
        openclaw_journal::Writer::open(Arc::new(disk.clone()), options(), Timestamp::default()).is_ok()
    });
}

#[test]
fn a_full_disk_takes_outcomes_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Handled::new(&folder);
    let log = disk.log(options());
    eventually("the reserve is there", || folder.path().join("reserve").exists());
    let payload = vec![1; 1000];
    disk.hand.is_full.store(true, Ordering::SeqCst);
    let mut number = 0;
    let refused = loop {
        match log.append(&frame(1, number, &payload)) {
            Ok(end) => log.wait(end).unwrap(),
            Err(AppendError::Busy) => block_on(log.room()),
            Err(error) => break error,
        }
        number += 1;
        assert!(number < 1000, "never full");
    };
    assert!(matches!(refused, AppendError::DiskFull), "{refused}");
    assert!(matches!(log.health(), Health::DiskFull));
    let outcome = Frame { class: Class::Outcome, ..frame(1, number, &payload) };
    let outcomes = (0..1000).take_while(|_| log.append(&outcome).is_ok()).count();
    assert!((50..=130).contains(&outcomes), "the reserve holds a segment: {outcomes}");
    disk.hand.is_full.store(false, Ordering::SeqCst);
    eventually("intake is taken again", || log.append(&frame(1, number, &payload)).is_ok());
    assert!(matches!(log.health(), Health::Good));
}

fn panicking_keys(_: &StoredFrame, _: &mut Vec<u64>) {
    panic!("keys that panic");
}

#[test]
fn a_panic_on_a_thread_of_the_log_is_a_failure_and_no_hang() {
    let folder = tempfile::tempdir().unwrap();
    let log = Handled::new(&folder).log(Options { keys: panicking_keys, ..options() });
    let payload = vec![1; 20_000];
    let failed = (0..1000).find_map(|number| match log.append(&frame(1, number, &payload)) {
        Ok(end) => log.wait(end).err().map(|error| error.to_string()),
        Err(AppendError::Busy) => {
            block_on(log.room());
            None
        }
        Err(error) => Some(error.to_string()),
    });
    assert!(failed.is_some_and(|error| error.contains("panicked")));
    log.shutdown();
}

/// Takes everything; and does something while it decides.
struct Blanking<F: Fn()>(F);

impl<F: Fn()> Edit for Blanking<F> {
    fn look(&mut self, _: &StoredFrame) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    fn rewrite(&self, frame: &StoredFrame) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        (self.0)();
        let is_due = frame.payload.iter().any(|&byte| byte != 0);
        Ok(is_due.then(|| vec![0; frame.payload.len()]))
    }
}

/// Some segments of one partition's frames.
fn fill(log: &Log, numbers: std::ops::Range<u64>) {
    for number in numbers {
        append(log, &frame(1, number, &[1; 8000]));
    }
}

#[test]
fn what_was_sealed_later_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let log = Handled::new(&folder).log(options());
    fill(&log, 0..20);
    let sealed = loop {
        match log.seal(&frame(1, 20, &[1; 8000])) {
            Err(AppendError::Busy) => block_on(log.room()),
            sealed => break sealed.unwrap(),
        }
    };
    // Another segment fills before the erasure begins.
    fill(&log, 21..60);
    block_on(log.committed(append(&log, &frame(1, 60, &[1])))).unwrap();
    log.erase(PartitionId::new(1).unwrap(), sealed, &mut Blanking(|| ())).unwrap();
    for stored in log.read_from(Position::START) {
        let stored = stored.unwrap();
        assert_eq!(stored.payload[0] == 0, stored.base_offset < 20, "{}", stored.base_offset);
    }
}

#[test]
fn an_erasure_does_not_keep_the_next_segments_from_being_made() {
    let folder = tempfile::tempdir().unwrap();
    let log = Handled::new(&folder).log(options());
    fill(&log, 0..20);
    block_on(log.committed(append(&log, &frame(1, 20, &[1])))).unwrap();
    let (before, appended) = (log.durable(), AtomicU64::new(0));
    let append_meanwhile = || {
        if appended.swap(1, Ordering::SeqCst) == 0 {
            fill(&log, 21..60);
        }
    };
    let erasure = log.erase(PartitionId::new(1).unwrap(), before, &mut Blanking(append_meanwhile)).unwrap();
    assert_eq!(erasure.looked_at, erasure.rewritten);
    assert!(erasure.rewritten > 0);
}
