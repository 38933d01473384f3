//! Credentials other than keys: who signs a tenant's tokens, and which client
//! certificates are its own.

use super::fault::Place;
use super::problem::Problem;
use super::read::{At, Context, Field, Scalar, Secrets, choice, scalar_schema, section};
use super::secret::{SecretText, from_file};
use super::values::{Text, not_a};
use openclaw_delivery::{Secret, Target};
use openclaw_server::{CertificateRule, CertificateSubject, TokenKeys, TokenSettings};
use openclaw_state::{Scope, Scopes};
use serde_json::json;
use std::net::IpAddr;

const CERTIFICATES_MAX: usize = 256;

section! {
    /// JSON Web Tokens of this tenant: claim `tenant`, `exp`, and `scope` or `scopes`. One of `secret`, `jwks_file` and `jwks_url`.
    JwtSection {
        /// A shared secret of at least 32 bytes, for HS256.
        secret: SecretText,
        /// A file with a JSON Web Key Set. A relative path starts at the folder of this file.
        jwks_file: Text,
        /// Where a JSON Web Key Set is published; `https://`. It is fetched again as it ages.
        jwks_url: KeysUrl,
        /// What the claim `iss` must be. Default: anything.
        issuer: Text,
        /// What the claim `aud` must name. Default: tokens with `aud` are refused.
        audience: Text,
    }
}

section! {
    /// A client certificate that is a credential of this tenant. One of `sha256`, `dns` and `uri`.
    CertificateSection {
        /// SHA-256 of the certificate, in hex.
        sha256: Fingerprint,
        /// A DNS name among its alternative names.
        dns: DnsName,
        /// A URI among its alternative names, such as a SPIFFE id.
        uri: Text,
        /// What it may be used for.
        scopes: Vec<At<ScopeWord>>,
    }
}

choice! {
    /// What a credential of a tenant may be used for.
    ScopeWord {
        Ingest = "ingest",
        Read = "read",
        Respond = "respond",
        Limit = "limit",
    }
}

/// Where a key set is published.
#[derive(Debug, Clone)]
pub(crate) struct KeysUrl(Target);

/// SHA-256 in hex.
#[derive(Debug, Clone)]
pub(crate) struct Fingerprint([u8; 32]);

/// A DNS name, in lower case.
#[derive(Debug, Clone)]
pub(crate) struct DnsName(String);

impl Scalar for KeysUrl {
    const EXPECTED: &'static str = "an address such as `https://login.example.org/keys`";

    fn parse(text: &str) -> Result<Self, Problem> {
        let target = Target::parse(&Secret::new(text))?;
        // Whoever can change the answer on its way makes tokens of their own.
        if text.starts_with("https://") || is_this_machine(target.host()) {
            Ok(Self(target))
        } else {
            Err(Problem::PlainKeys)
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "examples": ["https://login.example.org/keys"] })
    }
}

fn is_this_machine(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl Scalar for Fingerprint {
    const EXPECTED: &'static str = "the SHA-256 of a certificate: 64 hex digits, with or without colons";

    fn parse(text: &str) -> Result<Self, Problem> {
        let digits: Option<Vec<u8>> = text
            .bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
            .collect();
        let bytes: Option<Vec<u8>> = digits
            .map(|digits| digits.chunks(2).map(|two| two.iter().fold(0, |all, d| all << 4 | d)).collect());
        let is_whole = text.bytes().filter(|byte| *byte != b':').count() == 64;
        let bytes = bytes.filter(|_| is_whole).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| not_a::<Self>(text))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$" })
    }
}

impl Scalar for DnsName {
    const EXPECTED: &'static str = "a DNS name such as `prometheus.acme.example`; it stands for itself alone";

    fn parse(text: &str) -> Result<Self, Problem> {
        let is_label = |label: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            (1..=63).contains(&label.len()) && label.bytes().all(allowed)
        };
        if text.len() <= 253 && text.split('.').all(is_label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(not_a::<Self>(text))
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "examples": ["prometheus.acme.example"] })
    }
}

