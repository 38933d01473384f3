//! From a tree of values to the settings' types, gathering every fault on the
//! way: a part that can't be read leaves a gap, and reading goes on.

use super::env::Environment;
use super::fault::{Fault, Place};
use super::problem::Problem;
use super::reach::Reach;
use super::yaml::{Entry, Node, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;
use std::path::PathBuf;

/// What reading needs besides the tree, and the faults found so far.
pub(crate) struct Context<'a> {
    pub(crate) environment: &'a Environment,
    /// Where relative paths start.
    pub(crate) folder: PathBuf,
    pub(crate) secrets: Secrets,
    pub(crate) reach: &'a Reach,
    pub(crate) faults: Vec<Fault>,
}

/// What becomes of `{file: PATH}` and `{env: NAME}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// They are fetched, and must be there.
    Fetched,
    /// They are taken for good: the settings are checked on another machine
    /// than the service's.
    Assumed,
}

impl Context<'_> {
    pub(crate) fn fault(&mut self, place: &Place, problem: impl Into<Problem>) {
        self.faults.push(Fault { place: place.clone(), problem: problem.into() });
    }

    /// The value, or a fault at `place`.
    pub(crate) fn keep<T>(&mut self, place: &Place, result: Result<T, impl Into<Problem>>) -> Option<T> {
        result.map_err(|problem| self.fault(place, problem)).ok()
    }

    fn wrong_type(&mut self, node: &Node, expected: &'static str) {
        self.fault(&node.place, Problem::WrongType { expected, found: node.value.kind() });
    }
}

/// A value that knows where it was written.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// A key's value. A key left out and one that could not be read are told
/// apart, so that a fault isn't followed by "is missing".
#[derive(Debug, Clone, Default)]
pub(crate) enum Field<T> {
    #[default]
    Absent,
    Bad,
    Set(At<T>),
}

impl<T> Field<T> {
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub(crate) fn as_set(&self) -> Option<&At<T>> {
        match self {
            Self::Set(set) => Some(set),
            Self::Absent | Self::Bad => None,
        }
    }

    pub(crate) fn into_set(self) -> Option<At<T>> {
        match self {
            Self::Set(set) => Some(set),
            Self::Absent | Self::Bad => None,
        }
    }

    pub(crate) fn into_value(self) -> Option<T> {
        self.into_set().map(|set| set.value)
    }

    /// The value; a fault at `section` where the key was left out.
    pub(crate) fn required(self, key: &'static str, section: &Place, cx: &mut Context<'_>) -> Option<At<T>> {
        if matches!(self, Self::Absent) {
            cx.fault(section, Problem::Missing { key });
        }
        self.into_set()
    }
}

/// What can be read from a tree.
pub(crate) trait Read: Sized {
    /// `None` after at least one fault.
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self>;

    /// For types that care for their key; a key without a value counts as left
    /// out.
    fn read_entry(entry: &Entry, cx: &mut Context<'_>) -> Field<Self> {
        if matches!(entry.node.value, Value::Null) {
            return Field::Absent;
        }
        match Self::read(&entry.node, cx) {
            Some(value) => Field::Set(At { value, place: entry.node.place.clone() }),
            None => Field::Bad,
        }
    }
}

/// The entries of a section; one that is left empty has none.
pub(crate) fn entries<'n>(node: &'n Node, cx: &mut Context<'_>) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Section(entries) => Some(entries),
        Value::Null => Some(&[]),
        _ => {
            cx.wrong_type(node, "keys and values");
            None
        }
    }
}

/// A list; items that can't be read are left out of it.
impl<T: Read> Read for Vec<At<T>> {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let Value::List(items) = &node.value else {
            cx.wrong_type(node, "a list");
            return None;
        };
        let item = |node: &Node| {
            let value = T::read(node, cx)?;
            Some(At { value, place: node.place.clone() })
        };
        Some(items.iter().filter_map(item).collect())
    }
}

/// Values under names of the user's choice.
#[derive(Debug, Clone)]
pub(crate) struct Named<T>(pub(crate) Vec<(At<String>, T)>);

impl<T: Read> Read for Named<T> {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let entries = entries(node, cx)?;
        let named = |entry: &Entry| {
            let name = At { value: entry.key.clone(), place: entry.key_place.clone() };
            Some((name, T::read(&entry.node, cx)?))
        };
        Some(Self(entries.iter().filter_map(named).collect()))
    }
}

/// A value written as one word or number.
pub(crate) trait Scalar: Sized {
    /// What is asked for, for messages.
    const EXPECTED: &'static str;
    /// Whether it may be written as a number, without quotes.
    const NUMBER: bool = false;
    /// Whether it is `true` or `false`.
    const FLAG: bool = false;
    /// Whether other text makes sense.
    const TEXT: bool = true;

    fn parse(text: &str) -> Result<Self, Problem>;

    fn schema() -> serde_json::Value;
}

