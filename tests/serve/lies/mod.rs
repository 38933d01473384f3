//! Tools that lie: they refuse with a yes, take what they don't answer, answer
//! when nobody listens. What they have taken must be right all the same, with
//! a kill in the middle. `OPENCLAW_SEED` sets the randomness, which each run
//! prints; it takes half a minute, most of which is spent on time-outs.

mod judge;
mod sink;
mod tools;

use crate::support::server::Server;
use crate::support::{Alert, Folder, pause, until, until_some};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use judge::{Call, Record, Told};
use serde_json::{Value, json};
use sink::{Liar, Random, SIGNED_WITH, TIMEOUT};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tools::Tool;

const TEAMS: u64 = 4;
const GROUPS: u64 = 12;
const ALERTS_PER_GROUP: u64 = 4;
const TICK: Duration = Duration::from_millis(150);
const TICKS: u64 = 80;
const KILL_AT: u64 = 38;
/// The longest that honest tools may take to hear of everything.
const SETTLES: Duration = Duration::from_secs(60);
/// What a kill may have counted twice, at a receiver.
const COUNTED_TWICE: u64 = 2;
/// Of so many episodes one may go uncounted: one whose first message another
/// took the place of, which no longer tells of it.
const ONE_UNCOUNTED_IN: u64 = 6;
/// An alert that is back before its group was looked at has never ended for
/// its receivers: its two episodes may have one end.
const LOOKED_AT: Duration = Duration::from_millis(2500);

fn tenant(liar: &Liar) -> String {
    let ms = TIMEOUT.as_millis();
    let (hook, slack, other) = (liar.url("/hook"), liar.url("/slack/api/"), liar.url(""));
    let secret = STANDARD.encode(SIGNED_WITH);
    let mut out = format!(
        "receivers:\n\
         - name: hook\n  webhook_configs: [{{ url: \"{hook}\", secret: \"whsec_{secret}\", timeout: {ms}ms }}]\n\
         - name: tickets\n  pagerduty_configs:\n  - routing_key: 0123456789abcdef0123456789abcdef\n    \
         url: \"{other}/v2/enqueue\"\n    timeout: {ms}ms\n  servicenow_configs:\n  \
         - {{ instance_url: \"{other}\", username: u, password: p, timeout: {ms}ms }}\n"
    );
    let mut routes = String::new();
    for team in 0..TEAMS {
        let _ = write!(
            out,
            "- name: chat-{team}\n  slack_configs:\n  - {{ app_token: xoxb-1, app_url: \"{slack}\", channel: C{team}, \
             send_resolved: true, timeout: {ms}ms }}\n  telegram_configs:\n  \
             - {{ bot_token: '1:t', chat_id: {}, api_url: \"{other}\", timeout: {ms}ms }}\n",
            team + 1
        );
        let _ = writeln!(routes, "  - {{ receiver: chat-{team}, matchers: ['team=\"{team}\"'] }}");
    }
    out + "route:\n  receiver: hook\n  group_by: [alertname]\n  group_wait: 200ms\n  group_interval: 1s\n  routes:\n  \
           - { receiver: hook, continue: true }\n  - { receiver: tickets, matchers: ['tickets=\"yes\"'], continue: true }\n"
        + &routes
}

/// An alert of ours, and whether it fires.
struct Ours {
    alert: Alert,
    receivers: Vec<String>,
    fires: bool,
    /// Some come back at once.
    flaps: bool,
    ended: Option<Instant>,
}

impl Ours {
    fn may_change(&self, fires: bool) -> bool {
        self.fires == fires && (self.flaps || !self.has_just_ended())
    }

    fn has_just_ended(&self) -> bool {
        self.ended.is_some_and(|ended| ended.elapsed() < LOOKED_AT)
    }
}

fn ours() -> Vec<Ours> {
    let alert = |number: u64| {
        let group = number / ALERTS_PER_GROUP;
        let (team, has_tickets) = (group % TEAMS, group.is_multiple_of(2));
        let mut receivers = vec!["hook".to_owned(), format!("chat-{team}")];
        receivers.extend(has_tickets.then(|| "tickets".to_owned()));
        let alert = Alert::new(&format!("group-{group}")).label("instance", &number.to_string());
        let alert = alert.label("team", &team.to_string());
        let alert = alert.label("tickets", if has_tickets { "yes" } else { "no" });
        let flaps = number.is_multiple_of(ALERTS_PER_GROUP);
        Ours { alert, receivers, fires: false, flaps, ended: None }
    };
    (0..GROUPS * ALERTS_PER_GROUP).map(alert).collect()
}

