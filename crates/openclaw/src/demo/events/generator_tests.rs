use super::figures::{
    BURST_SIZE_MEAN, BURST_SIZES, CATEGORIES, LOAD_BALANCER, NEEDED_RESPONSE_MINUTES, OTHER_RESPONSE_MINUTES,
    STORM_SHARE, UNANSWERED_SHARE,
};
use super::generator::{DAY_SECONDS, POST_ALERTS_MAX, STORM_ALERTS, STORM_SECONDS, day};
use super::kinds::{Habit, KINDS, STORM_CAUSES, STORM_SYMPTOMS};
use super::places::TENANTS;
use super::random::quantile_at;
use super::{DemoEvent, Pairs, PostableAlert, What};
use openclaw_alert::{Feedback, Timestamp};
use proptest::prelude::*;
use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

/// 2026-01-31T00:00:00Z
const START: Timestamp = Timestamp::from_secs(1_769_817_600);
/// Days that shares are measured over.
const DAYS: u64 = 12;

/// What became of one alert, from firing to its end.
struct Episode {
    tenant: String,
    alert: PostableAlert,
    actions: Vec<Feedback>,
    acted_after: Option<Duration>,
    ended: Option<Timestamp>,
}

impl Episode {
    fn label(&self, name: &str) -> &str {
        self.alert.labels.view().get(name)
    }
}

/// Plays a day as a server would and refuses what makes no sense.
#[derive(Default)]
struct Player {
    open: HashMap<(String, Pairs), usize>,
    episodes: Vec<Episode>,
}

impl Player {
    fn play(event: DemoEvent, player: &mut Self) -> Result<(), String> {
        let tenant = event.tenant.ok_or("no tenant")?;
        match event.what {
            What::Post { alerts } if alerts.is_empty() || alerts.len() > POST_ALERTS_MAX => {
                Err(format!("{} alerts in a request", alerts.len()))
            }
            What::Post { alerts } => {
                alerts.into_iter().try_for_each(|alert| player.post(event.at, &tenant, alert))
            }
            What::Feedback { labels, action, by, note } if !by.is_empty() && !note.is_empty() => {
                player.act(event.at, tenant, labels, action)
            }
            What::Feedback { .. } => Err("an empty name or note".to_owned()),
        }
    }

    fn post(&mut self, at: Timestamp, tenant: &str, alert: PostableAlert) -> Result<(), String> {
        let key = (tenant.to_owned(), alert.labels.clone());
        if let Some(end) = alert.ends_at {
            let open = self.open.remove(&key).ok_or("resolves what doesn't fire")?;
            let episode = &mut self.episodes[open];
            let same = PostableAlert { ends_at: None, ..alert } == episode.alert
                && end == at
                && end > alert.starts_at;
            episode.ended = Some(at);
            return if same { Ok(()) } else { Err("resolves another".to_owned()) };
        }
        if self.open.insert(key, self.episodes.len()).is_some() || alert.starts_at != at {
            return Err(format!("fires twice: {:?}", alert.labels));
        }
        let tenant = tenant.to_owned();
        self.episodes.push(Episode { tenant, alert, actions: Vec::new(), acted_after: None, ended: None });
        Ok(())
    }

    fn act(&mut self, at: Timestamp, tenant: String, labels: Pairs, action: Feedback) -> Result<(), String> {
        let open = *self.open.get(&(tenant, labels)).ok_or("acts on what doesn't fire")?;
        let episode = &mut self.episodes[open];
        let allowed = match action {
            Feedback::Ack | Feedback::Dismiss => episode.actions.is_empty(),
            Feedback::Resolve => episode.actions == [Feedback::Ack],
            Feedback::Escalate => false,
        };
        episode.acted_after.get_or_insert(at.since(episode.alert.starts_at));
        episode.actions.push(action);
        if allowed { Ok(()) } else { Err(format!("{:?} is out of order", episode.actions)) }
    }
}

fn episodes(seed: u64, start: Timestamp) -> Result<Vec<Episode>, String> {
    let mut player = Player::default();
    let mut last = start;
    for event in day(seed, start) {
        if event.at < last || event.at.since(start) >= Duration::from_secs(DAY_SECONDS) {
            return Err(format!("{} is out of order", event.at));
        }
        last = event.at;
        Player::play(event, &mut player)?;
    }
    Ok(player.episodes)
}

/// Made once for all tests. The days start at different hours.
static MANY: LazyLock<Vec<Episode>> = LazyLock::new(|| {
    let start = |seed| START.plus(Duration::from_secs(seed * 3 * 3600));
    (0..DAYS).flat_map(|seed| episodes(seed, start(seed)).unwrap()).collect()
});

fn share<E: Borrow<Episode>>(of: &[E], holds: impl Fn(&Episode) -> bool) -> f64 {
    of.iter().filter(|episode| holds((*episode).borrow())).count() as f64 / of.len() as f64
}

