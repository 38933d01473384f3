use super::*;
use crate::clock::Clock;
use openclaw_alert::Timestamp;
use openclaw_limiter::{Ask, CoreId, LevelId, Policy, PolicyId, Rate, Seed};
use std::time::Instant;

const CORE: CoreId = CoreId(0);

/// Policies that are named as the settings would, without settings.
fn limits(seed: u8, names: &[&str], rate: Rate) -> Arc<Limits> {
    let start = Timestamp::from_secs(1_700_000_000);
    let limits = Limits::new(Seed::new([seed; 16]), 1, Arc::new(Clock::manual(start)));
    for name in names {
        limits.limiter.set_policy(id(&limits, name).0, Policy { rate, within: [None::<LevelId>; 2] }, 1);
    }
    Arc::new(limits)
}

fn id(limits: &Limits, name: &str) -> (PolicyId, u64) {
    use openclaw_admission::Numbers;
    let tenant = openclaw_alert::TenantName::new("acme").unwrap();
    let mut registry = limits.registry.lock().unwrap();
    super::super::numbers::TenantNumbers::new(&mut registry, &tenant).policy(&name.into())
}

fn ask(limits: &Limits, policy: &str, client: u64, cost: u32) -> Ask {
    let (policy, scope) = id(limits, policy);
    Ask { policy, key: limits.limiter.key(scope, &client.to_le_bytes()), cost }
}

fn take(limits: &Limits, policy: &str, client: u64, cost: u32) {
    let ask = ask(limits, policy, client, cost);
    assert!(limits.limiter.decide(CORE, ask, limits.now_nanos()).is_allowed());
}

fn left(limits: &Limits, policy: &str, client: u64) -> u64 {
    limits.limiter.peek(ask(limits, policy, client, 0), limits.now_nanos()).remaining()
}

fn save(folder: &Path, limits: &Arc<Limits>) -> u64 {
    Saver::new(folder, Arc::clone(limits)).write().unwrap()
}

fn restore(folder: &Path, limits: &Arc<Limits>) {
    Saver::new(folder, Arc::clone(limits)).read();
}

fn slow() -> Rate {
    Rate::new(0.001, 100)
}

#[test]
fn clients_keep_what_they_have_left_and_policies_that_have_gone_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let before = limits(1, &["gone", "api", "search"], slow());
    for client in 0..1000 {
        take(&before, "api", client, 1 + (client % 100) as u32);
        take(&before, "search", client, 7);
        take(&before, "gone", client, 9);
    }
    assert_eq!(save(folder.path(), &before), 3000);
    // The numbers of policies are others after a start.
    let after = limits(1, &["search", "api"], slow());
    restore(folder.path(), &after);
    for client in 0..1000 {
        assert_eq!(left(&after, "api", client), 99 - client % 100);
        assert_eq!(left(&after, "search", client), 93);
    }
    assert_eq!(left(&after, "api", 1001), 100);
}

#[test]
fn what_was_learned_is_not_in_force_where_nobody_may_learn() {
    let folder = tempfile::tempdir().unwrap();
    let before = limits(1, &["api"], slow());
    let Ask { policy, key, .. } = ask(&before, "api", 1, 0);
    before.limiter.learn(policy, key, Rate::new(1e3, 10_000), before.now_nanos()).unwrap();
    take(&before, "api", 1, 90);
    save(folder.path(), &before);
    let after = limits(1, &["api"], slow());
    restore(folder.path(), &after);
    let client = after.limiter.peek(ask(&after, "api", 1, 0), after.now_nanos());
    assert_eq!((client.learned, client.rate, client.remaining()), (None, slow(), 10));
}

