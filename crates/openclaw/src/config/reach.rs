//! Which files and variables a settings file may take secrets and templates from.

use super::problem::Problem;
use super::read::{At, Context, Field, section};
use super::values::Text;
use std::io;
use std::path::{Component, Path, PathBuf};

const LISTED_MAX: usize = 256;

section! {
    /// Where tenants' files may take secrets and templates from. Without it: from every file and variable that the service can read.
    TenantSecretsSection {
        /// Folders, with all below them. Links are followed first. A tenant in a folder of its own, `NAME/tenant.yaml`, may read that one too.
        folders: Vec<At<Text>>,
        /// What the names of variables begin with.
        variables: Vec<At<Text>>,
    }
}

/// What a settings file may name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Whatever the service can read.
    #[default]
    Everything,
    /// What lies below these folders, and variables that begin so.
    Listed { folders: Vec<PathBuf>, prefixes: Vec<String> },
}

/// A file that can't be had.
#[derive(Debug)]
pub(super) enum NoFile {
    BeyondReach,
    Io(io::Error),
}

impl From<io::Error> for NoFile {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl NoFile {
    /// The fault, where a file that can't be read is `unreadable`.
    pub(super) fn problem(self, path: PathBuf, unreadable: fn(PathBuf, io::Error) -> Problem) -> Problem {
        match self {
            Self::BeyondReach => Problem::FileBeyondReach { path },
            Self::Io(source) => unreadable(path, source),
        }
    }
}

pub(super) fn checked(field: Field<TenantSecretsSection>, cx: &mut Context<'_>) -> Reach {
    let Some(section) = field.into_value() else { return Reach::Everything };
    let folders = listed(section.folders, cx);
    Reach::Listed {
        folders: folders.iter().map(|folder| cx.folder.join(folder)).collect(),
        prefixes: listed(section.variables, cx),
    }
}

fn listed(field: Field<Vec<At<Text>>>, cx: &mut Context<'_>) -> Vec<String> {
    let Some(At { value, place }) = field.into_set() else { return Vec::new() };
    if value.len() > LISTED_MAX {
        cx.fault(&place, Problem::TooMany { what: "entries", most: LISTED_MAX });
    }
    value.into_iter().map(|text| text.value.0).collect()
}

impl Reach {
    /// With a tenant's own folder, which must be one: a link in its place
    /// would lead anywhere.
    pub(super) fn with(&self, own: Option<&Path>) -> Self {
        let mut reach = self.clone();
        let own = own.filter(|own| own.symlink_metadata().is_ok_and(|found| found.is_dir()));
        if let (Self::Listed { folders, .. }, Some(own)) = (&mut reach, own) {
            folders.push(own.to_owned());
        }
        reach
    }

    /// The path to open, with its links followed.
    pub(super) fn file(&self, path: &Path) -> Result<PathBuf, NoFile> {
        let Self::Listed { folders, .. } = self else { return Ok(path.to_owned()) };
        let found = match path.canonicalize() {
            Ok(found) => found,
            // Only of what may be read is it said whether it is there.
            Err(error) if is_plainly_below(path, folders) => return Err(error.into()),
            Err(_) => return Err(NoFile::BeyondReach),
        };
        let is_below = |folder: &PathBuf| folder.canonicalize().is_ok_and(|folder| found.starts_with(folder));
        if folders.iter().any(is_below) { Ok(found) } else { Err(NoFile::BeyondReach) }
    }

    pub(super) fn has_variable(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Listed { prefixes, .. } => prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())),
        }
    }
}

fn is_plainly_below(path: &Path, folders: &[PathBuf]) -> bool {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    !climbs && folders.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn said(reach: &Reach, path: &Path) -> &'static str {
        match reach.file(path) {
            Ok(_) => "read",
            Err(NoFile::BeyondReach) => "beyond",
            Err(NoFile::Io(_)) => "absent",
        }
    }

    #[test]
    fn files_are_below_the_folders_once_links_are_followed() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["secrets/acme/..data", "secrets-of-others", "tenants/acme", "tenants/globex"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in [
            "secrets/acme/..data/url",
            "secrets-of-others/key",
            "tenants/acme/own",
            "tenants/globex/own",
            "key",
        ] {
            fs::write(at(file), "x").unwrap();
        }
        symlink("..data/url", at("secrets/acme/url")).unwrap();
        symlink("../../key", at("secrets/acme/out")).unwrap();
        symlink("globex", at("tenants/initech")).unwrap();
        let listed = Reach::Listed { folders: vec![at("secrets")], prefixes: Vec::new() };
        let acme = listed.with(Some(&at("tenants/acme")));
        for (path, want) in [
            ("secrets/acme/url", "read"),
            ("tenants/acme/own", "read"),
            ("tenants/acme/../acme/own", "read"),
            ("secrets/acme/out", "beyond"),
            ("secrets/acme/../../key", "beyond"),
            ("secrets-of-others/key", "beyond"),
            ("tenants/globex/own", "beyond"),
            ("tenants/acme/../globex/own", "beyond"),
            ("key", "beyond"),
            ("secrets/nothing", "absent"),
            ("nothing", "beyond"),
            ("secrets/../nothing", "beyond"),
        ] {
            assert_eq!(said(&acme, &at(path)), want, "{path}");
            assert_ne!(said(&Reach::Everything, &at(path)), "beyond", "{path}");
        }
        assert_eq!(listed.with(Some(&at("tenants/initech"))), listed, "a link is no folder of its own");
    }

    #[test]
    fn variables_by_what_they_begin_with() {
        let reach = Reach::Listed { folders: Vec::new(), prefixes: vec!["ACME_".to_owned()] };
        assert!(reach.has_variable("ACME_KEY") && Reach::Everything.has_variable("HOME"));
        assert!(!reach.has_variable("HOME") && !reach.has_variable("XACME_KEY"));
        assert!(!Reach::Listed { folders: Vec::new(), prefixes: Vec::new() }.has_variable("HOME"));
    }
}
