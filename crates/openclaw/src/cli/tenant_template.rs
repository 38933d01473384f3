//! What a new tenant's settings file starts from.

use super::CliError;
use crate::config::{self, Environment};
use openclaw_alert::TenantName;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// What stands for the tenant's name.
const PLACE_OF_NAME: &str = "NAME";

/// Those that ship, by name.
const SHIPPED: [(&str, &str); 5] = [
    ("observe", include_str!("templates/observe.yaml")),
    ("enforce", include_str!("templates/enforce.yaml")),
    ("slack", include_str!("templates/slack.yaml")),
    ("servicenow", include_str!("templates/servicenow.yaml")),
    ("pagerduty", include_str!("templates/pagerduty.yaml")),
];

/// A template by its name, or a file.
#[derive(Debug, Clone)]
pub(super) enum Template {
    Shipped(&'static str),
    File(PathBuf),
}

impl FromStr for Template {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let shipped = SHIPPED.iter().find(|(name, _)| *name == text);
        Ok(shipped.map_or_else(|| Self::File(text.into()), |(_, text)| Self::Shipped(text)))
    }
}

impl Template {
    /// The settings of a tenant of this name, which are good.
    pub(super) fn text(&self, name: &TenantName, environment: &Environment) -> Result<String, CliError> {
        let text = match self {
            Self::Shipped(text) => (*text).to_owned(),
            Self::File(path) => read(path)?,
        };
        let text = text.replace(PLACE_OF_NAME, name.as_str());
        config::check_tenant_text(&text, name, environment)?;
        Ok(text)
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    if !path.exists() {
        let shipped = SHIPPED.iter().map(|(name, _)| *name).collect();
        return Err(CliError::NoTemplate { path: path.to_owned(), shipped });
    }
    Ok(config::read_text(&Arc::from(path)).map_err(config::Faults::from)?)
}
