//! A model's way through the service, on a clock that stands until it is moved.

use super::*;
use crate::limits::TestWorld;
use openclaw_admission::{Adaptation, FEATURES, OUTPUTS, Weights};
use openclaw_learning::Random;
use openclaw_learning::artifact::{Card, Model};
use openclaw_learning::publish::{Place, RemoteOptions, SigningKey};
use openclaw_learning::rollout::{Stage, Step};
use openclaw_learning::traces::{self, Trace};
use openclaw_learning::train::{self, Gathered};
use openclaw_learning::validate::{Evidence, validate};
use serde_json::Value;
use std::fs;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;

const CLIENTS: usize = 40;
/// Seconds that a step is held.
const HOLD_S: u64 = 60;

pub(super) struct Service {
    pub(super) data: TempDir,
    pub(super) world: TestWorld,
    pub(super) models: Models,
    seconds: usize,
    mode: RolloutMode,
}

fn steps() -> Settings {
    let step = |percent| Step {
        stage: Stage::of_percent(percent).unwrap(),
        hold: Duration::from_secs(HOLD_S),
        windows: 100,
    };
    Settings::new([0, 5, 25, 50, 100].map(step).to_vec()).unwrap()
}

/// A model that always says the same.
pub(super) fn always(name: &str, output: f32) -> Model {
    linear(name, [[0.0; FEATURES]; OUTPUTS], [output; OUTPUTS])
}

fn linear(name: &str, weight: [[f32; FEATURES]; OUTPUTS], bias: [f32; OUTPUTS]) -> Model {
    let made = openclaw_alert::Timestamp::from_secs(1_799_000_000);
    Model::foreign(name.parse().unwrap(), made, Weights::Linear { weight, bias }).unwrap()
}

fn started(data: &TempDir, world: &TestWorld, mode: RolloutMode) -> Models {
    let options = ModelsOptions { steps: steps(), mode, ..ModelsOptions::default() };
    Models::start(options, data.path(), &world.limits, &world.clock()).unwrap()
}

impl Service {
    /// With clients that are known well.
    pub(super) async fn new(mode: RolloutMode) -> Self {
        let (data, world) = (tempfile::tempdir().unwrap(), TestWorld::new(Adaptation::On));
        let models = started(&data, &world, mode.clone());
        let mut service = Self { data, world, models, seconds: 0, mode };
        service.run(120).await;
        service
    }

    pub(super) async fn push(&self, model: &Model) {
        self.models.repository.push(model).await.unwrap();
    }

    /// Everybody asks for about 20 a second, now and then for many more; nobody
    /// is refused what it always asks for.
    pub(super) async fn run(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.seconds += 1;
            let names: Vec<String> = (0..CLIENTS).map(|client| format!("client-{client}")).collect();
            let spikes = |client: usize| (self.seconds + client * 31).is_multiple_of(257);
            let asked = |client: usize| match spikes(client) {
                true => 400,
                false => 18 + ((self.seconds * 7 + client * 3) % 5) as u32,
            };
            let asks: Vec<(&str, u32)> =
                names.iter().enumerate().map(|(at, name)| (name.as_str(), asked(at))).collect();
            self.world.second(&asks);
            self.models.tick().await;
            self.models.take_wish().await;
            self.models.commit().await;
            if self.seconds % 10 == 1 {
                self.models.look().await;
            }
        }
    }

    /// Until no rollout is under way.
    pub(super) async fn run_out(&mut self) {
        for _ in 0..40 {
            self.run(30).await;
            if self.models.state.lock().await.kept.rollout.is_none() {
                return;
            }
        }
        panic!("the rollout never ends: {}", self.told().await);
    }

    /// The service is there again.
    pub(super) fn restart(&mut self) {
        self.world = TestWorld::new(Adaptation::On);
        self.models = started(&self.data, &self.world, self.mode.clone());
    }

    pub(super) async fn told(&self) -> Value {
        self.models.told().await.unwrap()
    }

    /// What the audit log has, in short.
    pub(super) fn audit(&self) -> Vec<String> {
        let text = fs::read_to_string(self.data.path().join("audit.jsonl")).unwrap_or_default();
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let of = |key: &str| line[key].as_str().unwrap().to_owned();
            format!("{} {} {} by {}", of("what"), of("model"), of("stage"), of("who"))
        };
        text.lines().map(line).collect()
    }

    fn rate(&self, client: usize) -> f64 {
        self.world.client(&format!("client-{client}")).rate.tokens_per_s()
    }

    fn rates(&self) -> Vec<f64> {
        (0..CLIENTS).map(|client| self.rate(client)).collect()
    }
}