scalar_schema!(KeysUrl, Fingerprint, DnsName);

/// How the tenant's tokens are verified.
pub(super) fn tokens(field: Field<JwtSection>, cx: &mut Context<'_>) -> Option<TokenSettings> {
    const KEYS: [&str; 3] = ["secret", "jwks_file", "jwks_url"];
    let At { value, place } = field.into_set()?;
    let given = [value.secret.is_absent(), value.jwks_file.is_absent(), value.jwks_url.is_absent()];
    match given.iter().filter(|is_absent| !**is_absent).count() {
        1 => {}
        0 => cx.fault(&place, Problem::OneNeeded { keys: KEYS.to_vec() }),
        _ => cx.fault(&place, Problem::Exclusive { keys: KEYS.to_vec() }),
    }
    let secret = value.secret.into_set().and_then(|secret| of_secret(secret, cx));
    let set = value.jwks_file.into_set().and_then(|file| of_file(&file, cx));
    let remote = value.jwks_url.into_value().map(|url| TokenKeys::at(url.0));
    Some(TokenSettings {
        keys: secret.or(set).or(remote)?,
        issuer: value.issuer.into_value().map(|text| text.0),
        audience: value.audience.into_value().map(|text| text.0),
        may_operate: false,
    })
}

fn of_secret(secret: At<SecretText>, cx: &mut Context<'_>) -> Option<TokenKeys> {
    if cx.secrets == Secrets::Assumed {
        return None;
    }
    cx.keep(&secret.place, TokenKeys::of_secret(secret.value.0))
}

fn of_file(file: &At<Text>, cx: &mut Context<'_>) -> Option<TokenKeys> {
    if cx.secrets == Secrets::Assumed {
        return None;
    }
    let text = from_file(file, cx)?;
    cx.keep(&file.place, TokenKeys::of_set(&Secret::new(text)))
}

/// Which client certificates are the tenant's, with their places.
pub(super) fn certificates(
    field: Field<Vec<At<CertificateSection>>>,
    cx: &mut Context<'_>,
) -> Vec<At<CertificateRule>> {
    let Some(At { value, place }) = field.into_set() else { return Vec::new() };
    if value.len() > CERTIFICATES_MAX {
        cx.fault(&place, Problem::TooMany { what: "client certificates", most: CERTIFICATES_MAX });
    }
    value.into_iter().filter_map(|section| certificate(section, cx)).collect()
}

fn certificate(section: At<CertificateSection>, cx: &mut Context<'_>) -> Option<At<CertificateRule>> {
    let At { value, place } = section;
    let is_one = [value.sha256.is_absent(), value.dns.is_absent(), value.uri.is_absent()];
    if is_one.iter().filter(|is_absent| !**is_absent).count() != 1 {
        cx.fault(&place, Problem::OneNeeded { keys: vec!["sha256", "dns", "uri"] });
        return None;
    }
    let sha256 = value.sha256.into_value().map(|print| CertificateSubject::Sha256(print.0));
    let dns = value.dns.into_value().map(|name| CertificateSubject::Dns(name.0));
    let uri = value.uri.into_value().map(|text| CertificateSubject::Uri(text.0));
    let scopes = scopes(value.scopes, &place, cx)?;
    let value = CertificateRule { subject: sha256.or(dns).or(uri)?, scopes };
    Some(At { value, place })
}

fn scopes(field: Field<Vec<At<ScopeWord>>>, section: &Place, cx: &mut Context<'_>) -> Option<Scopes> {
    let words = field.required("scopes", section, cx)?;
    let found = Scopes::of(words.value.iter().filter_map(|word| Scope::named(word.value.word())));
    if found.is_none() {
        cx.fault(&words.place, Problem::Missing { key: "scopes" });
    }
    found
}
