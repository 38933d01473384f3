//! A tenant that leaves, beside one that stays: whoever was told hears of the
//! end, and after its erasure nothing tells of it but blanks.

use openclaw_admission::Limits;
use openclaw_alert::{
    Batch, Feedback, LabelsBuilder, PartitionId, SendOutcome, Status, TenantName, Timestamp, Zoned,
};
use openclaw_pipeline::trail::{Event, Trail};
use openclaw_pipeline::{
    Action, Cause, Effects, Eraser, Input, Notice, Partition, Record, TenantSettings, records,
};
use openclaw_routing::{GroupBy, PostedSilence, Receiver, RouteSettings, RouteTree, Routing, SilenceId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// In whatever the tenant that leaves says, and in its name.
const SECRET: &str = "hush";

const INTEGRATIONS: usize = 2;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).plus(Duration::from_secs(seconds))
}

/// The one that leaves, and one in the same partition.
fn tenants() -> [TenantName; 2] {
    let leaving = TenantName::new(&format!("{SECRET}-co")).unwrap();
    let others = (0..).map(|n| TenantName::new(&format!("other{n}")).unwrap());
    let stays = others.into_iter().find(|name| name.partition() == leaving.partition()).unwrap();
    [leaving, stays]
}

fn settings(name: &TenantName) -> Arc<TenantSettings> {
    let group_by = Some(GroupBy::Labels(vec!["group".into()]));
    let root = RouteSettings {
        group_by,
        group_wait: Some(Duration::from_secs(5)),
        group_interval: Some(Duration::from_secs(20)),
        ..RouteSettings::to(&format!("ops-of-{name}"))
    };
    let receiver = Receiver::new(&format!("ops-of-{name}"), &[true; INTEGRATIONS]);
    let routing = Routing::new(RouteTree::new(&root).unwrap(), vec![receiver]);
    let mut settings = TenantSettings::new(name.clone(), routing);
    settings.limits = Limits { rate_per_s: 0.1, burst: 6, ..settings.limits };
    settings.retry.give_up_after = Duration::from_secs(60);
    Arc::new(settings)
}

#[derive(Debug, Clone)]
enum Act {
    Post { who: usize, n: u8, note: u8, is_over: bool },
    Pass { seconds: u64 },
    Answer { how: u8 },
    Silence { who: usize, n: u8 },
    Feedback { who: usize, which: u8 },
    Snapshot,
}

fn act() -> impl Strategy<Value = Act> {
    let who = || 0_usize..2;
    prop_oneof![
        6 => (who(), 0_u8..8, 0_u8..3, prop::bool::weighted(0.3))
            .prop_map(|(who, n, note, is_over)| Act::Post { who, n, note, is_over }),
        4 => (1_u64..40).prop_map(|seconds| Act::Pass { seconds }),
        6 => (0_u8..6).prop_map(|how| Act::Answer { how }),
        1 => (who(), 0_u8..8).prop_map(|(who, n)| Act::Silence { who, n }),
        1 => (who(), 0_u8..8).prop_map(|(who, which)| Act::Feedback { who, which }),
        1 => Just(Act::Snapshot),
    ]
}

/// Entry, tenant, integration, and what it tells of which alert.
type OnTheWay = (u64, TenantName, u16, Vec<(String, Status)>);

struct World {
    tenants: [TenantName; 2],
    partition: Partition,
    out: Effects,
    log: Vec<(u64, Vec<u8>, Timestamp)>,
    now: u64,
    on_the_way: VecDeque<OnTheWay>,
    /// By tenant, integration and alert: what was told last.
    told: BTreeMap<(TenantName, u16, String), Status>,
    ids: u8,
}

impl World {
    fn new() -> Self {
        let tenants = tenants();
        let mut partition = Partition::new(tenants[0].partition(), 7);
        let mut out = Effects::default();
        tenants.iter().for_each(|tenant| partition.configure(settings(tenant), at(0)));
        partition.start(at(0), &mut out);
        let (log, told) = (Vec::new(), BTreeMap::new());
        Self { tenants, partition, out, log, now: 0, on_the_way: VecDeque::new(), told, ids: 0 }
    }

