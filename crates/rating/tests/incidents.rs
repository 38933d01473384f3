//! Ratings on a stream of real incidents, each rated when it was opened and
//! judged when it was resolved. What is asked of the model: to put those that
//! missed their objective above the rest better than their severity does.
//!
//! The incidents come from the folder in `OPENCLAW_TEST_DATA`; without it a
//! seeded generator stands in, and the test says so.
#![allow(clippy::disallowed_methods, reason = "reads its data from a file")]

use openclaw_alert::{Feedback, Labels, LabelsBuilder, Timestamp, Zoned};
use openclaw_rating::{AlertFacts, Model};
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

/// The first ones teach only.
const WARM_UP: usize = 4000;

struct Incident {
    labels: Vec<u8>,
    source: String,
    priority: f32,
    opened_at: Timestamp,
    resolved_at: Timestamp,
    missed: bool,
}

impl Incident {
    fn facts(&self) -> AlertFacts<'_> {
        AlertFacts { labels: Labels::from_encoded(&self.labels), source: &self.source, at: self.opened_at }
    }
}

/// `31/12/2016 23:59`
fn time(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.split_once(' ')?;
    let [day, month, year] = date.split('/').collect::<Vec<_>>().try_into().ok()?;
    Zoned::parse(&format!("{year}-{month:0>2}-{day:0>2}T{clock:0>5}:00Z")).ok().map(|time| time.at)
}

/// What was known at the first row of a number, with the end from its last.
fn read_incidents(file: &Path) -> Result<Vec<Incident>, Box<dyn Error>> {
    let mut rows = csv::Reader::from_reader(flate2::read::GzDecoder::new(std::fs::File::open(file)?));
    let columns = rows.headers()?.clone();
    let column = |name: &str| columns.iter().position(|known| known == name).ok_or(format!("no `{name}`"));
    let [number, opened, resolved, closed, made_sla, category, subcategory, group, priority, contact] = [
        column("number")?,
        column("opened_at")?,
        column("resolved_at")?,
        column("closed_at")?,
        column("made_sla")?,
        column("category")?,
        column("subcategory")?,
        column("assignment_group")?,
        column("priority")?,
        column("contact_type")?,
    ];
    let (mut incidents, mut places) = (Vec::<Incident>::new(), HashMap::<String, usize>::new());
    for row in rows.records() {
        let row = row?;
        let opened_at = time(&row[opened]).ok_or("opened_at")?;
        let place = *places.entry(row[number].to_owned()).or_insert(incidents.len());
        if place == incidents.len() {
            incidents.push(Incident {
                labels: LabelsBuilder::encode([
                    ("alertname", &*format!("{}/{}", &row[category], &row[subcategory])),
                    ("job", &row[group]),
                    ("severity", &row[priority]),
                ]),
                source: row[contact].to_owned(),
                priority: row[priority].split(' ').next().and_then(|digit| digit.parse().ok()).unwrap_or(3.0),
                opened_at,
                resolved_at: opened_at,
                missed: false,
            });
        }
        let incident = &mut incidents[place];
        incident.resolved_at = time(&row[resolved]).or(time(&row[closed])).unwrap_or(incident.resolved_at);
        incident.missed = &row[made_sla] == "false";
    }
    incidents.sort_by_key(|incident| incident.opened_at);
    Ok(incidents)
}

/// Numbers 0..1 from a seed (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// 200 kinds with a rate of their own that severity hardly tells.
fn generated_incidents() -> Vec<Incident> {
    let mut random = Random(0x5eed);
    let rates: Vec<f64> = (0..200).map(|_| random.next().powi(2)).collect();
    let incident = |number: i64| {
        let kind = (random.next().powi(2) * 200.0) as usize;
        let priority = if random.next() < 0.95 { 3 } else { 2 };
        let opened_at = Timestamp::from_secs(1_460_000_000 + number * 900);
        let text = kind.to_string();
        Incident {
            labels: LabelsBuilder::encode([("alertname", &*text), ("severity", &priority.to_string())]),
            source: ["phone", "mail"][kind % 2].to_owned(),
            priority: priority as f32,
            opened_at,
            resolved_at: opened_at.plus(std::time::Duration::from_secs_f64(random.next() * 500_000.0)),
            missed: random.next() < rates[kind],
        }
    };
    (0..12_000).map(incident).collect()
}

/// Scores in order of opening; each judgement arrives when it was made.
fn replay(incidents: &[Incident]) -> Vec<f32> {
    let mut by_resolution: Vec<&Incident> = incidents.iter().collect();
    by_resolution.sort_by_key(|incident| incident.resolved_at);
    let mut judgements = by_resolution.into_iter().peekable();
    let mut model = Model::default();
    let rate = |incident: &Incident| {
        while let Some(judged) = judgements.next_if(|judged| judged.resolved_at < incident.opened_at) {
            let feedback = if judged.missed { Feedback::Resolve } else { Feedback::Dismiss };
            model.learn(&judged.facts(), feedback, judged.resolved_at);
        }
        let score = model.rate(&incident.facts());
        model.seen(&incident.facts());
        score.value()
    };
    incidents.iter().map(rate).collect()
}

/// The chance that a missed one is above one that wasn't, ties half.
fn auc(missed: &[bool], scores: &[f32]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut rank_sum, mut rank) = (0.0, 1.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let mean_rank = rank + (tied.len() - 1) as f64 / 2.0;
        rank_sum += mean_rank * tied.iter().filter(|&&at| missed[at]).count() as f64;
        rank += tied.len() as f64;
    }
    let positive = missed.iter().filter(|&&missed| missed).count() as f64;
    let negative = missed.len() as f64 - positive;
    (rank_sum - positive * (positive + 1.0) / 2.0) / (positive * negative)
}

fn brier(missed: &[bool], scores: &[f32]) -> f64 {
    let error =
        |(&missed, &score): (&bool, &f32)| (f64::from(score) - if missed { 1.0 } else { 0.0 }).powi(2);
    missed.iter().zip(scores).map(error).sum::<f64>() / missed.len() as f64
}

#[test]
fn ratings_beat_severity() {
    let file =
        std::env::var_os("OPENCLAW_TEST_DATA").map(|folder| Path::new(&folder).join("incidents_uci.csv.gz"));
    let incidents = match file.filter(|file| file.exists()) {
        Some(file) => read_incidents(&file).unwrap(),
        None => {
            eprintln!(
                "left out: the real incidents, since `OPENCLAW_TEST_DATA` names no folder with incidents_uci.csv.gz"
            );
            generated_incidents()
        }
    };
    let scores = &replay(&incidents)[WARM_UP..];
    let missed: Vec<bool> = incidents[WARM_UP..].iter().map(|incident| incident.missed).collect();
    let severity: Vec<f32> = incidents[WARM_UP..].iter().map(|incident| -incident.priority).collect();
    let (rated, by_severity) = (auc(&missed, scores), auc(&missed, &severity));
    eprintln!(
        "{} incidents: AUC {rated:.3}, of severity alone {by_severity:.3}; Brier {:.3}",
        missed.len(),
        brier(&missed, scores)
    );
    assert!(rated >= 0.74 && rated > by_severity + 0.05, "AUC {rated:.3}, severity alone {by_severity:.3}");
}
