//! The files and packages of this project.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders with nothing of ours in them.
const LEFT_OUT: [&str; 4] = ["target", ".git", "data", "node_modules"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Path for messages and comparisons, relative to the root.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Every file below a folder, sorted; none where the folder doesn't exist.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_file() {
                found.push(entry.path());
            } else if kind.is_dir() && !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Files with this ending.
pub(crate) fn with_ending(files: Vec<PathBuf>, ending: &str) -> Vec<PathBuf> {
    files.into_iter().filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

/// A file's text; what is no text in it is left out of account.
pub(crate) fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) folder: PathBuf,
    /// Names of what its shipped code is built from.
    pub(crate) dependencies: Vec<String>,
}

impl Package {
    /// The name without the project's prefix.
    pub(crate) fn short_name(&self) -> &str {
        self.name.strip_prefix("openclaw-").unwrap_or(&self.name)
    }

    pub(crate) fn is_in_crates(&self) -> bool {
        self.folder.parent() == Some(&root().join("crates"))
    }
}

pub(crate) fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn package(value: &Value) -> Package {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let dependencies = value["dependencies"].as_array().unwrap();
    let ships = |dependency: &&Value| dependency["kind"].as_str() != Some("dev");
    Package {
        name: text("name"),
        description: text("description"),
        folder: Path::new(&text("manifest_path")).parent().unwrap().to_owned(),
        dependencies: dependencies
            .iter()
            .filter(ships)
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect(),
    }
}
