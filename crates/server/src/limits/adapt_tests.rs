//! A tenant's limits over many ticks of a clock that stands until it is moved.

use super::super::observe::{Observation, ObservationSink};
use super::*;
use crate::tenants::{Sources, TenantConfig};
use openclaw_admission::shares::Replica;
use openclaw_admission::{Adaptation as Mode, LimitSettings, PolicySettings, RateSettings, Request};
use openclaw_alert::Timestamp;
use openclaw_limiter::Seed;
use openclaw_pipeline::TenantSettings;
use openclaw_routing::{Receiver, RouteTree, Routing};

pub(crate) struct World {
    pub(crate) limits: Arc<Limits>,
    name: TenantName,
    now: Timestamp,
}

fn config(name: &TenantName, adaptation: Mode) -> Arc<TenantConfig> {
    let policy = PolicySettings {
        adaptation,
        floor: RateSettings { rate_per_s: 5.0, burst: 10 },
        ..PolicySettings::new("default")
    };
    let routing = Routing::new(RouteTree::single("ops"), vec![Receiver::new("ops", &[])]);
    Arc::new(TenantConfig {
        settings: Arc::new(TenantSettings::new(name.clone(), routing)),
        receivers: Vec::new(),
        origins: Vec::new(),
        takes_alerts: true,
        routing_yaml: String::new(),
        sources: Sources::default(),
        limits: LimitSettings { policies: vec![policy], ..LimitSettings::default() },
        tokens: None,
        certificates: Vec::new(),
        version: 0,
    })
}

impl World {
    pub(crate) fn new(adaptation: Mode) -> Self {
        Self::with(adaptation, |limits| limits)
    }

    /// One of two replicas.
    fn shared(adaptation: Mode) -> Self {
        let world = Self::with(adaptation, Limits::shared);
        let mut replica = Replica::new();
        replica.presume(Share::among(2));
        world.limits.put_shares(&replica);
        world
    }

    /// Whether a client has a rate of its own.
    fn has_line(&self, client: &str) -> bool {
        let tenant = self.limits.of(&self.name).unwrap();
        let policy = &tenant.policies.policies()[0];
        let key = self.limits.limiter.key(policy.scope, client.as_bytes());
        let ask = Ask { policy: policy.id, key, cost: 0 };
        self.limits.limiter.peek(ask, self.limits.now_nanos()).learned.is_some()
    }

    fn lines(&self) -> usize {
        self.limits.limiter.lines(0..u32::MAX).count()
    }

    fn with(adaptation: Mode, of: impl FnOnce(Limits) -> Limits) -> Self {
        let name = TenantName::new("acme").unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let limits = of(Limits::new(Seed::new([3; 16]), 1, Arc::new(Clock::manual(now))));
        limits.install(&[config(&name, adaptation)]);
        Self { limits: Arc::new(limits), name, now }
    }

    /// Asks that many times within a second; gives how many may go on, and
    /// what had set the last limit.
    pub(crate) fn second(&mut self, asks: &[(&str, u32)]) -> Vec<(u32, String)> {
        let tenant = self.limits.of(&self.name).unwrap();
        let now_nanos = self.limits.now_nanos();
        let answers = asks.iter().map(|(client, times)| {
            let (mut allowed, mut model) = (0, String::new());
            for _ in 0..*times {
                let client = client.as_bytes();
                let request = Request { client, policy: None, path: "", method: "", plan: "", cost: 1 };
                let answer = self.limits.decide(&tenant, &request, now_nanos).unwrap();
                allowed += u32::from(answer.allowed);
                self.limits.model(answer.state.as_ref()).clone_into(&mut model);
            }
            (allowed, model)
        });
        let answers = answers.collect();
        self.tick();
        answers
    }

    pub(crate) fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.limits.clock)
    }

    /// Asks for one token, whatever the time.
    pub(crate) fn ask_once(limits: &Limits, client: &str) {
        let tenant = limits.of(&TenantName::new("acme").unwrap()).unwrap();
        let client = client.as_bytes();
        let request = Request { client, policy: None, path: "", method: "", plan: "", cost: 1 };
        let answer = limits.decide(&tenant, &request, limits.now_nanos()).unwrap();
        assert!(!limits.model(answer.state.as_ref()).is_empty());
    }

    fn tick(&mut self) {
        self.now = self.now.plus(TICK);
        self.limits.clock.advance_to(self.now);
        self.limits.tick();
    }

    pub(crate) fn client(&self, client: &str) -> ClientLimits {
        let tenant = self.limits.of(&self.name).unwrap();
        self.limits.client(&tenant.policies.policies()[0], client.as_bytes(), self.limits.now_nanos())
    }

    fn figures(&self) -> TenantFigures {
        let mut figures = TenantFigures::default();
        self.limits.adapted(|_, of_tenant| figures = *of_tenant);
        figures
    }
}

