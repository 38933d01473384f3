//! A partition beside a slow, exact model of Alertmanager's rules for one
//! route: who is told what, and when. Time is virtual, receivers always
//! deliver; processes end and come back.

mod exact;

use exact::{Model, Post, Rules, Told};
use openclaw_alert::{
    Batch, LabelsBuilder, NotifiedAlert, SendOutcome, Status, TenantName, Timestamp, Zoned,
};
use openclaw_pipeline::{Effects, Input, Partition, TenantSettings};
use openclaw_routing::{GroupBy, Receiver, RouteSettings, RouteTree, Routing};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const RULES: Rules = Rules {
    group_wait: 30,
    group_interval: 60,
    repeat_interval: 240,
    resolve_timeout: 120,
    send_resolved: [true, false],
};

/// Names of groups; an alert is a group's name and a number.
const NAMES: [&str; 2] = ["A", "B"];

#[derive(Debug, Clone)]
enum Op {
    Post(Vec<Post>),
    Wait(u64),
    /// The process ends; another one starts so many seconds later.
    Restart(u64),
    /// A request is turned away unread.
    TurnAway,
}

fn post() -> impl Strategy<Value = Post> {
    let start = prop_oneof![2 => Just(None), 3 => (0_u64..12).prop_map(|n| Some(n * 10))];
    let end = prop_oneof![
        3 => Just(None),
        2 => (1_i64..30).prop_map(|n| Some(n * 10)),
        3 => (0_i64..8).prop_map(|n| Some(n * -10)),
    ];
    (0_usize..2, 0_u64..3, start, end, 0_u8..2).prop_map(|(group, n, started_ago, ends_in, note)| Post {
        group,
        n,
        started_ago,
        ends_in,
        note,
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::collection::vec(post(), 1..4).prop_map(Op::Post),
        5 => (0_u64..9).prop_map(|n| Op::Wait(n * 10)),
        1 => (9_u64..60).prop_map(|n| Op::Wait(n * 10)),
        1 => (0_u64..20).prop_map(|n| Op::Restart(n * 10)),
        1 => Just(Op::TurnAway),
    ]
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).plus(Duration::from_secs(second))
}

fn second(at: Timestamp) -> u64 {
    (at.secs() - 1_800_000_000) as u64
}

fn settings() -> TenantSettings {
    let seconds = Duration::from_secs;
    let root = RouteSettings {
        group_by: Some(GroupBy::Labels(vec!["alertname".into()])),
        group_wait: Some(seconds(RULES.group_wait)),
        group_interval: Some(seconds(RULES.group_interval)),
        repeat_interval: Some(seconds(RULES.repeat_interval)),
        ..RouteSettings::to("ops")
    };
    let receivers = vec![Receiver::new("ops", &RULES.send_resolved)];
    let routing = Routing::new(RouteTree::new(&root).unwrap(), receivers);
    TenantSettings {
        resolve_timeout: seconds(RULES.resolve_timeout),
        ..TenantSettings::new(TenantName::new("acme").unwrap(), routing)
    }
}

/// The partition under test, with a log to recover from.
struct Real {
    partition: Partition,
    out: Effects,
    log: Vec<(u64, Vec<u8>, Timestamp)>,
    settings: TenantSettings,
    now: u64,
    told: Vec<Told>,
}

impl Real {
    fn new() -> Self {
        let settings = settings();
        let mut real = Self {
            partition: Partition::new(settings.name.partition(), 1),
            out: Effects::default(),
            log: Vec::new(),
            settings,
            now: 0,
            told: Vec::new(),
        };
        real.begin();
        real
    }

    fn begin(&mut self) {
        self.partition.configure(Arc::new(self.settings.clone()), at(self.now));
        self.partition.start(at(self.now), &mut self.out);
        self.keep();
    }

    fn keep(&mut self) {
        if self.out.records > 0 {
            self.log.push((self.out.base_offset, self.out.payload.clone(), at(self.now)));
        }
    }

    /// Takes a step and delivers whatever it sends, until nothing more comes.
    fn step(&mut self, input: &Input<'_>) {
        self.partition.step(input, at(self.now), &mut self.out);
        self.keep();
        let mut sends: Vec<_> = self.out.sends.drain(..).collect();
        while let Some(send) = sends.pop() {
            let notification = &send.notification;
            let mut alerts: Vec<_> = notification.alerts.iter().map(describe).collect();
            alerts.sort();
            let reason = notification.reason.text();
            self.told.push(Told {
                at: self.now,
                integration: notification.integration.into(),
                reason,
                alerts,
            });
            let sent =
                Input::Sent { entry: send.entry, outcome: &SendOutcome::DELIVERED, took: Duration::ZERO };
            self.partition.step(&sent, at(self.now), &mut self.out);
            self.keep();
            sends.append(&mut self.out.sends);
        }
    }

