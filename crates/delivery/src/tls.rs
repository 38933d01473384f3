//! How a receiver's server is known to be it, and how we are known to it.

use crate::Secret;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use std::sync::Arc;

type Versions = &'static [&'static SupportedProtocolVersion];
static ONLY_12: Versions = &[&rustls::version::TLS12];
static ONLY_13: Versions = &[&rustls::version::TLS13];

/// Alertmanager's `tls_config`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// Who signs the server's certificate, as PEM, in place of the system's trusted ones.
    pub ca: Option<Secret>,
    /// Our certificate and its key, as PEM.
    pub identity: Option<(Secret, Secret)>,
    /// The name in the server's certificate, where it is not the address's host.
    pub server_name: Option<String>,
    /// Takes any certificate: whoever stands between can read and answer.
    pub insecure_skip_verify: bool,
    /// Only TLS 1.3.
    pub min_version_13: bool,
    /// Only TLS 1.2.
    pub max_version_12: bool,
}

/// Settings that no connection could be made with. Says nothing of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsSettingsError {
    /// Nothing between `-----BEGIN CERTIFICATE-----` and its end.
    #[error("`{key}` holds no certificate: PEM with `-----BEGIN CERTIFICATE-----` is needed")]
    NoCertificate {
        /// `ca` or `cert`.
        key: &'static str,
    },
    /// A key of no kind known here.
    #[error("`key` holds no private key: PEM of PKCS #8, PKCS #1 or SEC 1 without a passphrase is needed")]
    NoKey,
    /// A certificate that can't be used, or one of another key.
    #[error("`{key}` can't be used: {detail}")]
    Unusable {
        /// `ca` or `cert`.
        key: &'static str,
        /// Why, without anything of the key.
        detail: String,
    },
    /// Neither a name nor an address.
    #[error("`server_name` `{name}` is neither a host's name nor an address")]
    ServerName {
        /// As given.
        name: String,
    },
    /// Two bounds without a version between.
    #[error("no TLS version is left: `min_version` is above `max_version`")]
    NoVersion,
}

/// The system's trusted certificates. Without any, receivers on plain HTTP
/// still work, and each send over TLS says what it misses.
pub(crate) fn system_roots() -> Arc<RootCertStore> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        tracing::warn!("no trusted certificates: install `ca-certificates` or set `SSL_CERT_FILE`");
    }
    Arc::new(roots)
}

impl TlsSettings {
    /// Whether connections can be made with them, before one is.
    ///
    /// # Errors
    /// Names the setting at fault.
    pub fn check(&self) -> Result<(), TlsSettingsError> {
        self.name()?;
        self.client_config(&Arc::new(RootCertStore::empty())).map(drop)
    }

    /// For connections that are not a receiver's.
    ///
    /// # Errors
    /// Names the setting at fault.
    pub fn of_client(&self) -> Result<ClientConfig, TlsSettingsError> {
        self.client_config(&system_roots())
    }

    pub(crate) fn name(&self) -> Result<Option<ServerName<'static>>, TlsSettingsError> {
        let Some(name) = &self.server_name else { return Ok(None) };
        let parsed = ServerName::try_from(name.clone());
        parsed.map(Some).map_err(|_| TlsSettingsError::ServerName { name: name.escape_debug().to_string() })
    }

    pub(crate) fn client_config(
        &self,
        system: &Arc<RootCertStore>,
    ) -> Result<ClientConfig, TlsSettingsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions()?)
            .map_err(|_| TlsSettingsError::NoVersion)?;
        let roots = match &self.ca {
            Some(ca) => Arc::new(roots(ca)?),
            None => Arc::clone(system),
        };
        let builder = if self.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(roots)
        };
        let Some((certificate, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes());
        let key = key.map_err(|_| TlsSettingsError::NoKey)?;
        let chain = certificates("cert", certificate)?;
        builder.with_client_auth_cert(chain, key).map_err(|error| unusable("cert", &error))
    }

    fn versions(&self) -> Result<Versions, TlsSettingsError> {
        match (self.min_version_13, self.max_version_12) {
            (false, false) => Ok(rustls::DEFAULT_VERSIONS),
            (true, false) => Ok(ONLY_13),
            (false, true) => Ok(ONLY_12),
            (true, true) => Err(TlsSettingsError::NoVersion),
        }
    }
}

fn certificates(key: &'static str, pem: &Secret) -> Result<Vec<CertificateDer<'static>>, TlsSettingsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose().as_bytes()).collect();
    read.ok().filter(|chain| !chain.is_empty()).ok_or(TlsSettingsError::NoCertificate { key })
}

fn roots(ca: &Secret) -> Result<RootCertStore, TlsSettingsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", ca)? {
        roots.add(certificate).map_err(|error| unusable("ca", &error))?;
    }
    Ok(roots)
}

fn unusable(key: &'static str, error: &rustls::Error) -> TlsSettingsError {
    TlsSettingsError::Unusable { key, detail: error.to_string() }
}

/// Takes whatever certificate the server shows; that it holds its key is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
