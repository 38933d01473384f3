//! Routes: where an alert goes. Alertmanager's tree, depth first: the first
//! child that matches takes an alert unless it says `continue`; a route none
//! of whose children match takes it itself.

use crate::NamedIntervals;
use openclaw_alert::{Labels, Matcher, Timestamp, display_list, fnv1a};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Routes in one tree.
pub const ROUTES_MAX: usize = 10_000;

/// A route as it is written; what is left out is inherited from its parent.
#[derive(Debug, Clone, Default)]
pub struct RouteSettings {
    /// Who is told.
    pub receiver: Option<Arc<str>>,
    /// What makes alerts one group.
    pub group_by: Option<GroupBy>,
    /// How long a new group waits for more alerts.
    pub group_wait: Option<Duration>,
    /// How long after a notification the next may follow.
    pub group_interval: Option<Duration>,
    /// How long until a group that still fires is told again.
    pub repeat_interval: Option<Duration>,
    /// What an alert has to meet; not inherited, like all that follows but
    /// `escalations`.
    pub matchers: Vec<Matcher>,
    /// Whether siblings after this route see what it takes.
    pub continues: bool,
    /// Nothing new is told in these times.
    pub mute: Vec<Arc<NamedIntervals>>,
    /// Something new is told in these times only.
    pub active: Vec<Arc<NamedIntervals>>,
    /// Takes alerts with this score or more, where scores count.
    pub min_score: Option<f32>,
    /// Takes alerts with less than this score, where scores count; what it
    /// takes isn't left to the digest.
    pub max_score: Option<f32>,
    /// Who is told of what nobody acknowledges.
    pub escalations: Option<Vec<Escalation>>,
    /// Children, in order.
    pub routes: Vec<RouteSettings>,
}

impl RouteSettings {
    /// A route to this receiver with everything else left out.
    #[must_use]
    pub fn to(receiver: &str) -> Self {
        Self { receiver: Some(receiver.into()), ..Self::default() }
    }
}

/// Who is told of what nobody acknowledges, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// This long after the alert began to be told.
    pub after: Duration,
    /// The receiver.
    pub receiver: Arc<str>,
}

/// What makes alerts one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// `['...']`: all labels, so each alert is a group of its own.
    All,
    /// The values of these labels.
    Labels(Vec<String>),
}

/// A route's identity: a hash of what it says, so that groups survive a change
/// of other routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u64);

impl RouteId {
    /// The route of digests, which no tree has.
    pub const DIGEST: Self = Self(0);
}

/// A route with all that it inherits.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its identity.
    pub id: RouteId,
    /// Alertmanager's key: the matchers on the way to it, `{}/{team="db"}`.
    pub key: Arc<str>,
    /// Who is told.
    pub receiver: Arc<str>,
    /// What makes alerts one group.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How long after a notification the next may follow.
    pub group_interval: Duration,
    /// How long until a group that still fires is told again.
    pub repeat_interval: Duration,
    /// Set for escalations: told only what has been open for this long and
    /// nobody has acknowledged.
    pub escalates_after: Option<Duration>,
    /// What an alert has to meet.
    pub matchers: Vec<Matcher>,
    /// Whether siblings after this route see what it takes.
    pub continues: bool,
    /// Least score that it takes.
    pub min_score: Option<f32>,
    /// It takes less than this score.
    pub max_score: Option<f32>,
    /// Nothing new is told in these times.
    pub mute: Vec<Arc<NamedIntervals>>,
    /// Something new is told in these times only.
    pub active: Vec<Arc<NamedIntervals>>,
    /// Levels above it.
    pub depth: usize,
    /// Place after its last descendant.
    end: usize,
    /// Places of its escalations.
    escalations: Vec<usize>,
}

impl Route {
    /// Why nothing new is told now: the names of the intervals, empty when
    /// something may be told.
    #[must_use]
    pub fn muted_by(&self, now: Timestamp) -> Vec<Arc<str>> {
        let names = |intervals: &[Arc<NamedIntervals>]| {
            intervals.iter().map(|named| Arc::clone(&named.name)).collect::<Vec<_>>()
        };
        if !self.active.is_empty() && !self.active.iter().any(|named| named.contains(now)) {
            return names(&self.active);
        }
        let muting: Vec<_> = self.mute.iter().filter(|named| named.contains(now)).cloned().collect();
        names(&muting)
    }

    /// When a group that an alert of this start opens is first told: after
    /// `group_wait`, but at once where the alert has been firing for longer
    /// than that, and for an escalation when it is due.
    #[must_use]
    pub fn first_flush_at(&self, starts_at: Timestamp, now: Timestamp) -> Timestamp {
        match self.escalates_after {
            Some(after) => now.plus(after),
            None if starts_at.plus(self.group_wait) < now => now,
            None => now.plus(self.group_wait),
        }
    }

