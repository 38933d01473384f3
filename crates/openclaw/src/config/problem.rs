//! Everything that can be wrong with the settings: each with its message and,
//! where there is one, the way out.

use openclaw_admission::{ClientPatternError, PathPatternError};
use openclaw_alert::{MatcherError, TenantNameError};
use openclaw_delivery::email::{MailHeaderError, SmarthostError};
use openclaw_delivery::servicenow::NameError;
use openclaw_delivery::telegram::{BotError, ChatIdError};
use openclaw_delivery::{
    HttpConfigError, NetworkError, TargetError, TimeoutError, TlsSettingsError, webhook::SigningKeyError,
};
use openclaw_routing::{DigestScheduleError, IntervalError, RotaError};
use openclaw_server::{KeySetError, TlsFault};
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    // The file.
    #[error("cannot be read: {source}")]
    Unreadable { source: io::Error },
    #[error("is larger than {most_bytes} bytes")]
    TooLarge { most_bytes: u64 },
    #[error("{detail}")]
    Yaml { detail: String },

    /// What Alertmanager would refuse in a file of its own.
    #[error("{detail}")]
    Alertmanager { detail: String },

    // The form of a value.
    #[error("expected {expected}, found {found}")]
    WrongType { expected: &'static str, found: &'static str },
    #[error("unknown key `{key}`")]
    UnknownKey { key: String, known: &'static [&'static str] },
    #[error("`{key}` is missing")]
    Missing { key: &'static str },
    #[error("`{text}` is not {expected}")]
    NotA { text: String, expected: &'static str },
    #[error("`{key}` must be from {least} to {most}")]
    OutOfRange { key: &'static str, least: String, most: String },
    #[error("more than {most} {what}")]
    TooMany { what: &'static str, most: usize },
    #[error("`{what}` is not supported yet")]
    NotYet { what: String },
    #[error("`{engine}` needs the feature `engines`, which this build does not have")]
    NoEngine { engine: String },

    // Secrets.
    #[error("expected text, `{{file: PATH}}` or `{{env: NAME}}`")]
    SecretForm,
    #[error("the secret is empty")]
    EmptySecret,
    #[error("the secret's file `{}` cannot be read: {source}", path.display())]
    SecretFile { path: PathBuf, source: io::Error },
    #[error("the environment variable `{name}` for the secret is not set")]
    SecretVariable { name: String },
    #[error("tenants may not take anything from the file `{}`", path.display())]
    FileBeyondReach { path: PathBuf },
    #[error("tenants may not take secrets from the environment variable `{name}`")]
    VariableBeyondReach { name: String },

    // Credentials.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    #[error("keys that verify tokens must come over `https://`")]
    PlainKeys,
    #[error("this client certificate is tenant `{other}`'s as well: it would be taken for neither")]
    CertificateTwice { other: String },
    #[error("client certificates are asked for only with `listen: {{ tls: {{ client_ca_file }} }}`")]
    NoClientCa,
    #[error("`client_auth` needs a `client_ca_file`")]
    ClientAuthWithoutCa,
    #[error(transparent)]
    Tls(Box<TlsFault>),

    // The service.
    #[error("`http` and `grpc` listen on the same address `{address}`")]
    SameAddress { address: std::net::SocketAddr },
    #[error("each message shows this address, so it can't have `user:password@`, `?` or `#`")]
    OpenUrl,
    #[error("there is no tenant `{name}`")]
    UnknownTenant { name: String },
    #[error("tenant `{name}` has no `route`: it could tell nobody")]
    TellsNobody { name: String },

    #[error(transparent)]
    GitPlace(#[from] openclaw_learning::publish::GitPlaceError),
    #[error("`{key}` goes with a remote that begins with `{way}`")]
    GitCredential { key: &'static str, way: &'static str },

    // Tenants.
    #[error("the tenants' folder cannot be read: {source}")]
    NoTenantsFolder { source: io::Error },
    #[error(transparent)]
    TenantName(#[from] TenantNameError),
    #[error("the file is for tenant `{expected}`, but says `tenant: {found}`")]
    OtherTenant { expected: String, found: String },
    #[error("tenant `{name}` has two files: this one and `{}`", other.display())]
    TwoFiles { name: String, other: PathBuf },
    #[error("a tenant's file must end in `.yaml`")]
    Extension,
    #[error("the folder has no `tenant.yaml`")]
    NoTenantFile,

    // Receivers and routes.
    #[error("receiver `{name}` is defined twice")]
    ReceiverTwice { name: String },
    #[error("there is no receiver `{name}`")]
    UnknownReceiver { name: String, known: Vec<String> },
    #[error("the root route takes every alert, so it can't have `{key}`")]
    RootTakesAll { key: &'static str },
    #[error("routes are more than {most} levels deep")]
    TooDeep { most: usize },
    #[error("`min_score` is not below `max_score`: the route would take nothing")]
    NoScoreBetween,
    #[error("time interval `{name}` is defined twice")]
    IntervalTwice { name: String },
    #[error("there is no time interval `{name}`")]
    UnknownInterval { name: String, known: Vec<String> },
    #[error("rota `{name}` is defined twice")]
    RotaTwice { name: String },
    #[error("there is no rota `{name}`")]
    UnknownRota { name: String, known: Vec<String> },
    #[error(transparent)]
    Rota(#[from] RotaError),
    #[error("`{every}` is not the length of a turn: use `1d`, or `1w` to `8w`")]
    RotaEvery { every: String },
    #[error("`{text}` is not a handover: write it as `{example}`")]
    RotaHandover { text: String, example: &'static str },
    #[error(transparent)]
    TimeInterval(#[from] IntervalError),
    #[error(
        "`{name}` is not a label's name: use `a-z`, `A-Z`, `0-9` and `_` here, or `matchers` for other names"
    )]
    LabelName { name: String },
    #[error("at most one of {} may be set", listed(keys))]
    Exclusive { keys: Vec<&'static str> },
    #[error("one of {} is needed", listed(keys))]
    OneNeeded { keys: Vec<&'static str> },
    #[error("bad template: {detail}")]
    Template { detail: String },
    #[error("cannot read the template file `{}`: {source}", path.display())]
    TemplateFile { path: PathBuf, source: io::Error },
    #[error("expected a file's name, or `{{name: NAME, text: TEXT}}`")]
    TemplateForm,
    #[error(transparent)]
    HttpConfig(#[from] HttpConfigError),
    #[error(transparent)]
    ReceiverTls(#[from] TlsSettingsError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Smarthost(#[from] SmarthostError),
    #[error(transparent)]
    MailHeader(#[from] MailHeaderError),
    #[error("redirects are not followed: a server could lead messages elsewhere")]
    Redirects,
    #[error("`{key}` needs `proxy_url` or `proxy_from_environment: true` beside it")]
    WithoutProxy { key: &'static str },
    #[error("`{key}` is longer than {most_bytes} bytes")]
    TooLong { key: &'static str, most_bytes: usize },
    #[error("label `{label}` is listed twice")]
    LabelTwice { label: String },
    #[error("`...` stands for all labels and must be alone")]
    AllLabelsNotAlone,
    #[error("`repeat_interval` ({repeat}) is shorter than `group_interval` ({group})")]
    RepeatTooShort { repeat: String, group: String },
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Bot(#[from] BotError),
    #[error(transparent)]
    Chat(#[from] ChatIdError),
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    #[error(transparent)]
    Timeout(#[from] TimeoutError),
    #[error("`service_key` is for PagerDuty's Events API v1, which is not spoken here")]
    ServiceKey,
    #[error(transparent)]
    ServiceNowName(#[from] NameError),

    // Intakes.
    #[error("`{name}` is a format's name, so the source can't be of format `{format}`")]
    SourceNamedAsFormat { name: String, format: &'static str },
    #[error("`{key}` is nothing that a source of format `{format}` has")]
    NotOfFormat { key: &'static str, format: &'static str },
    #[error("`{field}` {detail}")]
    Mapping { field: String, detail: String },

    // Shared limits.
    #[error("expected `redis://HOST[:PORT][/DATABASE]`, or `rediss://…` for TLS")]
    RedisUrl,
    #[error("the address holds a password, which logs would show: use `user` and `password`")]
    RedisUrlWithPassword,
    #[error("`tls` is for `rediss://`: this address is not")]
    RedisTlsWithoutTls,
    #[error("`{prefix}` can't begin names in Redis: use letters, digits and `-_.:`, 64 at most")]
    RedisPrefix { prefix: String },

    // Training.
    #[error("{reason}")]
    Schedule { reason: String },

    // Edges.
    #[error("`spool_bytes` is for what goes on to an upstream: set `upstream`, or leave it out")]
    SpoolWithoutUpstream,
    #[error(
        "expected `https://HOST[:PORT]` or `http://…`, without `user:password@`, `?` or `#`: who asks is in `key`"
    )]
    UpstreamUrl,
    #[error("`tls` is for `https://`: this address is not")]
    UpstreamTlsWithoutTls,

    // Limits and rating.
    #[error("`floor` is above `ceiling` in `{key}`")]
    FloorAboveCeiling { key: &'static str },
    #[error(transparent)]
    ClientPattern(#[from] ClientPatternError),
    #[error(transparent)]
    PathPattern(#[from] PathPatternError),
    #[error("{what} is there twice")]
    Twice { what: String },
    #[error("there is no policy `{name}`")]
    UnknownPolicy { name: String, known: Vec<String> },
    #[error("`shared` needs a `value` with `*`: else there is one bucket anyway")]
    SharedWithoutStar,
    #[error("a rule can't replace itself")]
    ReplacesItself,
    #[error("bad matcher `{text}`: {detail}")]
    Matcher { text: String, detail: String },
    #[error("`mode: enforce` needs a `digest`: alerts below the threshold must reach somebody")]
    EnforceWithoutDigest,
    #[error("{0}")]
    Digest(#[from] DigestScheduleError),

    // Models.
    #[error("{reason}")]
    Steps { reason: String },
    #[error(transparent)]
    ModelKey(#[from] openclaw_learning::publish::KeyError),
    #[error(transparent)]
    ModelRepository(#[from] openclaw_learning::publish::RepositoryNameError),
}

impl From<MatcherError> for Problem {
    /// A bad regex is explained over several lines, of which the last says it.
    fn from(error: MatcherError) -> Self {
        let detail = error.detail.lines().last().unwrap_or_default();
        let detail = detail.strip_prefix("error: ").unwrap_or(detail).to_owned();
        Self::Matcher { text: error.text.chars().take(200).flat_map(char::escape_debug).collect(), detail }
    }
}

impl Problem {
    /// A way out, where the message doesn't say it already.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { source } if source.kind() == io::ErrorKind::NotFound => {
                Some("name the file with `--config FILE`, or start from a copy of `examples/`".to_owned())
            }
            Self::UnknownKey { key, known } => Some(unknown_key_hint(key, known)),
            Self::WrongType { expected: "text", found: "a number" | "true or false" } => {
                Some("put the value in quotes".to_owned())
            }
            Self::Redirects => Some("set the final address, and leave `follow_redirects` out".to_owned()),
            Self::NoEngine { .. } => Some("use the embedded engine, or a build with the feature".to_owned()),
            Self::NotYet { .. } => Some("remove it; a later release will take it".to_owned()),
            Self::UnknownReceiver { name, known } => name_hint("receivers", name, known),
            Self::UnknownInterval { name, known } => name_hint("time_intervals", name, known),
            Self::UnknownRota { name, known } => name_hint("on_call", name, known),
            Self::UnknownPolicy { name, known } => name_hint("policies", name, known),
            Self::RootTakesAll { .. } => {
                Some("put it into a child under `routes`: the root takes what no child does".to_owned())
            }
            Self::Template { .. } => {
                Some("templates are Jinja here; `openclaw import alertmanager` translates Go's".to_owned())
            }
            Self::TemplateFile { .. } => {
                Some("a relative path starts at the folder of the settings file".to_owned())
            }
            Self::NoTenantsFolder { .. } => {
                Some("set `tenants` to the folder, or make it with `openclaw tenant add NAME`".to_owned())
            }
            Self::OtherTenant { expected, .. } => {
                Some(format!("write `tenant: {expected}`, or rename the file"))
            }
            Self::TwoFiles { .. } => Some("remove one of the two".to_owned()),
            Self::Extension => Some("rename it, or move it out of the folder".to_owned()),
            Self::NoTenantFile => Some("add one, or remove the folder".to_owned()),
            Self::EnforceWithoutDigest => {
                Some("add `rating: { digest: { receiver: NAME } }`, or use `mode: observe`".to_owned())
            }
            Self::ServiceKey => Some(
                "add an Events API v2 integration to the service, and set its key as `routing_key`"
                    .to_owned(),
            ),
            Self::SourceNamedAsFormat { format, .. } => {
                Some(format!("give it another name, for example `{format}-1`"))
            }
            Self::NotOfFormat { key: "secret", .. } => {
                Some("remove it: these senders don't sign, they show a key".to_owned())
            }
            Self::NotOfFormat { key: "mapping", .. } => {
                Some("remove it, or use `format: json`: the fields of this format are known".to_owned())
            }
            Self::NotOfFormat { .. } => Some("remove it: it is for `format: grafana`".to_owned()),
            Self::FileBeyondReach { .. } => Some(
                "the operator lists folders in `tenant_secrets`; a tenant's own, `NAME/` beside `NAME/tenant.yaml`, is one"
                    .to_owned(),
            ),
            Self::VariableBeyondReach { .. } => {
                Some("the operator lists what names may begin with in `tenant_secrets`".to_owned())
            }
            Self::SecretVariable { .. } => Some("set it for the service, not only in a shell".to_owned()),
            Self::SecretFile { .. } => {
                Some("a relative path starts at the folder of the settings file".to_owned())
            }
            Self::PlainKeys => {
                Some("use `https://`, or keep the key set beside the settings with `jwks_file`".to_owned())
            }
            Self::CertificateTwice { .. } => Some("name it in one tenant's file only".to_owned()),
            Self::NoClientCa => Some("set it in `openclaw.yaml`, or remove `client_certificates`".to_owned()),
            Self::UnknownTenant { .. } => Some("add one with `openclaw tenant add NAME`".to_owned()),
            Self::RepeatTooShort { .. } => {
                Some("a group is looked at each `group_interval`: repeat at a multiple of it".to_owned())
            }
            _ => None,
        }
    }
}

fn listed(known: &[&str]) -> String {
    known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn unknown_key_hint(key: &str, known: &'static [&'static str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "there is nothing to set here: leave it as `{}`".to_owned(),
        None => format!("known here: {}", listed(known)),
    }
}

fn name_hint(section: &str, name: &str, known: &[String]) -> Option<String> {
    if known.is_empty() {
        return Some(format!("add `{section}: [{{ name: {name} }}]`"));
    }
    let words: Vec<&str> = known.iter().map(String::as_str).collect();
    Some(match nearest(name, words.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("defined are {}", listed(&words)),
    })
}

/// The word that fewest changes of a letter turn into `text`, if they are few.
pub(crate) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = text.chars().count() / 3 + 1;
    let near = words.map(|word| (changes(text, word), word)).filter(|(count, _)| *count <= most);
    near.min_by_key(|(count, _)| *count).map(|(_, word)| word)
}

/// Levenshtein distance, a row at a time; long texts are nobody's misspelling.
fn changes(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_recognised() {
        let words = ["http", "grpc", "group_interval", "group_wait"];
        let near = |text| nearest(text, words.into_iter());
        assert_eq!(near("htpp"), Some("http"));
        assert_eq!(near("groupinterval"), Some("group_interval"));
        assert_eq!(near("group_wat"), Some("group_wait"));
        assert_eq!(near("receivers"), None);
        assert_eq!(near(""), None);
        assert_eq!(changes("kitten", "sitting"), 3);
    }
}
