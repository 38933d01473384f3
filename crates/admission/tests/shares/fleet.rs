//! Virtual time: replicas, their messages under way, the ledger.

use crate::KEYS;
use crate::ledger::Ledger;
use openclaw_admission::shares::{Answer, Replica, Report, Share, SharedKey};
use std::collections::BTreeMap;

const ROUND_MS: u64 = 100;
const TIMEOUT_MS: u64 = 80;
const LEASE_MS: u64 = 1000;
const FOLLOW_UPS: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    Any,
}

#[derive(Debug)]
struct Node {
    name: String,
    replica: Replica,
    demand: BTreeMap<SharedKey, f64>,
    next_round_ms: u64,
    follow_ups: u32,
    /// The turn that is waited for, and until when.
    waits: Option<(u64, u64)>,
    is_cut_off_until_ms: u64,
    has_been_left_out: bool,
}

#[derive(Debug)]
enum Message {
    Report { from: String, report: Report },
    Answer { to: String, turn: u64, answer: Answer },
}

#[derive(Debug)]
pub(crate) struct Fleet {
    random: u64,
    trouble: Trouble,
    now_ms: u64,
    ledger: Ledger,
    is_away_until_ms: u64,
    nodes: Vec<Node>,
    under_way: Vec<(u64, Message)>,
    names: u32,
    newcomers_from_ms: u64,
}

impl Fleet {
    pub(crate) fn new(seed: u64, trouble: Trouble) -> Self {
        let mut fleet = Self {
            random: seed,
            trouble,
            now_ms: 1_000_000,
            ledger: Ledger::default(),
            is_away_until_ms: 0,
            nodes: Vec::new(),
            under_way: Vec::new(),
            names: 0,
            newcomers_from_ms: 0,
        };
        if trouble == Trouble::Any {
            fleet.start(3);
        }
        fleet
    }

    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(crate) fn start(&mut self, count: u32) {
        for _ in 0..count {
            self.names += 1;
            let next_round_ms = self.now_ms + self.below(ROUND_MS);
            self.nodes.push(Node {
                name: format!("r{:03}", self.names),
                replica: Replica::new(),
                demand: BTreeMap::new(),
                next_round_ms,
                follow_ups: 0,
                waits: None,
                is_cut_off_until_ms: 0,
                has_been_left_out: false,
            });
        }
    }

    pub(crate) fn kill(&mut self, index: usize) {
        self.nodes.remove(index);
    }

    /// Ends it, and lets the ledger know.
    pub(crate) fn end(&mut self, index: usize) {
        let node = self.nodes.remove(index);
        self.under_way
            .retain(|(_, message)| !matches!(message, Message::Report { from, .. } if *from == node.name));
        self.ledger.leave(&node.name);
        self.count_left_out();
    }

    pub(crate) fn demand(&mut self, key: SharedKey, tokens_per_s: &[f64]) {
        for (node, tokens) in self.nodes.iter_mut().zip(tokens_per_s) {
            node.demand.insert(key, *tokens);
        }
    }

    pub(crate) fn take_ledger_away(&mut self, for_ms: u64, forgets: bool) {
        self.is_away_until_ms = self.now_ms + for_ms;
        if forgets {
            self.ledger = Ledger::default();
            self.newcomers_from_ms = self.is_away_until_ms + 2 * ROUND_MS;
        }
    }

    /// What replicas hold: those that the ledger counts, and those that it has
    /// left out though they live.
    pub(crate) fn sums(&self, key: SharedKey) -> (u32, u32) {
        let sum = |left_out: bool| {
            let those = self.nodes.iter().filter(|node| node.has_been_left_out == left_out);
            those.map(|node| node.replica.share(key).parts()).sum()
        };
        (sum(false), sum(true))
    }

    pub(crate) fn shares(&self, key: SharedKey) -> Vec<Share> {
        self.nodes.iter().map(|node| node.replica.share(key)).collect()
    }

    pub(crate) fn hot(&self) -> usize {
        self.nodes.iter().map(|node| node.replica.hot().count()).sum()
    }

