use crate::{AlertFacts, FactorValue, KINDS_MAX, Model};
use insta::assert_snapshot;
use openclaw_alert::codec::Reader;
use openclaw_alert::{Feedback, Labels, LabelsBuilder, Score, Timestamp, logistic};
use proptest::prelude::*;
use std::fmt::Write;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const START: Timestamp = Timestamp::from_secs(1_772_000_000);

fn labels(alertname: &str, severity: &str) -> Vec<u8> {
    LabelsBuilder::encode([("alertname", alertname), ("job", "web"), ("severity", severity)])
}

fn facts(labels: &[u8], at: Timestamp) -> AlertFacts<'_> {
    AlertFacts { labels: Labels::from_encoded(labels), source: "prom", at }
}

/// One episode: rated, seen, and judged half an hour later.
fn episode(model: &mut Model, facts: &AlertFacts<'_>, feedback: Feedback) -> Score {
    let score = model.rate(facts);
    model.seen(facts);
    model.learn(facts, feedback, facts.at.plus(30 * MINUTE));
    score
}

fn after(model: &mut Model, severity: &str, feedback: Feedback, times: u32) -> f32 {
    let bytes = labels("A", severity);
    for hour in 0..times {
        episode(model, &facts(&bytes, START.plus(hour * 60 * MINUTE)), feedback);
    }
    model.rate(&facts(&bytes, START.plus(times * 60 * MINUTE))).value()
}

#[test]
fn the_first_alert_is_rated_sensibly() {
    for (severity, low, high) in [
        ("critical", 0.85, 0.9),
        ("error", 0.68, 0.78),
        ("warning", 0.48, 0.52),
        ("", 0.42, 0.48),
        ("info", 0.12, 0.18),
        ("none", 0.05, 0.12),
    ] {
        let bytes = labels("New", severity);
        let value = Model::default().rate(&facts(&bytes, START)).value();
        assert!((low..=high).contains(&value), "{severity}: {value}");
    }
}

#[test]
fn people_outweigh_the_senders_word() {
    assert!(after(&mut Model::default(), "warning", Feedback::Dismiss, 10) < 0.1);
    assert!(after(&mut Model::default(), "error", Feedback::Dismiss, 10) < 0.2);
    assert!(after(&mut Model::default(), "critical", Feedback::Dismiss, 10) < 0.3);
    assert!(after(&mut Model::default(), "warning", Feedback::Resolve, 10) > 0.8);
    assert!(after(&mut Model::default(), "info", Feedback::Resolve, 10) > 0.5);
}

#[test]
fn one_kind_dismissed_leaves_another_nearly_as_it_was() {
    let mut model = Model::default();
    after(&mut model, "critical", Feedback::Dismiss, 10);
    let bytes = labels("Other", "critical");
    let other = model.rate(&facts(&bytes, START.plus(600 * MINUTE))).value();
    assert!(other > 0.55, "{other}");
}

#[test]
fn a_kind_recovers_within_days_of_being_acted_upon() {
    let mut model = Model::default();
    after(&mut model, "warning", Feedback::Dismiss, 50);
    let recovered = after(&mut model, "warning", Feedback::Resolve, 20);
    assert!(recovered > 0.5, "{recovered}");
}

#[test]
fn going_away_by_itself_is_weak_and_bounded_evidence() {
    let mut model = Model::default();
    let bytes = labels("Flap", "critical");
    let mut last = model.rate(&facts(&bytes, START)).value();
    let first = last;
    for number in 0..1000 {
        let facts = facts(&bytes, START.plus(number * MINUTE));
        model.resolved_unseen(&facts, MINUTE);
        let value = model.rate(&AlertFacts { at: facts.at.plus(MINUTE), ..facts }).value();
        assert!(value <= last + 1e-6, "{value} after {last}");
        last = value;
    }
    assert!(last < first - 0.05 && last > 0.7, "{first} -> {last}");
}

#[test]
fn a_burst_of_feedback_spoils_its_own_kind_only() {
    let mut model = Model::default();
    for number in 0..20_000_u32 {
        let bytes = labels("Burst", "critical");
        model.learn(
            &facts(&bytes, START),
            Feedback::Dismiss,
            START.plus(Duration::from_millis(number.into())),
        );
    }
    let (burst, other) = (labels("Burst", "critical"), labels("Other", "critical"));
    let at = START.plus(MINUTE);
    assert!(model.rate(&facts(&burst, at)).value() < 0.3);
    let other = model.rate(&facts(&other, at)).value();
    assert!(other > 0.3, "{other}");
}

#[test]
fn a_fast_response_raises_and_a_slow_one_lowers() {
    let rate_with = |minutes: u32| {
        let mut model = Model::default();
        let (other, bytes) = (labels("Other", "warning"), labels("A", "warning"));
        for hour in 0..20 {
            episode(&mut model, &facts(&other, START.plus(hour * 60 * MINUTE)), Feedback::Resolve);
            let facts = facts(&bytes, START.plus(hour * 60 * MINUTE));
            model.seen(&facts);
            model.learn(&facts, Feedback::Resolve, facts.at.plus(minutes * MINUTE));
        }
        model.rate(&facts(&bytes, START.plus(1300 * MINUTE))).contributions[3]
    };
    let (fast, same, slow) = (rate_with(1), rate_with(30), rate_with(600));
    assert!(fast > 0.1 && same.abs() < 0.02 && slow < -0.1, "{fast} {same} {slow}");
}

