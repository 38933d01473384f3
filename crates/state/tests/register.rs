//! The register of integrations and the break-glasses, over a real file.

use openclaw_alert::{TenantName, Timestamp};
use openclaw_state::{FILE_NAME, Keys, Known, StateError};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn tenant(name: &str) -> TenantName {
    TenantName::new(name).unwrap()
}

fn known(receiver: &str, number: u16, target: u64) -> Known {
    let (receiver, kind) = (receiver.to_owned(), "webhook".to_owned());
    let settings = "{\"url\":\"ü\"}".to_owned();
    let templates = if target.is_multiple_of(2) { "even" } else { "[\"odd\"]" };
    let place = target.wrapping_add(1);
    Known {
        receiver,
        number,
        kind,
        target,
        place,
        is_retired: number == 1,
        settings,
        templates: templates.into(),
    }
}

#[test]
fn what_is_written_is_read_after_a_restart_and_by_its_tenant_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let all = [known("ops", 0, u64::MAX), known("ops", 1, 7), known("web", 0, 0)];
    {
        let keys = Keys::open(folder.path()).unwrap();
        assert_eq!(keys.register(&acme).load().unwrap(), []);
        keys.register(&acme).replace(&all).unwrap();
        keys.register(&globex).replace(&all[2..]).unwrap();
    }
    let keys = Keys::open(folder.path()).unwrap();
    assert_eq!(keys.register(&acme).load().unwrap(), all);
    keys.register(&acme).replace(&all[..1]).unwrap();
    assert_eq!(keys.register(&acme).load().unwrap(), all[..1]);
    assert_eq!(keys.register(&globex).load().unwrap(), all[2..]);
}

#[test]
fn templates_are_kept_once_for_all_that_share_them() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path()).unwrap();
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let long: Arc<str> = "x".repeat(100_000).into();
    let with = |number| Known { templates: long.clone(), ..known("ops", number, 1) };
    let all: Vec<_> = (0..50).map(with).collect();
    keys.register(&acme).replace(&all).unwrap();
    keys.register(&globex).replace(&all[..1]).unwrap();
    drop(keys);
    let bytes = fs::metadata(folder.path().join(FILE_NAME)).unwrap().len();
    assert!(bytes < 400_000, "{bytes}");
    let keys = Keys::open(folder.path()).unwrap();
    let loaded = keys.register(&acme).load().unwrap();
    assert_eq!(loaded, all);
    assert!(Arc::ptr_eq(&loaded[0].templates, &loaded[49].templates));
    assert_eq!(keys.registered().unwrap(), [acme.clone(), globex.clone()]);
    keys.register(&acme).replace(&[]).unwrap();
    assert_eq!(keys.registered().unwrap(), std::slice::from_ref(&globex));
    assert_eq!(keys.register(&globex).load().unwrap(), all[..1]);
}

#[test]
fn settings_are_not_shown() {
    let shown = format!("{:?}", known("ops", 0, 1));
    assert!(!shown.contains("url") && shown.contains("ops"), "{shown}");
}

#[test]
fn a_register_with_a_fault_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path()).unwrap();
    let acme = tenant("acme");
    keys.register(&acme).replace(&[known("ops", 0, 1)]).unwrap();
    let twice = [known("web", 0, 1), known("web", 0, 2)];
    assert!(matches!(keys.register(&acme).replace(&twice), Err(StateError::Sql { .. })));
    assert_eq!(keys.register(&acme).load().unwrap(), [known("ops", 0, 1)]);
}

#[test]
fn break_glasses_are_seen_by_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    let (server, command_line) = (Keys::open(folder.path()).unwrap(), Keys::open(folder.path()).unwrap());
    let before = server.version().unwrap();
    command_line.passthrough().set(&tenant("acme"), true, "me", NOW).unwrap();
    assert_ne!(server.version().unwrap(), before);
    command_line.passthrough().set(&tenant("acme"), false, "you", NOW).unwrap();
    command_line.passthrough().set(&tenant("globex"), true, "me", NOW).unwrap();
    let of = |name: &str| {
        let switches = server.passthrough().list().unwrap();
        switches.of(&tenant(name)).map(|switch| (switch.is_on, switch.by.clone()))
    };
    assert_eq!(of("acme"), Some((false, "you".to_owned())));
    assert_eq!(of("globex"), Some((true, "me".to_owned())));
    assert_eq!(of("initech"), None);
    command_line.passthrough().set_all(true, "she", NOW).unwrap();
    let by_her = |is_on| Some((is_on, "she".to_owned()));
    assert_eq!((of("acme"), of("initech")), (by_her(true), by_her(true)), "those to come included");
    command_line.passthrough().set(&tenant("acme"), false, "me", NOW).unwrap();
    assert_eq!((of("acme"), of("initech")), (Some((false, "me".to_owned())), by_her(true)));
    command_line.passthrough().set(&tenant("acme"), true, "me", NOW).unwrap();
    command_line.passthrough().set_all(false, "she", NOW).unwrap();
    assert_eq!((of("acme"), of("initech")), (by_her(false), by_her(false)));
}

#[test]
fn only_its_owner_may_read_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |name: &str| {
        let found = fs::metadata(folder.path().join(name));
        found.map(|found| found.permissions().mode() & 0o777).unwrap()
    };
    let keys = Keys::open(folder.path()).unwrap();
    keys.register(&tenant("acme")).replace(&[known("ops", 0, 1)]).unwrap();
    assert_eq!((mode(FILE_NAME), mode("state.db-wal")), (0o600, 0o600));
    drop(keys);
    // One that an earlier release made, or somebody opened up.
    fs::set_permissions(folder.path().join(FILE_NAME), Permissions::from_mode(0o644)).unwrap();
    let _keys = Keys::open(folder.path()).unwrap();
    assert_eq!(mode(FILE_NAME), 0o600);
}
