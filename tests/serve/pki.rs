//! Keys and certificates, made as a test goes.

use crate::support::Request;
use crate::support::client::{Response, connect};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use serde_json::{Value, json};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The name that servers' certificates are for.
pub(crate) const SERVER: &str = "openclaw.test";

/// Somebody who signs tokens.
pub(crate) struct Signer {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
    pub(crate) id: Option<String>,
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, id: &str) -> Self {
        /// What PKCS#8 puts in front of an RSA key of 2048 bits.
        const WRAPPING_BYTES: usize = 26;
        let key = match algorithm {
            Algorithm::RS256 => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
                EncodingKey::from_rsa_der(&der.as_ref()[WRAPPING_BYTES..])
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::EdDSA => {
                EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref())
            }
            other => panic!("{other:?}"),
        };
        Self { algorithm, key, id: Some(id.to_owned()) }
    }

    /// With a shared secret.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self { algorithm: Algorithm::HS256, key: EncodingKey::from_secret(secret), id: None }
    }

    /// What verifies it, as published.
    pub(crate) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = self.id.as_deref().map_or(Value::Null, Into::into);
        jwk
    }

    /// A token of `acme` for ten minutes, with other claims in the place of these.
    pub(crate) fn token(&self, more: &Value) -> String {
        let mut claims = json!({ "tenant": "acme", "exp": seconds() + 600 });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut header = Header::new(self.algorithm);
        header.kid.clone_from(&self.id);
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

pub(crate) fn key_set(signers: &[&Signer]) -> Value {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() })
}

#[expect(clippy::disallowed_methods, reason = "the service goes by the machine's clock")]
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Somebody who signs certificates.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For [`SERVER`] and this machine.
    pub(crate) fn server(&self) -> Pair {
        let params = CertificateParams::new([SERVER.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        self.sign(params, SERVER, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a client of these names.
    pub(crate) fn client(&self, name: &str, dns: &[&str], uris: &[&str]) -> Pair {
        let dns: Vec<_> = dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(dns).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        self.sign(params, name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, name: &str, usage: ExtendedKeyUsagePurpose) -> Pair {
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

impl Pair {
    /// Writes both, each under its name at once, as a good tool does.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        for (ending, text) in [("crt", &self.certificate), ("key", &self.key)] {
            let new = folder.join(format!(".{name}.{ending}"));
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, folder.join(format!("{name}.{ending}"))).unwrap();
        }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// Somebody who connects over TLS.
#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>);

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Client {
    /// Trusts `ca`, and shows `own` when asked.
    pub(crate) fn new(ca: &Ca, own: Option<&Pair>) -> Self {
        Self::of_versions(ca, own, rustls::ALL_VERSIONS)
    }

    pub(crate) fn of_versions(
        ca: &Ca,
        own: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(ca.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
        let mut config = match own {
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![own.der()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }

    /// Shakes hands with whoever says that it is [`SERVER`].
    ///
    /// # Errors
    /// When the handshake fails.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let name = ServerName::try_from(SERVER).unwrap();
        let mut tls = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let mut tcp = connect(address)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(StreamOwned::new(tls, tcp))
    }

    /// One request over a connection of its own.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub(crate) fn try_send(&self, request: &Request, address: SocketAddr) -> io::Result<Response> {
        request.send_over(&mut self.connect(address)?)
    }

    #[track_caller]
    pub(crate) fn send(&self, request: &Request, address: SocketAddr) -> Response {
        self.try_send(request, address).unwrap()
    }
}