    fn unmet(&self, labels: Labels<'_>, score: Option<f32>) -> Option<Unmet<'_>> {
        if let Some(matcher) = self.matchers.iter().find(|matcher| !matcher.matches(labels)) {
            return Some(Unmet::Matcher(matcher));
        }
        let score = score?;
        if let Some(least) = self.min_score.filter(|least| score < *least) {
            return Some(Unmet::MinScore(least));
        }
        self.max_score.filter(|below| score >= *below).map(Unmet::MaxScore)
    }
}

/// What an alert lacks for a route.
#[derive(Debug, Clone, Copy)]
pub enum Unmet<'a> {
    /// The first matcher that it doesn't meet.
    Matcher(&'a Matcher),
    /// Its score is too low.
    MinScore(f32),
    /// Its score is too high.
    MaxScore(f32),
}

/// What became of an alert at a route.
#[derive(Debug, Clone, Copy)]
pub enum Verdict<'a> {
    /// The route takes it.
    Taken,
    /// It matches, and a route below takes it.
    Passed,
    /// It doesn't match.
    Unmet(Unmet<'a>),
}

/// All routes of a tenant.
#[derive(Debug, Clone)]
pub struct RouteTree {
    /// The tree, parents before children, then the escalations and the break-glass.
    routes: Vec<Arc<Route>>,
    /// How many of them are the tree.
    tree_len: usize,
    by_id: HashMap<RouteId, usize>,
    identity: u64,
}

impl RouteTree {
    /// Builds the tree; `None` where the root has no receiver.
    #[must_use]
    pub fn new(root: &RouteSettings) -> Option<Self> {
        let receiver = root.receiver.clone()?;
        let top = Inherited {
            receiver,
            group_by: GroupBy::Labels(Vec::new()),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            repeat_interval: Duration::from_secs(4 * 3600),
            escalations: Vec::new(),
            key: None,
            depth: 0,
        };
        let mut builder = Builder::default();
        builder.add(root, &top);
        Some(builder.finish())
    }

    /// A tree of one route, with Alertmanager's defaults.
    #[must_use]
    pub fn single(receiver: &str) -> Self {
        Self::new(&RouteSettings::to(receiver)).unwrap_or_else(|| unreachable!("the root has a receiver"))
    }

    /// The routes that take an alert, in order; `score` where scores count.
    /// Never empty.
    pub fn find<'a>(&'a self, labels: Labels<'_>, score: Option<f32>) -> Vec<&'a Arc<Route>> {
        let mut found = Vec::with_capacity(1);
        self.visit(0, labels, score, &mut |index, verdict| {
            if matches!(verdict, Verdict::Taken) {
                found.push(&self.routes[index]);
            }
        });
        if found.is_empty() {
            // The root takes what nobody else does, whatever its score.
            found.push(&self.routes[0]);
        }
        found
    }

    /// Every route that was looked at, in the order of the tree, with what
    /// came of it.
    #[must_use]
    pub fn explain(&self, labels: Labels<'_>, score: Option<f32>) -> Vec<(&Route, Verdict<'_>)> {
        let mut seen = Vec::new();
        self.visit(0, labels, score, &mut |index, verdict| seen.push((index, verdict)));
        seen.sort_by_key(|(index, _)| *index);
        seen.into_iter().map(|(index, verdict)| (&*self.routes[index], verdict)).collect()
    }

    fn visit<'a>(
        &'a self,
        index: usize,
        labels: Labels<'_>,
        score: Option<f32>,
        note: &mut impl FnMut(usize, Verdict<'a>),
    ) -> bool {
        let route = &self.routes[index];
        if let Some(unmet) = route.unmet(labels, score) {
            note(index, Verdict::Unmet(unmet));
            return false;
        }
        let (mut child, mut is_passed) = (index + 1, false);
        while child < route.end {
            let taken = self.visit(child, labels, score, note);
            is_passed |= taken;
            if taken && !self.routes[child].continues {
                break;
            }
            child = self.routes[child].end;
        }
        note(index, if is_passed { Verdict::Passed } else { Verdict::Taken });
        true
    }

    /// The route with this identity: of the tree, an escalation, or the
    /// break-glass.
    #[must_use]
    pub fn get(&self, id: RouteId) -> Option<&Arc<Route>> {
        self.by_id.get(&id).map(|&index| &self.routes[index])
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Route {
        &self.routes[0]
    }

    /// Straight to the default receiver, without waiting.
    #[must_use]
    pub fn passthrough(&self) -> &Route {
        &self.routes[self.routes.len() - 1]
    }

    /// The escalations of a route.
    pub fn escalations<'a>(&'a self, route: &Route) -> impl Iterator<Item = &'a Route> {
        route.escalations.clone().into_iter().map(|index| &*self.routes[index])
    }

