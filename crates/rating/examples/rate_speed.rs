//! Times a rating and a judgement with a full memory:
//! `cargo run --release -p openclaw-rating --example rate_speed`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a stopwatch for a terminal")]

use openclaw_alert::{Feedback, Labels, LabelsBuilder, Timestamp};
use openclaw_rating::{AlertFacts, KINDS_MAX, Model};
use std::time::{Duration, Instant};

const ALERTS: usize = 100_000;

fn labels(number: usize) -> Vec<u8> {
    let (alertname, instance) =
        (format!("Alert{}", number % KINDS_MAX), format!("web-{number}.example.net:9090"));
    LabelsBuilder::encode([
        ("alertname", &*alertname),
        ("cluster", "eu-west-1"),
        ("instance", &instance),
        ("job", "web"),
        ("namespace", "shop"),
        ("replica", "a"),
        ("severity", "warning"),
        ("team", "checkout"),
    ])
}

/// An alert an hour, on and on, so that no judgement is beyond the budget.
struct Stopwatch {
    now: Timestamp,
}

impl Stopwatch {
    fn time(&mut self, name: &str, alerts: &[Vec<u8>], mut work: impl FnMut(&AlertFacts<'_>)) {
        let mut best = f64::INFINITY;
        for _ in 0..3 {
            let start = Instant::now();
            for labels in alerts {
                self.now = self.now.plus(Duration::from_secs(3600));
                work(&AlertFacts { labels: Labels::from_encoded(labels), source: "prom", at: self.now });
            }
            best = best.min(start.elapsed().as_secs_f64() * 1e6 / alerts.len() as f64);
        }
        println!("{name}: {best:.3} us");
    }
}

fn main() {
    let alerts: Vec<Vec<u8>> = (0..ALERTS).map(labels).collect();
    let few: Vec<Vec<u8>> = (0..ALERTS).map(|number| labels(number % 100)).collect();
    let mut model = Model::default();
    let mut watch = Stopwatch { now: Timestamp::from_secs(1_000_000_000) };
    let rate = |model: &Model, facts: &AlertFacts<'_>| {
        std::hint::black_box(model.rate(facts));
    };
    watch.time("rate, no history", &alerts, |facts| rate(&model, facts));
    watch.time("seen", &alerts, |facts| model.seen(facts));
    watch.time("judgement", &alerts, |facts| {
        model.learn(facts, Feedback::Resolve, facts.at.plus(Duration::from_secs(60)));
    });
    watch.time("rate, 20 000 kinds in turn", &alerts, |facts| rate(&model, facts));
    few[..100].iter().for_each(|labels| {
        let labels = Labels::from_encoded(labels);
        model.seen(&AlertFacts { labels, source: "prom", at: watch.now });
    });
    watch.time("rate, 100 kinds", &few, |facts| rate(&model, facts));
    println!("memory: {} bytes", model.memory_bytes());
}
