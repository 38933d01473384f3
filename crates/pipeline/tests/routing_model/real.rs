//! The partition under test, with a log to recover from and receivers that
//! take every message at once.

use super::plain::{EPOCH_S, GroupBy, InhibitRule, Labels, Match, Route, Setup, Times};
use super::{Action, Listed, ListedGroup, Model, Post, Posted, Told};
use openclaw_alert::{
    Batch, Content, Feedback, LabelsBuilder, MatchOp, Matcher, NotifiedAlert, SendOutcome, Status,
    TenantName, Timestamp, Zoned,
};
use openclaw_pipeline::{
    AlertView, DeliveryMode, Digest, Effects, Input, Partition, PastAlert, RatingMode, RatingPolicy, Send,
    TenantSettings,
};
use openclaw_routing::{
    DigestSchedule, Escalation, InhibitRule as RealRule, Integration, NamedIntervals, PostedSilence,
    Receiver, RouteSettings, RouteTree, Routing, SilenceId, TimeInterval, TimeRange,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(EPOCH_S as i64).plus(Duration::from_secs(second))
}

fn second(at: Timestamp) -> u64 {
    (at.secs() - EPOCH_S as i64) as u64
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn matchers(plain: &[Match]) -> Vec<Matcher> {
    let matcher = |plain: &Match| {
        let values: Vec<&str> = plain.any_of.iter().copied().collect();
        let op = match (plain.is_negated, values.len() > 1) {
            (false, false) => MatchOp::Equal,
            (true, false) => MatchOp::NotEqual,
            (false, true) => MatchOp::Regex,
            (true, true) => MatchOp::NotRegex,
        };
        Matcher::new(plain.name, op, &values.join("|")).unwrap()
    };
    plain.iter().map(matcher).collect()
}

fn intervals(name: &str, times: &Times) -> Arc<NamedIntervals> {
    let clock = |minute: u64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let range = TimeRange::parse(&clock(times.from_minute), &clock(times.to_minute)).unwrap();
    let weekdays = times.weekday.map(|day| vec![days[day as usize - 1].parse().unwrap()]);
    let interval = TimeInterval { times: Some(vec![range]), weekdays, ..TimeInterval::default() };
    Arc::new(NamedIntervals { name: name.into(), intervals: vec![interval] })
}

fn route(plain: &Route, times: &BTreeMap<&str, Arc<NamedIntervals>>) -> RouteSettings {
    let named = |names: &[&str]| names.iter().map(|name| Arc::clone(&times[name])).collect();
    let escalations = plain.escalations.as_ref().map(|steps| {
        let step = |&(after, receiver): &(u64, &str)| Escalation {
            after: seconds(after),
            receiver: receiver.into(),
        };
        steps.iter().map(step).collect()
    });
    RouteSettings {
        receiver: plain.receiver.map(Into::into),
        group_by: plain.group_by.as_ref().map(|by| match by {
            GroupBy::All => openclaw_routing::GroupBy::All,
            GroupBy::Names(names) => {
                openclaw_routing::GroupBy::Labels(names.iter().map(|name| (*name).to_owned()).collect())
            }
        }),
        group_wait: plain.wait.map(seconds),
        group_interval: plain.interval.map(seconds),
        repeat_interval: plain.repeat.map(seconds),
        matchers: matchers(&plain.matchers),
        continues: plain.continues,
        mute: named(&plain.mute),
        active: named(&plain.active),
        escalations,
        min_score: plain.min_score,
        max_score: plain.max_score,
        routes: plain.routes.iter().map(|child| route(child, times)).collect(),
    }
}

fn inhibit_rule(plain: &InhibitRule) -> RealRule {
    RealRule {
        sources: matchers(&plain.sources),
        targets: matchers(&plain.targets),
        equal: plain.equal.iter().map(|&name| name.into()).collect(),
    }
}

fn rating(setup: &Setup) -> RatingPolicy {
    let Some(enforced) = &setup.enforced else {
        return RatingPolicy { mode: RatingMode::Observe, threshold: 0.5, never_digest: Vec::new() };
    };
    let schedule = DigestSchedule::new(seconds(enforced.every), "00:00", "UTC").unwrap();
    RatingPolicy {
        mode: RatingMode::Enforce(Digest { receiver: enforced.receiver.into(), schedule }),
        threshold: enforced.threshold,
        never_digest: matchers(&enforced.never),
    }
}

fn settings(setup: &Setup) -> Arc<TenantSettings> {
    let times: BTreeMap<&str, Arc<NamedIntervals>> =
        setup.times.iter().map(|(name, times)| (*name, intervals(name, times))).collect();
    let receiver = |(name, plain): (&&'static str, &Vec<super::plain::Integration>)| Receiver {
        integrations: plain
            .iter()
            .map(|one| Integration {
                send_resolved: one.send_resolved,
                is_retired: one.is_retired,
                shows_actions: one.shows,
                ..Integration::new(one.number)
            })
            .collect(),
        ..Receiver::new(name, &[])
    };
    let routing = Routing {
        inhibit_rules: setup.inhibit.iter().map(inhibit_rule).collect(),
        intervals: times.values().cloned().collect(),
        ..Routing::new(
            RouteTree::new(&route(&setup.root, &times)).unwrap(),
            setup.receivers.iter().map(receiver).collect(),
        )
    };
    Arc::new(TenantSettings {
        rating: rating(setup),
        resolve_timeout: seconds(setup.resolve_timeout),
        rearm_after: seconds(setup.rearm_after),
        delivery: if setup.is_shadow { DeliveryMode::Shadow } else { DeliveryMode::Live },
        ..TenantSettings::new(TenantName::new("acme").unwrap(), routing)
    })
}

/// A fault that is put in on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Snapshots don't keep silences.
    LosesSilences,
    /// Inhibition goes on as it was before the settings changed.
    KeepsInhibiting,
    /// Who has left the settings never hears of an end.
    ForgetsDeparted,
}

