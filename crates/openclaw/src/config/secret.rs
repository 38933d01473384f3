//! Secrets: text, `{file: PATH}` or `{env: NAME}`.

use super::fault::Place;
use super::problem::Problem;
use super::read::{At, Context, Field, Read, Secrets, section};
use super::values::Text;
use super::yaml::{Node, Value};
use openclaw_delivery::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// A secret file holds one credential; what is longer is another file.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A secret, fetched from where the settings say it is.
#[derive(Debug, Clone)]
pub(crate) struct SecretText(pub(crate) Secret);

section! {
    /// Where a secret is kept; one of the two.
    SecretSource {
        /// A file that holds nothing else. A relative path starts at the folder of the settings file.
        file: Text,
        /// An environment variable of the service.
        env: Text,
    }
}

impl Read for SecretText {
    fn read(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let text = match &node.value {
            Value::Text(text) | Value::Variable(text) => text.clone(),
            Value::Section(_) => {
                let source = SecretSource::read(node, cx)?;
                fetch(source, node, cx)?
            }
            _ => {
                cx.fault(&node.place, Problem::SecretForm);
                return None;
            }
        };
        secret_text(text, &node.place, cx)
    }
}

/// Passes for an address and for a key.
pub(super) const ASSUMED: &str = "https://secret.invalid/";

fn fetch(source: SecretSource, node: &Node, cx: &mut Context<'_>) -> Option<String> {
    match (source.file.into_set(), source.env.into_set()) {
        (Some(file), None) => from_file(&file, cx),
        (None, Some(name)) if !cx.reach.has_variable(&name.value.0) => {
            cx.fault(&name.place, Problem::VariableBeyondReach { name: name.value.0 });
            None
        }
        (None, Some(_)) if cx.secrets == Secrets::Assumed => Some(ASSUMED.to_owned()),
        (None, Some(name)) => {
            let text = cx.environment.get(&name.value.0).map(str::to_owned);
            cx.keep(&name.place, text.ok_or(Problem::SecretVariable { name: name.value.0 }))
        }
        _ => {
            cx.fault(&node.place, Problem::SecretForm);
            None
        }
    }
}

pub(super) fn from_file(file: &At<Text>, cx: &mut Context<'_>) -> Option<String> {
    if cx.secrets == Secrets::Assumed {
        return Some(ASSUMED.to_owned());
    }
    let path = cx.folder.join(&file.value.0);
    let text = cx.reach.file(&path).and_then(|found| Ok(read_bounded(&found)?));
    let unreadable = |path, source| Problem::SecretFile { path, source };
    cx.keep(&file.place, text.map_err(|error| error.problem(path, unreadable)))
}

/// A secret that has two keys, as in Alertmanager: `KEY` for itself, `KEY_file`
/// for where it is.
pub(super) fn either(
    keys: [&'static str; 2],
    secret: Field<SecretText>,
    file: Field<Text>,
    cx: &mut Context<'_>,
) -> Option<At<SecretText>> {
    let (secret, file) = (secret.into_set(), file.into_set());
    if let (Some(_), Some(file)) = (&secret, &file) {
        cx.fault(&file.place, Problem::Exclusive { keys: keys.to_vec() });
    }
    let fetched = file.and_then(|file| {
        let text = from_file(&file, cx)?;
        secret_text(text, &file.place, cx).map(|value| At { value, place: file.place })
    });
    secret.or(fetched)
}

fn secret_text(text: String, place: &Place, cx: &mut Context<'_>) -> Option<SecretText> {
    if text.is_empty() {
        cx.fault(place, Problem::EmptySecret);
        return None;
    }
    Some(SecretText(Secret::new(text)))
}

/// Editors end files with a line break that isn't part of the secret.
fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 64 KiB"));
    }
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}

impl JsonSchema for SecretText {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let source = generator.subschema_for::<SecretSource>();
        schemars::json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, source] })
    }
}