#[test]
fn buckets_that_clients_share_are_kept() {
    use openclaw_admission::Numbers;
    let folder = tempfile::tempdir().unwrap();
    let tenant = openclaw_alert::TenantName::new("acme").unwrap();
    let with_levels = |names: &[&str]| {
        let limits = limits(1, names, slow());
        let mut registry = limits.registry.lock().unwrap();
        let mut numbers = super::super::numbers::TenantNumbers::new(&mut registry, &tenant);
        let of_policy = numbers.policy_level(&"api".into());
        let of_tenant = numbers.tenant_level();
        drop(registry);
        let now = limits.now_nanos();
        limits.limiter.set_level(of_policy, Rate::new(0.001, 50), now);
        limits.limiter.set_level(of_tenant, Rate::new(0.001, 60), now);
        let within = [Some(of_policy), Some(of_tenant)];
        limits.limiter.set_policy(id(&limits, "api").0, Policy { rate: slow(), within }, now);
        limits
    };
    let before = with_levels(&["api", "total"]);
    take(&before, "api", 1, 45);
    save(folder.path(), &before);
    // The numbers are others after a start.
    let after = with_levels(&["total", "api"]);
    restore(folder.path(), &after);
    let decide = |cost| after.limiter.decide(CORE, ask(&after, "api", 2, cost), after.now_nanos());
    assert!(!decide(6).is_allowed() && decide(5).is_allowed());
    let now = after.now_nanos();
    let saved = after.limiter.saved_level(LevelId(1), now).unwrap();
    let bucket = openclaw_limiter::Bucket::full_at(saved.0);
    assert_eq!(bucket.available(saved.1, now), 10, "of the tenant's 60");
}

#[test]
fn under_another_seed_nobody_is_held_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let before = limits(1, &["api"], slow());
    take(&before, "api", 1, 100);
    save(folder.path(), &before);
    let after = limits(2, &["api"], slow());
    restore(folder.path(), &after);
    assert_eq!(save(folder.path(), &after), 0);
}

#[test]
fn a_clock_that_was_ahead_locks_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let before = limits(1, &["api"], slow());
    before.clock.advance_to(Timestamp::from_secs(1_900_000_000));
    take(&before, "api", 1, 100);
    save(folder.path(), &before);
    let after = limits(1, &["api"], slow());
    restore(folder.path(), &after);
    assert_eq!(left(&after, "api", 1), 0);
    // At most two bursts are owed, whatever the file says.
    after.clock.advance_to(Timestamp::from_secs(1_700_000_000 + 200_000));
    assert_eq!(left(&after, "api", 1), 100);
}

#[test]
fn a_damaged_or_missing_file_is_no_reason_not_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let before = limits(1, &["api"], slow());
    restore(folder.path(), &before);
    take(&before, "api", 1, 100);
    save(folder.path(), &before);
    let path = folder.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    restore(folder.path(), &limits(1, &["api"], slow()));
    fs::write(&path, b"").unwrap();
    restore(folder.path(), &limits(1, &["api"], slow()));
}

#[test]
#[ignore = "a measurement: run with --release"]
fn a_million_clients_come_back_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let before = limits(1, &["api"], slow());
    for client in 0..1_000_000 {
        take(&before, "api", client, 1);
    }
    let began = Instant::now();
    let records = save(folder.path(), &before);
    let saved = began.elapsed();
    let after = limits(1, &["api"], slow());
    let began = Instant::now();
    restore(folder.path(), &after);
    eprintln!("{records} saved in {saved:?}, restored in {:?}", began.elapsed());
    assert_eq!(left(&after, "api", 999_999), 99);
}

#[tokio::test]
async fn a_save_that_is_cut_off_keeps_its_turn_until_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    // To open it for writing takes until somebody reads.
    let new = folder.path().join("limits.saved.new");
    rustix::fs::mknodat(rustix::fs::CWD, &new, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let saver = Saver::new(folder.path(), limits(1, &["api"], slow()));
    let turn = Arc::clone(&saver.turn);
    let saving = tokio::spawn(async move { saver.save().await });
    while turn.try_lock().is_ok() {
        tokio::task::yield_now().await;
    }
    saving.abort();
    assert!(saving.await.unwrap_err().is_cancelled());
    assert!(turn.try_lock().is_err(), "it still writes");
    // The secret is kept meanwhile, in a file of its own.
    crate::limits::keep_seed(folder.path(), [7; 16]).unwrap();
    assert_eq!(crate::limits::load_seed(folder.path()).unwrap(), [7; 16]);
    let read = tokio::task::spawn_blocking(move || fs::read(new));
    assert!(!read.await.unwrap().unwrap().is_empty());
    let _free = turn.lock().await;
    assert_eq!(crate::limits::load_seed(folder.path()).unwrap(), [7; 16]);
}

#[test]
fn what_an_earlier_build_began_to_write_goes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("limits.new"), b"of an earlier build").unwrap();
    save(folder.path(), &limits(1, &["api"], slow()));
    assert!(!folder.path().join("limits.new").exists());
}
