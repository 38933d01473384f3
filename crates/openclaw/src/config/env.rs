//! Environment variables that settings are taken from. This is the one place
//! that names them.
//!
//! `OPENCLAW_<SECTION>__<KEY>` sets any key of the main file, deeper ones with
//! further double underscores: `OPENCLAW_JOURNAL__EMBEDDED__SEGMENT_BYTES`.
//! A name without a double underscore is not a setting: orchestrators add such
//! ones (`OPENCLAW_SERVICE_HOST`) for a service called `openclaw`.

use super::fault::Place;
use super::yaml::{Entry, Node, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// The two variables with names of their own, and the keys they set.
const NAMED: [(&str, [&str; 2]); 2] =
    [("RATING_THRESHOLD", ["rating", "threshold"]), ("LOG_LEVEL", ["log", "level"])];

const PREFIX: &str = "OPENCLAW_";
const SEPARATOR: &str = "__";

/// The variables of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process; what is not Unicode is left out.
    pub(crate) fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let unicode =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self(variables.into_iter().filter_map(unicode).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The proxies that programs commonly take from here: for `http://`, for
    /// `https://`, and what is reached without them.
    pub(crate) fn proxies(&self) -> [Option<&str>; 3] {
        ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].map(|name| {
            let found = self.get(name).or_else(|| self.get(&name.to_ascii_lowercase()));
            found.filter(|text| !text.is_empty())
        })
    }

    /// Puts the variables' values where the file's stand, or would.
    pub(crate) fn overlay(&self, root: &mut Node) {
        // An empty variable is how a template leaves one out.
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            if let Some(path) = path_of(name) {
                let place = Place::Variable(name.as_str().into());
                set(root, &path, Node { value: Value::Variable(value.clone()), place });
            }
        }
    }
}

/// The keys that a variable of this name sets.
fn path_of(name: &str) -> Option<Vec<String>> {
    if let Some((_, path)) = NAMED.iter().find(|(named, _)| *named == name) {
        return Some(path.map(str::to_owned).to_vec());
    }
    let rest = name.strip_prefix(PREFIX).filter(|rest| rest.contains(SEPARATOR))?;
    Some(rest.to_ascii_lowercase().split(SEPARATOR).map(str::to_owned).collect())
}

fn set(section: &mut Node, path: &[String], leaf: Node) {
    let Some((key, rest)) = path.split_first() else {
        *section = leaf;
        return;
    };
    if !matches!(section.value, Value::Section(_)) {
        // A section that is left empty in the file, or a value that reading
        // would refuse: either way the variable wins.
        section.value = Value::Section(Vec::new());
    }
    let Value::Section(entries) = &mut section.value else { return };
    let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
        let node = Node { value: Value::Null, place: leaf.place.clone() };
        entries.push(Entry { key: key.clone(), key_place: leaf.place.clone(), node });
        entries.len() - 1
    });
    set(&mut entries[index].node, rest, leaf);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths() {
        assert_eq!(path_of("OPENCLAW_LISTEN__HTTP").unwrap(), ["listen", "http"]);
        assert_eq!(
            path_of("OPENCLAW_JOURNAL__EMBEDDED__SEGMENT_BYTES").unwrap(),
            ["journal", "embedded", "segment_bytes"]
        );
        assert_eq!(path_of("RATING_THRESHOLD").unwrap(), ["rating", "threshold"]);
        assert_eq!(path_of("OPENCLAW_SERVICE_HOST"), None);
        assert_eq!(path_of("PATH"), None);
    }
}
