//! Settings files: `openclaw.yaml` and one file a tenant.
//!
//! Text becomes a tree with places (`yaml`), the tree becomes the sections of
//! a file (`service`, `tenant`), and these become the types that the rest of
//! the program is built from ([`Settings`], [`TenantConfig`]): what hasn't been
//! checked can't reach a server. All faults of all files are told together.

mod buckets;
mod credentials;
mod edge;
mod email;
mod env;
mod fault;
mod global;
mod http_config;
mod inhibit;
mod intervals;
mod limits;
mod matchers;
mod models;
mod msteams;
mod names;
mod on_call;
mod opsgenie;
mod origin;
mod original;
mod outgoing;
mod pagerduty;
mod place;
mod problem;
mod proxy;
mod reach;
mod read;
mod receivers;
mod rollout;
mod route;
mod secret;
mod service;
mod servicenow;
mod slack;
mod sources;
mod telegram;
mod telemetry;
mod templates;
mod tenant;
mod tenants;
mod tls;
mod training;
mod units;
mod values;
pub(crate) mod yaml;

pub(crate) use env::Environment;
pub(crate) use fault::{Fault, Faults, Place};
pub(crate) use matchers::is_classic as is_classic_label;
pub(crate) use models::ModelsError;
pub(crate) use origin::{Origin, integration};
pub(crate) use problem::Problem;
pub(crate) use rollout::RolloutSettings;
pub(crate) use service::{LogFormat, LogLevel, RatingDefaults, ServiceSettings};
pub(crate) use tenant::TenantConfig;
pub(crate) use tenants::{TenantFile, tenant_files};
pub(crate) use units::{format_duration, parse_duration};
pub(crate) use yaml::{Entry, Node, Value};

use openclaw_alert::TenantName;
use reach::Reach;
use read::Secrets;
use schemars::SchemaGenerator;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Far more than the largest tenant's routing.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Everything that was configured, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The main file.
    pub(crate) service: ServiceSettings,
    /// The tenants' files, in the order of their names.
    pub(crate) tenants: Vec<TenantConfig>,
}

/// Reads the main file and every tenant's.
pub(crate) fn load(file: &Path, environment: &Environment) -> Result<Settings, Faults> {
    let (service, mut faults) = service::load(file, environment);
    let Some(service) = service else { return Faults::or_else(faults, None) };
    let tenants = tenants::load(&service, environment, &mut faults);
    faults.extend(service.wrong_tenants(&tenants));
    Faults::or_else(faults, Some(Settings { service, tenants: tenants.configs }))
}

/// Reads the main file alone, for work on the data folder.
pub(crate) fn load_service(file: &Path, environment: &Environment) -> Result<ServiceSettings, Faults> {
    let (service, faults) = service::load(file, environment);
    Faults::or_else(faults, service)
}

/// What holds where no file says otherwise, the environment included.
pub(crate) fn rating_defaults(environment: &Environment) -> Result<RatingDefaults, Faults> {
    let (service, faults) = service::without_file(environment);
    Faults::or_else(faults, service).map(|service| service.rating)
}

/// JSON Schema of the main file.
pub(crate) fn service_schema() -> schemars::Schema {
    SchemaGenerator::default().into_root_schema_for::<service::ServiceFile>()
}

/// JSON Schema of a tenant's file.
pub(crate) fn tenant_schema() -> schemars::Schema {
    SchemaGenerator::default().into_root_schema_for::<tenant::TenantSection>()
}

/// Checks the text of a tenant's file that is yet to be written. Secrets that
/// are elsewhere are taken for good.
pub(crate) fn check_tenant_text(
    text: &str,
    name: &TenantName,
    environment: &Environment,
) -> Result<(), Faults> {
    let file: Arc<Path> = Path::new(&format!("{name}.yaml")).into();
    let defaults = RatingDefaults::default();
    let (config, faults) =
        tenant::parse(text, &file, name, defaults, Secrets::Assumed, &Reach::Everything, environment);
    Faults::or_else(faults, config.map(|_| ()))
}

/// The text of a settings file.
pub(crate) fn read_text(file: &Arc<Path>) -> Result<String, Fault> {
    let fault = |problem| Fault { place: Place::Whole(file.clone()), problem };
    let mut text = String::new();
    let length = File::open(file)
        .and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|source| fault(Problem::Unreadable { source }))?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(fault(Problem::TooLarge { most_bytes: FILE_BYTES_MAX }));
    }
    Ok(text)
}
