//! The settings files as a running service reads them.

use crate::config::{self, Environment, Settings, TenantConfig};
use openclaw_alert::{TenantName, fnv1a};
use openclaw_delivery::Integration;
use openclaw_server::{Origin, SettingsSource, Sources, TokenIssuer};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Folders below the tenants' folder that are looked into: a tenant's own, and
/// one of templates in it.
const DEPTH_MAX: usize = 3;

/// The main file, the tenants' folder, and whatever these name.
#[derive(Debug)]
pub(crate) struct Files {
    main: PathBuf,
    environment: Environment,
    tenants: PathBuf,
    last: Mutex<Last>,
}

/// Of the last time that they were read.
#[derive(Debug, Default)]
struct Last {
    /// Files that tenants' files named.
    named: Vec<PathBuf>,
    stamp: u64,
}

impl Files {
    pub(crate) fn new(main: &Path, environment: &Environment, settings: &Settings) -> Self {
        let files = Self {
            main: main.to_owned(),
            environment: environment.clone(),
            tenants: settings.service.tenants_folder.clone(),
            last: Mutex::new(Last { named: named(settings), stamp: 0 }),
        };
        let stamp = files.stamp();
        files.last().stamp = stamp;
        files
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn named(settings: &Settings) -> Vec<PathBuf> {
    settings.tenants.iter().flat_map(|tenant| tenant.document.files.iter().cloned()).collect()
}

/// The tenants as the server takes them.
pub(crate) fn tenants(settings: Settings) -> Vec<openclaw_server::TenantConfig> {
    let defaults = format!("{:?}", settings.service.rating);
    settings.tenants.into_iter().map(|config| tenant(config, &defaults)).collect()
}

fn tenant(config: TenantConfig, defaults: &str) -> openclaw_server::TenantConfig {
    let TenantConfig {
        pipeline,
        limits,
        takes_alerts,
        receivers,
        sources,
        tokens,
        certificates,
        routing_yaml,
        document,
    } = config;
    let may_operate = tokens.as_ref().is_some_and(|tokens| tokens.may_operate);
    let origins = receivers.iter().map(|receiver| {
        let origins = document.origins(&receiver.name, &receiver.integrations);
        let origin = |config::Origin { target, place, settings, templates }| Origin {
            target,
            place,
            settings,
            templates,
        };
        origins.into_iter().map(origin).collect()
    });
    openclaw_server::TenantConfig {
        origins: origins.collect(),
        version: fnv1a(&[&document.version().to_le_bytes(), defaults.as_bytes(), &[u8::from(may_operate)]]),
        tokens: tokens.map(|tokens| Arc::new(TokenIssuer::new(tokens))),
        certificates: certificates.into_iter().map(|rule| rule.value).collect(),
        settings: pipeline,
        takes_alerts,
        receivers,
        routing_yaml,
        limits,
        sources: Sources::new(sources.into_iter().map(|source| source.intake).collect()),
    }
}

impl SettingsSource for Files {
    fn read(&self) -> Result<Vec<openclaw_server::TenantConfig>, String> {
        // Before they are read: what changes meanwhile is read again.
        let stamp = self.stamp();
        self.last().stamp = stamp;
        let settings = config::load(&self.main, &self.environment).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            faults.join("\n")
        })?;
        let named = named(&settings);
        if named != self.last().named {
            self.last().named = named;
            let stamp = self.stamp();
            self.last().stamp = stamp;
        }
        Ok(tenants(settings))
    }

    fn integration(
        &self,
        tenant: &TenantName,
        settings: &str,
        templates: &str,
    ) -> Result<Integration, String> {
        config::integration(tenant, settings, templates)
    }

    fn names(&self, tenant: &TenantName) -> bool {
        let file = |name: &str| self.tenants.join(name).exists();
        file(&format!("{tenant}.yaml")) || file(&format!("{tenant}/tenant.yaml"))
    }

    fn stamp(&self) -> u64 {
        let mut stamp = stat(&self.main, 0);
        look_into(&self.tenants, DEPTH_MAX, &mut stamp);
        let named = self.last().named.clone();
        named.iter().fold(stamp, |stamp, path| stat(path, stamp))
    }

    fn stamp_read(&self) -> u64 {
        self.last().stamp
    }
}

fn look_into(folder: &Path, depth: usize, stamp: &mut u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        *stamp = stat(&path, *stamp);
        // Hidden ones hold what mounted volumes swap; the names in front of
        // them are links, and these are followed.
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if depth > 0 && !is_hidden && path.is_dir() {
            look_into(&path, depth - 1, stamp);
        }
    }
}

/// Takes into `stamp` what changes when a file is written, replaced, or
/// another one is linked to.
fn stat(path: &Path, stamp: u64) -> u64 {
    let parts = fs::metadata(path).map_or([0; 5], |found| {
        [found.ino(), found.size(), found.mtime().cast_unsigned(), found.mtime_nsec().cast_unsigned(), 1]
    });
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    fnv1a(&[&stamp.to_le_bytes(), path.as_os_str().as_encoded_bytes(), &bytes])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn stamp_of(folder: &Path) -> u64 {
        let mut stamp = 0;
        look_into(folder, DEPTH_MAX, &mut stamp);
        stamp
    }

    #[test]
    fn a_mounted_volume_is_seen_to_swap() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("acme.yaml"), "tenant: acme").unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/acme.yaml", path("acme.yaml")).unwrap();
        let before = stamp_of(folder.path());
        assert_eq!(before, stamp_of(folder.path()));
        symlink("..2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert_ne!(before, stamp_of(folder.path()));
    }

    #[test]
    fn a_tenants_own_folder_is_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("acme/templates")).unwrap();
        let template = folder.path().join("acme/templates/a.tmpl");
        fs::write(&template, "a").unwrap();
        let before = stamp_of(folder.path());
        fs::write(&template, "ab").unwrap();
        assert_ne!(before, stamp_of(folder.path()));
    }
}
