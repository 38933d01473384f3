//! Tenants that are removed, and what is left of them in the files.

use openclaw_alert::{TenantName, Timestamp};
use openclaw_state::{KeyName, Keys, Known, Scope, Stage};
use std::path::Path;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn name(text: &str) -> TenantName {
    TenantName::new(text).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

fn known(secret: &str) -> Known {
    Known {
        receiver: "ops".into(),
        number: 0,
        kind: "webhook".into(),
        target: 1,
        place: 2,
        is_retired: false,
        settings: secret.repeat(600),
        templates: format!("templates of {secret}").into(),
    }
}

fn fill(keys: &Keys, tenant: &str, secret: &str) {
    let tenant = name(tenant);
    keys.tenant(&tenant).add(&KeyName::new(secret).unwrap(), Scope::Read.into(), now()).unwrap();
    keys.register(&tenant).replace(&[known(secret)]).unwrap();
    keys.passthrough().set(&tenant, true, secret, now()).unwrap();
}

fn advance(keys: &Keys, tenant: &TenantName, stage: Stage, number: Option<u16>) -> bool {
    let was = keys.removals().of(tenant).unwrap().unwrap();
    keys.removals().advance(&was, stage, number).unwrap()
}

/// Whether any file of the folder has these bytes.
fn is_somewhere(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn an_erased_tenant_leaves_no_byte_and_the_others_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, beside) = (Keys::open(folder.path()).unwrap(), Keys::open(folder.path()).unwrap());
    fill(&keys, "acme", "hush-acme");
    fill(&keys, "globex", "hush-globex");
    // What was replaced long ago as well.
    keys.register(&name("acme")).replace(&[known("older-acme")]).unwrap();
    beside.removals().ask(&name("acme"), true, HOUR, now()).unwrap();
    assert_eq!(keys.load().unwrap().len(), 1, "its keys are revoked with it");
    assert!(is_somewhere(folder.path(), "older-acme"));
    keys.removals().erase(&name("acme")).unwrap();
    for gone in ["hush-acme", "older-acme"] {
        assert!(!is_somewhere(folder.path(), gone), "{gone}");
    }
    assert!(is_somewhere(folder.path(), "acme"), "that it is being removed is still known");
    assert!(advance(&keys, &name("acme"), Stage::Done, None));
    assert!(keys.removals().finish(&name("acme")).unwrap());
    assert!(!is_somewhere(folder.path(), "acme"));
    assert_eq!(keys.register(&name("globex")).load().unwrap(), [known("hush-globex")]);
    assert_eq!(beside.load().unwrap().len(), 1);
    assert!(beside.passthrough().list().unwrap().of(&name("globex")).unwrap().is_on);
}

#[test]
fn a_removal_can_become_an_erasure_and_never_the_other_way() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path()).unwrap();
    let (acme, removals) = (name("acme"), keys.removals());
    assert_eq!(removals.of(&acme).unwrap(), None);
    let before = keys.version().unwrap();
    removals.ask(&acme, false, HOUR, now()).unwrap();
    assert_ne!(keys.version().unwrap(), before);
    assert!(advance(&keys, &acme, Stage::Done, None));
    removals.ask(&acme, false, HOUR, now()).unwrap();
    assert_eq!(removals.of(&acme).unwrap().unwrap().stage, Stage::Done);
    let later = now().plus(2 * HOUR);
    removals.ask(&acme, true, HOUR, later).unwrap();
    let asked = removals.of(&acme).unwrap().unwrap();
    assert_eq!((asked.erase, asked.stage, asked.within), (true, Stage::Ending, HOUR));
    assert_eq!(asked.asked_at, later, "receivers get their time anew");
    assert!(advance(&keys, &acme, Stage::Erasing, Some(3)));
    removals.ask(&acme, false, HOUR, now()).unwrap();
    let [erasing] = &removals.list().unwrap()[..] else { panic!() };
    assert_eq!((erasing.erase, erasing.stage, erasing.number), (true, Stage::Erasing, Some(3)));
    assert!(advance(&keys, &acme, Stage::Done, None));
    assert!(removals.finish(&acme).unwrap());
    assert_eq!(removals.list().unwrap(), []);
}

#[test]
fn an_erasure_that_is_asked_for_meanwhile_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, beside) = (Keys::open(folder.path()).unwrap(), Keys::open(folder.path()).unwrap());
    let (acme, removals) = (name("acme"), keys.removals());
    let is_asked = || {
        let now = removals.of(&acme).unwrap().unwrap();
        (now.erase, now.stage) == (true, Stage::Ending)
    };
    removals.ask(&acme, false, HOUR, now()).unwrap();
    let was = removals.of(&acme).unwrap().unwrap();
    beside.removals().ask(&acme, true, HOUR, now()).unwrap();
    assert!(!removals.advance(&was, Stage::Done, None).unwrap());
    assert!(is_asked());
    assert!(!removals.finish(&acme).unwrap());
    assert!(is_asked());
    // Who goes by an older look changes nothing.
    let was = removals.of(&acme).unwrap().unwrap();
    assert!(removals.advance(&was, Stage::Erasing, Some(1)).unwrap());
    assert!(!removals.advance(&was, Stage::Done, None).unwrap());
}

#[test]
fn however_long_messages_may_take_it_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path()).unwrap();
    for (tenant, within) in [("a", u64::from(u32::MAX) + 1), ("b", u64::MAX)] {
        keys.removals().ask(&name(tenant), true, Duration::from_secs(within), now()).unwrap();
        let read = keys.removals().of(&name(tenant)).unwrap().unwrap();
        assert_eq!(read.within.as_secs(), within.min(i64::MAX as u64));
    }
}
