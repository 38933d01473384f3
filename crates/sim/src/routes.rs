//! What a tenant's settings say about routes, over a run: drawn with the plan,
//! and said once more in plain words for the judge.

use crate::checker::Ms;
use crate::disk::Random;
use openclaw_alert::{MatchOp, Matcher, Pace};
use openclaw_routing::{
    GroupBy, InhibitRule, Integration, NamedIntervals, Receiver, RouteSettings, RouteTree, Routing,
    TimeInterval, TimeRange,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Everybody who may be told.
const RECEIVERS: [&str; 3] = ["ops", "db", "web"];

/// Runs begin at this minute of the day.
const FIRST_MINUTE: u64 = 8 * 60;

/// An integration by a number that no other of the tenant's has.
#[must_use]
pub fn integration(receiver: &str, number: u16) -> usize {
    let receiver = RECEIVERS.iter().position(|known| *known == receiver).unwrap_or(RECEIVERS.len());
    receiver * 32 + usize::from(number)
}

/// The name of an alert, by its number.
#[must_use]
pub fn alertname(alert: u64) -> &'static str {
    if alert.is_multiple_of(2) { "Even" } else { "Odd" }
}

/// Whether the inhibition that some tenants have lets one alert hold another.
#[must_use]
pub fn inhibits(source: u64, target: u64) -> bool {
    source % 10 == 1 && target.is_multiple_of(2)
}

/// Which alerts a route or a silence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// All with this name.
    Name(&'static str),
    /// Those whose number ends in this digit or the next.
    Digits(u64),
}

impl Meant {
    /// Draws one.
    pub fn draw(random: &mut Random) -> Self {
        match random.below(6) {
            0 => Self::Name("Odd"),
            1 => Self::Name("Even"),
            _ => Self::Digits(1 + random.below(4)),
        }
    }

    /// Whether an alert is meant.
    #[must_use]
    pub fn means(self, alert: u64) -> bool {
        match self {
            Self::Name(name) => alertname(alert) == name,
            Self::Digits(digit) => (digit..=digit + 1).contains(&(alert % 10)),
        }
    }

    /// As a matcher.
    #[must_use]
    pub fn matcher(self) -> Option<Matcher> {
        match self {
            Self::Name(name) => Matcher::new("alertname", MatchOp::Equal, name).ok(),
            Self::Digits(digit) => {
                let pattern = format!("[0-9]*[{digit}{}]", digit + 1);
                Matcher::new("n", MatchOp::Regex, &pattern).ok()
            }
        }
    }
}

/// A route below the root.
#[derive(Debug, Clone)]
struct Branch {
    means: Meant,
    receiver: &'static str,
    continues: bool,
    is_muted: bool,
    group_interval: Duration,
}

/// What stays the same for a tenant through all its settings.
#[derive(Debug, Clone)]
pub struct Habitat {
    /// What makes alerts one group.
    pub group_by: GroupBy,
    /// How long a new group waits.
    pub group_wait: Duration,
    /// The longest interval of any route.
    pub group_interval: Duration,
    /// Until what fires is told again.
    pub repeat_interval: Duration,
    /// By integration: whether it wants to hear of ends.
    pub send_resolved: BTreeMap<usize, bool>,
    /// Integrations that show what people do, and give receipts.
    pub chats: BTreeSet<usize>,
    /// Minutes of the run in which muted routes tell nothing.
    pub muted_minutes: (u64, u64),
    /// Whether some alerts hold others.
    pub has_inhibition: bool,
}

impl Habitat {
    /// Draws one.
    pub fn draw(random: &mut Random) -> Self {
        let group_by = match random.below(3) {
            0 => GroupBy::All,
            1 => GroupBy::Labels(Vec::new()),
            _ => GroupBy::Labels(vec!["alertname".into()]),
        };
        let seconds =
            |random: &mut Random, from: u64, to: u64| Duration::from_secs(from + random.below(to - from + 1));
        let (mut send_resolved, mut chats) = (BTreeMap::new(), BTreeSet::new());
        for receiver in RECEIVERS {
            send_resolved.insert(integration(receiver, 0), true);
            if random.one_in(3) {
                send_resolved.insert(integration(receiver, 1), random.one_in(3));
                if random.one_in(2) {
                    chats.insert(integration(receiver, 1));
                }
            }
        }
        let muted_from = 1 + random.below(15);
        Self {
            group_by,
            group_wait: seconds(random, 1, 20),
            group_interval: seconds(random, 10, 40),
            repeat_interval: seconds(random, 200, 900),
            send_resolved,
            chats,
            muted_minutes: (muted_from, muted_from + 1 + random.below(4)),
            has_inhibition: random.one_in(3),
        }
    }

    fn receiver(&self, name: &str, is_retired: bool) -> Receiver {
        let numbers = (0..2).filter_map(|number| {
            let send_resolved = *self.send_resolved.get(&integration(name, number))?;
            let shows_actions = self.chats.contains(&integration(name, number));
            let pace = Pace { channel: 1, every: Duration::from_millis(300), burst: 2 };
            let pace = shows_actions.then_some(pace);
            Some(Integration { number, send_resolved, is_retired, shows_actions, pace })
        });
        Receiver { integrations: numbers.collect(), ..Receiver::new(name, &[]) }
    }

