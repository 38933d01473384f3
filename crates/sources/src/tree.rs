//! A body's JSON as a tree that borrows its text, read once and bounded: in
//! depth by serde_json (128), in values by [`VALUES_MAX`].

use crate::Fault;
use openclaw_alert::json::write_json_string;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;

/// Most values in a body, names of fields aside. A tree of small values takes
/// far more memory than its text.
pub(crate) const VALUES_MAX: usize = 500_000;
/// Where the text of a nested value ends: more than any label or annotation
/// takes, so that it is cut or refused there, and not a whole body a field.
const SHOWN_BYTES_MAX: usize = 128 << 10;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'b> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'b, str>),
    Array(Vec<Node<'b>>),
    Object(Vec<(Cow<'b, str>, Node<'b>)>),
}

/// Reads a body.
pub(crate) fn parse(body: &[u8]) -> Result<Node<'_>, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::new("", "is empty: send JSON"));
    }
    // Checked once for the whole body, so that serde need not check each string.
    let text = std::str::from_utf8(body).map_err(|error| Fault::new("", format!("is not UTF-8: {error}")))?;
    parse_text(text).map_err(|error| Fault::new("", format!("is not JSON that can be read: {error}")))
}

/// Reads JSON inside a text.
pub(crate) fn parse_text(text: &str) -> serde_json::Result<Node<'_>> {
    let mut left = VALUES_MAX;
    let mut json = serde_json::Deserializer::from_str(text);
    let node = NodeSeed(&mut left).deserialize(&mut json)?;
    json.end()?;
    Ok(node)
}

impl<'b> Node<'b> {
    /// What an object has under `name`; null counts as absent. Of two fields
    /// of one name the later counts.
    pub(crate) fn get(&self, name: &str) -> Option<&Node<'b>> {
        let Node::Object(fields) = self else { return None };
        let found = fields.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value);
        found.filter(|value| **value != Node::Null)
    }

    /// What a JSON pointer (RFC 6901) leads to; null counts as absent.
    pub(crate) fn at(&self, steps: &[String]) -> Option<&Node<'b>> {
        steps.iter().try_fold(self, |node, step| match node {
            Node::Array(items) => {
                let is_index = step == "0" || step.starts_with(|first| matches!(first, '1'..='9'));
                step.parse::<usize>().ok().filter(|_| is_index).and_then(|index| items.get(index))
            }
            _ => node.get(step),
        })
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Node<'b>]> {
        match self {
            Node::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self, Node::Object(_))
    }

    /// Fields of an object in the order they were sent; none of anything else.
    pub(crate) fn fields(&self) -> &[(Cow<'b, str>, Node<'b>)] {
        match self {
            Node::Object(fields) => fields,
            _ => &[],
        }
    }

    /// Text, number or truth value as text; `None` for the rest.
    pub(crate) fn scalar(&self) -> Option<Cow<'_, str>> {
        match self {
            Node::Text(text) => Some(Cow::Borrowed(text)),
            Node::Number(number) => Some(Cow::Owned(number.to_string())),
            Node::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Node::Null | Node::Array(_) | Node::Object(_) => None,
        }
    }

    /// As people would read it: a scalar bare, anything else as compact JSON,
    /// which ends early where it is too long for any use.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        self.scalar().unwrap_or_else(|| {
            let mut out = Vec::new();
            self.write(&mut out, SHOWN_BYTES_MAX);
            Cow::Owned(String::from_utf8(out).unwrap_or_default())
        })
    }

    fn write(&self, out: &mut Vec<u8>, bytes_max: usize) {
        match self {
            Node::Null => out.extend_from_slice(b"null"),
            Node::Text(text) => write_json_string(out, text),
            Node::Bool(_) | Node::Number(_) => {
                out.extend_from_slice(self.scalar().unwrap_or_default().as_bytes());
            }
            Node::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if out.len() > bytes_max {
                        return;
                    }
                    out.extend_from_slice(if index > 0 { b"," } else { b"" });
                    item.write(out, bytes_max);
                }
                out.push(b']');
            }
            Node::Object(fields) => {
                out.push(b'{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if out.len() > bytes_max {
                        return;
                    }
                    out.extend_from_slice(if index > 0 { b"," } else { b"" });
                    write_json_string(out, name);
                    out.push(b':');
                    value.write(out, bytes_max);
                }
                out.push(b'}');
            }
        }
    }

    /// What kind of value it is, for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "a truth value",
            Node::Number(_) => "a number",
            Node::Text(_) => "text",
            Node::Array(_) => "an array",
            Node::Object(_) => "an object",
        }
    }
}

