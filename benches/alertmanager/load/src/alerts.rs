//! Alerts as Prometheus posts them: eight labels, two annotations, some 700
//! bytes.

use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;

const END_AFTER: SignedDuration = SignedDuration::from_mins(5);
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// A stream of alerts that differ in their label `bench_id`.
#[derive(Debug)]
pub(crate) struct Alerts {
    prefix: String,
    /// A rule's alerts start once, however often they are posted.
    started_at: Timestamp,
    is_resolved: bool,
}

impl Alerts {
    pub(crate) fn firing(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), started_at: Timestamp::now(), is_resolved: false }
    }

    pub(crate) fn resolved(self) -> Self {
        Self { is_resolved: true, ..self }
    }

    pub(crate) fn started_at(self, at: Timestamp) -> Self {
        Self { started_at: at, ..self }
    }

    /// The label `bench_id` of an alert.
    pub(crate) fn id(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// A request's body.
    pub(crate) fn body(&self, numbers: impl Iterator<Item = usize>) -> String {
        let now = Timestamp::now();
        // The end moves with each post, as it does in Prometheus.
        let ends_at = if self.is_resolved { now } else { now + END_AFTER };
        let mut body = String::from("[");
        for number in numbers {
            if body.len() > 1 {
                body.push(',');
            }
            self.push(&mut body, number, ends_at);
        }
        body.push(']');
        body
    }

    fn push(&self, body: &mut String, number: usize, ends_at: Timestamp) {
        // Writing to a string can't fail.
        let _ = write!(
            body,
            concat!(
                r#"{{"labels":{{"alertname":"CheckoutErrorBudgetBurn{rule}","bench_id":"{id}","cluster":"eu-{cluster}","#,
                r#""instance":"10.1.0.{host}:9100","job":"checkout","namespace":"shop-{team}","pod":"checkout-{number}-5f7b9","#,
                r#""severity":"{severity}"}},"annotations":{{"description":"More than 5 \"%\" of the requests that "#,
                r#"checkout {number} answered in the last 10 minutes were errors: at this rate the month's budget is spent "#,
                r#"in two days. Look for a deployment or a failing payment provider before calling anybody.","#,
                r#""summary":"Checkout {number} burns its error budget"}},"startsAt":"{started_at}","endsAt":"{ends_at}","#,
                r#""generatorURL":"http://prometheus.shop.example/graph?g0.expr=job%3Aerrors%3Arate10m+%3E+0.05\u0026g0.tab=1"}}"#,
            ),
            rule = number % 100,
            id = self.id(number),
            cluster = number % 10,
            host = number % 250,
            team = number % 40,
            number = number,
            severity = SEVERITIES[number % SEVERITIES.len()],
            started_at = self.started_at,
            ends_at = ends_at,
        );
    }
}

#[test]
fn a_body_is_json_of_the_stated_size() {
    let alerts = Alerts::firing("t");
    let body = alerts.body(0..100);
    assert!((65_000..85_000).contains(&body.len()), "{}", body.len());
    let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(parsed.as_array().unwrap().len(), 100);
    assert_eq!(parsed[7]["labels"]["bench_id"], "t-7");
    assert_eq!(parsed[7]["labels"].as_object().unwrap().len(), 8);
    assert!(parsed[0]["endsAt"].as_str() > parsed[0]["startsAt"].as_str());
}

#[test]
fn repeats_keep_their_start() {
    let alerts = Alerts::firing("t");
    let start = |body: &str| {
        serde_json::from_str::<serde_json::Value>(body).unwrap()[0]["startsAt"].as_str().unwrap().to_owned()
    };
    assert_eq!(start(&alerts.body(0..1)), start(&alerts.body(0..1)));
}