struct World {
    liar: Liar,
    folder: Folder,
    server: Server,
    key: String,
    random: Random,
    ours: Vec<Ours>,
    /// Episodes, with the receivers that they are for.
    episodes: BTreeMap<String, Vec<String>>,
    kills: Vec<Instant>,
    /// Alerts that were back at once, by receiver.
    back_at_once: BTreeMap<String, u64>,
    /// Ends by receiver, as the processes counted them.
    counted: BTreeMap<String, u64>,
    /// Dead letters that were sent again, with the number of their alerts, by receiver.
    revived: BTreeMap<String, u64>,
}

fn world(seed: u64) -> World {
    let liar = Liar::new(seed);
    let folder = Folder::new(&[("acme", &tenant(&liar))]);
    let key = folder.full_key("acme");
    let server = folder.serve();
    World {
        liar,
        server,
        key,
        folder,
        random: Random::new(seed ^ 0x5eed),
        ours: ours(),
        episodes: BTreeMap::new(),
        back_at_once: BTreeMap::new(),
        kills: Vec::new(),
        counted: BTreeMap::new(),
        revived: BTreeMap::new(),
    }
}

impl World {
    fn pick(&mut self, fires: bool) -> Option<usize> {
        let among: Vec<_> = (0..self.ours.len()).filter(|&at| self.ours[at].may_change(fires)).collect();
        let at = self.random.below(among.len().max(1) as u64) as usize;
        among.get(at).copied()
    }

    /// Alerts begin, go on and end; some begin again.
    fn post(&mut self, is_repeated: bool) {
        let mut posted = Vec::new();
        for _ in 0..self.random.below(3) {
            let Some(at) = self.pick(false) else { break };
            posted.push(self.begin(at));
        }
        self.server.post_alerts(&self.key, &posted);
        self.note_episodes();
        posted.clear();
        if self.random.below(3) == 0
            && let Some(at) = self.pick(true)
        {
            let ours = &mut self.ours[at];
            (ours.fires, ours.ended) = (false, Some(Instant::now()));
            posted.push(ours.alert.clone().resolved());
        }
        if is_repeated {
            posted.extend(self.ours.iter().filter(|ours| ours.fires).map(|ours| ours.alert.clone()));
        }
        self.server.post_alerts(&self.key, &posted);
    }

    fn begin(&mut self, at: usize) -> Alert {
        let ours = &mut self.ours[at];
        ours.fires = true;
        if ours.has_just_ended() {
            for receiver in &ours.receivers {
                *self.back_at_once.entry(receiver.clone()).or_default() += 1;
            }
        }
        ours.alert.clone()
    }

    fn note_episodes(&mut self) {
        let page = self.server.get("/api/v1/alerts?limit=500", &self.key).expect(200).json();
        for alert in page["alerts"].as_array().unwrap() {
            let labels = &alert["labels"];
            let mut receivers = vec!["hook".to_owned(), format!("chat-{}", labels["team"].as_str().unwrap())];
            if labels["tickets"] == "yes" {
                receivers.push("tickets".to_owned());
            }
            self.episodes.insert(alert["id"].as_str().unwrap().to_owned(), receivers);
        }
    }

    fn people_act(&mut self) {
        match self.random.below(6) {
            0 | 1 => self.give_feedback(),
            2 => self.resolve_over_there(),
            _ => {}
        }
    }

    fn give_feedback(&mut self) {
        let ids: Vec<_> = self.episodes.keys().cloned().collect();
        let Some(id) = ids.get(self.random.below(ids.len().max(1) as u64) as usize) else { return };
        let action = ["ack", "ack", "ack", "resolve", "dismiss", "escalate"][self.random.below(6) as usize];
        let body = json!({ "action": action, "by": "ann", "note": "" }).to_string();
        self.server.post(&format!("/api/v1/alerts/{id}/feedback"), &self.key, &body).expect(200);
    }

    /// Somebody resolves an incident at ServiceNow, whose rule tells us.
    fn resolve_over_there(&mut self) {
        let mut state = self.liar.state();
        let open = state.tools.incidents.values().filter(|incident| incident.is_open());
        let open: Vec<_> = open.map(|incident| incident.sys_id.clone()).collect();
        let Some(sys_id) = open.get(self.random.below(open.len().max(1) as u64) as usize) else { return };
        let Some(correlation_id) = state.tools.resolve(sys_id) else { return };
        let (at, call) = (Instant::now(), Call::Person { sys_id: sys_id.clone() });
        let (place, key) = (String::new(), String::new());
        state.told.push(Told { at, tool: Tool::ServiceNow, place, key, call, is_taken: true, is_yes: true });
        drop(state);
        let body = json!({ "correlation_id": correlation_id, "state": "6", "by": "bob", "number": "INC1" });
        self.server.post("/t/acme/api/v1/servicenow/callback", &self.key, &body.to_string()).expect(200);
    }

