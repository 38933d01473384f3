//! The OCI image layout in a folder.

use crate::conformance::{holds, repository};
use crate::support::{assert_same, model, name, pull, push, wait};
use openclaw_learning::artifact::{Digest, Model};
use openclaw_learning::publish::{Place, PublishError, Repository};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with one model, and its key.
struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self { folder: tempfile::tempdir().unwrap() };
        push(&fixture.repository(), &model("model-20261122", 1)).unwrap();
        fixture
    }

    fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    fn repository(&self) -> Repository {
        Repository::embedded(&self.models(), &self.folder.path().join("key.pem")).unwrap()
    }

    fn refused(&self) -> String {
        let error = pull(&self.repository(), "model-20261122").unwrap_err().to_string();
        error.replace(&self.folder.path().display().to_string(), "DATA")
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.models().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    fn index(&self) -> Value {
        read_json(&self.models().join("index.json"))
    }

    /// The digest that a tag names.
    fn tagged(&self, is_signature: bool) -> String {
        let index = self.index();
        let tag = |entry: &Value| {
            entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap().to_owned()
        };
        let mut entries = index["manifests"].as_array().unwrap().iter();
        let entry = entries.find(|entry| tag(entry).ends_with(".sig") == is_signature).unwrap();
        entry["digest"].as_str().unwrap().to_owned()
    }

    /// Puts bytes there as a blob, as somebody could who may write to the folder.
    fn put(&self, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        fs::write(self.blob(&digest), bytes).unwrap();
        digest
    }

    /// Makes the tags name another manifest.
    fn retag(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.models().join("index.json")).unwrap();
        fs::write(self.models().join("index.json"), text.replace(from, to)).unwrap();
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn layer(manifest: &Value, ending: &str) -> String {
    let mut layers = manifest["layers"].as_array().unwrap().iter();
    let layer = layers.find(|layer| layer["mediaType"].as_str().unwrap().ends_with(ending)).unwrap();
    layer["digest"].as_str().unwrap().to_owned()
}

/// Whoever asks again may find it signed: it isn't refused for good.
#[test]
fn a_signature_that_can_t_be_read_is_no_wrong_one() {
    let fixture = Fixture::new();
    let manifest = read_json(&fixture.blob(&fixture.tagged(true)));
    let payload = fixture.blob(manifest["layers"][0]["digest"].as_str().unwrap());
    let away = payload.with_extension("away");
    fs::rename(&payload, &away).unwrap();
    fs::create_dir(&payload).unwrap();
    let error = pull(&fixture.repository(), "model-20261122").unwrap_err();
    assert!(matches!(error, PublishError::Store(_)), "{error}");
    fs::remove_dir(&payload).unwrap();
    fs::rename(&away, &payload).unwrap();
    pull(&fixture.repository(), "model-20261122").unwrap();
}

#[test]
fn a_folder_is_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    holds(&Place::Directory(folder.path().join("models")));
}

#[test]
fn a_manifest_as_others_see_it() {
    let fixture = Fixture::new();
    let manifest = read_json(&fixture.blob(&fixture.tagged(false)));
    insta::assert_snapshot!(serde_json::to_string_pretty(&manifest).unwrap());
    let card: Value = read_json(&fixture.blob(&layer(&manifest, "card.v1+json")));
    assert_eq!(card["name"], "model-20261122");
    assert_eq!(read_json(&fixture.models().join("oci-layout")), json!({ "imageLayoutVersion": "1.0.0" }));
}

