//! `environments/*/model.yaml`: which model is to run in an environment.
//!
//! A line a key, so that a change is a change of lines and people read it as
//! one. What others have written beside our keys stays where it is.

use crate::artifact::{Digest, ModelName};
use crate::validate::{Gate, Report, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What stands for no model: the plain estimator.
const PLAIN: &str = "plain";
/// The keys that are ours.
const KEYS: [&str; 5] = ["version", "digest", "previous", "gates", "figures"];
const HEAD: &str = "# Which model sets clients' limits here. Written when one is published or taken back; other lines stay.\n";
/// The one of them that stays where the version does.
const PREVIOUS: usize = 2;
/// Figures that are told.
const FIGURES_MAX: usize = 32;

/// Why a file says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// No model.
    #[error("`version` is missing or no model's name: write `version: model-YYYYMMDD`, or `plain` for none")]
    Version,
    /// No digest.
    #[error("`digest` is none: write `digest: sha256:…`, or leave it out")]
    Digest,
}

/// The model that is asked for; every other key is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// None for the plain estimator.
    pub version: Option<ModelName>,
    /// That very one.
    pub digest: Option<Digest>,
}

/// What a model was asked, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateSummary {
    /// Of the whole report.
    pub report: Digest,
    /// Gates that hold.
    pub passed: usize,
    /// Gates that don't.
    pub failed: usize,
    /// Gates that couldn't be asked.
    pub left_out: usize,
    /// What was measured, by gate.
    pub figures: Vec<(String, f64)>,
}

impl GateSummary {
    /// Of a report and the bytes that it is kept as.
    #[must_use]
    pub fn of(report: &Report, json: &[u8]) -> Self {
        let count = |verdict| report.gates.iter().filter(|gate| gate.verdict() == verdict).count();
        let figure = |gate: &Gate| Some((gate.name.clone(), gate.value.filter(|value| value.is_finite())?));
        Self {
            report: Digest::of(json),
            passed: count(Verdict::Passed),
            failed: count(Verdict::Failed),
            left_out: count(Verdict::LeftOut),
            figures: report.gates.iter().filter_map(figure).take(FIGURES_MAX).collect(),
        }
    }
}

/// What is written of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Which is to run.
    pub wanted: Wanted,
    /// What was asked of it; nothing where that isn't known.
    pub gates: Option<GateSummary>,
}

impl Wanted {
    /// What a file asks for.
    ///
    /// # Errors
    /// [`EnvironmentError`] where it asks for nothing that can be.
    pub fn parse(text: &str) -> Result<Self, EnvironmentError> {
        let version = Self::version_in(text)?;
        let digest = found(text, "digest").filter(|text| !text.is_empty());
        let digest = digest.map(|text| text.parse().map_err(|_| EnvironmentError::Digest)).transpose()?;
        Ok(Self { version, digest })
    }

    /// The version alone.
    ///
    /// # Errors
    /// [`EnvironmentError::Version`] where there is none.
    pub fn version_in(text: &str) -> Result<Option<ModelName>, EnvironmentError> {
        found(text, "version").and_then(version).ok_or(EnvironmentError::Version)
    }

    /// What ran before, as far as a file says; none within for the plain
    /// estimator.
    #[must_use]
    pub fn previous_in(text: &str) -> Option<Option<ModelName>> {
        version(found(text, "previous")?)
    }

    /// As people read it.
    #[must_use]
    pub fn name(&self) -> String {
        named(self.version)
    }
}

fn named(version: Option<ModelName>) -> String {
    version.map_or_else(|| PLAIN.to_owned(), |name| name.to_string())
}

fn version(value: &str) -> Option<Option<ModelName>> {
    if value == PLAIN { Some(None) } else { value.parse().ok().map(Some) }
}

fn found<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| value_of(line, key)).map(plain)
}

/// What follows a key at the beginning of a line.
fn value_of<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.strip_prefix(key)?.strip_prefix(':')
}

/// A scalar without its comment and quotes.
fn plain(value: &str) -> &str {
    let value = value.split_once(" #").map_or(value, |(value, _)| value).trim();
    value.trim_matches(|quote| quote == '"' || quote == '\'')
}

impl Entry {
    /// The file with this in it, and all that others have written.
    #[must_use]
    pub fn written(&self, before: Option<&str>) -> String {
        let Some(before) = before else {
            // Whoever begins with a model had none.
            let previous = self.wanted.version.is_some().then_some(None);
            return HEAD.to_owned() + &self.lines(previous).concat();
        };
        let previous = Wanted::version_in(before).ok().filter(|before| *before != self.wanted.version);
        let mut ours = self.lines(previous).map(Some);
        let (mut text, mut is_replaced) = (String::new(), false);
        for line in before.split_inclusive('\n') {
            if is_replaced && goes_on(line) {
                continue;
            }
            let key = KEYS.iter().position(|key| value_of(line, key).is_some());
            let new = key.and_then(|at| (at != PREVIOUS || previous.is_some()).then(|| ours[at].take()));
            is_replaced = new.is_some();
            text.push_str(new.as_ref().map_or(line, |new| new.as_deref().unwrap_or_default()));
        }
        let missing: String = ours.into_iter().flatten().collect();
        if !missing.is_empty() && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text + &missing
    }

