//! `POST /api/v1/decisions`: many decisions at one reading of the clock.

use super::super::CLIENT_BYTES_MAX;
use super::ask::TEXT_BYTES_MAX;
use super::head::Head;
use super::rate::name_of;
use super::{Answered, Ground, Reply, Whose, json};
use crate::http::problem::Problem;
use crate::http::service::Core;
use crate::limits::TenantLimits;
use openclaw_admission::{Answer, Request, UnknownPolicy};
use openclaw_state::Scope;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// Decisions in one request.
const ITEMS_MAX: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item<'b> {
    #[serde(borrow, default)]
    client: Text<'b, CLIENT_BYTES_MAX>,
    #[serde(borrow, default)]
    policy: Text<'b>,
    #[serde(default = "one")]
    cost: u32,
    #[serde(borrow, default)]
    path: Text<'b>,
    #[serde(borrow, default)]
    method: Text<'b>,
    #[serde(borrow, default)]
    plan: Text<'b>,
    /// Asks for the state alone.
    #[serde(default)]
    peek: bool,
    /// Corrects what an earlier decision has taken.
    settle: Option<Settle>,
}

/// A cost that is known only now.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settle {
    reserved: u32,
    actual: u32,
}

fn one() -> u32 {
    1
}

pub(super) fn answer<'l>(
    ground: Ground<'_, 'l>,
    head: &Head<'_>,
    body: &[u8],
    reply: &mut Reply,
    whose: &mut Whose<'l>,
) -> Answered {
    let (core, now_nanos) = (ground.core, ground.now_nanos);
    let caller = head.caller.as_ref().map_err(|denied| *denied)?;
    let tenant = whose.insert(ground.limits_of(caller.tenant_for(Scope::Limit)?)?);
    let own_name = name_of(caller.who());
    let items = Items::read(body)?;
    reply.json();
    reply.body.reserve(items.len() * 128);
    reply.body.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            reply.body.push(b',');
        }
        match item.decide(core, tenant, &own_name, now_nanos) {
            Ok(answer) => json::decision(&mut reply.body, &answer, core.limits.model(answer.state.as_ref())),
            Err(UnknownPolicy) => unknown(&mut reply.body, &item.policy.0),
        }
    }
    reply.body.push(b']');
    Ok(())
}

/// Its neighbours have been decided, so it is no error of the whole.
fn unknown(out: &mut Vec<u8>, policy: &str) {
    out.extend_from_slice(b"{\"allowed\":false,\"error\":");
    json::text(out, &format!("the tenant has no policy `{policy}`"));
    out.push(b'}');
}

impl Item<'_> {
    fn decide<'t>(
        &self,
        core: &Core,
        tenant: &'t TenantLimits,
        own_name: &str,
        now_nanos: u64,
    ) -> Result<Answer<'t>, UnknownPolicy> {
        let request = Request {
            client: self.client.or(own_name).as_bytes(),
            policy: Some(&*self.policy.0).filter(|name| !name.is_empty()),
            path: &self.path.0,
            method: &self.method.0,
            plan: &self.plan.0,
            cost: if self.peek { 0 } else { self.cost },
        };
        match self.settle {
            Some(Settle { reserved, actual }) => {
                let more = i64::from(actual) - i64::from(reserved);
                core.limits.settle(tenant, &request, more, now_nanos)
            }
            None => core.limits.decide(tenant, &request, now_nanos),
        }
    }
}

/// Text that is borrowed from the body where it can be; `null` is empty.
#[derive(Debug, Default)]
struct Text<'b, const BYTES_MAX: usize = TEXT_BYTES_MAX>(Cow<'b, str>);

impl<const BYTES_MAX: usize> Text<'_, BYTES_MAX> {
    fn or<'a>(&'a self, other: &'a str) -> &'a str {
        if self.0.is_empty() { other } else { &self.0 }
    }
}

impl<'de: 'b, 'b, const BYTES_MAX: usize> Deserialize<'de> for Text<'b, BYTES_MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor::<BYTES_MAX>)
    }
}

struct TextVisitor<const BYTES_MAX: usize>;

