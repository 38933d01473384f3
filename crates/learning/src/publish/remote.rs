//! A registry that is reached over the network.

use super::StoreError;
use super::manifest::{MANIFEST_BYTES_MAX, MANIFEST_TYPE};
use crate::artifact::Digest;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of one exchange; files have a megabyte at most.
const TIMEOUT: Duration = Duration::from_secs(60);
const TAGS_A_PAGE: usize = 1000;
/// Of a repository with more, the rest isn't seen.
const PAGES_MAX: usize = 200;
/// What a registry says is shown up to here.
const DETAIL_CHARS_MAX: usize = 300;

/// Where a registry is and how it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteOptions {
    /// `HOST[:PORT]/PATH`.
    pub repository: RepositoryName,
    /// User and password; they go over TLS, or to a registry that is reached
    /// without it.
    pub credentials: Option<(String, String)>,
    /// Certificates, as PEM, that are trusted beside the system's.
    pub ca: Option<String>,
    /// Whether the registry is reached without TLS.
    pub is_plain: bool,
}

/// Without the password.
impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteOptions")
            .field("repository", &self.repository)
            .field("has_credentials", &self.credentials.is_some())
            .field("has_ca", &self.ca.is_some())
            .field("is_plain", &self.is_plain)
            .finish()
    }
}

/// A repository's name: `registry.example.com/team/models`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryName(Reference);

/// Text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` names no repository: write `registry.example.com/team/models`, without `https://`, tag or digest"
)]
pub struct RepositoryNameError {
    text: String,
}

impl std::str::FromStr for RepositoryName {
    type Err = RepositoryNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || RepositoryNameError { text: text.chars().take(200).collect() };
        let reference: Reference = text.parse().map_err(|_| error())?;
        // What parses as a short name of Docker's own registry was not meant so.
        let is_whole = text == format!("{}/{}", reference.registry(), reference.repository());
        if is_whole { Ok(Self(reference)) } else { Err(error()) }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.registry(), self.0.repository())
    }
}

/// A repository of a registry.
pub(super) struct Remote {
    client: Client,
    name: RepositoryName,
    auth: RegistryAuth,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.name)
    }
}

