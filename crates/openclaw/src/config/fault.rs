//! A fault in the settings: what, where, and a way out.

use super::problem::Problem;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A settings file or folder as a whole.
    Whole(Arc<Path>),
    /// A line and column, both from 1, of a settings file.
    Line { file: Arc<Path>, line: u64, column: u64 },
    /// An environment variable.
    Variable(Arc<str>),
}

impl Place {
    /// Orders faults by file, then by place; variables come last.
    fn order(&self) -> (Option<&str>, Option<&Path>, u64, u64) {
        match self {
            Self::Whole(path) => (None, Some(path), 0, 0),
            Self::Line { file, line, column } => (None, Some(file), *line, *column),
            Self::Variable(name) => (Some(name), None, 0, 0),
        }
    }

    /// Which comes first.
    pub(crate) fn cmp_in_file(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(path) => write!(f, "{}", path.display()),
            Self::Line { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Variable(name) => write!(f, "environment variable `{name}`"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) problem: Problem,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Everything that is wrong; at least one fault.
#[derive(Debug)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// The value where nothing was wrong with it, else all faults in the order
    /// of their places.
    pub(crate) fn or_else<T>(mut faults: Vec<Fault>, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            _ => {
                faults.sort_by(|a, b| a.place.cmp_in_file(&b.place));
                Err(Self(faults))
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_the_order_of_the_file() {
        let file: Arc<Path> = Path::new("a.yaml").into();
        let at = |line, column| Fault {
            place: Place::Line { file: file.clone(), line, column },
            problem: Problem::EmptySecret,
        };
        let elsewhere = |place| Fault { place, problem: Problem::EmptySecret };
        let faults = vec![
            elsewhere(Place::Variable("A".into())),
            elsewhere(Place::Whole(Path::new("b.yaml").into())),
            at(10, 1),
            at(9, 2),
            at(9, 1),
        ];
        let faults = Faults::or_else(faults, Some(())).unwrap_err();
        let places: Vec<_> = faults.iter().map(|fault| fault.place.to_string()).collect();
        let want = ["a.yaml:9:1", "a.yaml:9:2", "a.yaml:10:1", "b.yaml", "environment variable `A`"];
        assert_eq!(places, want);
        assert!(Faults::or_else(Vec::new(), Some(())).is_ok());
    }
}