#[test]
fn novelty_fades_and_recurrence_grows() {
    let mut model = Model::default();
    let bytes = labels("A", "warning");
    let first = model.rate(&facts(&bytes, START));
    for minute in 0..5 {
        model.seen(&facts(&bytes, START.plus(minute * MINUTE)));
    }
    let now = model.rate(&facts(&bytes, START.plus(5 * MINUTE)));
    let later = model.rate(&facts(&bytes, START.plus(7 * 1440 * MINUTE)));
    assert!(first.contributions[5] > now.contributions[5] && now.contributions[5] > later.contributions[5]);
    assert_eq!(first.contributions[4], 0.0);
    assert!(now.contributions[4] < -0.2 && later.contributions[4] > -0.01, "{now:?} {later:?}");
}

#[test]
fn the_least_recently_seen_kind_is_forgotten() {
    let mut model = Model::default();
    for number in 0..=KINDS_MAX {
        let bytes = labels(&format!("A{number}"), "warning");
        model.seen(&facts(&bytes, START));
    }
    let novelty = |number: usize| {
        let bytes = labels(&format!("A{number}"), "warning");
        model.rate(&facts(&bytes, START)).contributions[5]
    };
    assert!(novelty(0) > novelty(1) && novelty(1) == novelty(KINDS_MAX));
    assert!((1_000_000..20_000_000).contains(&model.memory_bytes()), "{}", model.memory_bytes());
}

#[test]
fn times_from_end_to_end_are_safe() {
    let mut model = Model::default();
    let bytes = labels("A", "critical");
    for at in [Timestamp::MAX, Timestamp::MIN, Timestamp::default(), Timestamp::MAX, START] {
        let facts = facts(&bytes, at);
        model.seen(&facts);
        for acted_at in [Timestamp::MIN, Timestamp::MAX, START] {
            model.learn(&facts, Feedback::Escalate, acted_at);
            model.resolved_unseen(&facts, Duration::MAX);
            assert!(model.rate(&facts).logit().is_finite());
        }
    }
}

/// A table of the explanation.
fn explained(model: &Model, facts: &AlertFacts<'_>) -> String {
    let score = model.rate(facts);
    let mut text = format!("{:.3}\n", score.value());
    for factor in model.explain(facts, &score).factors {
        let value = match factor.value {
            FactorValue::Number(number) => format!("{number:.2}"),
            FactorValue::Text(word) => word,
        };
        writeln!(text, "{} | {value} | {:+.2} | {}", factor.name, factor.contribution, factor.sentence)
            .unwrap();
    }
    text
}

