//! The request's JSON, read once and in place: names and values go from the
//! body straight into the batch, and only text with escapes is copied between.

use super::{
    ALERTS_MAX, BODY_BYTES_MAX, Bound, DecodeError, Decoded, GENERATOR_URL_BYTES_MAX, NAME_BYTES_MAX,
    PAIRS_MAX, RejectReason, Rejected, VALUE_BYTES_MAX,
};
use openclaw_alert::{LabelsBuilder, Timestamp, TimestampError, Zoned};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Reads the body of `POST /api/v2/alerts`.
///
/// # Errors
/// [`DecodeError`] when the request is refused whole; alerts that are refused
/// alone are in [`Decoded::rejected`].
pub fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(DecodeError::TooLarge { bytes: body.len() });
    }
    if body.is_empty() {
        return Err(DecodeError::Empty);
    }
    // Checked once for the whole body, so that serde need not check each string.
    let text = std::str::from_utf8(body).map_err(|error| DecodeError::Parse { detail: error.to_string() })?;
    let mut request = Request::default();
    let parsed = parse(text, &mut request);
    if request.index > ALERTS_MAX {
        return Err(DecodeError::TooManyAlerts);
    }
    parsed.map_err(|error| DecodeError::Parse { detail: error.to_string() })?;
    match request.labels_missing {
        Some(index) => Err(DecodeError::LabelsMissing { index }),
        None => Ok(request.decoded),
    }
}

fn parse(text: &str, request: &mut Request) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_seq(RequestVisitor(request))?;
    json.end()
}

/// What has been read so far. The builders are reused from alert to alert.
#[derive(Default)]
struct Request {
    decoded: Decoded,
    labels: Pairs,
    annotations: Pairs,
    /// Of the alert being read.
    index: usize,
    /// First alert without `labels`. A fault of the JSON behind it goes first,
    /// since Alertmanager parses before it validates.
    labels_missing: Option<usize>,
}

impl Request {
    fn finish_alert(&mut self, alert: &AlertFields<'_>) {
        if !alert.has_labels {
            self.labels_missing.get_or_insert(self.index);
        } else if let Err(reason) = self.keep(alert) {
            self.decoded.rejected.push(Rejected { index: self.index, reason });
        }
    }

    /// In the order in which Alertmanager checks.
    fn keep(&mut self, alert: &AlertFields<'_>) -> Result<(), RejectReason> {
        if let (Some(start), Some(end)) = (alert.starts_at, alert.ends_at)
            && end.at < start.at
        {
            return Err(RejectReason::EndsBeforeStart);
        }
        if let Some(fault) = self.labels.fault.take().or(self.annotations.fault.take()) {
            return Err(fault);
        }
        let bytes = alert.generator_url.len();
        if bytes > GENERATOR_URL_BYTES_MAX {
            return Err(RejectReason::Bound(Bound::GeneratorUrl { bytes }));
        }
        let (labels, annotations) = (&mut self.labels.builder, &mut self.annotations.builder);
        let (url, batch) = (&alert.generator_url, &mut self.decoded.batch);
        if batch.push(labels, annotations, url, alert.starts_at, alert.ends_at) {
            Ok(())
        } else {
            Err(RejectReason::NoLabels)
        }
    }
}

/// The fields of the alert being read, its pairs aside.
#[derive(Default)]
struct AlertFields<'de> {
    has_labels: bool,
    starts_at: Option<Zoned>,
    ends_at: Option<Zoned>,
    generator_url: Cow<'de, str>,
}

/// Labels or annotations being read.
#[derive(Default)]
struct Pairs {
    builder: LabelsBuilder,
    /// The first; what comes behind it is not kept.
    fault: Option<RejectReason>,
}

impl Pairs {
    fn clear(&mut self) {
        self.builder.clear();
        self.fault = None;
    }

    fn push(&mut self, kind: Kind, name: &str, value: &str) {
        if self.fault.is_some() || (kind == Kind::Labels && name.is_empty() && value.is_empty()) {
            return;
        }
        match fault_of(kind, self.builder.len(), name, value) {
            None => self.builder.push(name, value),
            fault => self.fault = fault,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Labels,
    Annotations,
}

fn fault_of(kind: Kind, pairs: usize, name: &str, value: &str) -> Option<RejectReason> {
    let (field, empty_name) = match kind {
        Kind::Labels => ("labels", RejectReason::EmptyLabelName),
        Kind::Annotations => ("annotations", RejectReason::EmptyAnnotationName),
    };
    let bound = if name.is_empty() {
        return Some(empty_name);
    } else if pairs == PAIRS_MAX {
        Bound::Pairs { field }
    } else if name.len() > NAME_BYTES_MAX {
        Bound::Name { field, bytes: name.len() }
    } else if value.len() > VALUE_BYTES_MAX {
        Bound::Value { field, name: name.chars().take(80).collect(), bytes: value.len() }
    } else {
        return None;
    };
    Some(RejectReason::Bound(bound))
}

struct RequestVisitor<'r>(&'r mut Request);

impl<'de> Visitor<'de> for RequestVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of alerts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut alerts: A) -> Result<(), A::Error> {
        while alerts.next_element_seed(AlertSeed(self.0))?.is_some() {
            self.0.index += 1;
        }
        Ok(())
    }
}