#[tokio::test]
async fn a_good_model_comes_to_everybody_and_stays_over_a_restart() {
    let mut service = Service::new(RolloutMode::Auto).await;
    service.push(&always("model-20260101", 3.1)).await;
    service.run_out().await;
    assert_eq!(service.world.limits.predictor(), "model-20260101");
    let stages = ["shadow", "5%", "25%", "50%", "100%"];
    let mut expected = vec!["model.shadow model-20260101 shadow by rollout".to_owned()];
    expected
        .extend(stages[1..].iter().map(|stage| format!("model.advance model-20260101 {stage} by rollout")));
    expected.push("model.promote model-20260101 100% by rollout".to_owned());
    assert_eq!(service.audit(), expected);
    service.restart();
    assert_eq!(service.world.limits.predictor(), "model-20260101");
    // Once and no more.
    service.run(30).await;
    assert_eq!(service.told().await["rollout"], Value::Null);
    assert_eq!(service.audit().len(), expected.len());
}

#[tokio::test]
async fn bad_models_are_taken_back_and_decisions_don_t_suffer() {
    let mut huge = [[0.0; FEATURES]; OUTPUTS];
    (huge[0][0], huge[0][4]) = (f32::MAX, f32::MAX);
    for (what, model) in [
        ("refuses too much", always("model-20260101", -4.0)),
        ("allows too much", always("model-20260101", 60.0)),
        ("gives no numbers", linear("model-20260101", huge, [0.0; OUTPUTS])),
    ] {
        let mut service = Service::new(RolloutMode::Auto).await;
        service.push(&model).await;
        service.run_out().await;
        let audit = service.audit();
        assert_eq!(audit.len(), 2, "{what}: {audit:?}");
        assert!(audit[1].starts_with("model.rollback model-20260101 shadow"), "{what}: {audit:?}");
        assert_eq!(service.world.limits.predictor(), "plain");
        assert!(
            service.rates().iter().all(|rate| (18.0..200.0).contains(rate)),
            "{what}: {:?}",
            service.rates()
        );
        // It isn't begun with again; a newer one is.
        service.run(30).await;
        service.push(&always("model-20260102", 3.0)).await;
        service.run(15).await;
        assert_eq!(service.told().await["rollout"]["candidate"], "model-20260102", "{what}");
    }
}

#[tokio::test]
async fn a_model_that_nobody_trusted_has_signed_is_refused() {
    let mut service = Service::new(RolloutMode::Auto).await;
    let key = SigningKey::load_or_create(&service.data.path().join("other.key")).unwrap();
    let trusted = vec![key.public().clone()];
    let other = Repository::new(&Place::Directory(service.data.path().join("models")), Some(key), trusted);
    // A name that is far ahead, so that none of ours is ever newer.
    other.unwrap().push(&always("model-20991231", 3.0)).await.unwrap();
    service.run(60).await;
    assert_eq!(service.audit(), ["model.refuse model-20991231  by rollout"]);
    assert_eq!(service.world.limits.predictor(), "plain");
    let refused = service.models.promote("model-20991231".parse().unwrap(), "ann").await;
    assert!(matches!(refused, Err(ModelsError::Publish(_))), "{refused:?}");
    service.push(&always("model-20260101", 3.0)).await;
    service.run(15).await;
    assert_eq!(service.told().await["rollout"]["candidate"], "model-20260101");
}

#[tokio::test]
async fn a_model_that_can_t_be_had_just_now_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.yaml");
    fs::write(&file, "version: model-20260101\n").unwrap();
    for mode in [RolloutMode::Auto, RolloutMode::Gitops { file }] {
        let mut service = Service::new(mode).await;
        service.push(&always("model-20260101", 3.0)).await;
        let (blobs, away) = (service.data.path().join("models/blobs"), service.data.path().join("away"));
        fs::rename(&blobs, &away).unwrap();
        service.run(30).await;
        assert_eq!(service.audit(), [""; 0]);
        fs::rename(&away, &blobs).unwrap();
        service.run(15).await;
        assert_eq!(service.audit(), ["model.shadow model-20260101 shadow by rollout"]);
    }
}