impl<T: Scalar> Read for T {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let parsed = match &node.value {
            Value::Text(text) if T::TEXT => T::parse(text),
            Value::Number(digits) if T::NUMBER => T::parse(digits),
            Value::Flag(flag) if T::FLAG => T::parse(if *flag { "true" } else { "false" }),
            Value::Variable(text) => T::parse(text),
            _ => {
                cx.wrong_type(node, T::EXPECTED);
                return None;
            }
        };
        cx.keep(&node.place, parsed)
    }
}

/// Something that a later release takes. Left empty it means nothing and is
/// let pass; otherwise it would be ignored in silence, so it is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Later;

impl Read for Later {
    fn read(_: &Node, _: &mut Context<'_>) -> Option<Self> {
        Some(Self)
    }

    fn read_entry(entry: &Entry, cx: &mut Context<'_>) -> Field<Self> {
        let empty = match &entry.node.value {
            Value::Null => true,
            Value::List(items) => items.is_empty(),
            Value::Section(entries) => entries.is_empty(),
            _ => false,
        };
        if empty {
            return Field::Absent;
        }
        cx.fault(&entry.key_place, Problem::NotYet { what: entry.key.clone() });
        Field::Bad
    }
}

/// An engine that only builds with the feature `engines` have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OtherEngine;

impl Read for OtherEngine {
    fn read(_: &Node, _: &mut Context<'_>) -> Option<Self> {
        Some(Self)
    }

    fn read_entry(entry: &Entry, cx: &mut Context<'_>) -> Field<Self> {
        cx.fault(&entry.key_place, Problem::NoEngine { engine: entry.key.clone() });
        Field::Bad
    }
}

/// An engine without settings of its own: `{}`.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct NothingToSet {}

impl Read for NothingToSet {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        for entry in entries(node, cx)? {
            cx.fault(&entry.key_place, Problem::UnknownKey { key: entry.key.clone(), known: &[] });
        }
        Some(Self {})
    }
}

/// A key without a value counts as left out, hence the `Option`.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Option::<T>::schema_id()
    }

    fn inline_schema() -> bool {
        Option::<T>::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": value })
    }
}

/// Declares a section of a settings file once: its keys, their types, and the
/// text of the manual. Reading it, refusing unknown keys and the schema follow.
macro_rules! section {
    ($(#[doc = $about:literal])* $Name:ident {
        $($(#[$meta:meta])* $key:ident $(as $word:literal)?: $Type:ty,)*
    }) => {
        $(#[doc = $about])*
        #[derive(Debug, Default, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields, default)]
        pub(crate) struct $Name {
            $($(#[$meta])* $(#[schemars(rename = $word)])? pub(crate) $key: $crate::config::read::Field<$Type>,)*
        }

        impl $crate::config::read::Read for $Name {
            fn read(
                node: &$crate::config::yaml::Node,
                cx: &mut $crate::config::read::Context<'_>,
            ) -> Option<Self> {
                const KNOWN: &[&str] = &[$($crate::config::read::key!($key $($word)?)),*];
                let mut section = Self::default();
                for entry in $crate::config::read::entries(node, cx)? {
                    match entry.key.as_str() {
                        $($crate::config::read::key!($key $($word)?) => {
                            section.$key = <$Type as $crate::config::read::Read>::read_entry(entry, cx);
                        })*
                        key => cx.fault(
                            &entry.key_place,
                            $crate::config::problem::Problem::UnknownKey { key: key.to_owned(), known: KNOWN },
                        ),
                    }
                }
                Some(section)
            }
        }
    };
}

/// A key as it is written: words that Rust keeps for itself are given beside
/// the field's name.
macro_rules! key {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:ident $word:literal) => {
        $word
    };
}

/// Gives a [`Scalar`] its schema.
macro_rules! scalar_schema {
    ($($Name:ty),*) => {$(
        impl schemars::JsonSchema for $Name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($Name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match <Self as $crate::config::read::Scalar>::schema() {
                    serde_json::Value::Object(object) => object.into(),
                    _ => schemars::Schema::default(),
                }
            }
        }
    )*};
}

/// Declares a choice between words.
macro_rules! choice {
    (
        $(#[$about:meta])*
        $Name:ident { $First:ident = $first:literal, $($Variant:ident = $word:literal,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $Name { $First, $($Variant,)* }

        impl $Name {
            /// As written in settings.
            #[allow(dead_code, reason = "not every choice is written back")]
            pub(crate) fn word(self) -> &'static str {
                match self {
                    Self::$First => $first,
                    $(Self::$Variant => $word,)*
                }
            }
        }

        impl $crate::config::read::Scalar for $Name {
            const EXPECTED: &'static str = concat!("one of `", $first, "`", $(", `", $word, "`",)*);

            fn parse(text: &str) -> Result<Self, $crate::config::problem::Problem> {
                match text {
                    $first => Ok(Self::$First),
                    $($word => Ok(Self::$Variant),)*
                    _ => Err($crate::config::values::not_a::<Self>(text)),
                }
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "enum": [$first, $($word),*] })
            }
        }

        $crate::config::read::scalar_schema!($Name);
    };
}

pub(crate) use {choice, key, scalar_schema, section};