fn assert_near(what: &str, found: f64, want: f64, tolerance: f64) {
    assert!((found - want).abs() <= tolerance, "{what}: {found:.4}, measured {want:.4} ± {tolerance:.4}");
}

fn kind_of(episode: &Episode) -> Option<usize> {
    KINDS.iter().position(|kind| kind.name == episode.label("alertname"))
}

#[test]
fn the_same_seed_makes_the_same_day() {
    assert!(day(1, START).eq(day(1, START)));
    assert!(!day(1, START).eq(day(2, START)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5))]
    #[test]
    fn every_day_makes_sense(seed: u64, start in 0_i64..4_000_000_000) {
        let episodes = episodes(seed, Timestamp::from_secs(start)).map_err(TestCaseError::fail)?;
        prop_assert!((2500..=4500).contains(&episodes.len()), "{} episodes", episodes.len());
        let mut tenants: Vec<&str> = episodes.iter().map(|episode| episode.tenant.as_str()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        prop_assert_eq!(tenants, ["acme", "globex", "initech"]);
        prop_assert!(share(&episodes, |episode| episode.ended.is_some()) > 0.9);
    }
}

#[test]
fn severities_are_as_measured() {
    for (severity, want, tolerance) in [
        ("critical", 0.0075, 0.006),
        ("error", 0.0125, 0.008),
        ("warning", 0.9493, 0.02),
        ("info", 0.0307, 0.015),
    ] {
        let found = share(&MANY, |episode| episode.label("severity") == severity);
        assert_near(severity, found, want, tolerance);
    }
}

#[test]
fn few_kinds_make_most_alerts() {
    let calm = |episode: &&Episode| !STORM_SYMPTOMS.contains(&episode.label("alertname"));
    let episodes: Vec<&Episode> = MANY.iter().filter(calm).collect();
    let calm = || (0..KINDS.len()).filter(|&kind| !STORM_SYMPTOMS.contains(&KINDS[kind].name));
    let all: f64 = calm().map(|kind| CATEGORIES[kind].share).sum();
    for kind in calm() {
        let want = CATEGORIES[kind].share / all;
        let found = share(&episodes, |episode| kind_of(episode) == Some(kind));
        assert_near(KINDS[kind].name, found, want, 0.25 * want + 0.01);
    }
}

#[test]
fn people_are_needed_as_often_as_measured() {
    let storm = |episode: &Episode| {
        STORM_SYMPTOMS.contains(&episode.label("alertname"))
            || STORM_CAUSES.iter().any(|kind| kind.name == episode.label("alertname"))
    };
    let flaps = |episode: &Episode| kind_of(episode).is_some_and(|kind| KINDS[kind].habit == Habit::Flaps);
    let episodes: Vec<&Episode> = MANY.iter().filter(|episode| !storm(episode) && !flaps(episode)).collect();
    let of_kinds = |value: fn(usize) -> f64| -> f64 {
        let weights = episodes.iter().filter_map(|episode| kind_of(episode));
        weights.map(value).sum::<f64>() / episodes.len() as f64
    };
    let answered = |episode: &Episode| !episode.actions.is_empty();
    let needed = share(&episodes, |episode| episode.actions.first() == Some(&Feedback::Ack));
    let ignored =
        share(&episodes, |episode| kind_of(episode).is_some_and(|kind| KINDS[kind].habit == Habit::Ignored));
    assert!(ignored > 0.0);
    assert!(share(&episodes, answered) > 1.0 - ignored - UNANSWERED_SHARE);
    let want =
        of_kinds(|kind| if KINDS[kind].habit == Habit::Ignored { 0.0 } else { CATEGORIES[kind].needed });
    assert_near("needed", needed, want, 0.06);
    for episode in episodes {
        let ignored = kind_of(episode).is_some_and(|kind| KINDS[kind].habit == Habit::Ignored);
        assert!(!ignored || !answered(episode), "{}", episode.label("alertname"));
    }
}

#[test]
fn people_answer_as_fast_as_measured() {
    for (first, measured) in
        [(Feedback::Ack, &NEEDED_RESPONSE_MINUTES), (Feedback::Dismiss, &OTHER_RESPONSE_MINUTES)]
    {
        let acted = MANY.iter().filter(|episode| episode.actions.first() == Some(&first));
        let mut minutes: Vec<f64> =
            acted.filter_map(|episode| episode.acted_after).map(|after| after.as_secs_f64() / 60.0).collect();
        minutes.sort_by(f64::total_cmp);
        for quarter in 1..4 {
            let (found, want) =
                (minutes[minutes.len() * quarter / 4], quantile_at(measured, quarter as f64 / 4.0));
            assert_near(&format!("{first:?}, quarter {quarter}"), found, want, 0.35 * want + 0.5);
        }
    }
}

