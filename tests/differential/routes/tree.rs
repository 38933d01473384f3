//! Random routing trees, written as Alertmanager's configuration.

use super::labels::{CLASSIC_NAMES, Labels, ODD_LINES, REGEXES, VALUES, name, noise, quoted};
use crate::random::Random;
use serde_json::{Map, Value, json};

const DEPTH_MAX: usize = 4;
const RECEIVERS: usize = 7;

/// A condition, and a value of its label that decides it.
#[derive(Debug, Clone)]
struct Condition {
    name: String,
    operator: &'static str,
    operand: String,
    /// A value for which it holds, if one is known.
    example: Option<String>,
}

impl Condition {
    fn random(random: &mut Random) -> Self {
        let operator = random.pick(&["=", "=", "=", "!=", "=~", "=~", "!~"]);
        let (operand, example) = match operator {
            "=~" | "!~" => random.pick(&REGEXES),
            _ => {
                let value = random.pick(&VALUES);
                (value, value)
            }
        };
        let example = (!operator.starts_with('!')).then(|| example.to_owned());
        Self { name: name(random).to_owned(), operator, operand: operand.to_owned(), example }
    }

    /// Written as people do: quoted, bare, with spaces, with a backslash too few.
    fn text(&self, random: &mut Random) -> String {
        let is_classic = CLASSIC_NAMES.contains(&self.name.as_str());
        let is_plain = is_classic && random.percent(80);
        let name = if is_plain { self.name.clone() } else { quoted(&self.name) };
        let is_bare = !self.operand.is_empty()
            && self.operand.chars().all(|char| char.is_alphanumeric() || "-._".contains(char));
        let operand = match random.below(20) {
            0..5 if is_bare => self.operand.clone(),
            // One backslash too few: only the older parser takes it, and not from every name.
            5..8 if is_plain && !self.operand.contains(['"', '\n']) => format!("\"{}\"", self.operand),
            8 if is_plain && !self.operand.contains([',', '\n', ' ']) => self.operand.clone(),
            9 if !self.operand.contains(['"', '\n']) => format!("\"{}\"", self.operand),
            _ => quoted(&self.operand),
        };
        let space = random.pick(&["", "", "", " "]);
        format!("{name}{space}{}{space}{operand}", self.operator)
    }
}

/// A route.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    receiver: Option<String>,
    /// Lines of `matchers`.
    matchers: Vec<String>,
    matched: Vec<(String, String)>,
    matched_re: Vec<(String, String)>,
    group_by: Option<Vec<&'static str>>,
    goes_on: bool,
    /// What an alert that takes the route may carry.
    examples: Vec<(String, String)>,
    routes: Vec<Self>,
}

impl Tree {
    pub(super) fn random(random: &mut Random) -> Self {
        let mut root = Self::node(random, 1);
        root.receiver = Some("r0".to_owned());
        root.goes_on = false;
        (root.matchers, root.matched, root.matched_re) = Default::default();
        root
    }

    fn node(random: &mut Random, depth: usize) -> Self {
        let mut tree = Self {
            receiver: random.percent(70).then(|| format!("r{}", random.below(RECEIVERS))),
            matchers: Vec::new(),
            matched: Vec::new(),
            matched_re: Vec::new(),
            group_by: random.percent(25).then(|| random.pick(&GROUPINGS).to_vec()),
            goes_on: random.percent(40),
            examples: Vec::new(),
            routes: Vec::new(),
        };
        tree.add_conditions(random);
        let most = if depth == 1 { 5 } else { 3 };
        if depth < DEPTH_MAX {
            let least = usize::from(depth == 1);
            tree.routes = (least..most).filter_map(|_| Self::child(random, depth)).collect();
        }
        tree
    }

    fn child(random: &mut Random, depth: usize) -> Option<Self> {
        random.percent(if depth == 1 { 85 } else { 55 }).then(|| Self::node(random, depth + 1))
    }