/// What somebody can do who may write to the registry but has no key.
#[test]
fn what_was_tampered_with_is_refused() {
    let mut told = Vec::new();
    let mut tampered = |what: &str, tamper: &dyn Fn(&Fixture)| {
        let fixture = Fixture::new();
        tamper(&fixture);
        told.push(format!("{what}: {}", fixture.refused()));
    };
    let manifest_of = |fixture: &Fixture| read_json(&fixture.blob(&fixture.tagged(false)));
    tampered("weights changed", &|fixture| {
        let path = fixture.blob(&layer(&manifest_of(fixture), "safetensors"));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    });
    tampered("card changed", &|fixture| {
        let path = fixture.blob(&layer(&manifest_of(fixture), "card.v1+json"));
        fs::write(&path, fs::read_to_string(&path).unwrap().replace("0.99", "0.50")).unwrap();
    });
    tampered("weights gone", &|fixture| {
        fs::remove_file(fixture.blob(&layer(&manifest_of(fixture), "safetensors"))).unwrap();
    });
    tampered("weights longer", &|fixture| {
        let path = fixture.blob(&layer(&manifest_of(fixture), "safetensors"));
        fs::write(&path, vec![0; 5 << 20]).unwrap();
    });
    tampered("manifest changed in place", &|fixture| {
        let path = fixture.blob(&fixture.tagged(false));
        fs::write(&path, fs::read_to_string(&path).unwrap().replace("7200000", "9200000")).unwrap();
    });
    tampered("another manifest under the name", &|fixture| {
        let text = fs::read_to_string(fixture.blob(&fixture.tagged(false))).unwrap();
        let other = fixture.put(text.replace("7200000", "9200000").as_bytes());
        fixture.retag(&fixture.tagged(false), &other);
    });
    tampered("the signature with it", &|fixture| {
        let (was, signature) = (fixture.tagged(false), fixture.tagged(true));
        let text = fs::read_to_string(fixture.blob(&was)).unwrap();
        let other = fixture.put(text.replace("7200000", "9200000").as_bytes());
        fixture.retag(&was, &other);
        fixture.retag(was.trim_start_matches("sha256:"), other.trim_start_matches("sha256:"));
        assert!(fixture.blob(&signature).exists());
    });
    tampered("its payload as well", &|fixture| {
        let (was, signature) = (fixture.tagged(false), fixture.tagged(true));
        let text = fs::read_to_string(fixture.blob(&was)).unwrap();
        let other = fixture.put(text.replace("7200000", "9200000").as_bytes());
        let manifest = fs::read_to_string(fixture.blob(&signature)).unwrap();
        let payload_digest = layer(&serde_json::from_str(&manifest).unwrap(), "simplesigning.v1+json");
        let payload = fs::read_to_string(fixture.blob(&payload_digest)).unwrap().replace(&was, &other);
        let payload = fixture.put(payload.as_bytes());
        let manifest = fixture.put(manifest.replace(&payload_digest, &payload).as_bytes());
        fixture.retag(&signature, &manifest);
        fixture.retag(was.trim_start_matches("sha256:"), other.trim_start_matches("sha256:"));
    });
    tampered("signature gone", &|fixture| {
        let mut index = fixture.index();
        let signature = fixture.tagged(true);
        index["manifests"].as_array_mut().unwrap().retain(|entry| entry["digest"] != signature);
        fs::write(fixture.models().join("index.json"), index.to_string()).unwrap();
    });
    tampered("index no index", &|fixture| fs::write(fixture.models().join("index.json"), "[]").unwrap());
    tampered("index gone", &|fixture| fs::remove_file(fixture.models().join("index.json")).unwrap());
    tampered("key replaced", &|fixture| fs::remove_file(fixture.folder.path().join("key.pem")).unwrap());
    insta::assert_snapshot!(digests_as_words(&told.join("\n")));
}

/// Digests are of keys and signatures too, which differ each time.
fn digests_as_words(text: &str) -> String {
    let mut words = String::new();
    for (index, part) in text.split("sha256:").enumerate() {
        words += if index == 0 { part } else { "DIGEST" };
        words +=
            if index == 0 { "" } else { part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()) };
    }
    let blob = words.split("blobs/sha256/").collect::<Vec<_>>();
    let rest = |part: &str| part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()).to_owned();
    let (first, others) = blob.split_first().unwrap();
    others.iter().fold((*first).to_owned(), |text, part| text + "blobs/sha256/HEX" + &rest(part))
}

/// An old model under a new name, though its signature is good.
#[test]
fn a_signed_model_under_another_name_is_refused() {
    let fixture = Fixture::new();
    let text = fs::read_to_string(fixture.models().join("index.json")).unwrap();
    fs::write(fixture.models().join("index.json"), text.replace("\"model-20261122\"", "\"model-20261130\""))
        .unwrap();
    let refused = pull(&fixture.repository(), "model-20261130").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`model-20261130`: the card is of `model-20261122`; expected `model-20261130`"
    );
}