    /// Lets time pass, waking at each deadline.
    fn wait_until(&mut self, until: u64) {
        while self.out.next_deadline <= at(until) {
            self.now = self.now.max(second(self.out.next_deadline));
            self.step(&Input::Tick);
        }
        self.now = until;
    }

    fn post(&mut self, posts: &[Post]) {
        let mut batch = Batch::default();
        for post in posts {
            let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
            labels.push("alertname", NAMES[post.group]);
            labels.push("n", &post.n.to_string());
            annotations.push("note", &post.note.to_string());
            let starts_at = post.starts_at(self.now).map(|second| Zoned::utc(at(second)));
            let ends_at = post.ends_at(self.now).map(|second| Zoned::utc(at(second)));
            batch.push(&mut labels, &mut annotations, "", starts_at, ends_at);
        }
        let tenant = self.settings.name.clone();
        self.step(&Input::Alerts { tenant: &tenant, source: "prometheus", batch: &batch });
    }

    fn turn_away(&mut self) {
        let tenant = self.settings.name.clone();
        self.step(&Input::TurnedAway { tenant: &tenant, source: "prometheus" });
    }

    /// Recovers from the log alone; it has to come to the same state.
    fn restart(&mut self, down_s: u64) {
        let mut fresh = Partition::new(self.partition.id(), self.now + 2);
        for (base, payload, written_at) in &self.log {
            fresh.replay(*base, payload, *written_at).unwrap();
        }
        assert_eq!(
            sorted_snapshot(&self.partition),
            sorted_snapshot(&fresh),
            "recovery and live work differ"
        );
        let mut bytes = Vec::new();
        fresh.write_snapshot(&mut bytes);
        let mut restored = Partition::new(self.partition.id(), self.now + 3);
        restored.read_snapshot(&bytes).unwrap();
        assert_eq!(sorted_snapshot(&restored), sorted_snapshot(&fresh), "a snapshot loses something");
        self.partition = restored;
        self.now += down_s;
        self.begin();
    }

    fn active(&self) -> Vec<(usize, u64)> {
        let name = &self.settings.name;
        let alerts = self.partition.newest(name, None);
        let mut active: Vec<_> = alerts
            .filter(|alert| self.partition.is_listed(alert, at(self.now)))
            .map(|alert| {
                let labels = alert.content.labels;
                let group = NAMES.iter().position(|known| *known == labels.get("alertname")).unwrap();
                (group, labels.get("n").parse().unwrap())
            })
            .collect();
        active.sort_unstable();
        active
    }
}

/// Slots may differ after recovery, so states are compared as multisets of bytes.
fn sorted_snapshot(partition: &Partition) -> Vec<u8> {
    let mut bytes = Vec::new();
    partition.write_snapshot(&mut bytes);
    bytes.sort_unstable();
    bytes
}

fn describe(alert: &NotifiedAlert) -> String {
    let content = alert.view();
    let name = format!("{}{}", content.labels.get("alertname"), content.labels.get("n"));
    let (start, note) = (second(alert.starts_at.at), content.annotations.get("note"));
    match alert.status {
        Status::Firing => format!("{name} fires since {start}, note {note}"),
        Status::Resolved => format!("{name} from {start} to {}, note {note}", second(alert.ends_at.at)),
    }
}

fn check(ops: &[Op]) {
    let (mut real, mut model) = (Real::new(), Model::new(RULES, &NAMES));
    // Not 0, so that "started a while ago" is never before time begins.
    real.wait_until(1000);
    model.wait_until(1000);
    for op in ops {
        match op {
            Op::Post(posts) => {
                real.post(posts);
                model.post(posts);
            }
            Op::Wait(seconds) => {
                let until = real.now + seconds;
                real.wait_until(until);
                model.wait_until(until);
            }
            Op::Restart(down_s) => {
                real.restart(*down_s);
                model.restart(*down_s);
            }
            Op::TurnAway => {
                real.turn_away();
                model.turn_away();
            }
        }
        real.wait_until(real.now);
        model.wait_until(real.now);
        real.told.sort();
        model.told.sort();
        assert_eq!(real.told, model.told, "at {} after {op:?}", real.now);
        assert_eq!(real.active(), model.active(), "at {} after {op:?}", real.now);
    }
    real.wait_until(real.now + 3000);
    model.wait_until(model.now + 3000);
    real.told.sort();
    model.told.sort();
    assert_eq!(real.told, model.told, "in the end");
    assert_eq!(real.partition.alerts_in_memory(), 0, "everything ends, and is forgotten");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn receivers_are_told_what_alertmanagers_rules_say(ops in prop::collection::vec(op(), 1..40)) {
        check(&ops);
    }
}