    fn muted(&self) -> Option<Arc<NamedIntervals>> {
        let clock = |minute: u64| {
            let minute = FIRST_MINUTE + minute;
            format!("{:02}:{:02}", minute / 60, minute % 60)
        };
        let (from, to) = self.muted_minutes;
        let range = TimeRange::parse(&clock(from), &clock(to)).ok()?;
        let interval = TimeInterval { times: Some(vec![range]), ..TimeInterval::default() };
        Some(Arc::new(NamedIntervals { name: "quiet".into(), intervals: vec![interval] }))
    }

    fn inhibit_rules(&self) -> Arc<[InhibitRule]> {
        let source = Matcher::new("n", MatchOp::Regex, "[0-9]*1");
        let target = Matcher::new("alertname", MatchOp::Equal, "Even");
        match (source, target) {
            (Ok(source), Ok(target)) if self.has_inhibition => {
                let rule = InhibitRule { sources: vec![source], targets: vec![target], equal: Vec::new() };
                Arc::new([rule])
            }
            _ => Arc::new([]),
        }
    }
}

/// The routes of one generation of settings.
#[derive(Debug, Clone)]
pub struct Routes {
    branches: Vec<Branch>,
    /// Receivers that are in the settings.
    live: BTreeSet<&'static str>,
    root: &'static str,
}

impl Routes {
    /// Draws some.
    pub fn draw(habitat: &Habitat, random: &mut Random) -> Self {
        let live: BTreeSet<&'static str> =
            RECEIVERS.into_iter().filter(|name| *name == "ops" || !random.one_in(3)).collect();
        let pick = |random: &mut Random| {
            let names: Vec<_> = live.iter().copied().collect();
            names[random.below(names.len() as u64) as usize]
        };
        let mut branches: Vec<Branch> = Vec::new();
        for _ in 0..random.below(4) {
            let means = Meant::draw(random);
            // Messages name routes by what they mean.
            if branches.iter().any(|branch| branch.means == means) {
                continue;
            }
            let longest = habitat.group_interval.as_secs();
            branches.push(Branch {
                means,
                receiver: pick(random),
                continues: random.one_in(2),
                is_muted: random.one_in(4),
                group_interval: Duration::from_secs(10 + random.below(longest - 9)),
            });
        }
        let root = pick(random);
        Self { branches, live, root }
    }

    /// Who is told of an alert, in plain words: the branches that mean it, up
    /// to the first that doesn't go on; the root where none does.
    #[must_use]
    pub fn tells(&self, habitat: &Habitat, alert: u64) -> BTreeSet<usize> {
        let mut receivers = Vec::new();
        for branch in self.branches.iter().filter(|branch| branch.means.means(alert)) {
            receivers.push(branch.receiver);
            if !branch.continues {
                break;
            }
        }
        if receivers.is_empty() {
            receivers.push(self.root);
        }
        let known = |key: &usize| habitat.send_resolved.contains_key(key);
        let numbers = |name: &'static str| (0..2).map(move |number| integration(name, number));
        receivers.into_iter().flat_map(numbers).filter(known).collect()
    }

    /// As settings; `told_before` are receivers that earlier settings had.
    #[must_use]
    pub fn routing(&self, habitat: &Habitat, told_before: &BTreeSet<&'static str>) -> Routing {
        let muted: Vec<_> = habitat.muted().into_iter().collect();
        let branch = |branch: &Branch| RouteSettings {
            matchers: branch.means.matcher().into_iter().collect(),
            continues: branch.continues,
            group_interval: Some(branch.group_interval),
            mute: if branch.is_muted { muted.clone() } else { Vec::new() },
            ..RouteSettings::to(branch.receiver)
        };
        let root = RouteSettings {
            group_by: Some(habitat.group_by.clone()),
            group_wait: Some(habitat.group_wait),
            group_interval: Some(habitat.group_interval),
            repeat_interval: Some(habitat.repeat_interval),
            routes: self.branches.iter().map(branch).collect(),
            ..RouteSettings::to(self.root)
        };
        let receivers =
            RECEIVERS.iter().filter(|name| self.live.contains(*name) || told_before.contains(*name));
        let receivers = receivers.map(|name| habitat.receiver(name, !self.live.contains(name))).collect();
        let tree = RouteTree::new(&root).unwrap_or_else(|| RouteTree::single(self.root));
        Routing { inhibit_rules: habitat.inhibit_rules(), intervals: muted, ..Routing::new(tree, receivers) }
    }

    /// Receivers that are in the settings.
    #[must_use]
    pub fn live(&self) -> &BTreeSet<&'static str> {
        &self.live
    }

    /// Whether any route is muted at times.
    #[must_use]
    pub fn has_mutes(&self) -> bool {
        self.branches.iter().any(|branch| branch.is_muted)
    }
}

/// Milliseconds of the run in which muted routes tell nothing.
#[must_use]
pub fn muted_ms(habitat: &Habitat) -> (Ms, Ms) {
    (habitat.muted_minutes.0 * 60_000, habitat.muted_minutes.1 * 60_000)
}