    /// A line a key; empty where there is nothing to say.
    fn lines(&self, previous: Option<Option<ModelName>>) -> [String; 5] {
        let line = |key: &str, value: String| format!("{key}: {value}\n");
        let digest = self.wanted.digest.map(|digest| line("digest", digest.to_string()));
        let previous = previous.map(|name| line("previous", named(name)));
        let gates = self.gates.as_ref();
        [
            line("version", self.wanted.name()),
            digest.unwrap_or_default(),
            previous.unwrap_or_default(),
            gates.map(|gates| line("gates", gates.counts())).unwrap_or_default(),
            gates.map(|gates| line("figures", gates.figures())).unwrap_or_default(),
        ]
    }
}

impl GateSummary {
    fn counts(&self) -> String {
        let Self { report, passed, failed, left_out, .. } = self;
        format!("{{ passed: {passed}, failed: {failed}, left_out: {left_out}, report: \"{report}\" }}")
    }

    fn figures(&self) -> String {
        let mut text = String::from("{");
        for (at, (name, value)) in self.figures.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            // JSON's strings are YAML's.
            let name = serde_json::Value::from(name.as_str());
            let _ = write!(text, "{comma} {name}: {}", number(*value));
        }
        text + " }"
    }
}

/// Four digits: what people compare.
fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    rounded.to_string()
}

/// Whether a line belongs to the key above it.
fn goes_on(line: &str) -> bool {
    let is_end = line.trim().is_empty() || line.starts_with("---") || line.starts_with("...");
    !is_end && line.starts_with([' ', '\t', '}', ']', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(byte: u8) -> Digest {
        Digest::of(&[byte])
    }

    fn wanted(version: &str, digest: Option<Digest>) -> Wanted {
        Wanted { version: version.parse().ok(), digest }
    }

    fn entry(version: &str) -> Entry {
        let figures = vec![("burst of 1000".to_owned(), 0.123_456_7), ("drift".to_owned(), 12.0)];
        let gates = GateSummary { report: digest(2), passed: 9, failed: 0, left_out: 2, figures };
        Entry { wanted: wanted(version, Some(digest(1))), gates: Some(gates) }
    }

    #[test]
    fn reads_what_is_written_here_and_by_people() {
        let digest = digest(1);
        let is = wanted("model-20261122.1", Some(digest));
        assert_eq!(Wanted::parse(&format!("version: model-20261122.1\ndigest: {digest}\n")), Ok(is));
        let quoted = format!(
            "# ours\r\ndigest: \"{digest}\"  # pinned\r\nversion: 'model-20261122.1'\r\ngates: {{}}\n"
        );
        assert_eq!(Wanted::parse(&quoted), Ok(is));
        assert_eq!(Wanted::parse("version: model-20261122.1"), Ok(Wanted { digest: None, ..is }));
        assert_eq!(Wanted::parse("version: plain"), Ok(Wanted { version: None, digest: None }));
        for text in ["digest: x", "version: latest", "version:\n  - model-20261122", "", " version: plain"] {
            assert_eq!(Wanted::parse(text), Err(EnvironmentError::Version), "{text}");
        }
        assert_eq!(Wanted::parse("version: model-20261122\ndigest: 5a"), Err(EnvironmentError::Digest));
    }

    #[test]
    fn a_new_file_says_what_it_is() {
        insta::assert_snapshot!(entry("model-20261122").written(None), @r#"
        # Which model sets clients' limits here. Written when one is published or taken back; other lines stay.
        version: model-20261122
        digest: sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a
        previous: plain
        gates: { passed: 9, failed: 0, left_out: 2, report: "sha256:dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986" }
        figures: { "burst of 1000": 0.1235, "drift": 12 }
        "#);
    }

    #[test]
    fn what_others_wrote_stays_where_it_is() {
        let before = "---\n# owned by the limits team\nowner: limits\nversion: model-20261121 # pinned\ngates:\n  passed: 3\n  more:\n    - a\nnotes: |\n  version: in a text\ndigest: sha256:00";
        insta::assert_snapshot!(entry("model-20261122").written(Some(before)), @r#"
        ---
        # owned by the limits team
        owner: limits
        version: model-20261122
        gates: { passed: 9, failed: 0, left_out: 2, report: "sha256:dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986" }
        notes: |
          version: in a text
        digest: sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a
        previous: model-20261121
        figures: { "burst of 1000": 0.1235, "drift": 12 }
        "#);
    }

    #[test]
    fn going_back_says_nothing_of_gates() {
        let back = Entry { wanted: Wanted { version: None, digest: None }, gates: None };
        let text = back.written(Some(&entry("model-20261122").written(None)));
        insta::assert_snapshot!(text, @r"
        # Which model sets clients' limits here. Written when one is published or taken back; other lines stay.
        version: plain
        previous: model-20261122
        ");
    }

    proptest! {
        #[test]
        fn whatever_the_file_was_the_model_is_in_it_and_other_keys_stay(
            lines in prop::collection::vec("(version|digest|gates|other|kind|# note|---)?:? ?[a-z{}\\[\" -]{0,9}\r?", 0..12),
            ends in any::<bool>(),
        ) {
            let before = lines.join("\n") + if ends { "\n" } else { "" };
            let is = entry("model-20261122");
            let text = is.written(Some(&before));
            prop_assert_eq!(Wanted::parse(&text), Ok(is.wanted));
            prop_assert_eq!(&is.written(Some(&text)), &text);
            let others = |text: &str| -> Vec<String> {
                text.lines().filter(|line| line.starts_with("other") || line.starts_with("kind") || line.starts_with('#'))
                    .map(|line| line.trim_end().to_owned()).collect()
            };
            prop_assert_eq!(others(&text), others(&before));
        }
    }
}
