use crate::config::Faults;
use openclaw_alert::TenantName;
use openclaw_delivery::template::TemplateError;
use openclaw_state::{Stage, StateError};
use std::io;
use std::path::PathBuf;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("the settings have faults")]
    Settings(Faults),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Telemetry(#[from] openclaw_telemetry::TelemetryError),
    #[error(transparent)]
    Learn(#[from] super::model::LearnError),
    #[error("cannot write the output: {source}")]
    Output { source: io::Error },
    #[error("cannot read standard input: {source}")]
    Input { source: io::Error },
    #[error("standard input is longer than {most_bytes} bytes")]
    InputTooLong { most_bytes: u64 },
    #[error("{place}: {detail}")]
    Alert { place: String, detail: String },
    #[error("cannot write `{}`: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot write `{}`: {source}", path.display())]
    ImportOutput { path: PathBuf, source: io::Error },
    #[error("tenant `{name}` exists already: `{}`", path.display())]
    TenantExists { name: TenantName, path: PathBuf },
    #[error("`--role {role}` is not supported yet")]
    Role { role: String },
    #[error(transparent)]
    DemoFile(#[from] crate::demo::events::file::FileError),
    #[error(transparent)]
    Start(#[from] openclaw_server::StartError),
    #[error("`{}` was not written by a demo and is not replaced", path.display())]
    NotOurs { path: PathBuf },
    #[error("cannot start a runtime: {source}")]
    Runtime { source: io::Error },
    #[error("cannot use `{}`: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error(transparent)]
    KeyText(#[from] openclaw_state::KeyTextError),
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the journal in `{}` can't be read: {detail}", path.display())]
    Journal { path: PathBuf, detail: String },
    #[error("`--{flag} {text}` is neither a time, `2026-03-02T00:00:00Z`, nor a span, `24h`")]
    Time { flag: &'static str, text: String },
    #[error("more than {most} events are recorded")]
    TooMuch { most: usize },
    #[error("no key: set OPENCLAW_KEY or give `--key-file`")]
    NoKey,
    #[error("{url}: {detail}")]
    Remote { url: String, detail: String },
    #[error("{count} differences")]
    Differs { count: usize },
    #[error("the alert reaches `{found}`, not `{expected}`")]
    OtherReceivers { expected: String, found: String },
    #[error("`{}` is longer than {most_bytes} bytes", path.display())]
    TooLong { path: PathBuf, most_bytes: u64 },
    #[error("the templates have faults")]
    Templates { errors: Vec<TemplateError> },
    #[error("the template {name} fails on the sample `{group}`: {detail}")]
    Render { group: &'static str, name: String, detail: String },
    #[error("tenant `{name}` is being removed: {}", stage.name())]
    BeingRemoved { name: TenantName, stage: Stage },
    #[error("tenant `{name}` is named by `{section}` in the settings of the service")]
    TenantInUse { name: TenantName, section: &'static str },
    #[error("there is no template `{}`", path.display())]
    NoTemplate { path: PathBuf, shipped: Vec<&'static str> },
    #[error("there is no tenant `{name}`")]
    NoTenant { name: TenantName },
    #[error("tenant `{name}` has no `jwt` in its settings")]
    NoJwt { name: TenantName },
    #[error(transparent)]
    TakeOver(#[from] openclaw_server::TakeOverError),
    #[error("the sockets that systemd passes can't be taken: {source}")]
    Sockets { source: io::Error },
    #[error(transparent)]
    Sign(#[from] openclaw_server::SignError),
    #[error(transparent)]
    Model(#[from] super::model::ModelCommandError),
}

impl From<Faults> for CliError {
    fn from(faults: Faults) -> Self {
        Self::Settings(faults)
    }
}

impl CliError {
    /// Every message with its hint, in the order to be told.
    pub(crate) fn messages(&self) -> Vec<(String, Option<String>)> {
        match self {
            Self::Settings(faults) => {
                faults.iter().map(|fault| (fault.to_string(), fault.problem.hint())).collect()
            }
            Self::Templates { errors } => {
                let last = errors.len().saturating_sub(1);
                let hint =
                    |index| (index == last).then(|| "`--go` takes Alertmanager's own templates".to_owned());
                let message = |(index, error): (usize, &TemplateError)| (error.to_string(), hint(index));
                errors.iter().enumerate().map(message).collect()
            }
            other => vec![(other.to_string(), other.hint())],
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::State(error) => error.hint(),
            Self::File { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("name a file that doesn't exist yet: a key never replaces another".to_owned())
            }
            Self::ImportOutput { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("name a file that doesn't exist yet, or move that one away".to_owned())
            }
            Self::TenantExists { name, .. } => Some(format!(
                "`openclaw tenant key add {name} --scopes ingest,read,respond` makes another key"
            )),
            Self::BeingRemoved { stage: Stage::Done, .. } => {
                Some("remove its settings file; then a running server lets the name be used again".to_owned())
            }
            Self::BeingRemoved { .. } => {
                Some("a running server ends it; `openclaw tenant list` shows how far it has come".to_owned())
            }
            Self::TenantInUse { section, .. } => {
                Some(format!("name another tenant under `{section}` and restart the service first"))
            }
            Self::NoTemplate { shipped, .. } => {
                Some(format!("name a file, or one of those that ship: {}", shipped.join(", ")))
            }
            Self::NoJwt { name } => Some(format!(
                "add `jwt: {{ secret: {{ file: {name}-jwt-secret }} }}` with at least 32 random bytes"
            )),
            Self::Sign(openclaw_server::SignError::Operator) => {
                Some("add the tenant to `auth: { operator_tokens: [...] }` in `openclaw.yaml`".to_owned())
            }
            Self::NoTenant { name } => Some(format!("`openclaw tenant add {name}` makes it")),
            Self::Alert { .. } => {
                Some("write `{\"labels\": {\"alertname\": \"…\"}}`, or a list of such".to_owned())
            }
            Self::DemoFile(error) => Some(error.hint()),
            Self::NotOurs { .. } => Some("give `--data` a folder of its own".to_owned()),
            Self::Role { .. } => Some("use `--role all`, the default".to_owned()),
            Self::InputTooLong { .. } => Some("send the alerts in parts".to_owned()),
            _ => None,
        }
    }
}
