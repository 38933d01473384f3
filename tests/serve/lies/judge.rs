//! Judges by what the tools themselves have taken, whatever they said of it.

use super::tools::Tool;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What was answered so shortly before a kill may not have been recorded.
const UNRECORDED: Duration = Duration::from_secs(1);
/// What was sent before a kill may be read so much later.
const UNREAD: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    Firing,
    Resolved,
}

/// What a tool is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Hook {
        /// Alert, episode, state.
        alerts: Vec<(String, String, Says)>,
    },
    /// A new message in a chat.
    Post {
        message: String,
        says: Says,
    },
    Edit {
        message: String,
        says: Says,
    },
    /// A word below a message.
    Reply {
        message: String,
    },
    /// PagerDuty's.
    Event {
        key: String,
        action: String,
    },
    /// A look that changes nothing.
    Search,
    /// A new incident.
    Create {
        key: String,
        sys_id: String,
    },
    Change {
        sys_id: String,
        state: Option<String>,
    },
    /// Somebody resolves an incident over there.
    Person {
        sys_id: String,
    },
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) at: Instant,
    pub(super) tool: Tool,
    /// Method and address.
    pub(super) place: String,
    /// Its idempotency key.
    pub(super) key: String,
    pub(super) call: Call,
    /// Whether the tool did what it was asked.
    pub(super) is_taken: bool,
    /// Whether it said so, wholly and in time.
    pub(super) is_yes: bool,
}

impl Told {
    /// The group at its integration: what a key begins with.
    fn group(&self) -> &str {
        self.key.get(..16).unwrap_or_default()
    }

    /// What must not be done twice by one message.
    fn deed(&self) -> String {
        let what = match &self.call {
            Call::Reply { .. } => "reply",
            Call::Event { action, .. } => action,
            _ => "",
        };
        format!("{} {what}", self.place)
    }
}

/// All that was told, and when the process was killed.
pub(super) struct Record<'r> {
    pub(super) told: &'r [Told],
    pub(super) kills: &'r [Instant],
}

