//! What a mailbox's owner may set.

use crate::template::Template;
use crate::{Secret, Timeout, TlsSettings};
use std::fmt;
use std::time::Duration;

/// Implicit TLS is what this port is for.
const SMTPS_PORT: u16 = 465;
const TIMEOUT: Duration = Duration::from_secs(30);
/// Set by the service, or about the parts of a mail and not the whole.
const RESERVED: [&str; 12] = [
    "bcc",
    "content-transfer-encoding",
    "content-type",
    "date",
    "dkim-signature",
    "in-reply-to",
    "message-id",
    "mime-version",
    "received",
    "references",
    "resent-bcc",
    "return-path",
];
const HEADERS_MAX: usize = 64;
const HEADER_NAME_BYTES_MAX: usize = 64;

/// Mail to one or more people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Addresses with commas between, with names or without.
    pub to: Template,
    /// One address.
    pub from: Template,
    /// The server that takes mail from us.
    pub smarthost: Smarthost,
    /// What we call ourselves there.
    pub hello: String,
    /// Who we are there.
    pub auth: Option<Auth>,
    /// Without TLS nothing is sent. On unless set.
    pub require_tls: bool,
    /// TLS from the first byte, as on port 465.
    pub implicit_tls: bool,
    /// How the server is known, and how we are known to it.
    pub tls: TlsSettings,
    /// `Subject` and others, in place of ours.
    pub headers: Headers,
    /// The HTML part: unset for ours, empty for none.
    pub html: Option<Template>,
    /// The text part: unset for ours, empty for none.
    pub text: Option<Template>,
    /// Which mails stand together.
    pub threading: Threading,
    /// Also tell when alerts resolve. Off unless set, as in Alertmanager;
    /// turning it on is advised.
    pub send_resolved: bool,
    /// For the whole send.
    pub timeout: Timeout,
}

/// A server that takes mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smarthost {
    /// Name or address.
    pub host: String,
    /// 587, 465 or 25.
    pub port: u16,
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// On whose behalf; mostly nobody's.
    pub identity: String,
}

/// Which mails a mailbox shows as one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threading {
    /// Each on its own.
    Off,
    /// Those of a group for as long as it lives.
    Group,
    /// Those of a group on one day.
    GroupAndDay,
}

/// Headers by name, templates as values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Template)>);

/// A header that no mail can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailHeaderError {
    /// Spaces, colons or characters beyond ASCII.
    #[error("`{name}` is not a header's name: use letters, digits and `-`")]
    Name {
        /// As given.
        name: String,
    },
    /// One that is the service's.
    #[error("header `{name}` can't be set: it is the service's own")]
    Reserved {
        /// As given.
        name: String,
    },
    /// The same one twice, in whatever case.
    #[error("header `{name}` is set twice")]
    Twice {
        /// As given.
        name: String,
    },
    /// More than a mail needs.
    #[error("more than {HEADERS_MAX} headers")]
    TooMany,
}

/// Text that is no host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no mail server: write it as `mail.example.org:587`")]
pub struct SmarthostError {
    /// As given, cut.
    pub text: String,
}

impl Settings {
    /// The defaults for a server and addresses.
    #[must_use]
    pub fn new(smarthost: Smarthost, from: Template, to: Template) -> Self {
        Self {
            to,
            from,
            implicit_tls: smarthost.port == SMTPS_PORT,
            smarthost,
            hello: "localhost".to_owned(),
            auth: None,
            require_tls: true,
            tls: TlsSettings::default(),
            headers: Headers::default(),
            html: None,
            text: None,
            threading: Threading::Group,
            send_resolved: false,
            timeout: Timeout::new(TIMEOUT).unwrap_or_default(),
        }
    }
}

impl Smarthost {
    /// Reads `host:port`, `[::1]:port` for addresses of IPv6.
    ///
    /// # Errors
    /// For anything else.
    pub fn parse(text: &str) -> Result<Self, SmarthostError> {
        let error = || SmarthostError { text: text.chars().take(80).flat_map(char::escape_debug).collect() };
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(error)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
        let is_bare_v6 = host.contains(':') && !host.starts_with('[');
        if host.is_empty() || is_bare_v6 || !host.bytes().all(is_plain) {
            return Err(error());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Smarthost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Headers {
    /// Adds one.
    ///
    /// # Errors
    /// For names that no mail can have, or only from the service.
    pub fn add(&mut self, name: &str, value: Template) -> Result<(), MailHeaderError> {
        let shown = || name.chars().take(80).flat_map(char::escape_debug).collect();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || name.len() > HEADER_NAME_BYTES_MAX || !name.bytes().all(is_plain) {
            return Err(MailHeaderError::Name { name: shown() });
        }
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(MailHeaderError::Reserved { name: shown() });
        }
        if self.get(name).is_some() {
            return Err(MailHeaderError::Twice { name: shown() });
        }
        if self.0.len() >= HEADERS_MAX {
            return Err(MailHeaderError::TooMany);
        }
        self.0.push((name.to_owned(), value));
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Template> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, Template)> {
        self.0.iter()
    }
}