    /// The routes as written, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes[..self.tree_len].iter().map(|route| &**route)
    }

    /// Whether any route escalates.
    #[must_use]
    pub fn has_escalations(&self) -> bool {
        self.routes.len() > self.tree_len + 1
    }

    /// A hash of all that decides which routes an alert takes.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.identity
    }
}

/// What a route hands down.
struct Inherited {
    receiver: Arc<str>,
    group_by: GroupBy,
    group_wait: Duration,
    group_interval: Duration,
    repeat_interval: Duration,
    escalations: Vec<Escalation>,
    key: Option<Arc<str>>,
    depth: usize,
}

impl Inherited {
    fn with(&self, route: &RouteSettings) -> Self {
        let mut matchers: Vec<_> = route.matchers.clone();
        matchers.sort();
        let own = display_list(&matchers);
        let key = match &self.key {
            Some(above) => format!("{above}/{own}"),
            None => own,
        };
        let receiver = route.receiver.clone().unwrap_or_else(|| Arc::clone(&self.receiver));
        // Whom the route tells anyway, need not be told again by what it inherits.
        let others = self.escalations.iter().filter(|step| step.receiver != receiver);
        Self {
            escalations: route.escalations.clone().unwrap_or_else(|| others.cloned().collect()),
            receiver,
            group_by: route.group_by.clone().unwrap_or_else(|| self.group_by.clone()),
            group_wait: route.group_wait.unwrap_or(self.group_wait),
            group_interval: route.group_interval.unwrap_or(self.group_interval),
            repeat_interval: route.repeat_interval.unwrap_or(self.repeat_interval),
            key: Some(key.into()),
            depth: self.depth + 1,
        }
    }
}

#[derive(Default)]
struct Builder {
    routes: Vec<Route>,
    /// Escalations of all routes, by the route's place.
    escalations: Vec<(usize, Vec<Escalation>)>,
}

impl Builder {
    fn add(&mut self, settings: &RouteSettings, above: &Inherited) {
        let own = above.with(settings);
        let index = self.routes.len();
        self.routes.push(Route {
            id: RouteId(0),
            key: own.key.clone().unwrap_or_default(),
            receiver: Arc::clone(&own.receiver),
            group_by: own.group_by.clone(),
            group_wait: own.group_wait,
            group_interval: own.group_interval,
            repeat_interval: own.repeat_interval,
            escalates_after: None,
            matchers: settings.matchers.clone(),
            continues: settings.continues,
            min_score: settings.min_score,
            max_score: settings.max_score,
            mute: settings.mute.clone(),
            active: settings.active.clone(),
            depth: above.depth,
            end: 0,
            escalations: Vec::new(),
        });
        self.escalations.push((index, own.escalations.clone()));
        settings.routes.iter().for_each(|child| self.add(child, &own));
        self.routes[index].end = self.routes.len();
    }

    fn finish(mut self) -> RouteTree {
        let tree_len = self.routes.len();
        self.name_routes();
        for (index, steps) in std::mem::take(&mut self.escalations) {
            for (step, escalation) in steps.iter().enumerate() {
                let route = escalated(&self.routes[index], step, escalation);
                let place = self.routes.len();
                self.routes[index].escalations.push(place);
                self.routes.push(route);
            }
        }
        let passthrough = straight(&self.routes[0]);
        self.routes.push(passthrough);
        let by_id = self.routes.iter().enumerate().map(|(index, route)| (route.id, index)).collect();
        let identity = identity(&self.routes[..tree_len], &self.routes[tree_len..]);
        let routes = self.routes.into_iter().map(Arc::new).collect();
        RouteTree { routes, tree_len, by_id, identity }
    }

    /// Routes that say the same are told apart by their order.
    fn name_routes(&mut self) {
        let mut same: HashMap<u64, u64> = HashMap::new();
        for route in &mut self.routes {
            let scores = [route.min_score, route.max_score].map(|score| score.unwrap_or(-1.0).to_bits());
            let said = fnv1a(&[
                route.key.as_bytes(),
                route.receiver.as_bytes(),
                &scores[0].to_le_bytes(),
                &scores[1].to_le_bytes(),
            ]);
            let before = same.entry(said).or_default();
            route.id = RouteId(fnv1a(&[&said.to_le_bytes(), &before.to_le_bytes()]));
            *before += 1;
        }
    }
}

