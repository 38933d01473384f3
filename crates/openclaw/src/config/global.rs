//! What a tenant's file says once for all: Alertmanager's `global`.

use super::email::MailDefaults;
use super::problem::Problem;
use super::read::{Context, Field, Later, section};
use super::secret::{SecretText, either};
use super::tls::{self, TlsSection};
use super::values::{Flag, Span, TemplateText, Text};
use std::time::Duration;

section! {
    /// Timers that don't belong to a route, and what mail receivers leave out.
    GlobalSection {
        /// How long an alert without an end of its own fires after its last post. Default `5m`.
        resolve_timeout: Span,
        /// `from` of mail receivers.
        smtp_from: TemplateText,
        /// `smarthost` of mail receivers.
        smtp_smarthost: Text,
        /// `hello` of mail receivers.
        smtp_hello: Text,
        /// `auth_username` of mail receivers.
        smtp_auth_username: Text,
        /// `auth_password` of mail receivers.
        smtp_auth_password: SecretText,
        /// `auth_password_file` of mail receivers.
        smtp_auth_password_file: Text,
        /// `auth_identity` of mail receivers.
        smtp_auth_identity: Text,
        #[schemars(skip)]
        smtp_auth_secret: Later,
        #[schemars(skip)]
        smtp_auth_secret_file: Later,
        /// `require_tls` of mail receivers.
        smtp_require_tls: Flag,
        /// `force_implicit_tls` of mail receivers.
        smtp_force_implicit_tls: Flag,
        /// `tls_config` of mail receivers.
        smtp_tls_config: TlsSection,
    }
}

/// The section, checked.
#[derive(Debug, Default)]
pub(super) struct Global {
    pub(super) resolve_timeout: Option<Duration>,
    pub(super) mail: MailDefaults,
}

pub(super) fn checked(field: Field<GlobalSection>, cx: &mut Context<'_>) -> Global {
    let Some(section) = field.into_value() else { return Global::default() };
    let password = ["smtp_auth_password", "smtp_auth_password_file"];
    let mail = MailDefaults {
        smarthost: section.smtp_smarthost.into_set(),
        from: section.smtp_from.into_set(),
        hello: section.smtp_hello.into_set(),
        username: section.smtp_auth_username.into_set(),
        password: either(password, section.smtp_auth_password, section.smtp_auth_password_file, cx),
        identity: section.smtp_auth_identity.into_set(),
        require_tls: section.smtp_require_tls.into_value().map(|flag| flag.0),
        implicit_tls: section.smtp_force_implicit_tls.into_value().map(|flag| flag.0),
        tls: tls::checked(section.smtp_tls_config, cx).map(|tls| tls.value),
    };
    Global { resolve_timeout: resolve_timeout(section.resolve_timeout, cx), mail }
}

fn resolve_timeout(field: Field<Span>, cx: &mut Context<'_>) -> Option<Duration> {
    let set = field.into_set()?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
    if !bounds.contains(&set.value.0) {
        let (least, most) = ("1s".to_owned(), "1w".to_owned());
        cx.fault(&set.place, Problem::OutOfRange { key: "resolve_timeout", least, most });
    }
    Some(set.value.0)
}
