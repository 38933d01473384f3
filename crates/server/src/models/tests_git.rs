//! A model's way where a repository elsewhere says which runs.

use super::tests::{Service, always};
use super::*;
use openclaw_learning::artifact::Digest;
use openclaw_learning::publish::{
    EnvironmentEntry, GitAuthor, GitBranch, GitCredentials, GitFile, GitPath, GitRemote, Proposal, Replaces,
    Stop,
};
use serde_json::Value;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

const FILE: &str = "environments/prod/model.yaml";
const FIRST: &str = "model-20260101";
const SECOND: &str = "model-20260102";

/// A bare repository with a file that says more than we need.
struct Team(TempDir);

impl Team {
    fn new() -> Self {
        let team = Self(tempfile::tempdir().unwrap());
        team.git(&["init", "--quiet", "--bare", "--initial-branch=main", "team.git"]);
        team
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").args(arguments).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn options(&self) -> GitOptions {
        GitOptions {
            remote: GitRemote::parse("team.git", self.0.path()).unwrap(),
            branch: GitBranch::parse("main").unwrap(),
            path: GitPath::parse(FILE).unwrap(),
            author: GitAuthor::default(),
            credentials: GitCredentials::None,
            ca: None,
        }
    }

    fn mode(&self) -> RolloutMode {
        RolloutMode::Git { options: Box::new(self.options()), poll: Duration::from_secs(10) }
    }

    /// Somebody commits, with lines of their own.
    fn say(&self, version: &str, digest: Option<Digest>) {
        let wanted = Wanted { version: version.parse().ok(), digest };
        let mut file = GitFile::new(self.options(), &self.0.path().join("ann"));
        let edit = |before: Option<&str>| {
            let text =
                EnvironmentEntry { wanted, gates: None }.written(before.or(Some("owner: limits # ann\n")));
            Some(openclaw_learning::publish::Edit { text, message: "ann says so".to_owned() })
        };
        file.change(&edit, &Stop::default()).unwrap();
    }

    fn file(&self) -> String {
        self.git(&["-C", "team.git", "show", &format!("main:{FILE}")])
    }

    fn subjects(&self) -> Vec<String> {
        let log = self.git(&["-C", "team.git", "log", "--format=%s", "main"]);
        log.lines().map(str::to_owned).collect()
    }

    fn go_away(&self, is_away: bool) {
        let (here, away) = (self.0.path().join("team.git"), self.0.path().join("away"));
        if is_away { fs::rename(here, away).unwrap() } else { fs::rename(away, here).unwrap() }
    }
}

async fn begun(team: &Team, models: &[(&str, f32)]) -> Service {
    let service = Service::new(team.mode()).await;
    for (name, output) in models {
        service.push(&always(name, *output)).await;
    }
    service
}

/// Until a model runs that the file names.
async fn runs(service: &mut Service, team: &Team, name: &str) {
    team.say(name, None);
    service.run(15).await;
    service.run_out().await;
    assert_eq!(service.world.limits.predictor(), name);
}

#[tokio::test]
async fn what_a_commit_says_comes_to_everybody_step_by_step() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, 3.1)]).await;
    service.run(15).await;
    let told = service.told().await;
    assert!(told["gitops"]["not_followed"].as_str().unwrap().contains("no such file"), "{told}");
    assert_eq!(service.audit(), [""; 0]);
    runs(&mut service, &team, FIRST).await;
    let told = service.told().await;
    assert_eq!((&told["gitops"]["not_followed"], &told["mode"]), (&Value::Null, &"gitops".into()));
    assert_eq!(told["gitops"]["commit"], team.git(&["-C", "team.git", "rev-parse", "main"]).trim());
    let refused = service.models.promote(SECOND.parse().unwrap(), "ann").await;
    assert!(matches!(refused, Err(ModelsError::Gitops)));
    // Back and forth, at once.
    team.say(SECOND, None);
    service.run(15).await;
    assert_eq!(service.told().await["rollout"]["candidate"], SECOND);
    team.say(FIRST, None);
    service.run(15).await;
    assert_eq!(service.told().await["rollout"], Value::Null);
    team.say("plain", None);
    service.run(15).await;
    assert_eq!(service.world.limits.predictor(), "plain");
    team.say(FIRST, None);
    service.run(15).await;
    assert_eq!(service.world.limits.predictor(), FIRST);
    assert_eq!(team.subjects(), ["ann says so"; 5], "nothing is reverted that people said");
}