    fn step(&mut self, input: &Input<'_>) {
        let now = at(self.now);
        self.partition.step(input, now, &mut self.out);
        if self.out.records > 0 {
            self.log.push((self.out.base_offset, self.out.payload.clone(), now));
        }
        for send in self.out.sends.drain(..) {
            let alert = |alert: &openclaw_alert::NotifiedAlert| {
                (alert.view().labels.get("n").to_owned(), alert.status)
            };
            let notification = send.notification;
            let alerts = notification.alerts.iter().map(alert).collect();
            self.on_the_way.push_back((send.entry, notification.tenant, notification.integration, alerts));
        }
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + seconds;
        while self.out.next_deadline <= at(end) {
            let due = self.out.next_deadline.since(at(0)).as_millis().div_ceil(1000) as u64;
            self.now = due.clamp(self.now, end);
            self.step(&Input::Tick);
        }
        self.now = end;
    }

    fn text(&self, who: usize, text: impl std::fmt::Display) -> String {
        if who == 0 { format!("{SECRET}-{text}") } else { text.to_string() }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Post { who, n, note, is_over } => self.post(who, n, note, is_over),
            Act::Pass { seconds } => self.pass(seconds),
            Act::Answer { how } => self.answer(how),
            Act::Silence { who, n } => self.silence(who, n),
            Act::Feedback { who, which } => self.feedback(who, which),
            Act::Snapshot => self.restart(),
        }
    }

    fn post(&mut self, who: usize, n: u8, note: u8, is_over: bool) {
        let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
        labels.push("group", &self.text(who, n % 3));
        labels.push("n", &self.text(who, n));
        annotations.push("note", &self.text(who, note));
        let end = is_over.then(|| Zoned::utc(at(self.now)));
        let mut batch = Batch::default();
        batch.push(&mut labels, &mut annotations, "", None, end);
        let (tenant, source) = (self.tenants[who].clone(), self.text(who, "prom"));
        self.step(&Input::Alerts { tenant: &tenant, source: &source, batch: &batch });
    }

    fn answer(&mut self, how: u8) {
        let Some((entry, tenant, integration, alerts)) = self.on_the_way.pop_front() else { return };
        let who = usize::from(tenant == self.tenants[1]);
        let detail = self.text(who, "said no");
        let outcome = match how {
            0 => SendOutcome::Never { detail },
            1 => SendOutcome::Retry { after: None, ambiguous: true, detail },
            2 => SendOutcome::Retry { after: None, ambiguous: false, detail },
            _ => SendOutcome::Delivered { receipt: Some(self.text(who, "receipt").into()) },
        };
        if matches!(outcome, SendOutcome::Delivered { .. } | SendOutcome::Retry { ambiguous: true, .. }) {
            for (alert, status) in alerts.clone() {
                let known = self.told.entry((tenant.clone(), integration, alert)).or_insert(status);
                let is_sure = matches!(outcome, SendOutcome::Delivered { .. });
                *known = if is_sure || status == Status::Firing { status } else { *known };
            }
        }
        self.step(&Input::Sent { entry, outcome: &outcome, took: Duration::from_millis(3) });
        // An end that was given up is known as such.
        let is_dead = self.partition.messages(&tenant).iter().any(|m| m.entry == entry && m.is_dead);
        for (alert, _) in alerts.into_iter().filter(|(_, status)| is_dead && *status == Status::Resolved) {
            self.told.remove(&(tenant.clone(), integration, alert));
        }
    }

    fn silence(&mut self, who: usize, n: u8) {
        let matcher =
            openclaw_alert::Matcher::new("n", openclaw_alert::MatchOp::Equal, &self.text(who, n)).unwrap();
        let silence = PostedSilence {
            id: None,
            matchers: vec![matcher],
            starts_at: None,
            ends_at: at(self.now + 100),
            created_by: self.text(who, "me").into(),
            comment: self.text(who, "why").into(),
            annotations: Vec::new(),
        };
        self.ids += 1;
        let new_id = SilenceId::from_random([self.ids; 16]);
        let tenant = self.tenants[who].clone();
        self.step(&Input::SetSilence { tenant: &tenant, silence: &silence, new_id });
    }

    fn feedback(&mut self, who: usize, which: u8) {
        let tenant = self.tenants[who].clone();
        let Some(key) = self.partition.list(&tenant).into_iter().nth(which.into()) else { return };
        let view = self.partition.alert(&tenant, key.episode).unwrap();
        let content = view.content.labels.as_bytes().to_vec();
        let Some(of) = self.partition.rated(&tenant, key.episode) else { return };
        let source = of.source.to_owned();
        let labels = openclaw_alert::Labels::from_encoded(&content);
        let of = openclaw_pipeline::PastAlert {
            tenant: &tenant,
            source: &source,
            episode: of.episode,
            rated_at: of.rated_at,
            score: of.score,
            labels,
        };
        let (by, note) = (self.text(who, "ann"), self.text(who, "seen"));
        let action = Action::new(Feedback::Ack, &by, &note);
        self.step(&Input::Feedback { of, action });
    }

    /// Another process, from the records alone or from a snapshot.
    fn restart(&mut self) {
        let mut snapshot = Vec::new();
        self.partition.write_snapshot(&mut snapshot);
        let mut fresh = Partition::new(self.partition.id(), 11);
        fresh.read_snapshot(&snapshot).unwrap();
        self.start(fresh);
    }

    fn start(&mut self, mut fresh: Partition) {
        self.tenants.iter().for_each(|tenant| fresh.configure(settings(tenant), at(self.now)));
        self.partition = fresh;
        self.on_the_way.clear();
        self.partition.start(at(self.now), &mut self.out);
        if self.out.records > 0 {
            self.log.push((self.out.base_offset, self.out.payload.clone(), at(self.now)));
        }
    }

    /// Until everybody knows, with receivers that take everything.
    fn leave(&mut self) {
        let leaving = self.tenants[0].clone();
        self.step(&Input::Offboard { settings: &settings(&leaving) });
        for _ in 0..400 {
            if self.partition.left_to_tell(&leaving).is_done() {
                return;
            }
            while !self.on_the_way.is_empty() {
                self.answer(5);
            }
            self.pass(1);
        }
        panic!("it never ends: {:?}", self.partition.left_to_tell(&leaving));
    }

    fn erased_log(&self, number: u16, from: usize) -> Vec<(u64, Vec<u8>, Timestamp)> {
        let mut eraser = Eraser::new(number, self.tenants[0].clone());
        let frames = &self.log[from..];
        frames.iter().for_each(|(base, payload, _)| eraser.learn(*base, payload).unwrap());
        let rewrite = |(base, payload, written_at): &(u64, Vec<u8>, Timestamp)| {
            let new = eraser.rewrite(*base, payload).unwrap();
            assert!(new.as_ref().is_none_or(|new| new.len() == payload.len()));
            let new = new.unwrap_or_else(|| payload.clone());
            assert_eq!(eraser.rewrite(*base, &new).unwrap(), None, "done is done");
            (*base, new, *written_at)
        };
        frames.iter().map(rewrite).collect()
    }
}