/// Of a client that asks 30 times a second for some minutes.
fn after_minutes(adaptation: Mode) -> (World, Vec<(u32, String)>) {
    let mut world = World::new(adaptation);
    let mut last = Vec::new();
    for _ in 0..240 {
        last = world.second(&[("steady", 30)]);
        assert_eq!(last[0].0, 30, "nobody is refused what it always asks for");
    }
    (world, last)
}

#[test]
fn off_learns_nothing() {
    let (world, last) = after_minutes(Mode::Off);
    assert_eq!(last, [(30, "static".to_owned())]);
    assert_eq!((world.client("steady").learned, world.figures().window.clients), (None, 0));
}

#[test]
fn advise_shows_and_enforces_nothing() {
    let (world, last) = after_minutes(Mode::Advise);
    assert_eq!(last, [(30, "static".to_owned())]);
    let client = world.client("steady");
    assert!((client.rate.tokens_per_s() - 100.0).abs() < 0.01, "{client:?}");
    let advised = client.learned.unwrap().advised.unwrap();
    // Headroom above what it always asks for.
    assert!((30.0..90.0).contains(&advised.rate_per_s), "{advised:?}");
    let window = world.figures().window;
    assert!(window.clients == 1 && window.within > 0.9 && window.errors[0] < 0.8, "{window:?}");
}

#[test]
fn on_enforces_and_an_attacker_takes_nothing_from_others() {
    let (mut world, last) = after_minutes(Mode::On);
    assert_eq!(last, [(30, "plain".to_owned())]);
    let before = world.client("steady").rate.tokens_per_s();
    assert!((30.0..90.0).contains(&before), "{before}");
    let mut passed = 0;
    for _ in 0..40 {
        let answers = world.second(&[("attacker", 1200), ("steady", 30)]);
        assert_eq!(answers[1].0, 30);
        passed += answers[0].0;
    }
    assert!(passed < 40 * 1000, "{passed} of the attacker's 48 000 passed: more than the ceiling lets");
    let after = world.client("steady").rate.tokens_per_s();
    assert!((after - before).abs() < before * 0.2, "{before} {after}");
    // Taken back, and off: the policy's own limit is in force again.
    for (adaptation, is_known) in [(Mode::Advise, true), (Mode::Off, false)] {
        world.limits.install(&[config(&world.name, adaptation)]);
        (0..13).for_each(|_| {
            world.second(&[("steady", 30)]);
        });
        let client = world.client("steady");
        assert!((client.rate.tokens_per_s() - 100.0).abs() < 0.01, "{client:?}");
        assert_eq!(client.learned.is_some(), is_known);
    }
}

const CROWD: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A crowd asks at once, before a backend that answers so slowly; gives what each
/// gets.
fn crowd(world: &mut World, times: u32, latency_ms: u64) -> Vec<u32> {
    let tenant = world.limits.of(&world.name).unwrap();
    let now = world.limits.now_nanos();
    let latency = Duration::from_millis(latency_ms);
    for client in CROWD.iter().cycle().take(60) {
        let observation = Observation { client: client.as_bytes(), status: 200, latency };
        world.limits.observe(&tenant, &observation, now);
    }
    let answers = world.second(&CROWD.map(|client| (client, times)));
    answers.into_iter().map(|(allowed, _)| allowed).collect()
}

#[test]
fn a_crowd_is_held_together_where_limits_are_enforced_alone() {
    for (adaptation, is_held) in [(Mode::On, true), (Mode::Advise, false)] {
        let mut world = World::new(adaptation);
        (0..240).for_each(|_| assert_eq!(crowd(&mut world, 30, 20), [30; 6]));
        (0..10).for_each(|_| {
            crowd(&mut world, 60, 900);
        });
        (0..10).for_each(|_| {
            crowd(&mut world, 10, 20);
        });
        let got = crowd(&mut world, 100, 20);
        match is_held {
            // The floor's burst and a second of its rate; what comes at once is few.
            true => assert!(got.iter().all(|got| *got >= 15) && got.iter().sum::<u32>() < 200, "{got:?}"),
            false => assert_eq!(got, [100; 6]),
        }
        // Nothing holds them together once nothing is enforced.
        world.limits.install(&[config(&world.name, Mode::Advise)]);
        (0..13).for_each(|_| {
            crowd(&mut world, 10, 20);
        });
        assert_eq!(crowd(&mut world, 100, 20), [100; 6]);
    }
}