#[tokio::test]
async fn what_is_taken_back_is_reverted_and_not_begun_with_until_people_say_so() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, -4.0)]).await;
    runs(&mut service, &team, FIRST).await;
    team.say(SECOND, None);
    service.run(15).await;
    service.run_out().await;
    assert!(service.audit().last().unwrap().starts_with(&format!("model.rollback {SECOND} shadow")));
    service.run(2).await;
    assert_eq!(team.subjects()[0], format!("Go back to {FIRST}: {SECOND} was taken back"));
    let file = team.file();
    assert!(file.starts_with("owner: limits # ann\n"), "{file}");
    assert!(file.contains(&format!("\nversion: {FIRST}\n")) && file.contains("\ndigest: sha256:"), "{file}");
    let message = team.git(&["-C", "team.git", "log", "-1", "--format=%b", "main"]);
    assert!(message.contains("at shadow"), "{message}");
    service.run(60).await;
    assert_eq!(service.told().await["rollout"], Value::Null);
    assert_eq!(service.told().await["gitops"]["left_out"], serde_json::json!([]));
    assert_eq!(team.subjects().len(), 3);
    // Whoever names it again means it.
    team.say(SECOND, None);
    service.run(15).await;
    assert_eq!(service.told().await["rollout"]["candidate"], SECOND);
}

#[tokio::test]
async fn a_rollback_acts_at_once_and_is_committed_when_the_remote_is_back() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, 3.2)]).await;
    runs(&mut service, &team, FIRST).await;
    runs(&mut service, &team, SECOND).await;
    team.go_away(true);
    service.models.roll_back("ben").await.unwrap();
    assert_eq!(service.world.limits.predictor(), FIRST);
    service.run(30).await;
    let told = service.told().await["gitops"].clone();
    assert!(told["not_committed"].as_str().unwrap().contains("ls-remote"), "{told}");
    assert!(told["not_followed"].as_str().unwrap().contains("ls-remote"), "{told}");
    assert_eq!(told["left_out"], serde_json::json!([SECOND]));
    // Over a restart, and while the file is read before it is committed.
    service.restart();
    assert_eq!(service.world.limits.predictor(), FIRST);
    team.go_away(false);
    service.models.look().await;
    assert_eq!(service.told().await["rollout"], Value::Null, "the file still names it");
    service.run(12).await;
    assert_eq!(team.subjects()[0], format!("Go back to {FIRST}: {SECOND} was taken back"));
    let message = team.git(&["-C", "team.git", "log", "-1", "--format=%b", "main"]);
    assert!(message.contains("ben said so"), "{message}");
    service.run(60).await;
    assert_eq!(service.world.limits.predictor(), FIRST);
    assert_eq!(service.told().await["gitops"]["not_committed"], Value::Null);
    assert_eq!(team.subjects().len(), 3);
}

#[tokio::test]
async fn none_of_those_that_were_taken_back_is_begun_with_again() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, -4.0)]).await;
    runs(&mut service, &team, FIRST).await;
    team.say(SECOND, None);
    service.run(15).await;
    team.go_away(true);
    service.run_out().await;
    service.models.roll_back("ben").await.unwrap();
    assert_eq!(service.told().await["gitops"]["left_out"], serde_json::json!([FIRST, SECOND]));
    service.restart();
    team.go_away(false);
    service.models.look().await;
    assert_eq!(service.told().await["rollout"], Value::Null, "the file names one of them");
    service.run(60).await;
    let told = service.told().await;
    assert_eq!((&told["rollout"], &told["running"]), (&Value::Null, &"plain".into()));
    let why = told["gitops"]["not_committed"].as_str().unwrap();
    assert!(why.contains(SECOND) && why.contains("taken back here alone"), "{told}");
    assert_eq!(team.subjects().len(), 2, "nobody else's model is changed to what is left here");
    team.say("plain", None);
    service.run(15).await;
    assert_eq!(service.told().await["gitops"]["left_out"], serde_json::json!([]));
}