    fn kill(&mut self) {
        self.count();
        self.server.signal("KILL");
        self.kills.push(Instant::now());
        until("the process has been killed", || self.server.has_ended());
        self.server = self.folder.serve();
    }

    /// Adds what this process has counted of ends.
    fn count(&mut self) {
        let metrics = self.server.get("/t/acme/metrics", &self.key).expect(200).text();
        for line in metrics.lines().filter(|line| line.starts_with("openclaw_alert_outcomes_total{")) {
            let receiver = line.split("receiver=\"").nth(1).unwrap().split('"').next().unwrap();
            let count: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            *self.counted.entry(receiver.to_owned()).or_default() += count;
        }
    }

    fn storm(&mut self) {
        for tick in 0..TICKS {
            if tick == KILL_AT {
                self.kill();
            }
            self.post(tick.is_multiple_of(7));
            self.people_act();
            pause(TICK);
        }
    }

    /// The tools turn honest, all ends, and everyone hears of it.
    fn settle(&mut self) {
        self.liar.state().is_honest = true;
        self.ours.iter_mut().for_each(|ours| ours.fires = false);
        let ended: Vec<_> = self.ours.iter().map(|ours| ours.alert.clone().resolved()).collect();
        self.server.post_alerts(&self.key, &ended);
        self.note_episodes();
        self.wait_quiet();
    }

    fn list(&self, what: &str) -> Vec<Value> {
        let page =
            self.server.get(&format!("/api/v1/{}", what.replace('_', "-")), &self.key).expect(200).json();
        page[what].as_array().unwrap().clone()
    }

    fn faults(&self) -> Vec<String> {
        let state = self.liar.state();
        let mut faults = Record { told: &state.told, kills: &self.kills }.faults();
        faults.extend(state.faults.iter().cloned());
        faults
    }

    /// Nothing is on its way, and nothing new has come for longer than a
    /// group's interval.
    fn wait_quiet(&self) {
        let end = Instant::now() + SETTLES;
        let mut quiet_since = Instant::now();
        let mut told = 0;
        while quiet_since.elapsed() < Duration::from_millis(2500) {
            let now = self.liar.state().told.len();
            if now != told || !self.list("deliveries").is_empty() {
                (told, quiet_since) = (now, Instant::now());
            }
            assert!(Instant::now() < end, "still on their way: {:#?}", self.list("deliveries"));
            pause(Duration::from_millis(50));
        }
    }

    /// Sends a dead letter again.
    fn revive(&mut self, letter: &Value) {
        let receiver = letter["receiver"].as_str().unwrap().to_owned();
        let alerts = letter["alerts"].as_array().map_or(1, |alerts| alerts.len() as u64);
        *self.revived.entry(receiver).or_default() += alerts;
        let id = letter["id"].as_str().unwrap();
        self.server.post(&format!("/api/v1/dead-letters/{id}/retry"), &self.key, "").expect(202);
    }

    /// A channel that refuses for good, until somebody has mended it.
    fn refuse_and_mend(&mut self) {
        let path = "/slack/api/chat.postMessage";
        self.liar.state().refused.insert(path.to_owned());
        let alert = Alert::new("refused").label("team", "1");
        self.server.post_alerts(&self.key, std::slice::from_ref(&alert));
        let letter = until_some("a dead letter", || self.list("dead_letters").pop());
        assert_eq!(letter["receiver"], "chat-1");
        assert!(letter["detail"].as_str().unwrap().contains("not_in_channel"), "{letter}");
        self.liar.state().refused.clear();
        let told = self.liar.state().told.len();
        self.revive(&letter);
        until("it is told after all", || {
            let state = self.liar.state();
            state.told[told..].iter().any(|told| matches!(told.call, Call::Post { .. }) && told.is_yes)
        });
        self.note_episodes();
        self.server.post_alerts(&self.key, &[alert.resolved()]);
        self.wait_quiet();
        assert_eq!(self.list("dead_letters"), Vec::<Value>::new());
    }