impl Record<'_> {
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.unended();
        faults.extend(self.repeated());
        faults.extend(self.second_messages());
        faults.extend(self.same_news());
        faults.extend(self.second_incidents());
        faults
    }

    fn taken(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| told.is_taken)
    }

    /// Whether the sender is sure to have known of a yes ever after.
    fn is_known(&self, told: &Told) -> bool {
        let is_near = |kill: &&Instant| **kill + UNREAD >= told.at && **kill < told.at + UNRECORDED;
        told.is_yes && !self.kills.iter().any(|kill| is_near(&kill))
    }

    /// P2: what was opened has been closed.
    fn unended(&self) -> Vec<String> {
        let mut last: BTreeMap<String, Says> = BTreeMap::new();
        let mut note = |what: String, says| {
            last.insert(what, says);
        };
        for told in self.taken() {
            match &told.call {
                Call::Hook { alerts } => {
                    let group = told.group();
                    alerts
                        .iter()
                        .for_each(|(alert, _, says)| note(format!("{alert} at hook {group}"), *says));
                }
                Call::Post { message, says } => {
                    // One whose name was never heard can't be edited: then the next stands for it.
                    if self.is_known(told) {
                        note(format!("message {message} in {:?} of {}", told.tool, told.group()), *says);
                    }
                    note(format!("the last word in {:?} of {}", told.tool, told.group()), *says);
                }
                Call::Edit { message, says } => {
                    note(format!("message {message} in {:?} of {}", told.tool, told.group()), *says);
                    note(format!("the last word in {:?} of {}", told.tool, told.group()), *says);
                }
                Call::Event { key, action } => {
                    let says = if action == "resolve" { Says::Resolved } else { Says::Firing };
                    note(format!("PagerDuty's alert {key}"), says);
                }
                Call::Create { sys_id, .. } => note(format!("incident {sys_id}"), Says::Firing),
                Call::Change { sys_id, state } if state.as_deref() == Some("6") => {
                    note(format!("incident {sys_id}"), Says::Resolved);
                }
                Call::Person { sys_id } => note(format!("incident {sys_id}"), Says::Resolved),
                Call::Change { .. } | Call::Reply { .. } | Call::Search => {}
            }
        }
        let open = last.into_iter().filter(|(_, says)| *says == Says::Firing);
        open.map(|(what, _)| format!("P2: {what} still says that it fires")).collect()
    }

    /// P3: after a yes, nothing of it comes again under its key.
    fn repeated(&self) -> Vec<String> {
        let mut done: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut faults = Vec::new();
        for told in self.told.iter().filter(|told| !matches!(told.call, Call::Person { .. })) {
            let done = done.entry(&told.key).or_default();
            if done.contains(&told.deed()) {
                faults.push(format!("P3: {} was told again after a yes: {}", told.key, told.deed()));
            }
            if self.is_known(told) {
                done.push(told.deed());
            } else {
                done.clear();
            }
        }
        faults
    }

    /// P3: what has a name is edited.
    fn second_messages(&self) -> Vec<String> {
        let mut named: BTreeSet<&str> = BTreeSet::new();
        let mut faults = Vec::new();
        for told in self.told.iter().filter(|told| matches!(told.call, Call::Post { .. })) {
            if named.contains(told.group()) {
                faults.push(format!("P3: a second message in {:?}: {}", told.tool, told.key));
            }
            if self.is_known(told) {
                named.insert(told.group());
            }
        }
        faults
    }

    /// P3: another message says something else.
    fn same_news(&self) -> Vec<String> {
        let mut before: BTreeMap<&str, &Told> = BTreeMap::new();
        let mut faults = Vec::new();
        for told in self.taken().filter(|told| matches!(told.call, Call::Hook { .. })) {
            if let Some(earlier) = before.insert(told.group(), told)
                && earlier.key != told.key
                && earlier.call == told.call
                && self.is_known(earlier)
            {
                faults.push(format!("P3: {} says what {} had said", told.key, earlier.key));
            }
        }
        faults
    }

    /// P3: while an incident is open there is no other of its group.
    fn second_incidents(&self) -> Vec<String> {
        let mut open: BTreeMap<&str, &str> = BTreeMap::new();
        let mut faults = Vec::new();
        for told in self.taken() {
            match &told.call {
                Call::Create { key, sys_id } => {
                    if open.values().any(|other| other == key) {
                        faults.push(format!("P3: a second open incident of {key}: {sys_id}"));
                    }
                    open.insert(sys_id, key);
                }
                Call::Change { sys_id, state } if state.as_deref() == Some("6") => {
                    open.remove(sys_id.as_str());
                }
                Call::Person { sys_id } => drop(open.remove(sys_id.as_str())),
                _ => {}
            }
        }
        faults
    }
}

mod tests {
    use super::*;

    /// A story told in milliseconds, of one group.
    struct Story {
        start: Instant,
        told: Vec<Told>,
        kills: Vec<Instant>,
    }

