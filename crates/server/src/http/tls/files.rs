//! Certificates from files, checked as a whole before they are used.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Far more than any chain or bundle.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificate and those that link it to a root, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
    /// Clients' certificates; nothing to not ask for them.
    pub client: Option<ClientAuth>,
}

/// How clients' certificates are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// Certificates of those who sign them, PEM.
    pub ca_file: PathBuf,
    /// Whether a connection without one is refused.
    pub is_required: bool,
}

/// Files that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// Not there, or not for us.
    #[error("`{key}`: cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not what it should be.
    #[error("`{key}`: `{}` holds no {what} in PEM", path.display())]
    Form {
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// Certificate and key don't belong together, or are of no use.
    #[error("`{}` and `{}` can't be used together: {source}", cert_file.display(), key_file.display())]
    Pair {
        /// The certificate's file.
        cert_file: PathBuf,
        /// The key's file.
        key_file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Nothing could be verified with these.
    #[error("`client_ca_file`: `{}` can't be used: {detail}", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

impl TlsFault {
    /// The setting at fault.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Unreadable { key, .. } | Self::Form { key, .. } => key,
            Self::Pair { .. } => "key_file",
            Self::ClientCa { .. } => "client_ca_file",
        }
    }
}

impl TlsOptions {
    /// Reads all files and checks that they can be used.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), TlsFault> {
        self.load().map(drop)
    }

    /// All of it, or nothing.
    pub(super) fn load(&self) -> Result<Arc<ServerConfig>, TlsFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates = certificates("cert_file", &self.cert_file)?;
        let key = PrivateKeyDer::from_pem_slice(&read("key_file", &self.key_file)?);
        let key = key.map_err(|_| form("key_file", &self.key_file, "private key"))?;
        let unusable = |source| TlsFault::Pair {
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            source,
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
        let builder = match &self.client {
            Some(client) => builder.with_client_cert_verifier(client.verifier(provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(certificates, key).map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Moves when a file is written, replaced, or another one is linked to.
    pub(super) fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let ca_file = self.client.as_ref().map(|client| &client.ca_file);
        for path in [&self.cert_file, &self.key_file].into_iter().chain(ca_file) {
            let found = fs::metadata(path);
            let parts = found.map(|found| (found.ino(), found.size(), found.mtime(), found.mtime_nsec()));
            parts.ok().hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl ClientAuth {
    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsFault> {
        let fault = |detail: String| TlsFault::ClientCa { path: self.ca_file.clone(), detail };
        let mut roots = RootCertStore::empty();
        for certificate in certificates("client_ca_file", &self.ca_file)? {
            roots.add(certificate).map_err(|error| fault(error.to_string()))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if self.is_required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| fault(error.to_string()))
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let text = read(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| form(key, path, "certificate"))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsFault> {
    let mut bytes = Vec::new();
    let length = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    let unreadable = |source| TlsFault::Unreadable { key, path: path.to_owned(), source };
    if length.map_err(unreadable)? as u64 > FILE_BYTES_MAX {
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB")));
    }
    Ok(bytes)
}

fn form(key: &'static str, path: &Path, what: &'static str) -> TlsFault {
    TlsFault::Form { key, path: path.to_owned(), what }
}
