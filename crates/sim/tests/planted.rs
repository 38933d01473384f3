//! The checker has to notice what is wrong: each fault that is put into the
//! world on purpose shows in some run of a small set, as the promise it breaks.

use openclaw_sim::plan::Plan;
use openclaw_sim::world::{Bug, World};

/// Runs that a fault may hide in.
const SEEDS: std::ops::Range<u64> = 0..400;

#[track_caller]
fn check(bug: Bug, promises: &[&str]) {
    let shown = SEEDS.flat_map(|seed| {
        let violations = World::new(Plan::draw(seed), Some(bug)).run(false).violations;
        violations.into_iter().map(move |violation| (seed, violation))
    });
    let found = shown
        .map(|(seed, violation)| (seed, violation.promise))
        .find(|(_, promise)| promises.contains(promise));
    assert!(found.is_some(), "{bug:?} goes unnoticed");
}

#[test]
fn planted_bug_early_answer() {
    check(Bug::EarlyAnswer, &["P1"]);
}

#[test]
fn planted_bug_hasty_renewal() {
    check(Bug::HastyRenewal, &["P1"]);
}

#[test]
fn planted_bug_lost_resolve() {
    check(Bug::LostResolve, &["P2"]);
}

#[test]
fn planted_bug_doubled_send() {
    check(Bug::DoubledSend, &["P3"]);
}

#[test]
fn planted_bug_false_expiry() {
    check(Bug::FalseExpiry, &["P5"]);
}

#[test]
fn planted_bug_cross_tenant_send() {
    check(Bug::CrossTenantSend, &["P7"]);
}

#[test]
fn planted_bug_cross_tenant_read() {
    check(Bug::CrossTenantRead, &["P7"]);
}

#[test]
fn planted_bug_skipped_sync() {
    check(Bug::SkippedSync, &["P1"]);
}

#[test]
fn planted_bug_lost_silence() {
    check(Bug::LostSilence, &["silence"]);
}

#[test]
fn planted_bug_forgotten_receiver() {
    check(Bug::ForgottenReceiver, &["P2"]);
}

#[test]
fn planted_bug_stale_settings() {
    check(Bug::StaleSettings, &["P1"]);
}

#[test]
fn planted_bug_hidden_action() {
    check(Bug::HiddenAction, &["shown"]);
}

#[test]
fn planted_bug_lost_receipt() {
    check(Bug::LostReceipt, &["P3"]);
}
