//! All cases as the routes of one configuration; JSON is YAML too.

use super::case::{Case, Hook, Lane, Muting, Place};
use super::timeline::RESOLVE_TIMEOUT_MS;
use crate::support::Sink;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where webhooks go: one receiver for all, and one for each that fails first.
pub(super) struct Sinks {
    pub(super) all: Sink,
    pub(super) failing: BTreeMap<String, Sink>,
}

impl Sinks {
    pub(super) fn new(cases: &[Case]) -> Self {
        let mut sinks = Self { all: Sink::new(), failing: BTreeMap::new() };
        let hooks = cases.iter().flat_map(|case| &case.lanes).flat_map(|lane| &lane.hooks);
        for Hook { path, fails, .. } in hooks {
            if let Some((status, times)) = fails {
                let sink = Sink::new();
                sink.script(std::iter::repeat_n(crate::support::Reply::status(*status), *times));
                sinks.failing.insert(path.clone(), sink);
            }
        }
        sinks
    }

    fn url(&self, path: &str) -> String {
        self.failing.get(path).unwrap_or(&self.all).url(path)
    }
}

/// Routes, receivers, inhibition and time intervals of all cases.
pub(super) fn yaml(cases: &[Case], sinks: &Sinks) -> String {
    let routes: Vec<Value> = cases.iter().flat_map(case_routes).collect();
    let lanes = cases.iter().flat_map(|case| &case.lanes);
    let mut receivers = vec![json!({ "name": "nobody" })];
    receivers.extend(lanes.map(|lane| receiver(lane, sinks)));
    let inhibition = json!([{
        "source_matchers": ["role=\"source\""],
        "target_matchers": ["role=\"target\""],
        "equal": ["case"],
    }]);
    let intervals = json!([
        { "name": "always", "time_intervals": [{ "times": [{ "start_time": "00:00", "end_time": "24:00" }] }] },
        { "name": "never", "time_intervals": [{ "years": ["1999"] }] },
    ]);
    [
        ("global", json!({ "resolve_timeout": millis(RESOLVE_TIMEOUT_MS as u64) })),
        ("route", json!({ "receiver": "nobody", "routes": routes })),
        ("receivers", Value::Array(receivers)),
        ("inhibit_rules", inhibition),
        ("time_intervals", intervals),
    ]
    .map(|(key, value)| format!("{key}: {value}\n"))
    .concat()
}

fn millis(ms: u64) -> String {
    format!("{ms}ms")
}

fn case_routes(case: &Case) -> Vec<Value> {
    let of = |wanted: fn(Place) -> bool| case.lanes.iter().filter(move |lane| wanted(lane.place));
    let children: Vec<Value> = of(|place| matches!(place, Place::Child(_)))
        .map(|lane| {
            let mut route = timers(lane);
            let Place::Child(only) = lane.place else { return route };
            route["matchers"] = json!([format!("n=\"{only}\"")]);
            route
        })
        .collect();
    let has_second = of(|place| place == Place::Second).count() > 0;
    of(|place| !matches!(place, Place::Child(_)))
        .map(|lane| {
            let mut route = timers(lane);
            route["matchers"] = json!([format!("case=\"{}\"", case.label())]);
            if lane.place == Place::Main {
                route["continue"] = json!(has_second);
                route["routes"] = json!(children);
            }
            route
        })
        .collect()
}

fn timers(lane: &Lane) -> Value {
    let mut route = json!({
        "receiver": lane.name,
        "group_by": lane.grouping.json(),
        "group_wait": millis(lane.wait_ms),
        "group_interval": millis(lane.interval_ms),
        "repeat_interval": millis(lane.repeat_ms),
    });
    match lane.muting {
        Muting::None => {}
        Muting::Mute(name) => route["mute_time_intervals"] = json!([name]),
        Muting::Active(name) => route["active_time_intervals"] = json!([name]),
    }
    route
}

fn receiver(lane: &Lane, sinks: &Sinks) -> Value {
    let hook = |hook: &Hook| json!({ "url": sinks.url(&hook.path), "send_resolved": hook.send_resolved });
    let hooks: Vec<Value> = lane.hooks.iter().map(hook).collect();
    json!({ "name": lane.name, "webhook_configs": hooks })
}
