//! The store as its users see it, over files in a temporary folder.

use openclaw_alert::{TenantName, Timestamp};
use openclaw_state::{FILE_NAME, KeyId, KeyName, Keys, Scope, Scopes, StateError};
use std::path::Path;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn tenant(name: &str) -> TenantName {
    TenantName::new(name).unwrap()
}

fn name(text: &str) -> KeyName {
    KeyName::new(text).unwrap()
}

fn scopes(text: &str) -> Scopes {
    text.parse().unwrap()
}

fn open() -> (TempDir, Keys) {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(&folder.path().join("data")).unwrap();
    (folder, keys)
}

#[test]
fn a_key_verifies_until_it_is_revoked() {
    let (_folder, keys) = open();
    let acme = tenant("acme");
    let new = keys.tenant(&acme).add(&name("ci"), scopes("ingest,read"), NOW).unwrap();
    let table = keys.load().unwrap();
    let credential = table.verify(new.key.expose()).unwrap();
    assert_eq!(credential.id, new.id);
    assert_eq!(credential.tenant.as_ref(), Some(&acme));
    assert!(credential.allows(Scope::Ingest) && !credential.allows(Scope::Operator));
    assert_eq!(table.len(), 1);

    keys.revoke(new.id, NOW).unwrap();
    assert!(keys.load().unwrap().verify(new.key.expose()).is_none());
    assert!(keys.load().unwrap().is_empty());
}

#[test]
fn two_connections_see_each_others_changes() {
    let (folder, server) = open();
    let command_line = Keys::open(&folder.path().join("data")).unwrap();
    let acme = tenant("acme");

    let before = server.version().unwrap();
    assert_eq!(server.version().unwrap(), before, "nothing has changed");
    let new = command_line.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    let added = server.version().unwrap();
    assert_ne!(added, before);
    assert!(server.load().unwrap().verify(new.key.expose()).is_some());

    command_line.revoke(new.id, NOW).unwrap();
    assert_ne!(server.version().unwrap(), added);
    assert!(server.load().unwrap().verify(new.key.expose()).is_none());
}

#[test]
fn own_changes_move_the_version_and_uses_do_not() {
    let (_folder, keys) = open();
    let acme = tenant("acme");
    let before = keys.version().unwrap();
    let new = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    let added = keys.version().unwrap();
    assert_ne!(added, before);
    keys.touch([new.id], NOW).unwrap();
    assert_eq!(keys.version().unwrap(), added);
    keys.tenant(&acme).revoke(new.id, NOW).unwrap();
    assert_ne!(keys.version().unwrap(), added);
}

#[test]
fn a_third_live_key_is_refused_with_a_way_out() {
    let (_folder, keys) = open();
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let first = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    let second = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    let error = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap_err();
    assert!(matches!(&error, StateError::TwoLive { older, newer, .. }
        if (*older, *newer) == (first.id, second.id)));
    assert_eq!(
        error.to_string(),
        format!("tenant `acme` already has two live keys named `ci`: `{}` and `{}`", first.id, second.id)
    );
    assert!(error.hint().unwrap().ends_with(&format!("revoke {}`", first.id)));

    keys.tenant(&globex).add(&name("ci"), scopes("read"), NOW).unwrap();
    keys.tenant(&acme).add(&name("other"), scopes("read"), NOW).unwrap();
    keys.tenant(&acme).revoke(first.id, NOW).unwrap();
    keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
}

#[test]
fn a_tenants_handle_reaches_no_other() {
    let (_folder, keys) = open();
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let theirs = keys.tenant(&globex).add(&name("ci"), scopes("read"), NOW).unwrap();
    let operators = keys.operators().add(&name("ops"), scopes("operator"), NOW).unwrap();
    assert!(keys.tenant(&acme).list().unwrap().is_empty());
    for id in [theirs.id, operators.id] {
        let error = keys.tenant(&acme).revoke(id, NOW).unwrap_err();
        assert!(matches!(error, StateError::Unknown { .. }));
    }
    let table = keys.load().unwrap();
    assert!(table.verify(theirs.key.expose()).is_some());
    assert_eq!(table.verify(operators.key.expose()).unwrap().tenant, None);
}

#[test]
fn a_key_without_a_tenant_is_an_operators() {
    let (_folder, keys) = open();
    let error = keys.operators().add(&name("ops"), scopes("ingest,read"), NOW).unwrap_err();
    assert!(matches!(error, StateError::NeedsOperator));
    keys.operators().add(&name("ops"), scopes("operator,read"), NOW).unwrap();
    assert_eq!(keys.operators().list().unwrap().len(), 1);
}

