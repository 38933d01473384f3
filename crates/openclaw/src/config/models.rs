//! Where models are kept, and which keys count for them.

use super::problem::Problem;
use super::read::{At, Context, Field, NothingToSet, Secrets, section};
use super::secret::SecretText;
use super::values::{Flag, Text};
use openclaw_delivery::Secret;
use openclaw_learning::publish::{
    MODELS_FOLDER, Place, RemoteOptions, Repository, RepositoryName, SIGNING_KEY_FILE, SigningKey,
    VerifyingKey,
};
use std::path::Path;

const KEYS_MAX: usize = 32;

section! {
    /// Where models are kept, and which keys count for them.
    ModelsSection {
        /// A folder in the data folder, as an OCI image layout.
        directory: NothingToSet,
        /// An OCI registry.
        oci: OciSection,
        /// Who signs models that are pushed from here.
        sign: SignSection,
        /// Whose models are loaded.
        verify: VerifySection,
    }
}

section! {
    /// A repository of an OCI registry.
    OciSection {
        /// `registry.example.com/team/models`.
        repository: Text,
        /// A user of the registry. Default: nobody.
        username: SecretText,
        /// The user's password, or a token that stands for it.
        password: SecretText,
        /// Certificates that are trusted beside the system's, PEM.
        ca_file: Text,
        /// Without TLS, for a registry on the same machine. Default `false`.
        plain_http: Flag,
    }
}

section! {
    /// Who signs models that are pushed from here.
    SignSection {
        /// A private key, Ed25519 or ECDSA on P-256, PEM (PKCS #8). Default: one that is made in the data folder.
        key: SecretText,
    }
}

section! {
    /// Whose models are loaded.
    VerifySection {
        /// Public keys, PEM; with them no others count, the own one included. Default: that of who signs here.
        keys: Vec<At<SecretText>>,
    }
}

/// The section, checked. Keys are made and read where they are needed.
#[derive(Debug, Clone)]
pub(crate) struct ModelsSettings {
    oci: Option<RemoteOptions>,
    sign: Option<Secret>,
    verify: Option<Vec<VerifyingKey>>,
}

/// A repository that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelsError {
    #[error(transparent)]
    Key(#[from] openclaw_learning::publish::KeyFileError),
    #[error("`models.sign.key`: {0}")]
    SignKey(openclaw_learning::publish::KeyError),
    #[error(transparent)]
    Store(#[from] openclaw_learning::publish::StoreError),
}

impl ModelsSettings {
    /// The repository that the settings speak of.
    pub(crate) fn repository(&self, data: &Path) -> Result<Repository, ModelsError> {
        let place = self.oci.clone().map(Place::Oci);
        self.repository_at(&place.unwrap_or_else(|| in_data(data)), data)
    }

    /// The same, for those who change nothing: no key is made where there is
    /// none, and nobody is trusted then.
    pub(crate) fn reading(&self, data: &Path) -> Result<Repository, ModelsError> {
        let own = || SigningKey::load(&data.join(SIGNING_KEY_FILE));
        let trusted = match (&self.verify, &self.sign) {
            (Some(trusted), _) => trusted.clone(),
            (None, Some(pem)) => {
                vec![SigningKey::from_pem(pem.expose()).map_err(ModelsError::SignKey)?.public().clone()]
            }
            (None, None) => own()?.iter().map(|key| key.public().clone()).collect(),
        };
        let place = self.oci.clone().map_or_else(|| in_data(data), Place::Oci);
        Ok(Repository::new(&place, None, trusted)?)
    }

    /// The one in the data folder, where models are before they are pushed
    /// elsewhere.
    pub(crate) fn local_repository(&self, data: &Path) -> Result<Repository, ModelsError> {
        self.repository_at(&in_data(data), data)
    }

    /// Whose models are loaded, where settings say it.
    pub(crate) fn trusted(&self) -> Vec<VerifyingKey> {
        self.verify.clone().unwrap_or_default()
    }

    fn repository_at(&self, place: &Place, data: &Path) -> Result<Repository, ModelsError> {
        let signing = match &self.sign {
            Some(pem) => SigningKey::from_pem(pem.expose()).map_err(ModelsError::SignKey)?,
            None => SigningKey::load_or_create(&data.join(SIGNING_KEY_FILE))?,
        };
        let trusted = self.verify.clone().unwrap_or_else(|| vec![signing.public().clone()]);
        Ok(Repository::new(place, Some(signing), trusted)?)
    }
}

fn in_data(data: &Path) -> Place {
    Place::Directory(data.join(MODELS_FOLDER))
}

pub(super) fn checked(section: ModelsSection, cx: &mut Context<'_>) -> ModelsSettings {
    if let (Some(_), Some(oci)) = (section.directory.as_set(), section.oci.as_set()) {
        cx.fault(&oci.place, Problem::Exclusive { keys: vec!["directory", "oci"] });
    }
    let is_assumed = cx.secrets == Secrets::Assumed;
    let sign = section.sign.into_value().and_then(|sign| sign.key.into_set()).filter(|_| !is_assumed);
    let sign = sign.and_then(|key| {
        cx.keep(&key.place, SigningKey::from_pem(key.value.0.expose()))?;
        Some(key.value.0)
    });
    let verify =
        section.verify.into_value().and_then(|verify| verify.keys.into_set()).filter(|_| !is_assumed);
    let verify = verify.map(|keys| {
        if keys.value.is_empty() || keys.value.len() > KEYS_MAX {
            let (least, most) = ("1".to_owned(), format!("{KEYS_MAX} keys"));
            cx.fault(&keys.place, Problem::OutOfRange { key: "keys", least, most });
        }
        let read = |key: At<SecretText>| cx.keep(&key.place, VerifyingKey::from_pem(key.value.0.expose()));
        keys.value.into_iter().filter_map(read).collect()
    });
    ModelsSettings { oci: oci(section.oci, cx), sign, verify }
}

fn oci(section: Field<OciSection>, cx: &mut Context<'_>) -> Option<RemoteOptions> {
    let At { value, place } = section.into_set()?;
    let credentials = match (value.username.into_set(), value.password.into_set()) {
        (Some(user), Some(password)) => {
            Some((user.value.0.expose().to_owned(), password.value.0.expose().to_owned()))
        }
        (None, None) => None,
        (user, _) => {
            let key = if user.is_some() { "password" } else { "username" };
            cx.fault(&place, Problem::Missing { key });
            None
        }
    };
    let ca = value.ca_file.into_set().and_then(|file| super::secret::from_file(&file, cx));
    let repository = value.repository.required("repository", &place, cx)?;
    let parsed = repository.value.0.parse::<RepositoryName>();
    let repository = cx.keep(&repository.place, parsed)?;
    let is_plain = value.plain_http.into_value().is_some_and(|flag| flag.0);
    Some(RemoteOptions { repository, credentials, ca, is_plain })
}
