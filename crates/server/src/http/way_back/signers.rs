//! Which tenants a signed request may act for.

use super::signature::{Signature, Unsigned};
use crate::http::problem::Problem;
use crate::http::service::App;
use crate::tenants::{TenantConfig, TenantHandle};
use http::StatusCode;
use openclaw_delivery::{Secret, Tool};
use std::sync::Arc;

/// Secrets that one request is tried with. What is signed is read once for
/// each, and anybody can ask for that.
const SECRETS_MAX: usize = 64;

/// The tenants one of whose secrets fits: of all, or the one that the path
/// names. Never empty.
pub(super) fn signers(
    app: &App,
    path_tenant: Option<&str>,
    tool: Tool,
    signature: &Signature,
    body: &[u8],
) -> Result<Vec<TenantHandle>, Unsigned> {
    let tenants = match path_tenant {
        Some(name) => app.tenants.find(name).into_iter().collect(),
        None => app.tenants.all(),
    };
    let fitting = fitting(&tenants, tool, |secret| signature.fits(secret.expose(), body))?;
    if fitting.is_empty() {
        return Err(Unsigned::Wrong);
    }
    let handle = |tenant: Arc<TenantConfig>| TenantHandle::new(Arc::clone(&app.host), tenant);
    Ok(fitting.into_iter().map(handle).collect())
}

fn fitting(
    tenants: &[Arc<TenantConfig>],
    tool: Tool,
    mut fits: impl FnMut(&Secret) -> bool,
) -> Result<Vec<Arc<TenantConfig>>, Unsigned> {
    let mut tried: Vec<(&Secret, bool)> = Vec::new();
    let mut found = Vec::new();
    for tenant in tenants {
        for secret in secrets(tenant, tool) {
            let known = tried.iter().find(|(known, _)| *known == secret).map(|(_, fits)| *fits);
            let does_fit = match known {
                Some(fits) => fits,
                None if tried.len() == SECRETS_MAX => return Err(Unsigned::Crowded),
                None => {
                    let does_fit = fits(secret);
                    tried.push((secret, does_fit));
                    does_fit
                }
            };
            if does_fit {
                found.push(Arc::clone(tenant));
                break;
            }
        }
    }
    Ok(found)
}

/// A tenant's secrets with a tool.
fn secrets(tenant: &TenantConfig, tool: Tool) -> impl Iterator<Item = &Secret> {
    let integrations = tenant.receivers.iter().flat_map(|receiver| &receiver.integrations);
    integrations.filter_map(move |integration| integration.signing_secret(tool))
}

impl From<Unsigned> for Problem {
    fn from(unsigned: Unsigned) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, unsigned.to_string())
    }
}