    pub(crate) fn has_cut_off(&self) -> bool {
        self.nodes.iter().any(|node| node.has_been_left_out)
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms = self.next_ms().clamp(self.now_ms + 1, end);
            self.do_due();
        }
    }

    fn next_ms(&self) -> u64 {
        let arrivals = self.under_way.iter().map(|(at, _)| *at);
        let rounds = self.nodes.iter().map(|node| match node.waits {
            Some((_, until)) => until,
            None => node.next_round_ms,
        });
        arrivals.chain(rounds).min().unwrap_or(u64::MAX)
    }

    /// Something may happen, and time goes on.
    pub(crate) fn step(&mut self) {
        if self.trouble == Trouble::Any {
            self.make_trouble();
        }
        let ms = 1 + self.below(60);
        self.run_ms(ms);
    }

    fn make_trouble(&mut self) {
        let one = self.below(self.nodes.len() as u64) as usize;
        let span = self.below(3000);
        match self.below(40) {
            0 if self.nodes.len() < 6 && self.now_ms > self.newcomers_from_ms => self.start(1),
            1 if self.nodes.len() > 1 => self.kill(one),
            2 if self.nodes.len() > 1 => self.end(one),
            15 => self.nodes[one].is_cut_off_until_ms = self.now_ms + span,
            3 => self.take_ledger_away(span, false),
            4 if self.is_safe_to_forget() => self.take_ledger_away(span, true),
            5..15 => {
                let key = KEYS[self.below(3) as usize];
                let tokens = self.below(4) as f64 * 100.0;
                self.nodes[one].demand.insert(key, tokens);
            }
            _ => {}
        }
    }

    /// A ledger without memory learns who there is from those who come back: who
    /// has never been told of, or is left out, can't be known to it.
    fn is_safe_to_forget(&self) -> bool {
        self.nodes.iter().all(|node| node.replica.has_joined() && !node.has_been_left_out)
            && self.nodes.iter().all(|node| node.is_cut_off_until_ms < self.now_ms)
    }

    fn do_due(&mut self) {
        let now_ms = self.now_ms;
        let due: Vec<_> = self.under_way.extract_if(.., |(at, _)| *at <= now_ms).collect();
        due.into_iter().for_each(|(_, message)| self.arrive(message));
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            if node.waits.is_some_and(|(_, until)| until <= self.now_ms) {
                node.waits = None;
            }
            if node.next_round_ms <= self.now_ms && node.waits.is_none() {
                node.next_round_ms = self.now_ms + ROUND_MS;
                node.follow_ups = 0;
                node.observe();
                self.report(index);
            }
        }
    }

    fn report(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let report = node.replica.report();
        node.waits = Some((report.turn, self.now_ms + TIMEOUT_MS));
        let from = node.name.clone();
        self.send(index, Message::Report { from, report });
    }

    fn send(&mut self, index: usize, message: Message) {
        let is_cut_off = self.nodes[index].is_cut_off_until_ms > self.now_ms;
        let is_troubled = self.trouble == Trouble::Any;
        let is_lost = is_troubled && self.below(20) == 0;
        // Beyond what is waited for, now and then.
        let delay = if is_troubled && self.below(8) == 0 { self.below(300) } else { self.below(4) };
        if !is_cut_off && !is_lost && self.is_away_until_ms <= self.now_ms {
            self.under_way.push((self.now_ms + delay, message));
        }
    }

    fn arrive(&mut self, message: Message) {
        match message {
            Message::Report { from, report } if self.is_away_until_ms <= self.now_ms => {
                let turn = report.turn;
                let answer = self.ledger.round(&from, &report, LEASE_MS, self.now_ms);
                self.count_left_out();
                let index = self.nodes.iter().position(|node| node.name == from);
                if let (Some(answer), Some(index)) = (answer, index) {
                    self.send(index, Message::Answer { to: from, turn, answer });
                }
            }
            Message::Report { .. } => {}
            Message::Answer { to, turn, answer } => {
                if let Some(index) = self.nodes.iter().position(|node| node.name == to) {
                    self.answered(index, turn, answer);
                }
            }
        }
    }

    fn answered(&mut self, index: usize, turn: u64, answer: Answer) {
        let node = &mut self.nodes[index];
        if node.waits.is_none_or(|(waited, _)| waited != turn) {
            return;
        }
        node.waits = None;
        let again = node.replica.answered(answer);
        node.has_been_left_out &= !node.replica.has_joined();
        node.follow_ups += 1;
        if again && node.follow_ups <= FOLLOW_UPS {
            self.report(index);
        }
    }

    /// Until it has joined again, what a replica holds that was left out is
    /// beyond the whole.
    fn count_left_out(&mut self) {
        let members = self.ledger.members();
        for node in &mut self.nodes {
            node.has_been_left_out |= node.replica.replicas() > 0 && !members.contains(&node.name);
        }
    }
}

impl Node {
    fn observe(&mut self) {
        self.replica.begin_round();
        for (key, tokens) in self.demand.iter().filter(|(_, tokens)| **tokens > 0.0) {
            let share = self.replica.share(*key).of_rate(100.0);
            self.replica.observe(*key, *tokens, *tokens > share / 2.0);
        }
    }
}