#[derive(Default)]
struct Noted(Mutex<Vec<(String, u16)>>);

impl ObservationSink for Noted {
    fn take(&self, tenant: &TenantName, observation: &Observation<'_>, _: u64) {
        self.0.lock().unwrap().push((tenant.to_string(), observation.status));
    }
}

#[test]
fn clients_are_judged_by_their_own_faults() {
    let (mut world, _) = after_minutes(Mode::Advise);
    let noted = Arc::new(Noted::default());
    world.limits.add_sink(&(Arc::clone(&noted) as Arc<dyn ObservationSink>));
    // Until a window begins.
    while world.client("steady").learned.unwrap().ticks != 0 {
        world.second(&[("steady", 30)]);
    }
    let tenant = world.limits.of(&world.name).unwrap();
    let now = world.limits.now_nanos();
    let tell = |status, at_nanos| {
        let latency = Duration::from_millis(400);
        let observation = Observation { client: b"steady", status, latency };
        world.limits.observe(&tenant, &observation, at_nanos);
    };
    [200, 200, 404, 429, 500, 503, 0].into_iter().for_each(|status| tell(status, now));
    tell(404, now - 3_600_000_000_000);
    let backend = tenant.backend.take();
    assert_eq!((backend.answers, backend.failures), (6, 3), "neither a 429 nor what is long past");
    world.second(&[("steady", 30)]);
    let answers = world.client("steady").learned.unwrap().answers;
    assert!((answers.own_faults - 1.0 / 3.0).abs() < 1e-3, "{answers:?}");
    assert!((answers.latency - 2.0_f32.ln()).abs() < 0.4, "{answers:?}");
    assert_eq!(noted.0.lock().unwrap().len(), 8);
}

#[test]
fn where_limits_are_shared_advice_gives_nobody_more_than_the_share() {
    let mut world = World::shared(Mode::Advise);
    for _ in 0..60 {
        world.second(&[("steady", 30)]);
    }
    let client = world.client("steady");
    assert!(client.learned.is_some());
    assert!((client.rate.tokens_per_s() - 50.0).abs() < 0.01, "{client:?}");
    // A third replica comes.
    let mut replica = Replica::new();
    replica.presume(Share::among(4));
    world.limits.put_shares(&replica);
    assert!((world.client("steady").rate.tokens_per_s() - 25.0).abs() < 0.01);
}

#[test]
fn where_limits_are_shared_what_is_learned_is_held_by_a_part_of_the_ceiling() {
    let mut world = World::shared(Mode::On);
    for _ in 0..400 {
        world.second(&[("greedy", 3_000)]);
    }
    let ceiling = PolicySettings::new("default").ceiling.rate_per_s;
    let rate = world.client("greedy").rate.tokens_per_s();
    assert!(rate > 60.0 && rate <= ceiling / 2.0 * 1.001, "{rate} of {ceiling}");
}

#[test]
fn a_hot_client_keeps_its_share_while_it_is_learned_from() {
    let mut world = World::shared(Mode::Advise);
    let mut replica = Replica::new();
    replica.presume(Share::among(2));
    for _ in 0..5 {
        world.second(&[("steady", 900)]);
    }
    let asked = world.limits.asked(1.0);
    let hot = asked.iter().find(|asked| asked.is_of_client()).unwrap().key;
    let answer = |epoch: u64, called: Vec<_>| openclaw_admission::shares::Answer {
        epoch,
        ledger: 1,
        members: vec!["a".into(), "b".into()],
        is_open: true,
        called,
        ..openclaw_admission::shares::Answer::default()
    };
    replica.answered(answer(1, Vec::new()));
    replica.answered(answer(1, vec![hot]));
    world.limits.put_shares(&replica);
    let _ = replica.report();
    let grant = openclaw_admission::shares::Grant { share: Share::among(2), demand_of_others: 1_000_000 };
    replica.answered(openclaw_admission::shares::Answer { grants: vec![grant], ..answer(1, Vec::new()) });
    world.limits.put_shares(&replica);
    let lowered = world.client("steady").rate.tokens_per_s();
    assert!(lowered < 10.0, "{lowered}");
    for _ in 0..60 {
        world.second(&[("steady", 30)]);
    }
    assert!((world.client("steady").rate.tokens_per_s() - lowered).abs() < 0.01);
}