#[test]
fn the_list_tells_all_but_the_key() {
    let (_folder, keys) = open();
    let acme = tenant("acme");
    let owned = keys.tenant(&acme);
    let first = owned.add(&name("ci"), scopes("read"), NOW).unwrap();
    let second = owned.add(&name("ci"), scopes("limit"), Timestamp::from_secs(NOW.secs() + 5)).unwrap();
    let later = Timestamp::from_secs(NOW.secs() + 100);
    owned.revoke(first.id, later).unwrap();
    owned.revoke(first.id, Timestamp::from_secs(later.secs() + 9)).unwrap();
    keys.revoke(first.id, Timestamp::from_secs(later.secs() + 9)).unwrap();

    let listed = owned.list().unwrap();
    assert_eq!(listed.iter().map(|key| key.id).collect::<Vec<_>>(), [first.id, second.id]);
    assert_eq!(listed[0].revoked_at, Some(later), "the first revocation counts");
    assert_eq!(listed[0].created_at, NOW);
    assert_eq!((listed[1].revoked_at, listed[1].last_used_at), (None, None));
    assert_eq!((&listed[1].name, listed[1].scopes), (&name("ci"), scopes("limit")));
}

#[test]
fn uses_are_noted_to_the_minute() {
    let (_folder, keys) = open();
    let acme = tenant("acme");
    let new = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    let last_used = |at: i64| {
        keys.touch([new.id, "ocUnknown0".parse().unwrap()], Timestamp::from_secs(NOW.secs() + at)).unwrap();
        keys.tenant(&acme).list().unwrap()[0].last_used_at.unwrap().secs() - NOW.secs()
    };
    assert_eq!(last_used(10), 10);
    assert_eq!(last_used(50), 10);
    assert_eq!(last_used(70), 70);
    assert_eq!(last_used(20), 70, "a clock set back changes nothing");
}

#[test]
fn noting_a_use_waits_for_nobody() {
    let (folder, keys) = open();
    let acme = tenant("acme");
    let new = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    let other = rusqlite::Connection::open(folder.path().join("data").join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    assert!(keys.touch([new.id], NOW).is_err());
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
    // Reading goes on meanwhile.
    assert_eq!(keys.load().unwrap().len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    keys.touch([new.id], NOW).unwrap();
    assert_eq!(keys.tenant(&acme).list().unwrap()[0].last_used_at, Some(NOW));
}

#[test]
fn an_unknown_key_cannot_be_revoked() {
    let (_folder, keys) = open();
    let id: KeyId = "ocAAAAAAAA".parse().unwrap();
    let error = keys.revoke(id, NOW).unwrap_err();
    assert_eq!(error.to_string(), "there is no key `ocAAAAAAAA`");
}

#[test]
fn the_disk_holds_only_the_hash() {
    let (folder, keys) = open();
    let acme = tenant("acme");
    let new = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    let (id, rest) = new.key.expose().split_at(10);
    let on_disk = all_bytes(&folder.path().join("data"));
    assert!(contains(&on_disk, id.as_bytes()));
    assert!(!contains(&on_disk, rest.as_bytes()));
    assert!(!contains(&on_disk, &rest.as_bytes()[..8]));
}

fn all_bytes(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn keys_survive_reopening() {
    let (folder, keys) = open();
    let acme = tenant("acme");
    let new = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    drop(keys);
    let keys = Keys::open(&folder.path().join("data")).unwrap();
    assert!(keys.load().unwrap().verify(new.key.expose()).is_some());
}

#[test]
fn a_later_schema_is_refused() {
    let (folder, keys) = open();
    drop(keys);
    let data = folder.path().join("data");
    let raw = rusqlite::Connection::open(data.join(FILE_NAME)).unwrap();
    raw.execute("INSERT INTO migrations (version) VALUES (99)", []).unwrap();
    let error = Keys::open(&data).unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 99, .. }), "{error}");
}

#[test]
fn damage_names_the_row_and_column() {
    let (folder, keys) = open();
    let acme = tenant("acme");
    let new = keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW).unwrap();
    let raw = rusqlite::Connection::open(folder.path().join("data").join(FILE_NAME)).unwrap();
    raw.execute("UPDATE keys SET scopes = 0", []).unwrap();
    let error = keys.load().unwrap_err().to_string();
    assert!(error.starts_with(&format!("key `{}` in `", new.id)), "{error}");
    assert!(error.ends_with("` has a bad set of scopes"), "{error}");
}

#[test]
fn something_else_in_its_place_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), "not a database, and long enough to be read as one")
        .unwrap();
    assert!(matches!(Keys::open(folder.path()), Err(StateError::Sql { .. })));
    assert!(matches!(Keys::open(&folder.path().join(FILE_NAME)), Err(StateError::Folder { .. })));
}

#[test]
fn many_writers_at_once_never_make_a_third_key() {
    let (folder, _keys) = open();
    let acme = tenant("acme");
    let added: usize = std::thread::scope(|scope| {
        let add = || {
            let keys = Keys::open(&folder.path().join("data")).unwrap();
            let outcomes = (0..3).map(|_| keys.tenant(&acme).add(&name("ci"), scopes("read"), NOW));
            let added = outcomes.filter(|outcome| match outcome {
                Ok(_) => true,
                Err(StateError::TwoLive { .. }) => false,
                Err(error) => panic!("writers wait for each other: {error}"),
            });
            added.count()
        };
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    assert_eq!(added, 2);
}