fn says(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn replayed(id: PartitionId, log: &[(u64, Vec<u8>, Timestamp)]) -> Partition {
    let mut fresh = Partition::new(id, 3);
    for (base, payload, written_at) in log {
        fresh.replay(*base, payload, *written_at).unwrap();
    }
    fresh
}

/// All that can be read of a tenant.
fn view(partition: &Partition, tenant: &TenantName, now: Timestamp) -> String {
    let mut keys = partition.list(tenant);
    keys.sort_unstable();
    let alerts: Vec<_> = keys.iter().map(|key| partition.alert(tenant, key.episode)).collect();
    let groups: Vec<_> =
        partition.groups(tenant).into_iter().map(|group| partition.group(tenant, group, now)).collect();
    let mut rating = Vec::new();
    partition.rating(tenant).into_iter().for_each(|model| model.write(&mut rating));
    let messages = partition.messages(tenant);
    let silences = partition.silences(tenant).into_iter().flat_map(openclaw_routing::Silences::iter);
    let mut silences: Vec<_> = silences.map(|silence| format!("{silence:?}")).collect();
    silences.sort();
    format!("{alerts:#?}\n{groups:#?}\n{messages:#?}\n{silences:#?}\n{rating:?}")
}

fn trail(log: &[(u64, Vec<u8>, Timestamp)], episode: u64) -> Vec<Event> {
    let mut trail = Trail::of(episode);
    for _ in 0..3 {
        log.iter().for_each(|(base, payload, written_at)| trail.read(*base, payload, *written_at));
    }
    trail.finish()
}

/// Episodes of the tenant with this number that begin in the log.
fn episodes(log: &[(u64, Vec<u8>, Timestamp)], number: u16) -> BTreeSet<u64> {
    let all = log.iter().flat_map(|(base, payload, _)| (*base..).zip(records(payload)));
    let opened = all.filter(|(_, record)| match record {
        Ok(Record::Opened { tenant, .. } | Record::Deferred { tenant, .. }) => *tenant == number,
        _ => false,
    });
    opened.map(|(offset, _)| offset).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn who_leaves_tells_everybody_and_who_is_erased_leaves_blanks(
        before in prop::collection::vec(act(), 5..60),
        after in prop::collection::vec(act(), 0..20),
        cut in 0_usize..40,
    ) {
        let mut world = World::new();
        before.iter().for_each(|act| world.act(act));
        let [leaving, stays] = world.tenants.clone();
        world.leave();
        let firing = world.told.iter().filter(|((tenant, ..), status)| {
            *tenant == leaving && **status == Status::Firing
        });
        prop_assert_eq!(firing.collect::<Vec<_>>(), vec![], "not told of the end");
        // Nothing is taken in any more.
        let offset = world.partition.next_offset();
        world.post(0, 1, 1, false);
        world.silence(0, 1);
        prop_assert!(world.out.records == 0 && world.partition.next_offset() == offset);

        let number = world.partition.tenant_number(&leaving);
        let known = view(&world.partition, &stays, at(world.now));
        world.step(&Input::Erase { tenant: &leaving });
        prop_assert!(view(&world.partition, &stays, at(world.now)) == known);
        prop_assert_eq!(world.partition.tenant_number(&leaving), None);
        let mut snapshot = Vec::new();
        world.partition.write_snapshot(&mut snapshot);
        prop_assert!(!says(&snapshot, SECRET));

        world.on_the_way.retain(|(_, tenant, ..)| *tenant == stays);
        for act in after.iter().filter(|act| !matches!(act, Act::Post { who: 0, .. } | Act::Silence { who: 0, .. })) {
            // As long as it is not added again.
            if !matches!(act, Act::Snapshot) {
                world.act(act);
            }
        }
        let Some(number) = number else { return Ok(()) };
        let log = world.erased_log(number, 0);
        prop_assert!(log.iter().all(|(_, payload, _)| !says(payload, SECRET)));
        let (was, is) = (replayed(world.partition.id(), &world.log), replayed(world.partition.id(), &log));
        prop_assert!(view(&was, &stays, at(world.now)) == view(&is, &stays, at(world.now)));
        prop_assert_eq!((was.next_offset(), was.tenant_number(&stays)), (is.next_offset(), is.tenant_number(&stays)));
        let other = is.tenant_number(&stays);
        for episode in other.map(|other| episodes(&world.log, other)).unwrap_or_default() {
            prop_assert_eq!(trail(&world.log, episode), trail(&log, episode));
        }
        // Where the beginning has left the log, too.
        let cut = cut.min(world.log.len());
        let rest = world.erased_log(number, cut);
        prop_assert!(rest.iter().all(|(_, payload, _)| !says(payload, SECRET)));
        for episode in other.map(|other| episodes(&rest, other)).unwrap_or_default() {
            prop_assert_eq!(trail(&world.log[cut..], episode), trail(&rest, episode));
        }
    }
}

#[test]
fn the_trail_says_that_the_tenant_was_removed() {
    let mut world = World::new();
    world.post(0, 1, 1, false);
    world.pass(10);
    world.leave();
    let resolved =
        world.log.iter().flat_map(|(_, payload, _)| records(payload)).find_map(|record| match record {
            Ok(Record::Resolved { cause, .. }) => Some(cause),
            _ => None,
        });
    assert_eq!(resolved, Some(Cause::Offboarded));
}

#[test]
fn many_alerts_end_a_few_at_a_time() {
    let mut world = World::new();
    let mut batch = Batch::default();
    for n in 0..1000 {
        let mut labels = LabelsBuilder::default();
        labels.push("group", "all");
        labels.push("n", &n.to_string());
        batch.push(&mut labels, &mut LabelsBuilder::default(), "", None, None);
    }
    let tenant = world.tenants[0].clone();
    world.step(&Input::Alerts { tenant: &tenant, source: "prom", batch: &batch });
    world.pass(1);
    world.step(&Input::Offboard { settings: &settings(&tenant) });
    let first = world.partition.left_to_tell(&tenant).alerts;
    assert!((700..1000).contains(&first), "{first}");
    world.leave();
    // A tenant that waits without settings or has left keeps nobody else's from coming in.
    world.step(&Input::Erase { tenant: &tenant });
    (0..8).for_each(|n| world.post(1, n, 0, false));
    world.pass(60);
    assert_eq!(world.partition.gauges()[0].waiting, 0);
}

#[test]
fn what_waits_of_a_tenant_without_settings_holds_nobody_else_up() {
    let mut world = World::new();
    let [first, second] = world.tenants.clone();
    (0..8).for_each(|n| world.post(0, n, 0, false));
    world.step(&Input::Forget { tenant: &first });
    world.pass(60);
    (0..8).for_each(|n| world.post(1, n, 0, false));
    let waiting = |world: &World| {
        let gauges = world.partition.gauges();
        gauges.iter().find(|gauges| gauges.tenant == second).unwrap().waiting
    };
    assert!(waiting(&world) > 0);
    world.pass(60);
    assert_eq!(waiting(&world), 0);
}

#[test]
fn what_the_service_says_of_itself_ends_when_it_is_over_or_nobody_says_it_again() {
    let mut world = World::new();
    let tenant = world.tenants[1].clone();
    let notice = |about: &str| Notice {
        name: "OpenClawReloadFailed",
        severity: "warning",
        about: Some(("n", about.to_owned())),
        summary: "s",
        description: "d".to_owned(),
    };
    let say = |world: &mut World, about: &str, lasts: Option<u64>| {
        let lasts = lasts.map(Duration::from_secs);
        world.step(&Input::Say { tenant: &tenant, notice: &notice(about), lasts });
    };
    // Nothing is over that never was, and nobody becomes known by it.
    say(&mut world, "a", None);
    assert_eq!(world.partition.tenant_number(&tenant), None);
    // However many it has to say, past every limit.
    for about in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        say(&mut world, about, Some(400));
    }
    assert_eq!(world.partition.gauges()[0].waiting, 0);
    world.pass(300);
    say(&mut world, "a", Some(400));
    say(&mut world, "b", None);
    let firing = |world: &World| {
        let keys = world.partition.list(&tenant);
        let alerts = keys.iter().filter_map(|key| world.partition.alert(&tenant, key.episode));
        let listed = alerts.filter(|alert| world.partition.is_listed(alert, at(world.now)));
        listed.map(|alert| alert.content.labels.get("n").to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(firing(&world).len(), 7);
    world.pass(150);
    assert_eq!(firing(&world), BTreeSet::from(["a".to_owned()]));
}

/// Whose end is told: all that anybody was told of.
fn nobody_waits_for_an_end(world: &mut World) {
    world.leave();
    let firing: Vec<_> = world.told.iter().filter(|(_, status)| **status == Status::Firing).collect();
    assert_eq!(firing, []);
}

#[test]
fn who_may_have_taken_the_last_attempt_hears_of_the_end() {
    let mut world = World::new();
    world.post(0, 1, 0, false);
    // Given up, and nobody knows what became of it.
    [Act::Pass { seconds: 65 }, Act::Answer { how: 1 }, Act::Answer { how: 1 }]
        .iter()
        .for_each(|act| world.act(act));
    nobody_waits_for_an_end(&mut world);
}

#[test]
fn who_is_told_first_by_the_second_message_hears_of_the_end() {
    let mut world = World::new();
    [(2, false), (5, false)].iter().for_each(|&(n, is_over)| world.post(0, n, 0, is_over));
    world.pass(24);
    world.post(0, 2, 0, true);
    world.pass(41);
    // The first message is given up; the one behind it says that the other fires.
    world.act(&Act::Answer { how: 2 });
    nobody_waits_for_an_end(&mut world);
}
