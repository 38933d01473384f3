//! What a model says about itself.

use super::baseline::FeatureBaseline;
use super::digest::Digest;
use super::name::ModelName;
use openclaw_admission::{FEATURES, OUTPUTS, SERVING10, TICKS};
use openclaw_alert::{Timestamp, Zoned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// A card is a few kilobytes.
pub const CARD_BYTES_MAX: usize = 256 << 10;

const METRICS_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 128;

/// What a model was made from, and how it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What it is called.
    pub name: ModelName,
    /// When it was made.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub created_at: Timestamp,
    /// Seconds a tick.
    pub tick_s: u32,
    /// Ticks a window.
    pub window_ticks: u32,
    /// What goes in.
    pub features: FeatureList,
    /// How inputs were scaled in training; folded into the weights, so that
    /// whoever uses them need not scale. Absent: they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// Which quantile each output is of: rate, burst.
    pub quantile: [f64; OUTPUTS],
    /// Widths from input to output.
    pub layers: Vec<usize>,
    /// What it was trained on; absent for a model trained elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<TrainingData>,
    /// What was measured, by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Where the random numbers of training started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The program's source that trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_revision: Option<String>,
    /// Of the safetensors file.
    pub weights_sha256: Digest,
}

/// Features by name, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureList {
    /// What the list is called.
    pub list: String,
    /// What each is called.
    pub names: Vec<String>,
}

/// Mean and deviation of each feature in training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Subtracted.
    pub mean: [f32; FEATURES],
    /// Divided by; 0 of a feature that never changed, which then has no weight.
    pub deviation: [f32; FEATURES],
}

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// The first window's start.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub from: Timestamp,
    /// The last window's end.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub to: Timestamp,
    /// Rows trained on.
    pub rows: u64,
    /// Clients that they are of.
    pub clients: u64,
    /// Tenants that these belong to.
    pub tenants: u64,
    /// What each feature looked like: drift is measured against it.
    pub baseline: Vec<FeatureBaseline>,
}

/// Why a card is no model's.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// Longer than any card.
    #[error("the card has {bytes} bytes; at most {CARD_BYTES_MAX} are expected")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// No card's JSON.
    #[error("the card can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Features that are not worked out here.
    #[error("the model wants the features `{found}`; expected `serving10` ({})", SERVING10.join(", "))]
    Features {
        /// The list's name and its features'.
        found: String,
    },
    /// Ticks and windows other than those served.
    #[error("the model was trained on {window_ticks} ticks of {tick_s} s a window; expected {TICKS} of 1 s")]
    Window {
        /// Seconds a tick.
        tick_s: u32,
        /// Ticks a window.
        window_ticks: u32,
    },
    /// A number that can't be.
    #[error("the card's `{field}` is out of range; expected {expected}")]
    Range {
        /// Which.
        field: &'static str,
        /// What would be.
        expected: &'static str,
    },
}

impl FeatureList {
    /// The one that is served.
    #[must_use]
    pub fn serving10() -> Self {
        Self { list: "serving10".to_owned(), names: SERVING10.map(str::to_owned).to_vec() }
    }
}

impl Card {
    /// Of a model whose origin nothing is known of. Layers and hash are filled
    /// in when it meets its weights.
    #[must_use]
    pub fn new(name: ModelName, created_at: Timestamp, quantile: [f64; OUTPUTS]) -> Self {
        Self {
            name,
            created_at,
            tick_s: 1,
            window_ticks: TICKS as u32,
            features: FeatureList::serving10(),
            scaling: None,
            quantile,
            layers: Vec::new(),
            data: None,
            metrics: BTreeMap::new(),
            seed: None,
            git_revision: None,
            weights_sha256: Digest::of(&[]),
        }
    }

    /// Reads and checks one.
    ///
    /// # Errors
    /// [`CardError`]: no card, or one of a model that can't be served here.
    pub fn from_json(json: &[u8]) -> Result<Self, CardError> {
        if json.len() > CARD_BYTES_MAX {
            return Err(CardError::TooLong { bytes: json.len() });
        }
        let card: Self = serde_json::from_slice(json)?;
        card.check()?;
        Ok(card)
    }

    /// As JSON, for people too; the same card is the same bytes.
    ///
    /// # Errors
    /// [`CardError`] where reading would refuse it.
    pub fn to_json(&self) -> Result<Vec<u8>, CardError> {
        self.check()?;
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        if json.len() > CARD_BYTES_MAX {
            return Err(CardError::TooLong { bytes: json.len() });
        }
        Ok(json)
    }

