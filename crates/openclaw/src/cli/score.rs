//! `openclaw score`

use super::clock::now;
use super::{CliError, OutputArg, Ui};
use crate::config::{self, Environment};
use clap::Args;
use openclaw_alert::{Labels, LabelsBuilder, Score, Timestamp, Zoned};
use openclaw_rating::{AlertFacts, Explanation, FactorValue, Model};
use serde_json::{Map, Value, json};
use std::io::{self, Read as _};

/// As much as the service takes in one request.
const INPUT_BYTES_MAX: u64 = 8 << 20;

/// Arguments of `openclaw score`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: echo '{\"labels\": {\"alertname\": \"DiskFull\", \"severity\": \"critical\"}}' | openclaw score"
)]
pub(crate) struct ScoreArgs {
    /// Name of the intake that the alerts would come through
    #[arg(long, default_value = "alertmanager", value_name = "NAME")]
    source: String,
    #[command(flatten)]
    output: OutputArg,
}

/// An alert's score and the reasons for it.
struct Scored {
    labels: Vec<u8>,
    score: Score,
    explanation: Explanation,
}

pub(super) fn run(args: &ScoreArgs, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let threshold = config::rating_defaults(environment)?.threshold;
    let input: Value = serde_json::from_str(&read_input()?)
        .map_err(|error| CliError::Alert { place: "standard input".to_owned(), detail: error.to_string() })?;
    let (alerts, many) = match input {
        Value::Array(alerts) => (alerts, true),
        alert => (vec![alert], false),
    };
    let now = now();
    let scored = alerts.iter().enumerate().map(|(index, alert)| score(index, alert, &args.source, now));
    let scored = scored.collect::<Result<Vec<_>, _>>()?;
    if args.output.is_json() {
        let mut values: Vec<Value> = scored.iter().map(|scored| to_json(scored, threshold)).collect();
        return match values.pop() {
            Some(only) if !many => ui.json(&only),
            last => ui.json(&values.into_iter().chain(last).collect()),
        };
    }
    scored.iter().try_for_each(|scored| print(scored, threshold, ui))
}

fn read_input() -> Result<String, CliError> {
    let mut text = String::new();
    let length = io::stdin()
        .take(INPUT_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|source| CliError::Input { source })?;
    if length as u64 > INPUT_BYTES_MAX {
        return Err(CliError::InputTooLong { most_bytes: INPUT_BYTES_MAX });
    }
    Ok(text)
}

fn score(index: usize, alert: &Value, source: &str, now: Timestamp) -> Result<Scored, CliError> {
    let fail = |detail: String| CliError::Alert { place: format!("alert {index}"), detail };
    let labels = alert.get("labels").and_then(Value::as_object);
    let labels = labels.ok_or_else(|| fail("`labels` is missing or no object".to_owned()))?;
    let labels = encoded(labels).map_err(fail)?;
    let at = match alert.get("startsAt").and_then(Value::as_str) {
        Some(text) => Zoned::parse(text).map_err(|error| fail(format!("`startsAt` is {error}")))?.at,
        None => now,
    };
    let model = Model::default();
    let facts = AlertFacts { labels: Labels::from_encoded(&labels), source, at };
    let score = model.rate(&facts);
    let explanation = model.explain(&facts, &score);
    Ok(Scored { labels, score, explanation })
}

fn encoded(labels: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let mut builder = LabelsBuilder::default();
    for (name, value) in labels {
        let text = value.as_str().ok_or_else(|| format!("label `{}` is not text", name.escape_debug()))?;
        builder.push(name, text);
    }
    let mut bytes = Vec::new();
    match builder.write(&mut bytes, true) {
        0 => Err("at least one label with a value is needed".to_owned()),
        _ => Ok(bytes),
    }
}

fn decision(score: &Score, threshold: f32) -> &'static str {
    if score.value() >= threshold { "page" } else { "digest" }
}

fn to_json(scored: &Scored, threshold: f32) -> Value {
    let factor = |factor: &openclaw_rating::Factor| {
        let value = match &factor.value {
            FactorValue::Number(number) => json!(number),
            FactorValue::Text(text) => json!(text),
        };
        json!({ "name": factor.name, "value": value, "contribution": factor.contribution })
    };
    json!({
        "score": scored.score.value(),
        "threshold": threshold,
        "decision": decision(&scored.score, threshold),
        "factors": scored.explanation.factors.iter().map(factor).collect::<Vec<_>>(),
        "model": "prior",
    })
}

fn print(scored: &Scored, threshold: f32, ui: &mut Ui) -> Result<(), CliError> {
    let labels = Labels::from_encoded(&scored.labels);
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    ui.line(format_args!(
        "{:.2}  {}  {{{}}}",
        scored.score.value(),
        decision(&scored.score, threshold),
        pairs.join(", ")
    ))?;
    let row = |factor: &openclaw_rating::Factor| {
        vec![
            String::new(),
            factor.name.to_owned(),
            format!("{:+.3}", factor.contribution),
            factor.sentence.clone(),
        ]
    };
    ui.table(&scored.explanation.factors.iter().map(row).collect::<Vec<_>>())
}