/// A field's name as a step of a JSON pointer.
pub(crate) fn step(name: &str) -> String {
    let shown: String = name.chars().take(80).collect();
    shown.replace('~', "~0").replace('/', "~1")
}

struct NodeSeed<'l>(&'l mut usize);

impl<'b> DeserializeSeed<'b> for NodeSeed<'_> {
    type Value = Node<'b>;

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<Node<'b>, D::Error> {
        *self.0 = self
            .0
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom(format_args!("it has more than {VALUES_MAX} values")))?;
        json.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for NodeSeed<'_> {
    type Value = Node<'b>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'b>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node<'b>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node<'b>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node<'b>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node<'b>, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'b str) -> Result<Node<'b>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node<'b>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut items: A) -> Result<Node<'b>, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(NodeSeed(&mut *self.0))? {
            array.push(item);
        }
        Ok(Node::Array(array))
    }

    fn visit_map<A: MapAccess<'b>>(self, mut fields: A) -> Result<Node<'b>, A::Error> {
        let mut object = Vec::new();
        while let Some(name) = fields.next_key_seed(NameSeed)? {
            object.push((name, fields.next_value_seed(NodeSeed(&mut *self.0))?));
        }
        Ok(Node::Object(object))
    }
}

/// A field's name, borrowed where it has no escapes.
struct NameSeed;

impl<'b> DeserializeSeed<'b> for NameSeed {
    type Value = Cow<'b, str>;

    fn deserialize<D: Deserializer<'b>>(self, json: D) -> Result<Cow<'b, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'b> Visitor<'b> for NameSeed {
    type Value = Cow<'b, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'b str) -> Result<Cow<'b, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Cow<'b, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::any_json;
    use proptest::prelude::*;
    use serde_json::Value;

    fn pointer(text: &str) -> Vec<String> {
        text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
    }

    #[test]
    fn pointers_lead_where_serde_jsons_do() {
        let body = r#"{"a":[{"b":1},[2]],"c/d":{"~":true},"":"e","n":null,"01":0,"a2":"é\n"}"#;
        let (ours, model) = (parse(body.as_bytes()).unwrap(), serde_json::from_str::<Value>(body).unwrap());
        for place in [
            "", "/a/0/b", "/a/1/0", "/a/01", "/a/+1", "/a/-1", "/a/9", "/c~1d/~0", "/", "/n", "/01", "/a2",
            "/a2/0", "/x",
        ] {
            let want = model.pointer(place).filter(|value| !value.is_null());
            let got = ours.at(&pointer(place)).map(|node| serde_json::from_str(&json(node)).unwrap());
            assert_eq!(got.as_ref(), want, "{place}");
        }
    }

    fn json(node: &Node<'_>) -> String {
        let mut out = Vec::new();
        node.write(&mut out, usize::MAX);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bodies_that_are_no_json_say_so() {
        for (body, want) in [
            (&b" "[..], "the body is empty: send JSON"),
            (b"{", "the body is not JSON that can be read: EOF while parsing an object at line 1 column 1"),
            (b"{} x", "the body is not JSON that can be read: trailing characters at line 1 column 4"),
            (b"\"\xff\"", "the body is not UTF-8: invalid utf-8 sequence of 1 bytes from index 1"),
        ] {
            assert_eq!(parse(body).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(deep.as_bytes()).unwrap_err().detail.contains("recursion limit"));
        let wide = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(parse(wide(VALUES_MAX).as_bytes()).is_ok());
        let fault = parse(wide(VALUES_MAX + 1).as_bytes()).unwrap_err();
        assert!(fault.detail.contains("it has more than 500000 values"), "{fault}");
    }

    proptest! {
        #[test]
        fn trees_write_what_they_read(value in any_json()) {
            let text = value.to_string();
            let written: Value = serde_json::from_str(&json(&parse(text.as_bytes()).unwrap())).unwrap();
            prop_assert_eq!(written, serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