pub(crate) struct Real {
    pub(crate) partition: Partition,
    out: Effects,
    log: Vec<(u64, Vec<u8>, Timestamp)>,
    settings: Arc<TenantSettings>,
    pub(crate) now: u64,
    pub(crate) told: Vec<Told>,
    pub(crate) ended: BTreeMap<(String, &'static str), u32>,
    /// Given in the last request.
    scores: Vec<f32>,
    /// In the order in which they were set.
    pub(crate) silences: Vec<SilenceId>,
    flaw: Option<Flaw>,
}

impl Real {
    pub(crate) fn new(setup: &Setup, flaw: Option<Flaw>) -> Self {
        let settings = settings(setup);
        let mut real = Self {
            partition: Partition::new(settings.name.partition(), 1),
            out: Effects::default(),
            log: Vec::new(),
            settings,
            now: 0,
            told: Vec::new(),
            ended: BTreeMap::new(),
            scores: Vec::new(),
            silences: Vec::new(),
            flaw,
        };
        real.begin();
        real
    }

    fn begin(&mut self) {
        self.partition.configure(Arc::clone(&self.settings), at(self.now));
        self.partition.start(at(self.now), &mut self.out);
        self.keep();
    }

    fn keep(&mut self) {
        if self.out.records > 0 {
            self.log.push((self.out.base_offset, self.out.payload.clone(), at(self.now)));
        }
        self.scores.extend(self.out.scores.drain(..).map(|(_, score)| score));
        for ended in self.out.ended.drain(..) {
            let key = (ended.receiver.to_string(), ended.end.name());
            *self.ended.entry(key).or_default() += ended.alerts;
        }
    }

    /// Takes a step and delivers whatever it sends, until nothing more comes.
    fn step(&mut self, input: &Input<'_>) {
        self.partition.step(input, at(self.now), &mut self.out);
        self.keep();
        let mut sends: Vec<_> = self.out.sends.drain(..).collect();
        while let Some(send) = sends.pop() {
            if !self.swallows(&send) {
                self.told.push(self.told_of(&send));
            }
            let sent =
                Input::Sent { entry: send.entry, outcome: &SendOutcome::DELIVERED, took: Duration::ZERO };
            self.partition.step(&sent, at(self.now), &mut self.out);
            self.keep();
            sends.append(&mut self.out.sends);
        }
    }

    fn swallows(&self, send: &Send) -> bool {
        let Send { notification, .. } = send;
        let receiver = self.settings.receiver(&notification.receiver);
        let integrations = receiver.map_or(&[][..], |receiver| &receiver.integrations);
        let is_retired =
            integrations.iter().any(|one| one.number == notification.integration && one.is_retired);
        self.flaw == Some(Flaw::ForgetsDeparted) && is_retired
    }

    fn told_of(&self, send: &Send) -> Told {
        let notification = &send.notification;
        let mut alerts: Vec<_> = notification.alerts.iter().map(describe).collect();
        alerts.sort();
        Told {
            at: self.now,
            receiver: notification.receiver.to_string(),
            integration: notification.integration,
            group: text(openclaw_alert::Labels::from_encoded(&notification.group_labels)),
            reason: notification.reason.text(),
            alerts,
        }
    }