/// A crash at any point of a push leaves what was there, and the push can be
/// done again, whichever of its blobs are there.
#[test]
fn a_push_that_is_cut_short_harms_nothing() {
    let fixture = Fixture::new();
    let before = fs::read(fixture.models().join("index.json")).unwrap();
    let blobs = || -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(fixture.models().join("blobs/sha256")).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    };
    let old_blobs = blobs();
    let second = model("model-20261123", 2);
    push(&fixture.repository(), &second).unwrap();
    let new_blobs: Vec<_> = blobs().into_iter().filter(|(path, _)| !old_blobs.contains_key(path)).collect();
    assert_eq!(new_blobs.len(), 7);
    for kept in 0..=new_blobs.len() {
        fs::write(fixture.models().join("index.json"), &before).unwrap();
        new_blobs.iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
        new_blobs[..kept].iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        fs::write(fixture.models().join("blobs/sha256/.writing-1-0-x"), "half").unwrap();
        fs::write(fixture.models().join(".writing-1-1-index.json"), "half").unwrap();
        assert_eq!(wait(fixture.repository().names()).unwrap(), [name("model-20261122")]);
        push(&fixture.repository(), &second).unwrap();
        assert_same(&pull(&fixture.repository(), "model-20261123").unwrap().model, &second);
        assert!(!fixture.models().join("blobs/sha256/.writing-1-0-x").exists());
        assert!(!fixture.models().join(".writing-1-1-index.json").exists());
    }
}

/// A blob that the disk has lost bits of is put there anew by the next push.
#[test]
fn a_push_mends_what_is_damaged() {
    let fixture = Fixture::new();
    for entry in fs::read_dir(fixture.models().join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        if path != fixture.blob(&fixture.tagged(false)) && path != fixture.blob(&fixture.tagged(true)) {
            fs::write(path, "damaged").unwrap();
        }
    }
    assert!(pull(&fixture.repository(), "model-20261122").is_err());
    push(&fixture.repository(), &model("model-20261122", 1)).unwrap();
    assert!(pull(&fixture.repository(), "model-20261122").is_ok());
}

#[test]
fn many_push_while_many_pull() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let fixture = &fixture;
            scope.spawn(move || {
                for turn in 1..=5 {
                    push(&fixture.repository(), &model(&format!("model-2026121{writer}.{turn}"), writer))
                        .unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let repository = fixture.repository();
                    for name in wait(repository.names()).unwrap() {
                        wait(repository.pull(name, None)).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(wait(fixture.repository().list(100)).unwrap().len(), 21);
}

/// Entries of other tools in the index stay, and their kinds are not ours.
#[test]
fn others_entries_are_kept_and_not_loaded() {
    let fixture = Fixture::new();
    let mut index = fixture.index();
    let other = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example",
        "digest": "sha512:00",
        "size": 3,
        "data": "e30=",
    });
    index["manifests"].as_array_mut().unwrap().push(other.clone());
    fs::write(fixture.models().join("index.json"), index.to_string()).unwrap();
    push(&fixture.repository(), &model("model-20261123", 2)).unwrap();
    assert!(fixture.index()["manifests"].as_array().unwrap().contains(&other));

    // A signed image that is no model.
    let manifest = read_json(&fixture.blob(&fixture.tagged(false)));
    assert_eq!(manifest["artifactType"], "application/vnd.openclaw.model.v1");
    let keys = tempfile::tempdir().unwrap();
    let place = Place::Directory(fixture.models());
    let strangers = repository(&place, keys.path(), &["a"]);
    assert!(matches!(pull(&strangers, "model-20261122"), Err(PublishError::Untrusted { .. })));
}

#[test]
fn files_of_a_model_survive_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let saved = model("model-20261122", 1);
    saved.save(folder.path()).unwrap();
    assert_same(&Model::load(folder.path(), saved.name()).unwrap(), &saved);
    let other = name("model-20261201");
    for ending in ["pt", "safetensors", "json"] {
        let path = folder.path().join(format!("model-20261122.{ending}"));
        assert_same(&Model::open(&path, other, openclaw_alert::Timestamp::MIN).unwrap(), &saved);
    }
    fs::remove_file(folder.path().join("model-20261122.json")).unwrap();
    let path = folder.path().join("model-20261122.pt");
    let foreign = Model::open(&path, other, openclaw_alert::Timestamp::from_secs(0)).unwrap();
    assert_eq!((foreign.name(), foreign.weights()), (other, saved.weights()));
    assert_eq!((foreign.card().scaling.is_none(), foreign.card().data.is_none()), (true, true));
}
