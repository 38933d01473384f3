//! `/console`: one page, rendered here.

mod limits;

use super::Response;
use super::problem::Problem;
use super::service::{App, Target, caller};
use crate::host::Attempt;
use crate::tenants::{TenantConfig, TenantHandle};
use axum::body::Body;
use axum::extract::{Request, State};
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::request::Parts;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use openclaw_alert::Timestamp;
use openclaw_pipeline::{AlertView, Phase, RatingMode, Suppression};
use openclaw_state::Scope;
use serde::Serialize;
use std::sync::{Arc, LazyLock};

/// Alerts and deliveries shown.
const SHOWN: usize = 50;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    if let Err(error) = environment.add_template("console", include_str!("../console/page.html")) {
        tracing::error!(%error, "the console's template is broken");
    }
    environment
});

#[derive(Serialize)]
struct Page {
    tenants: Vec<TenantRow>,
    alerts: Vec<AlertRow>,
    deliveries: Vec<DeliveryRow>,
    policies: Vec<limits::PolicyRow>,
    /// Of the whole service: for operators.
    models: Vec<limits::ModelRow>,
    now: String,
    version: &'static str,
}

#[derive(Serialize)]
struct TenantRow {
    name: String,
    mode: &'static str,
    threshold: f32,
    firing: usize,
    waiting: usize,
    on_their_way: usize,
    dead_letters: usize,
}

#[derive(Serialize)]
struct AlertRow {
    id: String,
    tenant: String,
    began: String,
    name: String,
    summary: String,
    labels: Vec<(String, String)>,
    severity: String,
    state: &'static str,
    score: f32,
    percent: u32,
    why: String,
    receivers: String,
    feedback: String,
    #[serde(skip)]
    order: Timestamp,
}

#[derive(Serialize)]
struct DeliveryRow {
    at: String,
    tenant: String,
    receiver: String,
    status: &'static str,
    summary: String,
    outcome: &'static str,
    took_ms: String,
}

pub(super) async fn page(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let (handles, only) = visible(&app, &parts)?;
    let mut tenants = Vec::new();
    let mut alerts = Vec::new();
    for handle in &handles {
        tenants.push(tenant_row(handle).await?);
        let latest = handle
            .read(|partition, tenant, now| {
                let newest = partition.newest(tenant, None).take(SHOWN);
                let row = |alert: AlertView<'_>| {
                    let suppression = partition.suppression(tenant, &alert, now);
                    alert_row(handle.config(), &alert, &suppression)
                };
                newest.map(row).collect::<Vec<_>>()
            })
            .await?;
        alerts.extend(latest);
    }
    alerts.sort_by_key(|row| std::cmp::Reverse(row.order));
    alerts.truncate(SHOWN);
    let attempts = app.host.recent().list(only.as_ref().map(TenantHandle::name));
    let deliveries: Vec<_> = attempts.iter().take(SHOWN).map(delivery_row).collect();
    let only = only.as_ref().map(TenantHandle::name);
    let policies = limits::policies(&app.limits, |tenant| only.is_none_or(|only| only == tenant));
    let models = only.map_or_else(|| limits::models(&app.limits, app.host.now()), |_| Vec::new());
    let now = app.host.now().to_string();
    let html = TEMPLATES.get_template("console").and_then(|template| {
        let version = env!("CARGO_PKG_VERSION");
        template.render(Serde(Page { tenants, alerts, deliveries, policies, models, now, version }))
    });
    let html =
        html.map_err(|error| Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let mut response = http::Response::new(Body::from(html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(response)
}

/// The tenants that the caller may see, and the one if it is only one.
fn visible(app: &App, parts: &Parts) -> Result<(Vec<TenantHandle>, Option<TenantHandle>), Problem> {
    let all = || {
        let handle = |tenant: Arc<TenantConfig>| TenantHandle::new(Arc::clone(&app.host), tenant);
        app.tenants.all().into_iter().map(handle).collect::<Vec<_>>()
    };
    if app.options.public_console && Target::from(parts).tenant.is_none() {
        return Ok((all(), None));
    }
    let caller = caller(parts)?;
    if caller.tenant_name().is_none() {
        caller.operator()?;
        return Ok((all(), None));
    }
    let handle = caller.tenant(&app.host, Scope::Read)?;
    Ok((vec![handle.clone()], Some(handle)))
}

async fn tenant_row(handle: &TenantHandle) -> Result<TenantRow, Problem> {
    let gauges = handle
        .read(|partition, tenant, _| partition.gauges().into_iter().find(|gauges| gauges.tenant == *tenant));
    let (gauges, firing) = (gauges.await?, handle.count_listed().await?);
    let messages = handle.messages().await?;
    let rating = &handle.config().settings.rating;
    let waiting = gauges.as_ref().map_or(0, |gauges| gauges.waiting);
    Ok(TenantRow {
        name: handle.name().to_string(),
        mode: match rating.mode {
            _ if !handle.config().takes_alerts => "none",
            RatingMode::Enforce(_) => "enforce",
            RatingMode::Observe => "observe",
        },
        threshold: rating.threshold,
        firing: firing - waiting.min(firing),
        waiting,
        on_their_way: messages.iter().filter(|message| !message.is_dead).count(),
        dead_letters: messages.iter().filter(|message| message.is_dead).count(),
    })
}

fn alert_row(tenant: &TenantConfig, alert: &AlertView<'_>, suppression: &Suppression) -> AlertRow {
    let labels = alert.content.labels;
    let shown = labels.iter().filter(|(name, _)| !matches!(*name, "alertname" | "severity"));
    let score = alert.score.value();
    AlertRow {
        id: alert.id.to_string(),
        tenant: tenant.settings.name.to_string(),
        began: alert.starts_at.at.to_string(),
        name: labels.get("alertname").to_owned(),
        summary: alert.content.annotations.get("summary").to_owned(),
        labels: shown.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        severity: labels.get("severity").to_owned(),
        state: match alert.phase {
            Phase::Waiting => "waiting",
            Phase::Firing if !suppression.silenced_by.is_empty() => "firing, silenced",
            Phase::Firing if !suppression.inhibited_by.is_empty() => "firing, inhibited",
            Phase::Firing => "firing",
            Phase::Resolved => "resolved",
        },
        score,
        percent: (score * 100.0).round() as u32,
        why: alert.score.main_factors(),
        receivers: alert.receivers.join(", "),
        feedback: alert.acted.map_or_else(String::new, did),
        order: alert.starts_at.at,
    }
}

fn delivery_row(attempt: &Attempt) -> DeliveryRow {
    DeliveryRow {
        at: attempt.at.to_string(),
        tenant: attempt.tenant.to_string(),
        receiver: attempt.receiver.to_string(),
        status: attempt.status.name(),
        summary: attempt.summary.clone(),
        outcome: attempt.outcome,
        took_ms: format!("{:.1}", attempt.took.as_secs_f64() * 1e3),
    }
}

/// What a person did with it, and where.
fn did(acted: &openclaw_alert::Acted) -> String {
    if acted.by.is_empty() {
        acted.action.name().to_owned()
    } else {
        format!("{} by {}", acted.action.name(), acted.by)
    }
}