/// Its registry takes a connection and never answers.
#[tokio::test]
async fn nobody_waits_for_a_registry_to_go_back() {
    let mut service = Service::new(RolloutMode::Auto).await;
    service.push(&always("model-20260101", 3.0)).await;
    let (first, second) = ("model-20260101".parse().unwrap(), "model-20260102".parse().unwrap());
    service.models.promote(first, "ann").await.unwrap();
    let registry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let repository = format!("{}/models", registry.local_addr().unwrap()).parse().unwrap();
    let options = RemoteOptions { repository, credentials: None, ca: None, is_plain: true };
    let repository = Repository::new(&Place::Oci(options), None, Vec::new()).unwrap();
    service.world = TestWorld::new(Adaptation::On);
    let options = ModelsOptions { repository: Some(repository), steps: steps(), ..ModelsOptions::default() };
    let (world, models) = (&service.world, &mut service.models);
    *models = Models::start(options, service.data.path(), &world.limits, &world.clock()).unwrap();
    assert_eq!(world.limits.predictor(), "model-20260101");
    let goes_back = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        models.tick().await;
        models.roll_back("ann").await
    };
    tokio::select! {
        () = models.look() => panic!("an answer"),
        done = models.promote(second, "ben") => panic!("an answer: {done:?}"),
        done = tokio::time::timeout(Duration::from_secs(10), goes_back) => done.unwrap().unwrap(),
    }
    assert_eq!(world.limits.predictor(), "plain");
}

#[tokio::test]
async fn what_can_t_be_loaded_is_nothing_to_go_back_to() {
    for next in ["model-20260102", "model-20260103"] {
        let mut service = Service::new(RolloutMode::Auto).await;
        for (name, output) in [("model-20260101", 3.0), ("model-20260102", 3.2)] {
            service.push(&always(name, output)).await;
            service.models.promote(name.parse().unwrap(), "ann").await.unwrap();
        }
        fs::write(service.data.path().join("models/serving/model-20260102.safetensors"), b"no").unwrap();
        service.restart();
        assert_eq!(service.world.limits.predictor(), "model-20260101");
        service.push(&always("model-20260103", 3.4)).await;
        service.models.promote(next.parse().unwrap(), "ann").await.unwrap();
        assert_eq!(service.world.limits.predictor(), next);
        service.models.roll_back("ann").await.unwrap();
        assert_eq!(service.world.limits.predictor(), "model-20260101", "before {next}");
    }
}

#[tokio::test]
async fn a_rollout_goes_on_after_a_restart() {
    let mut service = Service::new(RolloutMode::Auto).await;
    service.push(&always("model-20260101", 3.1)).await;
    service.run(200).await;
    let stage = service.told().await["rollout"]["stage"].clone();
    assert_ne!(stage, "shadow");
    service.restart();
    assert_eq!(service.told().await["rollout"]["stage"], stage);
    service.run(120).await;
    service.run_out().await;
    assert_eq!(service.world.limits.predictor(), "model-20260101");
}

#[tokio::test]
async fn what_is_said_by_hand_is_done_within_one_tick() {
    let mut service = Service::new(RolloutMode::Auto).await;
    let plain = service.rates();
    let name = "model-20260101".parse().unwrap();
    service.push(&always("model-20260101", 9.0)).await;
    service.models.promote(name, "ann").await.unwrap();
    service.run(1).await;
    let loose = service.rates();
    let rise = |now: &[f64], then: &[f64]| now.iter().zip(then).filter(|(now, then)| now > then).count();
    assert!(rise(&loose, &plain) > CLIENTS * 3 / 4, "{plain:?} {loose:?}");
    let again = service.models.promote(name, "ann").await;
    assert!(matches!(again, Err(ModelsError::Running { .. })));
    service.models.roll_back("ben").await.unwrap();
    service.run(1).await;
    assert!(rise(&loose, &service.rates()) > CLIENTS * 3 / 4, "{:?}", service.rates());
    assert_eq!(service.world.limits.predictor(), "plain");
    assert!(matches!(service.models.roll_back("ben").await, Err(ModelsError::NothingBefore)));
    let expected = ["model.promote model-20260101 100% by ann", "model.rollback model-20260101 100% by ben"];
    assert_eq!(service.audit(), expected);
    let missing = service.models.promote("model-20250101".parse().unwrap(), "ann").await;
    assert!(matches!(missing, Err(ModelsError::Publish(_))));
}

#[tokio::test]
async fn who_is_promoted_over_another_ends_its_rollout_and_says_so() {
    let mut service = Service::new(RolloutMode::Auto).await;
    service.push(&always("model-20260101", 3.0)).await;
    service.push(&always("model-20260102", 3.1)).await;
    service.run(15).await;
    service.models.promote("model-20260101".parse().unwrap(), "ann").await.unwrap();
    assert_eq!(
        service.audit(),
        [
            "model.shadow model-20260102 shadow by rollout",
            "model.rollback model-20260102 shadow by ann",
            "model.promote model-20260101 100% by ann",
        ]
    );
    service.restart();
    assert_eq!(service.world.limits.predictor(), "model-20260101");
}

