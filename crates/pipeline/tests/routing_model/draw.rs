//! Settings and what happens, drawn at random.

use super::plain::{Enforced, GroupBy, InhibitRule, Integration, Labels, Match, Route, Setup, Times};
use super::{Action, Post, Posted};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(crate) const RECEIVERS: [&str; 3] = ["ops", "db", "lead"];
const NAMES: [(&str, [&str; 3]); 3] =
    [("alertname", ["A", "B", ""]), ("n", ["1", "2", ""]), ("team", ["", "x", "y"])];
const TIMES: [&str; 2] = ["early", "late"];

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Post(Vec<Post>),
    Wait(u64),
    /// The process ends; another one starts so many seconds later.
    Restart {
        down_s: u64,
        from_snapshot: bool,
        setup: Option<Setup>,
    },
    /// Nobody steps the partition for so long; then what comes next comes.
    StandStill(u64),
    /// A request is turned away unread.
    TurnAway,
    SetSilence(Posted),
    /// By its number, counted from the latest.
    ExpireSilence(usize),
    Configure(Setup),
    /// Back to the settings before.
    Revert,
    Straight(bool),
    /// With one of the alerts that fire.
    Feedback(usize, Action),
}

pub(crate) fn matcher() -> impl Strategy<Value = Match> {
    (0_usize..3, any::<bool>(), 1_usize..8).prop_map(|(name, is_negated, which)| {
        let (name, values) = NAMES[name];
        let any_of = values.iter().enumerate().filter(|(bit, _)| which & (1 << bit) != 0);
        Match { name, is_negated, any_of: any_of.map(|(_, value)| *value).collect() }
    })
}

fn matchers(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Match>> {
    prop::collection::vec(matcher(), count)
}

fn labels() -> impl Strategy<Value = Labels> {
    (0_usize..2, 0_usize..2, 0_usize..3).prop_map(|(name, n, team)| {
        let mut labels =
            Labels::from([("alertname", NAMES[0].1[name]), ("n", NAMES[1].1[n]), ("team", NAMES[2].1[team])]);
        labels.retain(|_, value| !value.is_empty());
        labels
    })
}

fn group_by() -> impl Strategy<Value = GroupBy> {
    prop_oneof![
        Just(GroupBy::All),
        Just(GroupBy::Names(vec![])),
        Just(GroupBy::Names(vec!["alertname"])),
        Just(GroupBy::Names(vec!["n", "team"])),
    ]
}

fn maybe<T: Clone + std::fmt::Debug>(
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop_oneof![3 => Just(None), 2 => some.prop_map(Some)]
}

fn some_times() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![6 => Just(vec![]), 1 => Just(vec![TIMES[0]]), 1 => Just(vec![TIMES[1]])]
}

fn escalations() -> impl Strategy<Value = Vec<(u64, &'static str)>> {
    let step = (1_u64..30, 0_usize..3).prop_map(|(n, receiver)| (n * 10, RECEIVERS[receiver]));
    prop::collection::vec(step, 0..3)
}

/// How much may be drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) escalates: bool,
    pub(crate) reloads: bool,
    pub(crate) shadows: bool,
    pub(crate) enforces: bool,
}

fn leaf(scope: Scope) -> impl Strategy<Value = Route> {
    let none = || Just(None).boxed();
    let scores = if scope.enforces { (bound(), bound()).boxed() } else { (none(), none()).boxed() };
    let steps = if scope.escalates { maybe(escalations()).boxed() } else { Just(None).boxed() };
    (
        (maybe((0_usize..3).prop_map(|n| RECEIVERS[n])), maybe(group_by()), matchers(0..3), any::<bool>()),
        maybe(prop_oneof![Just(0_u64), Just(5), Just(30)]),
        maybe(prop_oneof![Just(20_u64), Just(60)]),
        maybe(prop_oneof![Just(100_u64), Just(300)]),
        (some_times(), some_times()),
        steps,
        scores,
    )
        .prop_map(
            |(
                (receiver, group_by, matchers, continues),
                wait,
                interval,
                repeat,
                times,
                escalations,
                scores,
            )| {
                let ((mute, active), (min_score, max_score)) = (times, scores);
                Route {
                    receiver,
                    group_by,
                    wait,
                    interval,
                    repeat,
                    matchers,
                    continues,
                    mute,
                    active,
                    escalations,
                    min_score,
                    max_score,
                    routes: vec![],
                }
            },
        )
}