impl Remote {
    pub(super) fn new(options: &RemoteOptions) -> Result<Self, StoreError> {
        let ca = options
            .ca
            .iter()
            .map(|pem| Certificate { encoding: CertificateEncoding::Pem, data: pem.clone().into_bytes() });
        let config = ClientConfig {
            protocol: if options.is_plain { ClientProtocol::Http } else { ClientProtocol::Https },
            use_monolithic_push: true,
            extra_root_certificates: ca.collect(),
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(TIMEOUT),
            user_agent: concat!("openclaw/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let name = options.repository.clone();
        let client = Client::try_from(config).map_err(|error| failed(&name, &error))?;
        let auth = match &options.credentials {
            Some((user, password)) => RegistryAuth::Basic(user.clone(), password.clone()),
            None => RegistryAuth::Anonymous,
        };
        Ok(Self { client, name, auth })
    }

    pub(super) fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Gets a token before it is needed: later a refusal would not be told.
    pub(super) async fn authenticate(&self, is_push: bool) -> Result<(), StoreError> {
        let operation = if is_push { RegistryOperation::Push } else { RegistryOperation::Pull };
        self.within(self.client.auth(&self.name.0, &self.auth, operation)).await.map(drop)
    }

    pub(super) async fn tags(&self) -> Result<Vec<String>, StoreError> {
        let (mut tags, mut last) = (BTreeSet::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.client.list_tags(&self.name.0, &self.auth, Some(TAGS_A_PAGE), last.as_deref());
            let page = match self.exchange(page).await? {
                Ok(page) => page.tags,
                Err(error) if is_unknown(&error) => break,
                Err(error) => return Err(failed(&self.name, &error)),
            };
            // A page may be shorter than what was asked for, and a registry that
            // knows no pages gives all at once, again and again.
            let known = tags.len();
            last = page.last().cloned();
            tags.extend(page);
            if tags.len() == known {
                break;
            }
        }
        Ok(tags.into_iter().collect())
    }

    pub(super) async fn manifest(&self, tag: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let place = self.tagged(tag);
        let pull = self.client.pull_manifest_raw(&place, &self.auth, &[MANIFEST_TYPE]);
        match self.exchange(pull).await? {
            Ok((bytes, _)) if bytes.len() > MANIFEST_BYTES_MAX => {
                Err(StoreError::TooLong { what: tag.to_owned(), most_bytes: MANIFEST_BYTES_MAX })
            }
            Ok((bytes, _)) => Ok(Some(bytes.to_vec())),
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(failed(&self.name, &error)),
        }
    }

    pub(super) async fn blob(&self, digest: Digest, most_bytes: usize) -> Result<Vec<u8>, StoreError> {
        let descriptor = OciDescriptor { digest: digest.to_string(), ..OciDescriptor::default() };
        let mut blob = Bounded { bytes: Vec::new(), most_bytes };
        let pulled = self.exchange(self.client.pull_blob(&self.name.0, &descriptor, &mut blob)).await?;
        match pulled {
            Ok(()) => Ok(blob.bytes),
            Err(OciDistributionError::DigestError(_)) => {
                Err(StoreError::Damaged { digest, found: Digest::of(&blob.bytes) })
            }
            Err(error) if is_unknown(&error) => Err(StoreError::Gone { digest }),
            Err(error) => Err(failed(&self.name, &error)),
        }
    }

    pub(super) async fn put_blob(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let digest = Digest::of(bytes).to_string();
        if self.within(self.client.blob_exists(&self.name.0, &digest)).await? {
            return Ok(());
        }
        self.within(self.client.push_blob(&self.name.0, bytes.to_vec(), &digest)).await.map(drop)
    }

    pub(super) async fn put_manifest(&self, tag: &str, json: &[u8], moves: bool) -> Result<(), StoreError> {
        // Registries have no "only where it is free": who pushes one name from
        // two places at once gets one of the two.
        match self.manifest(tag).await? {
            Some(found) if found == json => return Ok(()),
            Some(_) if !moves => return Err(StoreError::Taken { tag: tag.to_owned() }),
            _ => {}
        }
        let kind =
            MANIFEST_TYPE.parse().map_err(|_| StoreError::TooLong { what: tag.to_owned(), most_bytes: 0 })?;
        let place = self.tagged(tag);
        self.within(self.client.push_manifest_raw(&place, json.to_vec(), kind)).await.map(drop)
    }

    fn tagged(&self, tag: &str) -> Reference {
        let Self { name: RepositoryName(name), .. } = self;
        Reference::with_tag(name.registry().to_owned(), name.repository().to_owned(), tag.to_owned())
    }

    async fn exchange<T>(
        &self,
        exchange: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<Result<T, OciDistributionError>, StoreError> {
        let answer = tokio::time::timeout(TIMEOUT, exchange).await;
        answer.map_err(|_| StoreError::Remote {
            repository: self.name.to_string(),
            detail: "no answer within 60 s".to_owned(),
        })
    }

    async fn within<T>(
        &self,
        exchange: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, StoreError> {
        self.exchange(exchange).await?.map_err(|error| failed(&self.name, &error))
    }
}

fn is_unknown(error: &OciDistributionError) -> bool {
    use OciErrorCode::{BlobUnknown, ManifestUnknown, NameUnknown, NotFound};
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => {
            let is_one =
                |code: &OciErrorCode| matches!(code, BlobUnknown | ManifestUnknown | NameUnknown | NotFound);
            envelope.errors.iter().any(|error| is_one(&error.code))
        }
        _ => false,
    }
}

fn failed(name: &RepositoryName, error: &OciDistributionError) -> StoreError {
    use OciErrorCode::{Denied, Unauthorized};
    let is_denied = match error {
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
            true
        }
        OciDistributionError::ServerError { code, .. } => matches!(code, 401 | 403),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| matches!(error.code, Denied | Unauthorized))
        }
        OciDistributionError::RequestError(error) => {
            error.status().is_some_and(|status| matches!(status.as_u16(), 401 | 403))
        }
        _ => false,
    };
    let repository = name.to_string();
    if is_denied {
        return StoreError::Denied { repository };
    }
    // With what led to it: "error sending request" alone helps nobody.
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let detail = text.chars().take(DETAIL_CHARS_MAX).collect::<String>().escape_debug().to_string();
    StoreError::Remote { repository, detail }
}

/// Takes no more than it must.
struct Bounded {
    bytes: Vec<u8>,
    most_bytes: usize,
}

impl AsyncWrite for &mut Bounded {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.len() > self.most_bytes - self.bytes.len() {
            return Poll::Ready(Err(io::Error::other("it sends more than the manifest says")));
        }
        self.bytes.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_named_whole() {
        for text in ["registry.example.com/team/models", "127.0.0.1:5000/models", "localhost:5000/a/b"] {
            assert_eq!(text.parse::<RepositoryName>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "models",
            "team/models",
            "https://registry.example.com/models",
            "registry.example.com/models:v1",
            "registry.example.com/Models",
            "registry.example.com/",
            "user:password@registry.example.com/models",
        ] {
            assert!(text.parse::<RepositoryName>().is_err(), "{text}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let options = RemoteOptions {
            repository: "registry.example.com/models".parse().unwrap(),
            credentials: Some(("me".to_owned(), "s3cret".to_owned())),
            ca: None,
            is_plain: false,
        };
        let remote = Remote::new(&options).unwrap();
        assert!(!format!("{options:?} {remote:?}").contains("s3cret"));
    }
}
