//! What holds for a folder and for a registry alike.

use crate::support::{NOW, assert_same, model, name, pull, push, wait};
use openclaw_learning::artifact::{Digest, ModelName};
use openclaw_learning::publish::{Place, PublishError, Repository, SigningKey, Standing, StoreError};

pub(crate) fn key(folder: &std::path::Path, called: &str) -> SigningKey {
    SigningKey::load_or_create(&folder.join(called)).unwrap()
}

/// A repository of one who signs with the first key and trusts all.
pub(crate) fn repository(place: &Place, keys: &std::path::Path, called: &[&str]) -> Repository {
    let trusted = called.iter().map(|called| key(keys, called).public().clone()).collect();
    Repository::new(place, Some(key(keys, called[0])), trusted).unwrap()
}

/// One suite for every place.
pub(crate) fn holds(place: &Place) {
    let keys = tempfile::tempdir().unwrap();
    let (ours, theirs) =
        (repository(place, keys.path(), &["ours"]), repository(place, keys.path(), &["theirs"]));
    what_is_pushed_is_pulled(&ours);
    names_are_given_once(&ours);
    others_are_not_trusted(&ours, &theirs);
    a_second_signature_is_added(&ours, &theirs, &repository(place, keys.path(), &["theirs", "ours"]));
    who_cannot_sign_does_not_push(place, keys.path());
}

fn what_is_pushed_is_pulled(ours: &Repository) {
    assert!(wait(ours.names()).unwrap().is_empty());
    assert!(matches!(pull(ours, "model-20261122"), Err(PublishError::Missing { .. })));
    let first = model("model-20261122", 1);
    let pushed = push(ours, &first).unwrap();
    let pulled = pull(ours, "model-20261122").unwrap();
    assert_same(&pulled.model, &first);
    assert_eq!((pulled.digest, pulled.signed_by), (pushed.digest, pushed.signed_by));
    assert_eq!(push(ours, &first).unwrap(), pushed);

    let second = model("model-20261122.1", 2);
    push(ours, &second).unwrap();
    assert_same(&pull(ours, "model-20261122.1").unwrap().model, &second);
    let names = wait(ours.names()).unwrap();
    assert_eq!(names, ["model-20261122.1", "model-20261122"].map(name));
    assert_eq!(ModelName::next(NOW, names), name("model-20261122.2"));

    let listed = wait(ours.list(1)).unwrap();
    let [newest] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((newest.name, newest.created_at, newest.rows), (second.name(), Some(NOW), Some(7_200_000)));
    assert_eq!(
        (newest.quantile.as_slice(), newest.standing),
        (&[0.99; 2][..], Standing::Signed(pushed.signed_by))
    );
}

fn names_are_given_once(ours: &Repository) {
    let other = model("model-20261122", 3);
    let refused = push(ours, &other).unwrap_err();
    assert!(matches!(refused, PublishError::Store(StoreError::Taken { .. })), "{refused}");
    assert_same(&pull(ours, "model-20261122").unwrap().model, &model("model-20261122", 1));
    let (name, digest) = (name("model-20261122"), Digest::of(b"another"));
    let refused = wait(ours.pull(name, Some(digest))).unwrap_err();
    assert!(matches!(refused, PublishError::Digest { expected, .. } if expected == digest), "{refused}");
}

fn others_are_not_trusted(ours: &Repository, theirs: &Repository) {
    push(theirs, &model("model-20261123", 4)).unwrap();
    let refused = pull(ours, "model-20261123").unwrap_err();
    assert!(matches!(refused, PublishError::Untrusted { .. }), "{refused}");
    let listed = wait(ours.list(10)).unwrap();
    assert_eq!((listed.len(), listed[0].standing), (3, Standing::Untrusted));
    assert!(matches!(wait(theirs.list(10)).unwrap()[0].standing, Standing::Signed(_)));
}

/// Who trusts both signs nothing that one of them has signed; who trusts only
/// its own key adds its own.
fn a_second_signature_is_added(ours: &Repository, theirs: &Repository, both: &Repository) {
    let once = push(both, &model("model-20261123", 4)).unwrap();
    assert_eq!(once.signed_by, pull(theirs, "model-20261123").unwrap().signed_by);
    push(ours, &model("model-20261123", 4)).unwrap();
    let (by_us, by_them) = (pull(ours, "model-20261123").unwrap(), pull(theirs, "model-20261123").unwrap());
    assert_ne!(by_us.signed_by, by_them.signed_by);
    assert_eq!(by_us.digest, once.digest);
}

fn who_cannot_sign_does_not_push(place: &Place, keys: &std::path::Path) {
    let trusted = vec![key(keys, "ours").public().clone()];
    let reader = Repository::new(place, None, trusted.clone()).unwrap();
    assert!(matches!(push(&reader, &model("model-20261124", 5)), Err(PublishError::NoKey)));
    assert_same(&pull(&reader, "model-20261122").unwrap().model, &model("model-20261122", 1));
    let stranger = Repository::new(place, Some(key(keys, "theirs")), trusted).unwrap();
    assert!(matches!(push(&stranger, &model("model-20261124", 5)), Err(PublishError::OwnKey { .. })));
    assert_eq!(wait(reader.names()).unwrap().len(), 3);
}