fn score() -> impl Strategy<Value = f32> {
    (1_u8..8).prop_map(|tenth| f32::from(tenth) / 10.0)
}

fn bound() -> impl Strategy<Value = Option<f32>> {
    prop_oneof![4 => Just(None), 1 => score().prop_map(Some)]
}

fn enforced() -> impl Strategy<Value = Enforced> {
    let every = prop_oneof![Just(60_u64), Just(300)];
    (score(), 0_usize..3, every, matchers(0..2)).prop_map(|(threshold, receiver, every, never)| Enforced {
        threshold,
        receiver: RECEIVERS[receiver],
        every,
        never,
    })
}

fn branch(scope: Scope) -> impl Strategy<Value = Route> {
    let below = prop::collection::vec(leaf(scope), 0..3);
    (leaf(scope), below).prop_map(|(route, routes)| Route { routes, ..route })
}

fn root(scope: Scope) -> impl Strategy<Value = Route> {
    let below = prop::collection::vec(branch(scope), 0..4);
    (leaf(scope), 0_usize..3, below).prop_map(|(route, receiver, routes)| Route {
        receiver: Some(RECEIVERS[receiver]),
        wait: route.wait.or(Some(10)),
        interval: route.interval.or(Some(40)),
        repeat: route.repeat.or(Some(200)),
        matchers: vec![],
        // All would be muted for good.
        continues: false,
        routes,
        ..route
    })
}

fn integrations() -> impl Strategy<Value = Vec<Integration>> {
    prop::collection::vec((any::<bool>(), any::<bool>()), 1..3).prop_map(|drawn| {
        let integration = |(number, (send_resolved, shows)): (usize, (bool, bool))| Integration {
            number: number as u16,
            send_resolved,
            is_retired: false,
            shows,
        };
        drawn.into_iter().enumerate().map(integration).collect()
    })
}

fn inhibit_rule() -> impl Strategy<Value = InhibitRule> {
    let equal =
        prop_oneof![Just(vec![]), Just(vec!["n"]), Just(vec!["team"]), Just(vec!["alertname", "team"])];
    (matchers(0..3), matchers(0..3), equal).prop_map(|(sources, targets, equal)| InhibitRule {
        sources,
        targets,
        equal,
    })
}

fn times() -> impl Strategy<Value = BTreeMap<&'static str, Times>> {
    let weekday = prop_oneof![Just(None), Just(Some(5_u64)), Just(Some(6))];
    let evening = (1430_u64..1439, 1_u64..10, weekday.clone()).prop_map(|(from, long, on)| Times {
        from_minute: from,
        to_minute: (from + long).min(1440),
        weekday: on,
    });
    let morning = (0_u64..10, 1_u64..30, weekday).prop_map(|(from, long, on)| Times {
        from_minute: from,
        to_minute: from + long,
        weekday: on,
    });
    (morning, evening)
        .prop_map(|(morning, evening)| BTreeMap::from([(TIMES[0], morning), (TIMES[1], evening)]))
}

