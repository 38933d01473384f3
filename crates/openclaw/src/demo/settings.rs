//! The demo's settings, written as the files that a user would write, and read
//! back through the same checks.

use super::events::DemoEvent;
use crate::cli::{CliError, now};
use crate::config::Settings;
use openclaw_alert::TenantName;
use openclaw_state::{KeyName, Keys, Scope};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Whose alerts are decided by their score; all others see scores only.
const ENFORCING: &str = "initech";

/// Where events go that name no tenant.
pub(super) const DEFAULT_TENANT: &str = "acme";

/// The folder of a demo; a temporary one goes with it.
pub(super) struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

/// The tenants that the events name, and the three of the demo.
pub(super) fn tenants_of(events: &[DemoEvent]) -> BTreeSet<String> {
    let named = events.iter().filter_map(|event| event.tenant.clone());
    named.chain(["acme", "globex", ENFORCING].map(str::to_owned)).collect()
}

impl Folder {
    pub(super) fn new(given: Option<PathBuf>) -> Result<Self, CliError> {
        match given {
            Some(path) => {
                fs::create_dir_all(&path)
                    .map_err(|source| CliError::Folder { path: path.clone(), source })?;
                let path =
                    path.canonicalize().map_err(|source| CliError::Folder { path: path.clone(), source })?;
                Ok(Self { path, _temporary: None })
            }
            None => {
                let folder = tempfile::tempdir().map_err(|source| CliError::Runtime { source })?;
                Ok(Self { path: folder.path().to_owned(), _temporary: Some(folder) })
            }
        }
    }

    /// Writes the settings; gives the main file.
    pub(super) fn write(
        &self,
        tenants: &BTreeSet<String>,
        sink: SocketAddr,
        port: u16,
    ) -> Result<PathBuf, CliError> {
        let main = self.path.join("openclaw.yaml");
        put(&main, &main_file(port))?;
        let folder = self.path.join("tenants");
        fs::create_dir_all(&folder).map_err(|source| CliError::Folder { path: folder.clone(), source })?;
        for tenant in tenants {
            put(&folder.join(format!("{tenant}.yaml")), &tenant_file(tenant, sink))?;
        }
        Ok(main)
    }

    /// A key for each tenant, to post and to answer with.
    pub(super) fn make_keys(&self, settings: &Settings) -> Result<HashMap<String, String>, CliError> {
        let data = &settings.service.data;
        fs::create_dir_all(data).map_err(|source| CliError::Folder { path: data.clone(), source })?;
        let keys = Keys::open(data)?;
        let name = KeyName::new("demo")?;
        let mut made = HashMap::new();
        for tenant in &settings.tenants {
            let tenant: &TenantName = &tenant.pipeline.name;
            let owned = keys.tenant(tenant);
            // A folder that is used again has keys of earlier runs.
            for old in owned.list()?.into_iter().filter(|key| key.name == name) {
                owned.revoke(old.id, now())?;
            }
            let key = owned.add(&name, Scope::Ingest | Scope::Respond, now())?;
            made.insert(tenant.to_string(), key.key.expose().to_owned());
        }
        Ok(made)
    }
}

/// Every file of a demo begins with it; any other file is somebody's own.
const MARK: &str = "# Written by `openclaw demo`.\n";

fn put(path: &Path, text: &str) -> Result<(), CliError> {
    if fs::read_to_string(path).is_ok_and(|known| !known.starts_with(MARK)) {
        return Err(CliError::NotOurs { path: path.to_owned() });
    }
    fs::write(path, text).map_err(|source| CliError::File { path: path.to_owned(), source })
}

fn main_file(port: u16) -> String {
    format!(
        "{MARK}\
         listen: {{ http: \"127.0.0.1:{port}\" }}\n\
         data: ./data\n\
         tenants: ./tenants\n\
         metrics: {{ public: true }}\n\
         console: {{ public: true }}\n"
    )
}

fn tenant_file(tenant: &str, sink: SocketAddr) -> String {
    let rating = if tenant == ENFORCING {
        "rating:\n  mode: enforce\n  threshold: 0.5\n  digest: { receiver: digest, every: 6h, at: \"09:00\", timezone: UTC }\n"
    } else {
        "rating: { mode: observe }\n"
    };
    format!(
        "{MARK}\
         tenant: {tenant}\n\
         {rating}\
         receivers:\n\
         \x20 - name: on-call\n\
         \x20   slack_configs: [{{ api_url: \"http://{sink}/slack/{tenant}\", channel: \"#{tenant}-alerts\", send_resolved: true }}]\n\
         \x20   webhook_configs: [{{ url: \"http://{sink}/servicenow/{tenant}\" }}]\n\
         \x20 - name: digest\n\
         \x20   slack_configs: [{{ api_url: \"http://{sink}/digest/{tenant}\", channel: \"#{tenant}-digest\", send_resolved: true }}]\n\
         route:\n\
         \x20 receiver: on-call\n\
         \x20 group_by: [alertname, cluster, service]\n\
         \x20 group_wait: 30s\n\
         \x20 group_interval: 5m\n\
         \x20 repeat_interval: 4h\n"
    )
}