impl<'de, const BYTES_MAX: usize> Visitor<'de> for TextVisitor<BYTES_MAX> {
    type Value = Text<'de, BYTES_MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text of at most {BYTES_MAX} bytes")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        bounded(text, BYTES_MAX)?;
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        bounded(text, BYTES_MAX)?;
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }
}

fn bounded<E: serde::de::Error>(text: &str, bytes_max: usize) -> Result<(), E> {
    if text.len() > bytes_max {
        return Err(E::custom(format_args!("text is longer than {bytes_max} bytes")));
    }
    Ok(())
}

/// The body: an array of items, or an object that has it as `decisions`.
struct Items<'p> {
    /// How many have been read, for who is told of an error.
    read: &'p Cell<usize>,
}

impl Items<'_> {
    fn read(body: &[u8]) -> Result<Vec<Item<'_>>, Problem> {
        let read = Cell::new(0);
        let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let mut from = serde_json::Deserializer::from_slice(body);
        let items = if is_array {
            Items { read: &read }.deserialize(&mut from)
        } else {
            Wrapped(Items { read: &read }).deserialize(&mut from)
        };
        let items = items.and_then(|items| from.end().map(|()| items));
        items.map_err(|error| {
            let within = if is_array { "" } else { "/decisions" };
            Problem::at(format!("{within}/{}", read.get()), format!("an array of decisions: {error}"))
        })
    }
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Vec<Item<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<Item<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(64);
        while let Some(item) = from.next_element()? {
            if items.len() == ITEMS_MAX {
                return Err(A::Error::custom(format_args!("more than {ITEMS_MAX} decisions")));
            }
            items.push(item);
            self.read.set(items.len());
        }
        Ok(items)
    }
}

struct Wrapped<'p>(Items<'p>);

impl<'de> DeserializeSeed<'de> for Wrapped<'_> {
    type Value = Vec<Item<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wrapped<'_> {
    type Value = Vec<Item<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array, or an object with `decisions`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        match from.next_key::<Cow<'de, str>>()? {
            Some(name) if name == "decisions" => {}
            Some(name) => return Err(A::Error::unknown_field(&name, &["decisions"])),
            None => return Err(A::Error::missing_field("decisions")),
        }
        let items = from.next_value_seed(self.0)?;
        match from.next_entry::<Cow<'de, str>, IgnoredAny>()? {
            Some((name, _)) => Err(A::Error::unknown_field(&name, &["decisions"])),
            None => Ok(items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let items = r#" [{"client":"a","cost":3},{"client":"b\u0041","peek":true,"policy":null},
            {"client":"c","settle":{"reserved":5,"actual":7}},{}]"#;
        for body in [items.to_owned(), format!("{{\"decisions\":{items}}}")] {
            let read = Items::read(body.as_bytes()).unwrap();
            let told: Vec<_> = read.iter().map(|item| (&*item.client.0, item.cost, item.peek)).collect();
            assert_eq!(told, [("a", 3, false), ("bA", 1, true), ("c", 1, false), ("", 1, false)]);
            assert!(matches!(read[0].client.0, Cow::Borrowed(_)));
            assert_eq!(read[2].settle.map(|settle| settle.actual), Some(7));
        }
        assert!(Items::read(b"[]").unwrap().is_empty());
    }

    #[test]
    fn faults_point_to_their_place() {
        let long = format!("[{{\"client\":\"{}\"}}]", "x".repeat(CLIENT_BYTES_MAX + 1));
        let many = format!("[{}{{}}]", "{},".repeat(ITEMS_MAX));
        let cases = [
            ("[{},{\"cost\":-1}]", "/1"),
            ("[{},{},{\"clinet\":\"a\"}]", "/2"),
            ("{\"decisions\":[{},3]}", "/decisions/1"),
            ("[{\"settle\":{\"actual\":1}}]", "/0"),
            ("[{\"client\":\"a\",\"client\":\"b\"}]", "/0"),
            (&long, "/0"),
            (&many, "/10000"),
        ];
        for (body, pointer) in cases {
            let told = Items::read(body.as_bytes()).unwrap_err().body();
            assert!(told.contains(&format!("\"pointer\":\"{pointer}\"")), "{told}");
        }
        for body in ["", "{}", "3", "[] x", "{\"decisions\":[]", "{\"decisions\":[],\"x\":1}", "[{}"] {
            assert!(Items::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