#[tokio::test]
async fn a_replica_without_a_past_goes_back_to_the_file_s_or_says_that_it_can_t() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, -4.0)]).await;
    team.say(SECOND, None);
    service.run(15).await;
    service.run_out().await;
    service.run(60).await;
    let told = service.told().await["gitops"].clone();
    assert_eq!((&told["left_out"], team.subjects().len()), (&serde_json::json!([SECOND]), 1));
    assert!(told["not_committed"].as_str().unwrap().contains("commit one"), "{told}");
    team.say(FIRST, None);
    service.run(15).await;
    assert_eq!(service.told().await["gitops"]["left_out"], serde_json::json!([]));
    // Before it has come to anybody here.
    team.say(SECOND, None);
    service.run(15).await;
    service.run_out().await;
    assert_eq!(team.subjects()[0], format!("Go back to {FIRST}: {SECOND} was taken back"));
    assert_eq!(service.world.limits.predictor(), FIRST);
}

#[tokio::test]
async fn a_file_that_is_gone_does_not_make_good_what_was_taken_back() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, 3.2)]).await;
    runs(&mut service, &team, FIRST).await;
    runs(&mut service, &team, SECOND).await;
    team.git(&["-C", "team.git", "branch", "-m", "main", "aside"]);
    service.models.roll_back("ben").await.unwrap();
    service.run(15).await;
    let told = service.told().await["gitops"].clone();
    assert_eq!(told["left_out"], serde_json::json!([SECOND]));
    assert!(told["not_committed"].as_str().unwrap().contains("no file"), "{told}");
    team.git(&["-C", "team.git", "branch", "-m", "aside", "main"]);
    service.models.look().await;
    assert_eq!(service.told().await["rollout"], Value::Null);
    service.run(30).await;
    assert_eq!(team.subjects()[0], format!("Go back to {FIRST}: {SECOND} was taken back"));
}

#[tokio::test]
async fn what_was_read_before_a_revert_counts_for_nothing() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, 3.2)]).await;
    runs(&mut service, &team, FIRST).await;
    runs(&mut service, &team, SECOND).await;
    // A slow reader, and a quick writer.
    let lock = service.models.state.lock().await;
    let reads = service.models.follow();
    tokio::pin!(reads);
    assert!(futures_util::poll!(&mut reads).is_pending());
    drop(lock);
    assert!(futures_util::poll!(&mut reads).is_pending(), "it reads the file that names the second");
    service.models.roll_back("ben").await.unwrap();
    service.models.commit().await;
    assert_eq!(service.told().await["gitops"]["left_out"], serde_json::json!([]));
    reads.await;
    assert_eq!(service.told().await["rollout"], Value::Null);
    assert_eq!(service.world.limits.predictor(), FIRST);
}

#[tokio::test]
async fn a_wrong_digest_is_told_once_and_made_good_by_a_commit() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1)]).await;
    team.say(FIRST, Some(Digest::of(b"another")));
    service.run(120).await;
    assert_eq!(service.audit(), [format!("model.refuse {FIRST}  by rollout")]);
    let told = service.told().await;
    assert!(
        told["gitops"]["not_followed"].as_str().unwrap().contains("somebody has moved the name"),
        "{told}"
    );
    let published = service.models.repository.pull(FIRST.parse().unwrap(), None).await.unwrap();
    team.say(FIRST, Some(published.digest));
    service.run(15).await;
    assert_eq!(service.told().await["rollout"]["candidate"], FIRST);
    service.run_out().await;
    // The one that runs, under a digest that it hasn't.
    team.say(FIRST, Some(Digest::of(b"another")));
    service.run(15).await;
    let told = service.told().await;
    assert!(told["gitops"]["not_followed"].as_str().unwrap().contains("another digest"), "{told}");
    assert_eq!(service.world.limits.predictor(), FIRST);
}

