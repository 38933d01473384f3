//! A partition in virtual time whose receivers answer as they are told.

#![allow(dead_code, reason = "each test file uses a part")]

use openclaw_alert::{
    Batch, Feedback, LabelsBuilder, Matcher, Notification, SendOutcome, Status, TenantName, Timestamp, Zoned,
};
use openclaw_pipeline::{Action, AlertEnd, Effects, Input, Partition, PastAlert, Taken, TenantSettings};
use openclaw_routing::{GroupBy, PostedSilence, Receiver, RouteSettings, RouteTree, Routing, SilenceId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).plus(Duration::from_secs(second))
}

pub(crate) fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

pub(crate) fn root(receiver: &str) -> RouteSettings {
    RouteSettings {
        group_by: Some(GroupBy::Labels(vec!["alertname".into()])),
        group_wait: seconds(10),
        group_interval: seconds(60),
        repeat_interval: seconds(3600),
        ..RouteSettings::to(receiver)
    }
}

pub(crate) fn child(receiver: &str, matchers: &str) -> RouteSettings {
    let matchers = Matcher::parse_list(matchers).unwrap();
    RouteSettings { matchers, ..RouteSettings::to(receiver) }
}

pub(crate) fn settings(root: &RouteSettings) -> TenantSettings {
    let receivers = ["ops", "lead", "db"].map(|name| Receiver::new(name, &[true]));
    let routing = Routing::new(RouteTree::new(root).unwrap(), receivers.into());
    let name = TenantName::new("acme").unwrap();
    TenantSettings { resolve_timeout: Duration::from_secs(100_000), ..TenantSettings::new(name, routing) }
}

/// A partition whose receivers give `answers` in turn, and then always say yes.
pub(crate) struct World {
    pub(crate) partition: Partition,
    pub(crate) out: Effects,
    pub(crate) settings: Arc<TenantSettings>,
    pub(crate) told: Vec<String>,
    /// The same messages, whole.
    pub(crate) messages: Vec<Notification>,
    pub(crate) answers: VecDeque<SendOutcome>,
    /// What became of the last request's alerts.
    pub(crate) episodes: Vec<Option<u64>>,
    pub(crate) taken: Taken,
    pub(crate) ends: Vec<AlertEnd>,
    pub(crate) log: Vec<(u64, Vec<u8>, Timestamp)>,
    pub(crate) second: u64,
}

impl World {
    pub(crate) fn new(settings: TenantSettings) -> Self {
        let settings = Arc::new(settings);
        let partition = Partition::new(settings.name.partition(), 7);
        let (told, ends, log) = (Vec::new(), Vec::new(), Vec::new());
        let (out, messages, answers) = (Effects::default(), Vec::new(), VecDeque::new());
        let (episodes, taken) = (Vec::new(), Taken::default());
        let mut world =
            Self { partition, out, settings, told, messages, answers, episodes, taken, ends, log, second: 0 };
        world.begin();
        world
    }

    pub(crate) fn begin(&mut self) {
        self.partition.configure(Arc::clone(&self.settings), at(self.second));
        self.partition.start(at(self.second), &mut self.out);
        self.keep();
    }

    pub(crate) fn keep(&mut self) {
        if self.out.records > 0 {
            self.log.push((self.out.base_offset, self.out.payload.clone(), at(self.second)));
        }
        self.ends.extend(self.out.ended.iter().map(|ended| ended.end));
    }

    /// The process ends, another comes up from the log.
    pub(crate) fn restart(&mut self) {
        self.partition = Partition::new(self.settings.name.partition(), 8);
        for (base, payload, written_at) in &self.log {
            self.partition.replay(*base, payload, *written_at).unwrap();
        }
        self.begin();
    }

    pub(crate) fn step(&mut self, input: &Input<'_>) {
        self.partition.step(input, at(self.second), &mut self.out);
        self.keep();
        if matches!(input, Input::Alerts { .. }) {
            self.episodes = std::mem::take(&mut self.out.episodes);
            self.taken = self.out.taken;
        }
        let sends: Vec<_> = self.out.sends.drain(..).collect();
        for send in sends {
            let message = &send.notification;
            let mut alerts: Vec<String> = message
                .alerts
                .iter()
                .map(|alert| {
                    let mark = if alert.status == Status::Firing { '+' } else { '-' };
                    format!("{mark}{}", alert.view().labels.get("n"))
                })
                .collect();
            alerts.sort();
            self.told.push(format!("{} {}: {}", self.second, message.receiver, alerts.join(" ")));
            self.messages.push(send.notification);
            let outcome = self.answers.pop_front().unwrap_or(SendOutcome::DELIVERED);
            self.step(&Input::Sent { entry: send.entry, outcome: &outcome, took: Duration::ZERO });
        }
    }

    /// Lets time pass, and gives what was told meanwhile.
    pub(crate) fn until(&mut self, second: u64) -> Vec<String> {
        while self.out.next_deadline <= at(second) {
            let due = self.out.next_deadline.since(at(0)).as_secs_f64().ceil() as u64;
            self.second = self.second.max(due);
            self.step(&Input::Tick);
        }
        self.second = second;
        std::mem::take(&mut self.told)
    }

    pub(crate) fn post(&mut self, n: &str, labels: &[(&str, &str)], ends: Option<u64>) {
        let (mut builder, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
        builder.push("n", n);
        labels.iter().for_each(|(name, value)| builder.push(name, value));
        let mut batch = Batch::default();
        let ends = ends.map(|second| Zoned::utc(at(second)));
        batch.push(&mut builder, &mut annotations, "", Some(Zoned::utc(at(self.second))), ends);
        let settings = Arc::clone(&self.settings);
        self.step(&Input::Alerts { tenant: &settings.name, source: "prom", batch: &batch });
    }

    pub(crate) fn fire(&mut self, n: &str, labels: &[(&str, &str)]) {
        self.post(n, labels, None);
    }

    pub(crate) fn resolve(&mut self, n: &str, labels: &[(&str, &str)]) {
        self.post(n, labels, Some(self.second));
    }

    pub(crate) fn silence(&mut self, matchers: &str, ends: u64, annotations: &[(&str, &str)]) -> SilenceId {
        let posted = PostedSilence {
            id: None,
            matchers: Matcher::parse_list(matchers).unwrap(),
            starts_at: None,
            ends_at: at(ends),
            created_by: "ann".into(),
            comment: "".into(),
            annotations: annotations.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        let new_id = SilenceId::from_random([self.second as u8; 16]);
        let settings = Arc::clone(&self.settings);
        self.step(&Input::SetSilence { tenant: &settings.name, silence: &posted, new_id });
        self.out.silence.clone().unwrap().unwrap()
    }

    pub(crate) fn feedback(&mut self, n: &str, action: Feedback) {
        let settings = Arc::clone(&self.settings);
        let found =
            self.partition.newest(&settings.name, None).find(|alert| alert.content.labels.get("n") == n);
        let alert = found.unwrap();
        let (episode, rated_at, score) = (alert.id.offset, alert.rated_at, alert.score);
        let labels = alert.content.labels.as_bytes().to_vec();
        let labels = openclaw_alert::Labels::from_encoded(&labels);
        let of = PastAlert { tenant: &settings.name, source: "prom", episode, rated_at, score, labels };
        self.step(&Input::Feedback { of, action: Action::new(action, "ann", "") });
    }

    pub(crate) fn reload(&mut self, settings: TenantSettings) {
        self.settings = Arc::new(settings);
        let settings = Arc::clone(&self.settings);
        self.step(&Input::Configure { settings: &settings });
    }
}
