//! Alertmanager's `tls_config`.

use super::fault::Place;
use super::problem::Problem;
use super::read::{At, Context, Field, Secrets, choice, section};
use super::secret::{SecretText, either};
use super::values::{Flag, Text};
use openclaw_delivery::TlsSettings;

section! {
    /// How a server is known, and how we are known to it.
    TlsSection {
        /// Who signs its certificate, as PEM. Default: whom the system trusts.
        ca: SecretText,
        /// The file of it.
        ca_file: Text,
        /// Our certificate, as PEM; with `key`.
        cert: SecretText,
        /// The file of it.
        cert_file: Text,
        /// Our certificate's key, as PEM.
        key: SecretText,
        /// The file of it.
        key_file: Text,
        /// The name in its certificate, where it is not the address's.
        server_name: Text,
        /// Takes any certificate: whoever stands between can read along. Default `false`.
        insecure_skip_verify: Flag,
        /// Default `TLS12`, the oldest that is spoken.
        min_version: TlsVersion,
        /// Default `TLS13`.
        max_version: TlsVersion,
    }
}

choice! {
    /// A version of TLS.
    TlsVersion {
        Tls10 = "TLS10",
        Tls11 = "TLS11",
        Tls12 = "TLS12",
        Tls13 = "TLS13",
    }
}

/// Settings that were checked, to be kept by who asks for them.
pub(super) fn checked(field: Field<TlsSection>, cx: &mut Context<'_>) -> Option<At<TlsSettings>> {
    let At { value, place } = field.into_set()?;
    let ca = either(["ca", "ca_file"], value.ca, value.ca_file, cx);
    let certificate = either(["cert", "cert_file"], value.cert, value.cert_file, cx);
    let key = either(["key", "key_file"], value.key, value.key_file, cx);
    if certificate.is_some() != key.is_some() {
        let key = if key.is_none() { "key" } else { "cert" };
        cx.fault(&place, Problem::Missing { key });
    }
    let max_version = value.max_version.into_set();
    if let Some(set) = max_version.as_ref().filter(|set| is_old(set.value)) {
        let (least, most) = ("TLS12".to_owned(), "TLS13".to_owned());
        cx.fault(&set.place, Problem::OutOfRange { key: "max_version", least, most });
    }
    let tls = TlsSettings {
        ca: ca.map(|ca| ca.value.0),
        identity: certificate.zip(key).map(|(certificate, key)| (certificate.value.0, key.value.0)),
        server_name: value.server_name.into_value().map(|name| name.0),
        insecure_skip_verify: value.insecure_skip_verify.into_value().is_some_and(|flag| flag.0),
        min_version_13: value.min_version.into_value() == Some(TlsVersion::Tls13),
        max_version_12: max_version.is_some_and(|set| set.value == TlsVersion::Tls12),
    };
    usable(tls, place, cx)
}

/// What stands in for secrets that are not here is no PEM.
fn usable(tls: TlsSettings, place: Place, cx: &mut Context<'_>) -> Option<At<TlsSettings>> {
    if cx.secrets == Secrets::Assumed {
        return None;
    }
    cx.keep(&place, tls.check())?;
    Some(At { value: tls, place })
}

fn is_old(version: TlsVersion) -> bool {
    matches!(version, TlsVersion::Tls10 | TlsVersion::Tls11)
}
