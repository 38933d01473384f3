//! The folder of the tenants' files.

use super::env::Environment;
use super::fault::{Fault, Place};
use super::problem::Problem;
use super::service::ServiceSettings;
use super::tenant::{self, TenantConfig};
use openclaw_alert::TenantName;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More tenants than one process is made for.
const TENANTS_MAX: usize = 10_000;

/// A tenant's settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantFile {
    pub(crate) name: TenantName,
    pub(crate) path: PathBuf,
    /// `NAME/tenant.yaml`, not `NAME.yaml`.
    has_own_folder: bool,
}

impl TenantFile {
    pub(super) fn own_folder(&self) -> Option<&Path> {
        self.path.parent().filter(|_| self.has_own_folder)
    }
}

/// What the folder holds.
pub(super) struct Tenants {
    pub(super) configs: Vec<TenantConfig>,
    /// Also of those whose files have faults.
    pub(super) names: BTreeSet<TenantName>,
}

/// Reads every tenant's file.
pub(super) fn load(service: &ServiceSettings, environment: &Environment, faults: &mut Vec<Fault>) -> Tenants {
    let files = tenant_files(&service.tenants_folder, faults);
    let mut configs = Vec::new();
    for file in &files {
        let (config, found) = tenant::load(file, service.rating, &service.tenant_reach, environment);
        configs.extend(config.map(|config| allowed(config, service)));
        faults.extend(found);
    }
    check_certificates(&configs, service, faults);
    Tenants { configs, names: files.into_iter().map(|file| file.name).collect() }
}

/// What only the operator's own file can allow.
fn allowed(mut config: TenantConfig, service: &ServiceSettings) -> TenantConfig {
    let may_operate = service.may_operate_by_token(config.pipeline.name.as_str());
    if let Some(tokens) = &mut config.tokens {
        tokens.may_operate = may_operate;
    }
    config
}

/// A certificate is one tenant's, and only where clients are asked for theirs.
fn check_certificates(configs: &[TenantConfig], service: &ServiceSettings, faults: &mut Vec<Fault>) {
    let mut owners = HashMap::new();
    for (name, rule) in
        configs.iter().flat_map(|config| config.certificates.iter().map(|r| (&config.pipeline.name, r)))
    {
        if !service.asks_for_certificates() {
            faults.push(Fault { place: rule.place.clone(), problem: Problem::NoClientCa });
        }
        let owner = owners.entry(&rule.value.subject).or_insert(name);
        if *owner != name {
            let problem = Problem::CertificateTwice { other: owner.to_string() };
            faults.push(Fault { place: rule.place.clone(), problem });
        }
    }
}

/// The tenants' files in the order of their names; what looks like one and
/// can't be is a fault, since a tenant left out in silence loses its alerts.
pub(crate) fn tenant_files(folder: &Path, faults: &mut Vec<Fault>) -> Vec<TenantFile> {
    let mut names = match names_in(folder) {
        Ok(names) => names,
        Err(source) => {
            faults.push(fault(folder, Problem::NoTenantsFolder { source }));
            return Vec::new();
        }
    };
    names.sort();
    let mut found = BTreeMap::<TenantName, TenantFile>::new();
    for path in names.iter().map(|name| folder.join(name)) {
        match tenant_file(&path) {
            Ok(None) => {}
            Ok(Some(file)) => {
                if let Some(other) = found.insert(file.name.clone(), file.clone()) {
                    let problem = Problem::TwoFiles { name: file.name.to_string(), other: other.path };
                    faults.push(fault(&file.path, problem));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    if found.len() > TENANTS_MAX {
        faults.push(fault(folder, Problem::TooMany { what: "tenants", most: TENANTS_MAX }));
    }
    found.into_values().take(TENANTS_MAX).collect()
}

/// Names of the folder's entries. Hidden ones are left out: editors and
/// mounted volumes keep their own things under such names.
fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    Ok(names)
}

fn tenant_file(path: &Path) -> Result<Option<TenantFile>, Fault> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if path.is_dir() {
        // `lost+found` and its like are no tenants, misspelt or not.
        let whole = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Ok(name) = TenantName::new(whole) else { return Ok(None) };
        let path = path.join("tenant.yaml");
        return match path.exists() {
            true => Ok(Some(TenantFile { name, path, has_own_folder: true })),
            false => Err(fault(path.parent().unwrap_or(&path), Problem::NoTenantFile)),
        };
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml") => {
            let name = TenantName::new(stem).map_err(|error| fault(path, error.into()))?;
            Ok(Some(TenantFile { name, path: path.to_owned(), has_own_folder: false }))
        }
        Some("yml") => Err(fault(path, Problem::Extension)),
        _ => Ok(None),
    }
}

fn fault(path: &Path, problem: Problem) -> Fault {
    Fault { place: Place::Whole(Arc::from(path)), problem }
}