    /// Lets time pass, waking at each deadline.
    pub(crate) fn wait_until(&mut self, until: u64) {
        while self.out.next_deadline <= at(until) {
            self.now = self.now.max(second(self.out.next_deadline.max(at(0))));
            self.step(&Input::Tick);
        }
        self.now = until;
    }

    pub(crate) fn tick(&mut self) {
        self.step(&Input::Tick);
    }

    /// Gives the scores of the alerts that begin to fire.
    pub(crate) fn post(&mut self, posts: &[Post]) -> Vec<f32> {
        let mut batch = Batch::default();
        for post in posts {
            let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
            post.labels.iter().for_each(|(name, value)| labels.push(name, value));
            annotations.push("note", &post.note.to_string());
            let starts_at = post.starts_at(self.now).map(|second| Zoned::utc(at(second)));
            let ends_at = post.ends_at(self.now).map(|second| Zoned::utc(at(second)));
            batch.push(&mut labels, &mut annotations, "", starts_at, ends_at);
        }
        let tenant = self.settings.name.clone();
        self.scores.clear();
        self.step(&Input::Alerts { tenant: &tenant, source: "prometheus", batch: &batch });
        std::mem::take(&mut self.scores)
    }

    pub(crate) fn turn_away(&mut self) {
        let tenant = self.settings.name.clone();
        self.step(&Input::TurnedAway { tenant: &tenant, source: "prometheus" });
    }

    pub(crate) fn straight(&mut self, is_on: bool) {
        let tenant = self.settings.name.clone();
        self.step(&Input::Passthrough { tenant: &tenant, is_on, by: "ann" });
    }

    pub(crate) fn configure(&mut self, setup: &Setup) {
        let mut settings = settings(setup);
        if self.flaw == Some(Flaw::KeepsInhibiting) {
            let rules = Arc::clone(&self.settings.routing.inhibit_rules);
            Arc::make_mut(&mut settings).routing.inhibit_rules = rules;
        }
        self.settings = settings;
        let settings = Arc::clone(&self.settings);
        self.step(&Input::Configure { settings: &settings });
    }

    pub(crate) fn feedback(&mut self, labels: &Labels, action: Action) {
        let tenant = self.settings.name.clone();
        let wanted = super::text(labels);
        let found = self.partition.newest(&tenant, None).find(|alert| text(alert.content.labels) == wanted);
        let found = found.unwrap();
        let (episode, rated_at, score) = (found.id.offset, found.rated_at, found.score);
        let bytes = found.content.labels.as_bytes().to_vec();
        let labels = openclaw_alert::Labels::from_encoded(&bytes);
        let of = PastAlert { tenant: &tenant, source: "prometheus", episode, rated_at, score, labels };
        let action = match action {
            Action::Ack => Feedback::Ack,
            Action::Resolve => Feedback::Resolve,
            Action::Dismiss => Feedback::Dismiss,
            Action::Escalate => Feedback::Escalate,
        };
        self.step(&Input::Feedback { of, action: openclaw_pipeline::Action::new(action, "ann", "") });
    }

    /// `times` are the start and the end. Gives the silence's number.
    pub(crate) fn set_silence(&mut self, posted: &Posted, times: (u64, u64)) -> Option<usize> {
        let note = |name: &str, value: String| (name.into(), value.into());
        let receivers = Some(posted.receivers.join(",")).filter(|names| !names.is_empty());
        let notes = [
            receivers.map(|names| note("openclaw/receivers", names)),
            posted.until_resolved.then(|| note("openclaw/until", "resolved".into())),
            posted.during.map(|name| note("openclaw/during", name.into())),
        ];
        let silence = PostedSilence {
            id: posted.of.map(|of| self.silences[of]),
            matchers: matchers(&posted.matchers),
            starts_at: Some(at(times.0)),
            ends_at: at(times.1),
            created_by: "ann".into(),
            comment: "".into(),
            annotations: notes.into_iter().flatten().collect(),
        };
        let new_id = SilenceId::from_random([self.silences.len() as u8; 16]);
        let tenant = self.settings.name.clone();
        self.step(&Input::SetSilence { tenant: &tenant, silence: &silence, new_id });
        let id = self.out.silence.take().unwrap().ok()?;
        if let Some(known) = self.silences.iter().position(|known| *known == id) {
            return Some(known);
        }
        self.silences.push(id);
        Some(self.silences.len() - 1)
    }

    pub(crate) fn expire_silence(&mut self, number: usize) {
        let (tenant, silence) = (self.settings.name.clone(), self.silences[number]);
        self.step(&Input::ExpireSilence { tenant: &tenant, silence, by: "ann" });
    }