fn escalated(route: &Route, step: usize, escalation: &Escalation) -> Route {
    let id = fnv1a(&[
        b"escalation",
        &route.id.0.to_le_bytes(),
        &(step as u64).to_le_bytes(),
        escalation.receiver.as_bytes(),
    ]);
    Route {
        id: RouteId(id),
        receiver: Arc::clone(&escalation.receiver),
        escalates_after: Some(escalation.after),
        escalations: Vec::new(),
        ..route.clone()
    }
}

fn straight(root: &Route) -> Route {
    Route {
        id: RouteId(fnv1a(&[b"passthrough", root.receiver.as_bytes()])),
        group_wait: Duration::ZERO,
        group_interval: root.group_interval.min(Duration::from_secs(30)),
        mute: Vec::new(),
        active: Vec::new(),
        escalations: Vec::new(),
        ..root.clone()
    }
}

fn identity(tree: &[Route], others: &[Route]) -> u64 {
    let mut hash = 0_u64;
    for route in tree.iter().chain(others) {
        let by = match &route.group_by {
            GroupBy::All => "...".to_owned(),
            GroupBy::Labels(names) => names.join("\u{0}"),
        };
        let shape = [u8::from(route.continues), route.depth as u8];
        hash = fnv1a(&[&hash.to_le_bytes(), &route.id.0.to_le_bytes(), by.as_bytes(), &shape]);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_alert::LabelsBuilder;

    fn route(receiver: &str, matcher: &str, continues: bool, routes: Vec<RouteSettings>) -> RouteSettings {
        let matchers = Matcher::parse_list(matcher).unwrap();
        RouteSettings { matchers, continues, routes, ..RouteSettings::to(receiver) }
    }

    fn check(tree: &RouteTree, labels: &[(&str, &str)], want: &[&str]) {
        let bytes = LabelsBuilder::encode(labels.iter().copied());
        let found = tree.find(Labels::from_encoded(&bytes), None);
        assert_eq!(found.iter().map(|route| &*route.receiver).collect::<Vec<_>>(), want, "{labels:?}");
    }

    fn tree() -> RouteTree {
        let db = vec![route("db-critical", r#"severity="critical""#, false, vec![])];
        let children = vec![
            route("db", r#"team="db""#, false, db),
            route("audit", r#"env=~"prod.*""#, true, vec![]),
            route("web", r#"team=~"web|api""#, false, vec![]),
        ];
        RouteTree::new(&RouteSettings { routes: children, ..RouteSettings::to("default") }).unwrap()
    }

    #[test]
    fn the_first_child_that_matches_takes_it() {
        let tree = tree();
        check(&tree, &[], &["default"]);
        check(&tree, &[("team", "db")], &["db"]);
        check(&tree, &[("team", "db"), ("severity", "critical")], &["db-critical"]);
        check(&tree, &[("env", "prod-eu")], &["audit"]);
        check(&tree, &[("env", "prod"), ("team", "api")], &["audit", "web"]);
        check(&tree, &[("env", "prod"), ("team", "db")], &["db"]);
    }

    #[test]
    fn keys_are_the_way_from_the_root() {
        let keys: Vec<_> = tree().iter().map(|route| route.key.to_string()).collect();
        assert_eq!(keys[0], "{}");
        assert_eq!(keys[2], r#"{}/{team="db"}/{severity="critical"}"#);
    }

    #[test]
    fn other_routes_dont_change_an_identity() {
        let before = tree();
        let mut settings = RouteSettings::to("default");
        settings.routes =
            vec![route("new", "a=b", false, vec![]), route("web", r#"team=~"web|api""#, false, vec![])];
        let after = RouteTree::new(&settings).unwrap();
        let id = |tree: &RouteTree| tree.iter().find(|route| &*route.receiver == "web").unwrap().id;
        assert_eq!(id(&before), id(&after));
        assert_ne!(before.identity(), after.identity());
    }

    #[test]
    fn what_nobody_acknowledges_has_routes_of_its_own() {
        let after = Duration::from_secs(600);
        let escalations = Some(vec![Escalation { after, receiver: "lead".into() }]);
        let routes = vec![route("lead", "team=db", false, vec![])];
        let settings = RouteSettings { escalations, routes, ..RouteSettings::to("ops") };
        let tree = RouteTree::new(&settings).unwrap();
        let inherited = tree.iter().find(|route| &*route.receiver == "lead").unwrap();
        assert_eq!(tree.escalations(inherited).count(), 0, "it is told anyway");
        let steps: Vec<_> = tree.escalations(tree.root()).collect();
        assert_eq!((steps.len(), &*steps[0].receiver, steps[0].escalates_after), (1, "lead", Some(after)));
        assert_eq!(tree.get(steps[0].id).unwrap().id, steps[0].id);
    }
}