#[tokio::test]
async fn what_says_nothing_changes_nothing() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1)]).await;
    runs(&mut service, &team, FIRST).await;
    let before = service.audit();
    let hostile = [
        "",
        "version: latest\n",
        "version: ../../etc\n",
        "\u{0}\u{1}\n",
        "{{{{",
        "version: [model-20260102]\n",
    ];
    for text in hostile.map(str::to_owned).into_iter().chain(["version: model-20260102\n".repeat(4000)]) {
        let mut file = GitFile::new(team.options(), &team.0.path().join("eve"));
        let edit = openclaw_learning::publish::Edit { text, message: "odd".to_owned() };
        file.change(&|_| Some(edit.clone()), &Stop::default()).unwrap();
        service.run(11).await;
        assert!(service.told().await["gitops"]["not_followed"].is_string());
    }
    assert_eq!((service.world.limits.predictor(), service.audit()), (FIRST, before));
}

#[tokio::test]
async fn what_the_trainer_could_not_commit_is_committed_later() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, 3.1)]).await;
    let propose = |service: &Service, name: &str| {
        let proposal =
            Proposal { name: name.parse().unwrap(), digest: Digest::of(name.as_bytes()), gates: None };
        proposal.keep(service.data.path()).unwrap();
        proposal
    };
    team.go_away(true);
    let first = propose(&service, FIRST);
    let mut file = GitFile::new(team.options(), &service.data.path().join("trainer"));
    assert!(first.commit(&mut file, Replaces::Older, &Stop::default()).is_err());
    service.run(15).await;
    team.go_away(false);
    service.run(25).await;
    assert_eq!(team.subjects(), [format!("Run {FIRST}")]);
    assert_eq!(Proposal::kept(service.data.path()).unwrap(), None);
    // People have gone on meanwhile.
    team.say(SECOND, None);
    propose(&service, FIRST);
    service.run(5).await;
    assert_eq!(team.subjects(), ["ann says so".to_owned(), format!("Run {FIRST}")]);
    assert_eq!(Proposal::kept(service.data.path()).unwrap(), None);
}

#[tokio::test]
async fn a_model_that_can_t_be_loaded_is_fetched_again() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, 3.2)]).await;
    runs(&mut service, &team, FIRST).await;
    runs(&mut service, &team, SECOND).await;
    fs::write(service.data.path().join(format!("models/serving/{SECOND}.safetensors")), b"no").unwrap();
    let (blobs, away) = (service.data.path().join("models/blobs"), service.data.path().join("away"));
    fs::rename(&blobs, &away).unwrap();
    service.restart();
    service.run(25).await;
    assert_eq!(service.world.limits.predictor(), FIRST);
    assert!(service.world.limits.models_told().0.is_fallback);
    fs::rename(&away, &blobs).unwrap();
    service.run(45).await;
    assert_eq!(service.world.limits.predictor(), SECOND);
    assert!(!service.world.limits.models_told().0.is_fallback);
    assert_eq!(service.audit().last().unwrap(), &format!("model.mend {SECOND} 100% by rollout"));
    service.restart();
    assert_eq!(service.world.limits.predictor(), SECOND);
}

#[tokio::test]
async fn what_the_file_goes_back_to_is_the_very_one_that_ran() {
    let team = Team::new();
    let mut service = begun(&team, &[(FIRST, 3.1), (SECOND, 3.2)]).await;
    runs(&mut service, &team, FIRST).await;
    runs(&mut service, &team, SECOND).await;
    team.say(FIRST, Some(Digest::of(b"another")));
    service.run(15).await;
    let told = service.told().await;
    assert!(told["gitops"]["not_followed"].as_str().unwrap().contains("another digest"), "{told}");
    assert_eq!(service.world.limits.predictor(), SECOND);
    // Its copy is damaged and its repository away: what runs stays.
    fs::write(service.data.path().join(format!("models/serving/{FIRST}.safetensors")), b"no").unwrap();
    let (blobs, away) = (service.data.path().join("models/blobs"), service.data.path().join("away"));
    fs::rename(&blobs, &away).unwrap();
    team.say(FIRST, None);
    service.run(15).await;
    assert_eq!(service.world.limits.predictor(), SECOND);
    fs::rename(&away, &blobs).unwrap();
    service.run(25).await;
    assert_eq!(service.world.limits.predictor(), FIRST, "at once");
    assert_eq!(service.told().await["gitops"]["not_followed"], Value::Null);
    let expected = format!("model.rollback {SECOND} 100% by git");
    assert_eq!(service.audit().last(), Some(&expected));
}