    /// Recovers from the log alone or from a snapshot; both have to come to
    /// the same state.
    pub(crate) fn restart(&mut self, down_s: u64, setup: Option<&Setup>, from_snapshot: bool) {
        let mut replayed = Partition::new(self.partition.id(), self.now + 2);
        for (base, payload, written_at) in &self.log {
            replayed.replay(*base, payload, *written_at).unwrap();
        }
        assert_eq!(state(&self.partition), state(&replayed), "recovery and live work differ");
        let mut bytes = Vec::new();
        self.partition.write_snapshot(&mut bytes);
        let mut restored = Partition::new(self.partition.id(), self.now + 3);
        restored.read_snapshot(&bytes).unwrap();
        assert_eq!(state(&restored), state(&replayed), "a snapshot loses something");
        self.partition = if from_snapshot { restored } else { replayed };
        self.now += down_s;
        if let Some(setup) = setup {
            self.settings = settings(setup);
        }
        self.begin();
        if self.flaw == Some(Flaw::LosesSilences) && from_snapshot {
            (0..self.silences.len()).for_each(|number| self.expire_silence(number));
        }
    }

    pub(crate) fn alerts(&self, model: &Model) -> Vec<Listed> {
        let tenant = &self.settings.name;
        let alerts = self.partition.newest(tenant, None);
        let active = alerts.filter(|alert| self.partition.is_listed(alert, at(self.now)));
        let mut listed: Vec<_> = active.map(|alert| self.listed(&alert, model)).collect();
        listed.sort();
        listed
    }

    fn listed(&self, alert: &AlertView<'_>, model: &Model) -> Listed {
        let held = self.partition.suppression(&self.settings.name, alert, at(self.now));
        let number = |id: &SilenceId| self.silences.iter().position(|known| known == id).unwrap();
        let labels = text(alert.content.labels);
        let sources: BTreeSet<String> = model.sources_of(&labels);
        let named = held.inhibited_by.iter().map(|fingerprint| {
            let episode = self.partition.episode_of(&self.settings.name, *fingerprint).unwrap();
            text(self.partition.alert(&self.settings.name, episode).unwrap().content.labels)
        });
        assert!(named.clone().all(|source| sources.contains(&source)), "{labels} is held by none of them");
        let mut silenced_by: Vec<usize> = held.silenced_by.iter().map(number).collect();
        silenced_by.sort_unstable();
        Listed {
            labels,
            receivers: alert.receivers.iter().map(|&name| name.to_owned()).collect(),
            silenced_by,
            is_inhibited: !held.inhibited_by.is_empty(),
        }
    }

    pub(crate) fn listed_groups(&self) -> Vec<ListedGroup> {
        let tenant = &self.settings.name;
        let groups = self.partition.groups(tenant).into_iter();
        let groups = groups.filter_map(|id| self.partition.group(tenant, id, at(self.now)));
        let mut listed: Vec<_> = groups
            .map(|group| ListedGroup {
                labels: text(group.labels),
                receiver: group.receiver.to_string(),
                muted_by: group.muted_by.iter().map(ToString::to_string).collect(),
                alerts: group
                    .alerts
                    .iter()
                    .map(|key| text(self.partition.alert(tenant, key.episode).unwrap().content.labels))
                    .collect(),
            })
            .collect();
        listed.sort();
        listed
    }

    pub(crate) fn silence_states(&self) -> Vec<(u64, u64, &'static str)> {
        let Some(silences) = self.partition.silences(&self.settings.name) else { return Vec::new() };
        let found = self.silences.iter().filter_map(|id| silences.get(*id));
        let state = |silence: &openclaw_routing::Silence| {
            (second(silence.starts_at), second(silence.ends_at), silence.state(at(self.now)).name())
        };
        found.map(state).collect()
    }
}

/// Slots may differ after recovery, so states are compared as multisets of bytes.
fn state(partition: &Partition) -> Vec<u8> {
    let mut bytes = Vec::new();
    partition.write_snapshot(&mut bytes);
    bytes.sort_unstable();
    bytes
}

fn text(labels: openclaw_alert::Labels<'_>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

fn describe(alert: &NotifiedAlert) -> String {
    let content: Content<'_> = alert.view();
    let (name, note) = (text(content.labels), content.annotations.get("note"));
    let start = second(alert.starts_at.at);
    match alert.status {
        Status::Firing => format!("{name} fires since {start}, note {note}"),
        Status::Resolved => format!("{name} from {start} to {}, note {note}", second(alert.ends_at.at)),
    }
}