pub(crate) fn setup(scope: Scope) -> impl Strategy<Value = Setup> {
    let receivers = (integrations(), integrations(), integrations());
    let inhibit = prop::collection::vec(inhibit_rule(), 0..3);
    let is_shadow = if scope.shadows { prop::bool::weighted(0.3).boxed() } else { Just(false).boxed() };
    let rearm_after = prop_oneof![Just(90_u64), Just(400)];
    let enforced = if scope.enforces { maybe(enforced()).boxed() } else { Just(None).boxed() };
    (root(scope), receivers, inhibit, times(), (is_shadow, enforced), rearm_after).prop_map(
        |(root, (ops, db, lead), inhibit, times, (is_shadow, enforced), rearm_after)| {
            Setup {
                root,
                receivers: RECEIVERS.into_iter().zip([ops, db, lead]).collect(),
                inhibit,
                times,
                rearm_after,
                resolve_timeout: 120,
                is_shadow,
                enforced,
            }
            .without_unused()
        },
    )
}

fn post() -> impl Strategy<Value = Post> {
    let start = prop_oneof![2 => Just(None), 3 => (0_u64..12).prop_map(|n| Some(n * 5))];
    let end = prop_oneof![
        3 => Just(None),
        3 => (1_i64..60).prop_map(|n| Some(n * 10)),
        3 => (0_i64..8).prop_map(|n| Some(n * -10)),
    ];
    (labels(), start, end, 0_u8..2).prop_map(|(labels, started_ago, ends_in, note)| Post {
        labels,
        started_ago,
        ends_in,
        note,
    })
}

fn silence() -> impl Strategy<Value = Posted> {
    let starts_in = prop_oneof![3 => Just(Some(0_i64)), 1 => Just(Some(-20)), 1 => Just(None), 2 => (1_i64..10).prop_map(|n| Some(n * 10))];
    let of = prop_oneof![3 => Just(None), 1 => (0_usize..3).prop_map(Some)];
    let ends_in = (-1_i64..60).prop_map(|n| n * 10);
    let receivers = prop_oneof![3 => Just(vec![]), 1 => Just(vec![RECEIVERS[0]]), 1 => Just(vec![RECEIVERS[1], RECEIVERS[2]])];
    let during = prop_oneof![4 => Just(None), 1 => Just(Some(TIMES[0])), 1 => Just(Some("never"))];
    (of, matchers(1..3), starts_in, ends_in, receivers, prop::bool::weighted(0.3), during).prop_map(
        |(of, matchers, starts_in, ends_in, receivers, until_resolved, during)| Posted {
            of,
            matchers,
            starts_in,
            ends_in,
            receivers,
            until_resolved,
            during,
        },
    )
}

pub(crate) fn op(scope: Scope) -> impl Strategy<Value = Op> {
    let next = maybe(setup(scope)).boxed();
    let next = if scope.reloads { next } else { Just(None).boxed() };
    let down = (0_u64..20).prop_map(|n| n * 10);
    let restart = (down, any::<bool>(), next).prop_map(|(down_s, from_snapshot, setup)| Op::Restart {
        down_s,
        from_snapshot,
        setup,
    });
    let action = prop_oneof![
        3 => Just(Action::Ack),
        1 => Just(Action::Resolve),
        1 => Just(Action::Dismiss),
        1 => Just(Action::Escalate),
    ];
    let reload = if scope.reloads {
        prop_oneof![
            3 => setup(scope).prop_map(Op::Configure),
            2 => Just(Op::Revert), 1 => any::<bool>().prop_map(Op::Straight)]
        .boxed()
    } else {
        Just(Op::Wait(30)).boxed()
    };
    prop_oneof![
        8 => prop::collection::vec(post(), 1..4).prop_map(Op::Post),
        6 => (0_u64..9).prop_map(|n| Op::Wait(n * 10)),
        2 => (9_u64..60).prop_map(|n| Op::Wait(n * 10)),
        1 => restart,
        1 => (8_u64..30).prop_map(|n| Op::StandStill(n * 10)),
        1 => Just(Op::TurnAway),
        2 => silence().prop_map(Op::SetSilence),
        1 => (0_usize..3).prop_map(Op::ExpireSilence),
        2 => (0_usize..12, action).prop_map(|(which, action)| Op::Feedback(which, action)),
        2 => reload,
    ]
}