    fn add_conditions(&mut self, random: &mut Random) {
        for _ in 0..random.pick(&[0, 1, 1, 1, 1, 2]) {
            let condition = Condition::random(random);
            let line = condition.text(random);
            self.matchers.push(if random.percent(15) { format!("{{{line}}}") } else { line });
            self.examples.extend(condition.example.map(|value| (condition.name, value)));
        }
        if random.percent(2) {
            self.matchers.push(random.pick(&ODD_LINES).to_owned());
        }
        if random.percent(6) {
            let (one, two) = (Condition::random(random), Condition::random(random));
            self.matchers.push(format!("{{{},{}}}", one.text(random), two.text(random)));
            for condition in [one, two] {
                self.examples.extend(condition.example.map(|value| (condition.name, value)));
            }
        }
        if random.percent(12) {
            let pair = (random.pick(&CLASSIC_NAMES).to_owned(), random.pick(&VALUES).to_owned());
            self.examples.push(pair.clone());
            self.matched.push(pair);
        }
        if random.percent(12) {
            let (name, (regex, example)) = (random.pick(&CLASSIC_NAMES), random.pick(&REGEXES));
            self.examples.push((name.to_owned(), example.to_owned()));
            self.matched_re.push((name.to_owned(), regex.to_owned()));
        }
    }

    /// Labels that are likely to go down a path of the tree.
    pub(super) fn labels(&self, random: &mut Random) -> Labels {
        let mut labels = noise(random);
        let mut at = self;
        while !at.routes.is_empty() && random.percent(85) {
            at = &at.routes[random.below(at.routes.len())];
            for (name, value) in &at.examples {
                if random.percent(90) {
                    labels.insert(name.clone(), value.clone());
                }
            }
        }
        labels
    }

    fn json(&self) -> Value {
        let mut route = Map::new();
        let mut set = |key: &str, value: Value| {
            route.insert(key.to_owned(), value);
        };
        if let Some(receiver) = &self.receiver {
            set("receiver", json!(receiver));
        }
        if !self.matchers.is_empty() {
            set("matchers", json!(self.matchers));
        }
        for (key, pairs) in [("match", &self.matched), ("match_re", &self.matched_re)] {
            if !pairs.is_empty() {
                set(key, pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect());
            }
        }
        if let Some(labels) = &self.group_by {
            set("group_by", json!(labels));
        }
        if self.goes_on {
            set("continue", json!(true));
        }
        if !self.routes.is_empty() {
            set("routes", self.routes.iter().map(Self::json).collect());
        }
        Value::Object(route)
    }

    /// The configuration; JSON is YAML too.
    pub(super) fn yaml(&self) -> String {
        let receivers: Vec<Value> = (0..RECEIVERS).map(|n| json!({ "name": format!("r{n}") })).collect();
        format!("route: {}\nreceivers: {}\n", self.json(), Value::Array(receivers))
    }

    /// Trees with one thing less, the largest cuts first.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let mut found = Vec::new();
        let mut keep = |change: &dyn Fn(&mut Self)| {
            let mut tree = self.clone();
            change(&mut tree);
            found.push(tree);
        };
        (0..self.routes.len()).for_each(|at| keep(&|tree| drop(tree.routes.remove(at))));
        (0..self.matchers.len()).for_each(|at| keep(&|tree| drop(tree.matchers.remove(at))));
        (0..self.matched.len()).for_each(|at| keep(&|tree| drop(tree.matched.remove(at))));
        (0..self.matched_re.len()).for_each(|at| keep(&|tree| drop(tree.matched_re.remove(at))));
        if self.group_by.is_some() {
            keep(&|tree| tree.group_by = None);
        }
        if self.goes_on {
            keep(&|tree| tree.goes_on = false);
        }
        for (at, route) in self.routes.iter().enumerate() {
            for smaller in route.smaller() {
                keep(&|tree| tree.routes[at] = smaller.clone());
            }
        }
        found
    }
}

const GROUPINGS: [&[&str]; 5] = [&[], &["..."], &["alertname"], &["team", "zone"], &["größe"]];