/// Nobody comes, so that nothing can be judged.
#[tokio::test]
async fn a_rollout_without_traffic_gives_way_to_a_newer_model() {
    let mut service = Service::new(RolloutMode::Auto).await;
    service.push(&always("model-20260101", 3.0)).await;
    service.models.look().await;
    let candidate = async |service: &Service| service.told().await["rollout"]["candidate"].clone();
    service.world.clock().advance_to(service.world.clock().now().plus(ROLLOUT_HOLD_MAX));
    service.models.tick().await;
    service.models.look().await;
    assert_eq!(candidate(&service).await, "model-20260101", "nobody else wants its place");
    service.push(&always("model-20260102", 3.0)).await;
    service.models.look().await;
    assert_eq!(candidate(&service).await, "model-20260102");
    assert_eq!(service.audit()[1], "model.rollback model-20260101 shadow by rollout");
    // It has its own time, and its copy.
    service.push(&always("model-20260103", 3.0)).await;
    service.models.look().await;
    service.restart();
    assert_eq!(candidate(&service).await, "model-20260102");
}

#[tokio::test]
async fn the_one_before_is_kept_and_comes_back_without_its_repository() {
    let mut service = Service::new(RolloutMode::Auto).await;
    for (name, output) in [("model-20260101", 3.0), ("model-20260102", 3.2), ("model-20260103", 3.4)] {
        service.push(&always(name, output)).await;
        service.models.promote(name.parse().unwrap(), "ann").await.unwrap();
    }
    let copies = fs::read_dir(service.data.path().join("models/serving")).unwrap().count();
    assert_eq!(copies, 2 * 3, "two models of three files");
    fs::remove_dir_all(service.data.path().join("models/blobs")).unwrap();
    service.models.roll_back("ann").await.unwrap();
    assert_eq!(service.world.limits.predictor(), "model-20260102");
    // A copy that is damaged gives way, and says so.
    fs::write(service.data.path().join("models/serving/model-20260102.safetensors"), b"no").unwrap();
    service.restart();
    assert_eq!(service.world.limits.predictor(), "plain");
    assert!(service.world.limits.models_told().0.is_fallback);
    service.run(1).await;
}

#[tokio::test]
async fn a_file_from_git_is_followed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.yaml");
    let say = |version: &str| fs::write(&file, format!("version: {version}\n")).unwrap();
    let mut service = Service::new(RolloutMode::Gitops { file: file.clone() }).await;
    for name in ["model-20260101", "model-20260102"] {
        service.push(&always(name, 3.1)).await;
    }
    service.run(30).await;
    let refused = service.models.promote("model-20260101".parse().unwrap(), "ann").await;
    assert!(matches!(refused, Err(ModelsError::Gitops)));
    assert!(matches!(service.models.roll_back("ann").await, Err(ModelsError::Gitops)));
    assert_eq!(service.audit(), [""; 0]);
    // The older one: what the file says counts, not what is newest.
    say("model-20260101");
    service.run(15).await;
    service.run_out().await;
    assert_eq!(service.world.limits.predictor(), "model-20260101");
    say("model-20260102");
    service.run(15).await;
    assert_eq!(service.told().await["rollout"]["candidate"], "model-20260102");
    say("model-20260101");
    service.run(15).await;
    assert_eq!(service.told().await["rollout"], Value::Null);
    assert_eq!(service.audit().last().unwrap(), "model.rollback model-20260102 shadow by git");
}

#[tokio::test]
async fn the_command_line_is_answered() {
    let mut service = Service::new(RolloutMode::Auto).await;
    service.push(&always("model-20260101", 3.0)).await;
    // Until it is in shadow.
    service.run(15).await;
    let ask = |service: &Service, wish| {
        let data = service.data.path().to_owned();
        thread::spawn(move || ask_of_models(&data, wish, "command line"))
    };
    for (wish, is_granted) in [
        (Wish::Promote("model-20260101".parse().unwrap()), true),
        (Wish::RollBack, true),
        (Wish::RollBack, false),
    ] {
        let asked = ask(&service, wish);
        while !asked.is_finished() {
            service.run(1).await;
        }
        assert_eq!(asked.join().unwrap().is_ok(), is_granted, "{wish:?}");
    }
    // In shadow by itself before it was promoted.
    assert_eq!(service.audit().len(), 3);
}