#[test]
fn who_has_hardly_been_seen_leaves_no_line_when_its_tenant_goes() {
    let mut world = World::new(Mode::On);
    (0..4).for_each(|_| {
        world.second(&[("young", 1)]);
    });
    assert_eq!(world.limits.limiter.lines(0..LEARNED).count(), 1);
    world.limits.install(&[]);
    world.tick();
    assert_eq!(world.limits.limiter.lines(0..LEARNED).count(), 0);
}

/// Each window of each client is kept, under the names that people know.
#[test]
fn windows_and_observations_go_to_telemetry() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(Mode::On);
    let clock = Arc::clone(&world.limits.clock);
    let now: openclaw_telemetry::Now = Arc::new(move || clock.now());
    let recorder = openclaw_telemetry::Recorder::start(folder.path(), Default::default(), now).unwrap();
    let recorder = Arc::new(recorder);
    world.limits.record(Arc::clone(&recorder));
    for _ in 0..120 {
        world.second(&[("steady", 30), ("slow", 2)]);
        let tenant = world.limits.of(&world.name).unwrap();
        let observation = Observation { client: b"steady", status: 404, latency: Duration::from_millis(20) };
        world.limits.observe(&tenant, &observation, world.limits.now_nanos());
    }
    recorder.stop();
    let store = openclaw_telemetry::Store::at(folder.path());
    let day = openclaw_telemetry::Day::of(world.now);
    let query =
        openclaw_telemetry::WindowsQuery { tenant: None, from: day.minus(1), to: day, rows_max: u64::MAX };
    let series: Vec<_> = store.windows(&query).unwrap().map(Result::unwrap).collect();
    assert_eq!(series.len(), 2);
    let (mut answered, mut tokens) = (0, 0);
    for series in &series {
        assert_eq!((series.tenant.as_str(), &*series.policy), ("acme", "default"));
        assert!((7..=10).contains(&series.rows.len()), "{}", series.rows.len());
        for (at, row) in series.rows.iter().enumerate() {
            assert_eq!((usize::from(row.before), &*row.model), (at, "plain"));
            assert_eq!(row.allowed, row.cost);
            assert_eq!(row.allowed + row.refused, row.ticks.iter().copied().map(u64::from).sum::<u64>());
            tokens += row.cost;
            answered += u32::from(row.answered);
            assert_eq!(row.answered, row.own_faults);
        }
    }
    assert!((7 * 12 * 32..=120 * 32).contains(&tokens), "{tokens}");
    assert!(answered >= 7 * 12, "{answered}");
    let mut seen = 0;
    store
        .observations(&world.name, day, |rows| {
            assert!(rows.iter().all(|row| &*row.client_id == "steady" && row.status_code == 404));
            assert!(rows.iter().all(|row| (row.response_time_ms - 20.0).abs() < 1e-3));
            seen += rows.len();
        })
        .unwrap();
    assert_eq!(seen, 120);
}

#[test]
fn shares_find_lines_however_many_clients_learn() {
    for mode in [Mode::Advise, Mode::On] {
        let mut world = World::with(mode, |limits| limits.shared_beside(8));
        let mut replica = Replica::new();
        replica.presume(Share::among(2));
        world.limits.put_shares(&replica);
        let names: Vec<String> = (0..20).map(|number| format!("client-{number}")).collect();
        let asks: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        (0..4).for_each(|_| drop(world.second(&asks)));
        assert_eq!(world.lines(), 8, "{mode:?}");
        assert!(world.limits.without_room() > 0);
        let fresh: Vec<_> = names.iter().filter(|name| !world.has_line(name)).cloned().collect();
        let pressing: Vec<_> = fresh.iter().map(|name| (name.as_str(), 5000)).collect();
        world.second(&pressing);
        for asked in world.limits.asked(1.0) {
            replica.observe(asked.key, asked.tokens_per_s, asked.is_pressed);
        }
        world.limits.put_shares(&replica);
        // Where limits are learned each replica learns its own.
        let is_moving = mode == Mode::Advise;
        assert_eq!(fresh.iter().all(|name| world.has_line(name)), is_moving, "{mode:?}");
        world.second(&asks);
        assert_eq!(world.lines(), if is_moving { 20 } else { 8 });
        // Shares that move no more give their lines back.
        let mut cold = Replica::new();
        cold.presume(Share::among(2));
        world.limits.put_shares(&cold);
        (0..3).for_each(|_| drop(world.second(&asks)));
        assert_eq!(world.lines(), 8, "{mode:?}");
    }
}