    impl Story {
        fn new() -> Self {
            Self { start: Instant::now(), told: Vec::new(), kills: Vec::new() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn lied(mut self, ms: u64, message: u8, tool: Tool, call: Call, is_taken: bool) -> Self {
            let (at, key) = (self.at(ms), format!("00000000000000ff{message:016x}"));
            let place = format!("{:?}", std::mem::discriminant(&call));
            self.told.push(Told { at, tool, place, key, call, is_taken, is_yes: false });
            self
        }

        fn yes(self, ms: u64, message: u8, tool: Tool, call: Call) -> Self {
            let mut story = self.lied(ms, message, tool, call, true);
            story.told.last_mut().unwrap().is_yes = true;
            story
        }

        fn killed(mut self, ms: u64) -> Self {
            self.kills.push(self.at(ms));
            self
        }

        #[track_caller]
        fn check(self, want: &[&str]) {
            let faults = Record { told: &self.told, kills: &self.kills }.faults();
            let is_right = faults.len() == want.len()
                && faults.iter().zip(want).all(|(fault, want)| fault.contains(want));
            assert!(is_right, "{faults:#?}, not {want:?}");
        }
    }

    use Says::{Firing, Resolved};

    fn hook(says: Says) -> Call {
        Call::Hook { alerts: vec![("a".into(), "al_a".into(), says)] }
    }

    fn post(message: &str, says: Says) -> Call {
        Call::Post { message: message.into(), says }
    }

    fn edit(message: &str, says: Says) -> Call {
        Call::Edit { message: message.into(), says }
    }

    fn event(action: &str) -> Call {
        Call::Event { key: "k".into(), action: action.into() }
    }

    fn create(sys_id: &str) -> Call {
        Call::Create { key: "k".into(), sys_id: sys_id.into() }
    }

    fn resolve(sys_id: &str) -> Call {
        Call::Change { sys_id: sys_id.into(), state: Some("6".into()) }
    }

    /// One good life at every tool, each begun by a lie.
    fn good() -> Story {
        Story::new()
            .lied(0, 1, Tool::Hook, hook(Firing), true)
            .yes(10, 1, Tool::Hook, hook(Firing))
            .yes(5000, 2, Tool::Hook, hook(Resolved))
            .lied(0, 3, Tool::Slack, post("1", Firing), true)
            .yes(10, 3, Tool::Slack, post("2", Firing))
            .yes(5000, 4, Tool::Slack, edit("2", Resolved))
            .lied(0, 5, Tool::PagerDuty, event("trigger"), true)
            .yes(10, 5, Tool::PagerDuty, event("trigger"))
            .yes(5000, 6, Tool::PagerDuty, event("resolve"))
            .lied(0, 7, Tool::ServiceNow, create("i"), true)
            .yes(10, 7, Tool::ServiceNow, Call::Search)
            .yes(5000, 8, Tool::ServiceNow, resolve("i"))
            .yes(5010, 9, Tool::ServiceNow, create("j"))
            .yes(6000, 10, Tool::ServiceNow, resolve("j"))
    }

    #[test]
    fn a_good_life_has_no_faults() {
        good().check(&[]);
    }

    /// The record without its ends: the judge must miss every one of them.
    #[test]
    fn resolves_that_are_dropped_are_missed() {
        for (tool, want) in [
            (Tool::Hook, &["a at hook"][..]),
            (Tool::Slack, &["message 2 in Slack", "the last word in Slack"]),
            (Tool::PagerDuty, &["PagerDuty's alert k"]),
        ] {
            let mut story = good();
            story.told.retain(|told| told.tool != tool || told.at < story.start + Duration::from_secs(5));
            story.check(want);
        }
        let mut story = good();
        story.told.pop();
        story.check(&["incident j"]);
        let mut story = good();
        story.told.iter_mut().filter(|told| told.at > story.start).for_each(|told| told.is_taken = false);
        story.check(&["alert k", "a at hook", "incident i", "the last word in Slack"]);
    }

    #[test]
    fn what_is_told_twice_is_seen() {
        let told = || Story::new().yes(0, 1, Tool::Hook, hook(Resolved));
        told().yes(9, 1, Tool::Hook, hook(Resolved)).check(&["again after a yes"]);
        told().yes(9, 2, Tool::Hook, hook(Resolved)).check(&["says what"]);
        told().killed(500).yes(900, 1, Tool::Hook, hook(Resolved)).check(&[]);
        told().killed(1500).yes(1900, 1, Tool::Hook, hook(Resolved)).check(&["again after a yes"]);
        let read_late = |ms| Story::new().killed(500).yes(ms, 1, Tool::Hook, hook(Resolved));
        read_late(520).yes(900, 1, Tool::Hook, hook(Resolved)).check(&[]);
        read_late(600).yes(900, 1, Tool::Hook, hook(Resolved)).check(&["again after a yes"]);
        let chat = || Story::new().yes(0, 1, Tool::Slack, post("1", Resolved));
        chat().yes(9, 2, Tool::Slack, post("2", Resolved)).check(&["a second message"]);
        chat().yes(9, 2, Tool::Slack, edit("1", Resolved)).check(&[]);
        let incident = || Story::new().lied(0, 1, Tool::ServiceNow, create("i"), true);
        let both = |story: Story| {
            story.yes(20, 3, Tool::ServiceNow, resolve("i")).yes(30, 4, Tool::ServiceNow, resolve("j"))
        };
        both(incident().yes(9, 1, Tool::ServiceNow, create("j"))).check(&["a second open incident of k: j"]);
    }
}