#[test]
fn explains_the_first_alert() {
    let bytes = labels("A", "critical");
    assert_snapshot!(explained(&Model::default(), &facts(&bytes, START)), @r"
    0.881
    base | 0.43 | -0.30 | Before anything else is known, 43 % of alerts need a person.
    severity | critical | +2.00 | The sender calls it `critical`.
    source_reliability | 0.50 | +0.00 | Nobody has judged alerts of this kind yet; 50 % of them are expected to need a person.
    response_time | 29.96 | +0.00 | No response to this kind has been timed yet; others take 30 min.
    recurrence | 0.00 | +0.00 | This very alert began 0.0 times in the last day, its kind 0.0 times.
    novelty | 1.00 | +0.30 | This kind of alert has never been seen before.
    similarity | 0.00 | +0.00 | Similar alerts are not compared.
    ");
}

#[test]
fn explains_what_was_learnt() {
    let mut model = Model::default();
    after(&mut model, "P1", Feedback::Resolve, 12);
    let bytes = labels("A", "P1");
    for minute in 0..4 {
        model.resolved_unseen(&facts(&bytes, START.plus(minute * MINUTE)), MINUTE);
    }
    assert_snapshot!(explained(&model, &facts(&bytes, START.plus(700 * MINUTE))), @r"
    0.956
    base | 0.43 | -0.28 | Before anything else is known, 43 % of alerts need a person.
    severity | P1 | +2.10 | The sender calls it `P1`.
    source_reliability | 0.88 | +1.60 | Judged by about 10 earlier alerts of this kind, 88 % need a person. About 4 went away by themselves.
    response_time | 29.99 | -0.00 | People take 30 min to respond to this kind, 30 min to others.
    recurrence | 9.38 | -0.37 | This very alert began 9.4 times in the last day, its kind 9.4 times.
    novelty | 0.07 | +0.02 | This kind of alert has been seen 12 times.
    similarity | 0.00 | +0.00 | Similar alerts are not compared.
    ");
}

#[test]
fn a_senders_word_is_cut_and_escaped_in_sentences() {
    let bytes = LabelsBuilder::encode([("severity", "1 - \u{1b}[31mred")]);
    let facts = facts(&bytes, START);
    let sentence = &Model::default().explain(&facts, &Score::default()).factors[1].sentence;
    assert_eq!(sentence, "The sender calls it `1 - \\u{1b}[31mred`.");
}

#[derive(Debug, Clone)]
struct Event {
    alertname: u8,
    severity: &'static str,
    source: &'static str,
    /// After the event before.
    seconds: u32,
    action: Action,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Seen,
    Learn(Feedback, u32),
    Unseen(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let feedback = (0_u8..4).prop_map(|number| Feedback::from_number(number).unwrap());
    let action = prop_oneof![
        Just(Action::Seen),
        (feedback, 0_u32..1_000_000).prop_map(|(feedback, after)| Action::Learn(feedback, after)),
        (0_u32..1_000_000).prop_map(Action::Unseen),
    ];
    let severity = prop_oneof![Just("critical"), Just("warning"), Just("P4"), Just("")];
    let source = prop_oneof![Just("prom"), Just("grafana")];
    (0_u8..6, severity, source, 0_u32..200_000, action).prop_map(
        |(alertname, severity, source, seconds, action)| Event {
            alertname,
            severity,
            source,
            seconds,
            action,
        },
    )
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(event(), 0..120)
}

/// Applies the events from `at` on; gives the scores before each, and the time.
fn apply(model: &mut Model, events: &[Event], mut at: Timestamp) -> (Vec<Score>, Timestamp) {
    let mut scores = Vec::new();
    for event in events {
        at = at.plus(Duration::from_secs(event.seconds.into()));
        let bytes = labels(&event.alertname.to_string(), event.severity);
        let facts = AlertFacts { labels: Labels::from_encoded(&bytes), source: event.source, at };
        scores.push(model.rate(&facts));
        let later = |seconds: u32| Duration::from_secs(seconds.into());
        match event.action {
            Action::Seen => model.seen(&facts),
            Action::Learn(feedback, after) => model.learn(&facts, feedback, at.plus(later(after))),
            Action::Unseen(lasted) => model.resolved_unseen(&facts, later(lasted)),
        }
    }
    (scores, at)
}

fn written(model: &Model) -> Vec<u8> {
    let mut out = Vec::new();
    model.write(&mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn contributions_add_up_and_stay_finite(events in events()) {
        for score in apply(&mut Model::default(), &events, START).0 {
            let mut sum = 0.0;
            for share in score.contributions {
                prop_assert!(share.is_finite() && share.abs() < 12.0, "{score:?}");
                sum += share;
            }
            prop_assert_eq!(score.logit().to_bits(), sum.to_bits());
            prop_assert_eq!(score.value().to_bits(), logistic(sum).to_bits());
            prop_assert_eq!(score.contributions[6], 0.0);
        }
    }

    #[test]
    fn a_snapshot_continues_bit_for_bit(before in events(), behind in events()) {
        let mut model = Model::default();
        let (_, at) = apply(&mut model, &before, START);
        let bytes = written(&model);
        let mut reader = Reader::new(&bytes);
        let mut read = Model::read(&mut reader).unwrap();
        prop_assert!(reader.is_empty());
        prop_assert_eq!(written(&read), bytes);
        prop_assert_eq!(apply(&mut read, &behind, at), apply(&mut model, &behind, at));
        prop_assert_eq!(written(&read), written(&model));
    }

    #[test]
    fn a_cut_snapshot_is_refused(events in events(), keep in 0.0..1.0) {
        let mut model = Model::default();
        apply(&mut model, &events, START);
        let bytes = written(&model);
        let cut = (bytes.len() as f64 * keep) as usize;
        prop_assert!(Model::read(&mut Reader::new(&bytes[..cut])).is_err());
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
        let _ = Model::read(&mut Reader::new(&bytes));
    }

    /// With the response time that the model expects, so that only the
    /// judgement itself counts.
    #[test]
    fn a_judgement_moves_its_alert_its_own_way(
        severity in prop_oneof![Just("critical"), Just("warning"), Just("info"), Just("")],
        past in proptest::collection::vec(any::<bool>(), 0..30),
        needed: bool,
    ) {
        let expected = Duration::from_secs_f32(60.0 * 3.4_f32.exp());
        let feedback = |needed: bool| if needed { Feedback::Resolve } else { Feedback::Dismiss };
        let mut model = Model::default();
        let bytes = labels("A", severity);
        let facts = facts(&bytes, START);
        model.seen(&facts);
        for past in past {
            model.learn(&facts, feedback(past), START.plus(expected));
        }
        let now = AlertFacts { at: START.plus(expected), ..facts };
        let before = model.rate(&now).logit();
        model.learn(&facts, feedback(needed), START.plus(expected));
        let moved = model.rate(&now).logit() - before;
        prop_assert!(if needed { moved > -1e-4 } else { moved < 1e-4 }, "{moved} {needed}");
    }
}
