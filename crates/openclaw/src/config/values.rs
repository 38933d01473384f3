//! The single values that settings are made of.

use super::problem::Problem;
use super::read::{Context, Read, Scalar, scalar_schema};
use super::units;
use super::yaml::{Node, Value};
use openclaw_alert::{Matcher, TenantName};
use openclaw_delivery::{Secret, Target};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// A span of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size(pub(crate) u64);

/// Events a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerSecond(pub(crate) f64);

/// An address to listen on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address(pub(crate) SocketAddr);

/// A probability.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fraction(pub(crate) f32);

/// How many times something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times(pub(crate) f32);

/// `true` or `false`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag(pub(crate) bool);

/// A whole number from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count(pub(crate) u64);

/// A tenant's name.
#[derive(Debug, Clone)]
pub(crate) struct Tenant(pub(crate) TenantName);

/// A condition on a label.
#[derive(Debug, Clone)]
pub(crate) struct Condition(pub(crate) Matcher);

/// Conditions on labels, as one text.
#[derive(Debug, Clone)]
pub(crate) struct Conditions(pub(crate) Vec<Matcher>);

/// A message template or a part of one, at most 64 KiB.
#[derive(Debug, Clone)]
pub(crate) struct TemplateText(pub(crate) String);

/// Where people reach a service, without a slash at the end.
#[derive(Debug, Clone)]
pub(crate) struct Url(pub(crate) String);

/// Text that isn't empty, at most 1 KiB of it.
#[derive(Debug, Clone)]
pub(crate) struct Text(pub(crate) String);

/// Names the text, not too much of it, and what was asked for.
pub(crate) fn not_a<T: Scalar>(text: &str) -> Problem {
    Problem::NotA {
        text: text.chars().take(80).flat_map(char::escape_debug).collect(),
        expected: T::EXPECTED,
    }
}

impl Scalar for Span {
    const EXPECTED: &'static str = "a duration such as `90s`, `5m` or `1h30m`";

    fn parse(text: &str) -> Result<Self, Problem> {
        units::parse_duration(text).map(Self).ok_or_else(|| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^(0|(\\d+y)?(\\d+w)?(\\d+d)?(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?)$", "examples": ["5m"] })
    }
}

impl Scalar for Size {
    const EXPECTED: &'static str = "a size such as `64MiB`";
    const NUMBER: bool = true;

    fn parse(text: &str) -> Result<Self, Problem> {
        units::parse_size(text).map(Self).ok_or_else(|| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "integer"], "pattern": "^\\d+(B|KiB|MiB|GiB|TiB)?$", "minimum": 0, "examples": ["64MiB"] })
    }
}

impl Scalar for PerSecond {
    const EXPECTED: &'static str = "a rate above zero such as `10/s`, `600/m` or `1000/h`";

    fn parse(text: &str) -> Result<Self, Problem> {
        units::parse_rate(text).map(Self).ok_or_else(|| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-9.]+/[smh]$", "examples": ["10/s"] })
    }
}

impl Scalar for Address {
    const EXPECTED: &'static str = "an address such as `127.0.0.1:8080` or `[::]:8080`";

    fn parse(text: &str) -> Result<Self, Problem> {
        let spelt_out = text.replacen("localhost:", "127.0.0.1:", 1);
        spelt_out.parse().map(Self).map_err(|_| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "examples": ["127.0.0.1:8080"] })
    }
}

impl Scalar for Fraction {
    const EXPECTED: &'static str = "a number from 0 to 1";
    const NUMBER: bool = true;
    const TEXT: bool = false;

    fn parse(text: &str) -> Result<Self, Problem> {
        let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
        number.map(Self).ok_or_else(|| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

impl Scalar for Times {
    const EXPECTED: &'static str = "a number from 0";
    const NUMBER: bool = true;
    const TEXT: bool = false;

    fn parse(text: &str) -> Result<Self, Problem> {
        let number = text.parse().ok().filter(|number: &f32| number.is_finite() && *number >= 0.0);
        number.map(Self).ok_or_else(|| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "number", "minimum": 0 })
    }
}

impl Scalar for Flag {
    const EXPECTED: &'static str = "`true` or `false`";
    const FLAG: bool = true;
    const TEXT: bool = false;

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map(Self).map_err(|_| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "boolean" })
    }
}

impl Scalar for Count {
    const EXPECTED: &'static str = "a whole number from 0";
    const NUMBER: bool = true;
    const TEXT: bool = false;

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map(Self).map_err(|_| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "integer", "minimum": 0 })
    }
}

impl Scalar for Tenant {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Result<Self, Problem> {
        Ok(Self(TenantName::new(text)?))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" })
    }
}

impl Scalar for Condition {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Result<Self, Problem> {
        Ok(Self(Matcher::parse(text)?))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "examples": ["severity=\"critical\""] })
    }
}

impl Scalar for Conditions {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Result<Self, Problem> {
        Ok(Self(Matcher::parse_list(text)?))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "examples": ["severity=\"critical\"", "{team=\"db\", env=~\"prod|stage\"}"] })
    }
}

impl Scalar for TemplateText {
    const EXPECTED: &'static str = "text of at most 65536 bytes";

    fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > 64 << 10 {
            let text = text.chars().take(20).flat_map(char::escape_debug).collect();
            return Err(Problem::NotA { text, expected: Self::EXPECTED });
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "maxLength": 65536 })
    }
}

/// A label's value. Fractions need quotes: `1.10` would be taken for 1.1.
#[derive(Debug, Clone)]
pub(crate) struct LabelValue(pub(crate) String);

impl Read for LabelValue {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.clone(),
            Value::Flag(flag) => flag.to_string(),
            Value::Null => String::new(),
            other => {
                let problem = Problem::WrongType { expected: "text", found: other.kind() };
                cx.fault(&node.place, problem);
                return None;
            }
        };
        Some(Self(text))
    }
}

impl schemars::JsonSchema for LabelValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LabelValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

impl Scalar for Url {
    const EXPECTED: &'static str = "an address such as `https://alerts.example.org`";

    fn parse(text: &str) -> Result<Self, Problem> {
        const BYTES_MAX: usize = 1024;
        if text.len() > BYTES_MAX {
            return Err(Problem::TooLong { key: "external_url", most_bytes: BYTES_MAX });
        }
        Target::parse(&Secret::new(text))?;
        if text.contains(['@', '?', '#']) {
            return Err(Problem::OpenUrl);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "maxLength": 1024, "examples": ["https://alerts.example.org"] })
    }
}

impl Scalar for Text {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() || text.len() > 1024 {
            let expected = "text of 1 to 1024 bytes";
            return Err(Problem::NotA {
                text: text.chars().take(20).flat_map(char::escape_debug).collect(),
                expected,
            });
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "minLength": 1, "maxLength": 1024 })
    }
}

scalar_schema!(
    Span,
    Size,
    PerSecond,
    Times,
    Address,
    Url,
    Fraction,
    Flag,
    Count,
    Tenant,
    Condition,
    Conditions,
    TemplateText,
    Text
);