    /// Whether this program can serve what it describes, and every number is one.
    pub(super) fn check(&self) -> Result<(), CardError> {
        if self.features != FeatureList::serving10() {
            let names = self.features.names.iter().take(2 * FEATURES).map(String::as_str);
            let found = format!("{} ({})", self.features.list, names.collect::<Vec<_>>().join(", "));
            return Err(CardError::Features { found: found.chars().take(400).collect() });
        }
        if (self.tick_s, self.window_ticks) != (1, TICKS as u32) {
            return Err(CardError::Window { tick_s: self.tick_s, window_ticks: self.window_ticks });
        }
        let ranges = [
            (self.quantile.iter().all(|q| *q > 0.0 && *q < 1.0), "quantile", "numbers between 0 and 1"),
            (self.metrics_are_sound(), "metrics", "at most 256 finite numbers by short names"),
            (
                self.scaling.as_ref().is_none_or(Scaling::is_sound),
                "scaling",
                "finite numbers, deviations not below 0",
            ),
            (
                self.data.as_ref().is_none_or(TrainingData::is_sound),
                "data",
                "an order in time and ten baselines",
            ),
            (
                self.git_revision.as_ref().is_none_or(|text| text.len() <= NAME_BYTES_MAX),
                "git_revision",
                "at most 128 bytes",
            ),
        ];
        match ranges.into_iter().find(|(is_sound, ..)| !is_sound) {
            Some((_, field, expected)) => Err(CardError::Range { field, expected }),
            None => Ok(()),
        }
    }

    fn metrics_are_sound(&self) -> bool {
        self.metrics.len() <= METRICS_MAX
            && self.metrics.iter().all(|(name, value)| name.len() <= NAME_BYTES_MAX && value.is_finite())
    }
}

impl Scaling {
    fn is_sound(&self) -> bool {
        self.mean.iter().all(|mean| mean.is_finite())
            && self.deviation.iter().all(|deviation| deviation.is_finite() && *deviation >= 0.0)
    }
}

impl TrainingData {
    fn is_sound(&self) -> bool {
        self.from <= self.to
            && self.baseline.len() == FEATURES
            && self.baseline.iter().all(FeatureBaseline::is_sound)
    }
}

fn write_time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    Zoned::parse(&text).map(|zoned| zoned.at).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn card() -> Card {
        let name = "model-20261122".parse().unwrap();
        let values: Vec<f32> = (0..100).map(|at| at as f32).collect();
        let at = Timestamp::from_secs(1_795_305_600);
        Card {
            scaling: Some(Scaling { mean: [0.5; FEATURES], deviation: [2.0; FEATURES] }),
            data: Some(TrainingData {
                from: at,
                to: at,
                rows: 100,
                clients: 2,
                tenants: 1,
                baseline: vec![FeatureBaseline::of(&values).unwrap(); FEATURES],
            }),
            metrics: [("pinball".to_owned(), 0.1 + 0.2)].into(),
            seed: Some(u64::MAX),
            git_revision: Some("6a0674b".to_owned()),
            ..Card::new(name, at, [0.99, 0.98])
        }
    }

    #[test]
    fn cards_survive_exactly() {
        let card = card();
        let json = card.to_json().unwrap();
        assert_eq!(Card::from_json(&json).unwrap(), card);
        assert_eq!(Card::from_json(&json).unwrap().to_json().unwrap(), json);
    }

    #[test]
    fn a_feature_that_never_changed_has_no_deviation() {
        let scaling = Some(Scaling { mean: [0.5; FEATURES], deviation: [0.0; FEATURES] });
        assert!(Card { scaling, ..card() }.to_json().is_ok());
    }

    /// The card's JSON with one value replaced, and what is said of it.
    fn refused(pointer: &str, value: Value) -> String {
        let mut json: Value = serde_json::from_slice(&card().to_json().unwrap()).unwrap();
        match json.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => drop(json.as_object_mut().unwrap().insert(pointer.to_owned(), value)),
        }
        Card::from_json(json.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn other_cards_are_refused() {
        let told = [
            refused("/features/list", json!("volume10")),
            refused("/features/names/3", json!("hour")),
            refused("/window_ticks", json!(5)),
            refused("/tick_s", json!(60)),
            refused("/quantile/0", json!(1.0)),
            refused("/quantile", json!([0.99])),
            refused("/scaling/deviation/9", json!(-1.0)),
            refused("/data/baseline", json!([])),
            refused("/data/baseline/0/shares/0", json!(7.0)),
            refused("/data/from", json!("2027-01-01T00:00:00Z")),
            refused("/data/from", json!("yesterday")),
            refused("/metrics/pinball", json!(null)),
            refused("/git_revision", json!("x".repeat(200))),
            refused("/name", json!("../../latest")),
            refused("/weights_sha256", json!("sha256:12")),
            refused("colour", json!("red")),
        ];
        insta::assert_snapshot!(told.join("\n"));
        assert!(matches!(Card::from_json(&vec![b' '; CARD_BYTES_MAX + 1]), Err(CardError::TooLong { .. })));
        let not_finite = Card { metrics: [("a".to_owned(), f64::NAN)].into(), ..card() };
        assert!(matches!(not_finite.to_json(), Err(CardError::Range { field: "metrics", .. })));
    }
}