struct AlertSeed<'r>(&'r mut Request);

impl<'de> DeserializeSeed<'de> for AlertSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.0.index == ALERTS_MAX {
            self.0.index += 1;
            return Err(D::Error::custom("too many alerts"));
        }
        self.0.labels.clear();
        self.0.annotations.clear();
        let alert = json.deserialize_any(AlertVisitor(self.0))?;
        self.0.finish_alert(&alert);
        Ok(())
    }
}

struct AlertVisitor<'r>(&'r mut Request);

impl<'de> Visitor<'de> for AlertVisitor<'_> {
    type Value = AlertFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert, an object with `labels`")
    }

    fn visit_unit<E: Error>(self) -> Result<AlertFields<'de>, E> {
        Ok(AlertFields::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<AlertFields<'de>, A::Error> {
        let mut alert = AlertFields::default();
        while let Some(field) = fields.next_key_seed(FieldSeed)? {
            match field {
                Field::Labels => {
                    let seed = PairsSeed { pairs: &mut self.0.labels, kind: Kind::Labels };
                    alert.has_labels = fields.next_value_seed(seed)?;
                }
                Field::Annotations => {
                    let seed = PairsSeed { pairs: &mut self.0.annotations, kind: Kind::Annotations };
                    fields.next_value_seed(seed)?;
                }
                Field::StartsAt => alert.starts_at = fields.next_value_seed(TimeSeed("startsAt"))?,
                Field::EndsAt => alert.ends_at = fields.next_value_seed(TimeSeed("endsAt"))?,
                Field::GeneratorUrl => alert.generator_url = fields.next_value_seed(TextSeed("a URL"))?,
                Field::Other => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(alert)
    }
}

#[derive(Clone, Copy)]
enum Field {
    Labels,
    Annotations,
    StartsAt,
    EndsAt,
    GeneratorUrl,
    Other,
}

const FIELDS: [(&str, Field); 5] = [
    ("labels", Field::Labels),
    ("annotations", Field::Annotations),
    ("startsAt", Field::StartsAt),
    ("endsAt", Field::EndsAt),
    ("generatorURL", Field::GeneratorUrl),
];

struct FieldSeed;

impl<'de> DeserializeSeed<'de> for FieldSeed {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Field, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldSeed {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    /// In any case, as Go's decoder takes names.
    fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
        let known = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        Ok(known.map_or(Field::Other, |(_, field)| *field))
    }
}

/// Reads an object of strings into `pairs`; gives false for null.
struct PairsSeed<'p> {
    pairs: &'p mut Pairs,
    kind: Kind,
}

impl<'de> DeserializeSeed<'de> for PairsSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        // Of two fields of one name the later counts.
        self.pairs.clear();
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PairsSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(name) = map.next_key_seed(TextSeed("a name"))? {
            map.next_value_seed(ValueSeed { pairs: self.pairs, kind: self.kind, name: &name })?;
        }
        Ok(true)
    }
}

/// Reads one value and pushes it with its name.
struct ValueSeed<'p> {
    pairs: &'p mut Pairs,
    kind: Kind,
    name: &'p str,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string as the value of `{}`", self.name.escape_debug())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.pairs.push(self.kind, self.name, value);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.visit_str("")
    }
}

/// Reads text in place where it has no escapes; null is empty. Holds what is
/// expected.
struct TextSeed(&'static str);

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(""))
    }
}

/// Reads a time; null, the empty text and Go's zero time are none. Holds the
/// field's name.
struct TimeSeed(&'static str);

impl<'de> DeserializeSeed<'de> for TimeSeed {
    type Value = Option<Zoned>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<Zoned>, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for TimeSeed {
    type Value = Option<Zoned>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an RFC 3339 date-time as `{}`", self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<Zoned>, E> {
        if text.is_empty() {
            return Ok(None);
        }
        let shown = || text.chars().take(80).collect::<String>();
        let time = parse_time(text).map_err(|error| {
            E::custom(format_args!("`{}` `{}` is {error}", self.0, shown().escape_debug()))
        })?;
        Ok((time.at != Timestamp::MIN).then_some(time))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Zoned>, E> {
        Ok(None)
    }
}

/// RFC 3339, and the looser forms that Alertmanager's parser takes: an offset
/// without colon, no offset (UTC), no seconds.
pub(crate) fn parse_time(text: &str) -> Result<Zoned, TimestampError> {
    Zoned::parse(text).or_else(|error| Zoned::parse(&completed(text).ok_or(error)?))
}

fn completed(text: &str) -> Option<String> {
    let (date, time) = text.split_at_checked(11)?;
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    let zone = match zone.split_at_checked(3) {
        Some((hours, minutes)) if minutes.len() == 2 => format!("{hours}:{minutes}"),
        _ if zone.is_empty() => "Z".to_owned(),
        _ => zone.to_owned(),
    };
    Some(format!("{date}{clock}{seconds}{zone}"))
}