    /// P4: whatever was to be told of an episode has come to an end.
    fn check_trails(&self) {
        const ENDS: [&str; 4] = ["delivered", "superseded", "withdrawn", "dead_lettered"];
        for id in self.episodes.keys() {
            let trail = self.server.trail(&self.key, id);
            let stage = |event: &Value| event["stage"].as_str().unwrap().to_owned();
            let ended: Vec<_> = trail.iter().filter(|event| ENDS.contains(&stage(event).as_str())).collect();
            let has_ended = |sent: &Value| ended.iter().any(|end| end["message"] == sent["message"]);
            let sent = trail.iter().filter(|event| stage(event) == "sent");
            let open: Vec<_> = sent.filter(|sent| !has_ended(sent)).collect();
            assert!(open.is_empty(), "P4: {id} has messages without an end: {open:#?}");
            let is_over = trail.iter().any(|event| stage(event) == "resolved");
            assert!(is_over, "P4: {id} has not ended: {trail:#?}");
        }
    }

    /// P4: as many ends are counted as there were episodes, or nearly.
    fn check_ends(&mut self) {
        self.count();
        let mut episodes: BTreeMap<&str, u64> = BTreeMap::new();
        for receiver in self.episodes.values().flatten() {
            *episodes.entry(receiver).or_default() += 1;
        }
        let of = |counts: &BTreeMap<String, u64>, receiver| counts.get(receiver).copied().unwrap_or_default();
        for (receiver, episodes) in episodes {
            let [ends, again, back] =
                [&self.counted, &self.revived, &self.back_at_once].map(|counts| of(counts, receiver));
            eprintln!(
                "{receiver}: {episodes} episodes, {back} back at once, {again} sent again, {ends} ends"
            );
            let most = episodes + again + COUNTED_TWICE;
            let least = (episodes + again).saturating_sub(back + COUNTED_TWICE + episodes / ONE_UNCOUNTED_IN);
            assert!((least..=most).contains(&ends), "{receiver}: {ends} ends, not {least} to {most}");
        }
    }

    fn check_promises(&self) {
        let operator = self.folder.operator_key();
        until("the operator's key is known", || self.server.get("/metrics", &operator).status == 200);
        let metrics = self.server.get("/metrics", &operator).text();
        let promises = metrics.lines().filter(|line| line.starts_with("openclaw_promise_violations_total{"));
        let broken: Vec<_> = promises.filter(|line| !line.ends_with(" 0")).collect();
        assert!(broken.is_empty(), "{broken:?}");
    }

    /// Everything that was told of groups that are named in faults.
    fn print_groups_of(&self, faults: &[String]) {
        let state = self.liar.state();
        let start = state.told.first().map(|told| told.at);
        let since = |at: Instant| start.map(|start| at.duration_since(start)).unwrap_or_default();
        eprintln!("killed at {:?}", self.kills.iter().map(|at| since(*at)).collect::<Vec<_>>());
        let of_fault = |told: &&Told| {
            faults.iter().any(|fault| told.key.get(..16).is_some_and(|group| fault.contains(group)))
        };
        let mut told: Vec<_> = state.told.iter().filter(of_fault).collect();
        told.sort_by_key(|told| (told.key.get(..16), told.at));
        for told in told {
            let (taken, yes) =
                (if told.is_taken { "taken" } else { "-" }, if told.is_yes { "yes" } else { "-" });
            eprintln!("{:?} {} {taken} {yes} {} {:?}", since(told.at), told.key, told.place, told.call);
        }
    }

    fn print(&self) {
        let state = self.liar.state();
        for tool in Tool::ALL {
            let asked = state.told.iter().filter(|told| told.tool == tool).count();
            let lies: Vec<_> = state.lies.iter().filter(|((of, _), _)| *of == tool).collect();
            let lies: Vec<_> = lies.iter().map(|((_, lie), count)| format!("{lie:?} {count}")).collect();
            eprintln!("{tool:?}: asked {asked} times, lied: {}", lies.join(", "));
        }
    }
}

#[test]
fn promises_hold_however_tools_lie() {
    let seed = std::env::var("OPENCLAW_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("OPENCLAW_SEED={seed}");
    let mut world = world(seed);
    world.storm();
    world.settle();
    world.print();
    assert_eq!(world.list("dead_letters"), Vec::<Value>::new(), "no lie was a no for good");
    world.refuse_and_mend();
    let faults = world.faults();
    world.print_groups_of(&faults);
    assert!(faults.is_empty(), "{faults:#?}");
    world.check_trails();
    world.check_ends();
    world.check_promises();
}