#[test]
fn hours_are_as_measured() {
    let mut counts = [0.0; 24];
    for episode in MANY.iter() {
        let calm = !STORM_SYMPTOMS.contains(&episode.label("alertname"));
        if episode.tenant == "acme" && calm {
            counts[(episode.alert.starts_at.secs().rem_euclid(86_400) / 3600) as usize] += 1.0;
        }
    }
    let mean = counts.iter().sum::<f64>() / 24.0;
    let spread = |values: [f64; 24]| values.map(|value| value - 1.0);
    let (found, want) = (spread(counts.map(|count| count / mean)), spread(LOAD_BALANCER.hours));
    let dot = |a: [f64; 24], b: [f64; 24]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let correlation = dot(found, want) / (dot(found, found) * dot(want, want)).sqrt();
    // Bursts leave noise; a shape that is flat or shifted comes to about 0.
    assert!(correlation > 0.6, "{correlation:.2}");
}

#[test]
fn each_tenant_has_a_storm() {
    let (mut inside, mut all) = (0, 0);
    for seed in 0..3 {
        let episodes = episodes(seed, START).unwrap();
        inside += TENANTS.iter().map(|tenant| storm_alerts(&episodes, tenant.name)).sum::<usize>();
        all += episodes.len();
    }
    assert!(all > 0);
    assert_near("storms", inside as f64 / all as f64, STORM_SHARE, 0.08);
}

/// Alerts within the storm of a tenant, which has one, answered as it should be.
fn storm_alerts(episodes: &[Episode], tenant: &str) -> usize {
    let own = || episodes.iter().filter(|episode| episode.tenant == tenant);
    let is_cause =
        |episode: &&Episode| STORM_CAUSES.iter().any(|kind| kind.name == episode.label("alertname"));
    let causes: Vec<&Episode> = own().filter(is_cause).collect();
    let [cause] = causes[..] else { panic!("{} storms at {tenant}", causes.len()) };
    assert_eq!(cause.label("severity"), "critical");
    assert_eq!(cause.actions, [Feedback::Ack, Feedback::Resolve]);
    let from = cause.alert.starts_at;
    let during = from..=from.plus(Duration::from_secs(STORM_SECONDS));
    let storm = own().filter(|episode| during.contains(&episode.alert.starts_at)).count();
    assert!(storm >= STORM_ALERTS.0 as usize * 9 / 10, "{storm} at {tenant}");
    storm
}

#[test]
fn bursts_are_as_long_as_measured() {
    let (mut mean, mut before) = (0.0, (0.0, 0));
    for (share, size) in BURST_SIZES {
        mean += (share - before.0) * (before.1 + 1 + size) as f64 / 2.0;
        before = (share, size);
    }
    assert_near("sizes", mean, BURST_SIZE_MEAN, 0.05);
}

#[test]
fn alerts_say_what_they_are_about() {
    let episodes = episodes(3, START).unwrap();
    let names: HashSet<&str> = episodes.iter().map(|episode| episode.label("alertname")).collect();
    assert!((20..=40).contains(&names.len()), "{} kinds", names.len());
    for episode in &episodes {
        for name in ["alertname", "severity", "job", "cluster"] {
            assert!(!episode.label(name).is_empty(), "{name} of {:?}", episode.alert.labels);
        }
        let annotations = episode.alert.annotations.view();
        for (name, text) in annotations.iter() {
            assert!(!text.is_empty() && !text.contains(['{', '}']), "{name} of {:?}", annotations);
        }
        assert!(episode.alert.generator_url.is_ascii() && !episode.alert.generator_url.contains(' '));
    }
}

#[test]
fn each_place_has_labels_of_its_own() {
    for tenant in &TENANTS {
        for kind in KINDS.iter().chain(&STORM_CAUSES) {
            let places = tenant.places(kind.target);
            let labels: HashSet<Vec<_>> =
                (0..places).map(|number| tenant.place(kind.target, number).labels).collect();
            assert_eq!(labels.len() as u64, places, "{:?} at {}", kind.target, tenant.name);
        }
    }
}

#[test]
fn storms_name_known_kinds() {
    for name in STORM_SYMPTOMS {
        assert!(KINDS.iter().any(|kind| kind.name == name), "{name}");
    }
}

#[test]
fn alerts_are_written_as_prometheus_does() {
    let mut alert = PostableAlert {
        labels: Pairs::labels([("job", "a\"b"), ("alertname", "Up"), ("none", "")]),
        annotations: Pairs::annotations([("summary", "")]),
        starts_at: START,
        ends_at: None,
        generator_url: "http://p/graph".to_owned(),
    };
    let text = |alert: &PostableAlert| {
        let mut out = Vec::new();
        alert.to_json(&mut out);
        String::from_utf8(out).unwrap()
    };
    let firing = r#"{"annotations":{"summary":""},"startsAt":"2026-01-31T00:00:00.000Z","generatorURL":"http://p/graph","labels":{"alertname":"Up","job":"a\"b"}}"#;
    assert_eq!(text(&alert), firing);
    alert.ends_at = Some(START.plus(Duration::from_millis(1500)));
    let resolved = firing.replace(r#","startsAt""#, r#","endsAt":"2026-01-31T00:00:01.500Z","startsAt""#);
    assert_eq!(text(&alert), resolved);
}