/// While others decide all the time.
#[tokio::test(flavor = "multi_thread")]
async fn models_are_swapped_under_load_and_no_decision_fails() {
    let mut service = Service::new(RolloutMode::Auto).await;
    service.push(&always("model-20260101", 6.0)).await;
    let is_done = Arc::new(AtomicBool::new(false));
    let deciders: Vec<_> = (0..2)
        .map(|_| {
            let (limits, is_done) = (Arc::clone(&service.world.limits), Arc::clone(&is_done));
            thread::spawn(move || {
                let mut decided = 0_u32;
                while !is_done.load(Ordering::Relaxed) {
                    TestWorld::ask_once(&limits, &format!("client-{}", decided as usize % CLIENTS));
                    decided += 1;
                }
                decided
            })
        })
        .collect();
    let name = "model-20260101".parse().unwrap();
    for _ in 0..20 {
        service.models.promote(name, "ann").await.unwrap();
        service.run(1).await;
        assert_eq!(service.world.limits.predictor(), "model-20260101");
        service.models.roll_back("ann").await.unwrap();
        service.run(1).await;
        assert_eq!(service.world.limits.predictor(), "plain");
    }
    is_done.store(true, Ordering::Relaxed);
    assert!(deciders.into_iter().all(|thread| thread.join().unwrap() > 1_000));
}

/// Recorded arrivals where they are at hand, else made-up ones.
fn arrivals() -> Vec<Trace> {
    if let Some(folder) = std::env::var_os("OPENCLAW_TEST_DATA") {
        return traces::read(&Path::new(&folder).join("arrivals.jsonl.gz")).unwrap();
    }
    eprintln!("OPENCLAW_TEST_DATA isn't set: learned from made-up arrivals instead");
    let mut random = Random::new(9);
    let trace = |client: usize, random: &mut Random| Trace {
        client: format!("client-{client}"),
        dataset: "made up".to_owned(),
        windows_a_day: 0,
        counts: (0..12_000).map(|_| random.poisson(5.0 + 7.0 * client as f64) as f32).collect(),
    };
    (0..8).map(|client| trace(client, &mut random)).collect()
}

#[tokio::test]
async fn a_model_learned_from_recorded_arrivals_comes_to_everybody() {
    let (mut random, mut gathered) = (Random::new(1), Gathered::default());
    for trace in arrivals() {
        train::service::add_trace(&trace, trace.counts.len(), 2, &mut random, &mut gathered);
    }
    let settings = train::Settings { epochs: 6, ..train::Settings::default() };
    let fit = train::fit(&gathered.rows, &[], settings, &mut |_| ControlFlow::Continue(())).unwrap();
    let made = openclaw_alert::Timestamp::from_secs(1_799_000_000);
    let mut card = Card::new("model-20260101".parse().unwrap(), made, [0.99; OUTPUTS]);
    card.data = gathered.data();
    let model = Model::new(card, fit.weights).unwrap();
    let report = validate(&model, &Evidence::default());
    assert!(report.is_passed(), "{:?}", report.failed().collect::<Vec<_>>());
    let mut service = Service::new(RolloutMode::Auto).await;
    service.push(&model).await;
    service.run_out().await;
    assert_eq!(service.world.limits.predictor(), "model-20260101", "{:?}", service.audit());
}

#[tokio::test]
async fn an_edge_has_what_may_be_needed_while_the_registry_is_away() {
    let service = Service::new(RolloutMode::Auto).await;
    let (first, second) = (always("model-20260101", 3.1), always("model-20260102", 3.1));
    for model in [&first, &second] {
        service.push(model).await;
        service.models.promote(model.name(), "somebody").await.unwrap();
        service.models.bundle(model.name()).await.unwrap();
    }
    assert_eq!(service.models.handed().await.previous, Some(first.name()));
    fs::remove_file(service.data.path().join(MODELS_FOLDER).join("index.json")).unwrap();
    service.models.roll_back("somebody").await.unwrap();
    let told = service.models.handed().await;
    assert_eq!((told.running, told.previous), (Some(first.name()), None));
    assert_eq!(service.models.bundle(first.name()).await.unwrap().name(), first.name());
    assert!(service.models.bundle(second.name()).await.is_err(), "nobody needs it");
}

#[tokio::test]
async fn replicas_give_a_model_to_the_same_clients_first() {
    let mut salts = Vec::new();
    for name in ["model-20260101", "model-20260101", "model-20260102"] {
        let (data, mut world) = (tempfile::tempdir().unwrap(), TestWorld::new(Adaptation::On));
        let models = started(&data, &world, RolloutMode::Auto);
        if salts.len() == 1 {
            world.second(&[]);
        }
        models.repository.push(&always(name, 3.1)).await.unwrap();
        models.look().await;
        salts.push(models.handed().await.candidate.unwrap().salt.0);
    }
    assert_eq!(salts[0], salts[1]);
    assert_ne!(salts[0], salts[2]);
}
