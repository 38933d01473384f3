//! Metrics: every name once, here. `docs/metrics.md` says what each is for.

mod access_logs;
mod adapt;
mod decisions;
mod exposition;
mod histogram;
mod shares;
mod spool;
mod telemetry;
mod trainer;

pub(crate) use decisions::{DecisionRoute, Tally};
pub(crate) use exposition::{Format, only_tenant};
pub(crate) use histogram::Times;
pub(crate) use shares::ShareMetrics;
pub(crate) use spool::{Dropped, SpoolMetrics};
pub(crate) use trainer::TrainerMetrics;

use crate::host::Host;
use crate::limits::Limits;
use decisions::Decisions;
use histogram::TimesOf;
use openclaw_alert::{Notification, PartitionId, SendOutcome, TenantName, Timestamp};
use openclaw_pipeline::{Ended, Taken};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    tenant: String,
    route: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Received {
    tenant: String,
    source: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WayBack {
    tenant: String,
    tool: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AtReceiver {
    tenant: String,
    receiver: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Receiver {
    tenant: String,
    receiver: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tenant {
    tenant: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTenant {
    tenant: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Promise {
    promise: &'static str,
}

/// The promises that production watches; `P1` here counts damage found in data
/// that had been durable.
const PROMISES: [&str; 10] = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10"];

const REQUEST_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0];
const SCORES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.9, 1.0];

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What has been done since the start, over all tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Episodes rated.
    pub rated: u64,
    /// Episodes that came to their end at a receiver.
    pub routed: u64,
    /// Messages that a receiver took.
    pub delivered: u64,
}

#[derive(Debug, Default)]
struct TotalCounters {
    rated: AtomicU64,
    routed: AtomicU64,
    delivered: AtomicU64,
}

/// All metrics of the process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: TimesOf<Request>,
    decisions: Decisions,
    received: Family<Received, Counter>,
    way_back: Family<WayBack, Counter>,
    outcomes: Family<AtReceiver, Counter>,
    scores: Histograms<Tenant>,
    deliveries: Family<AtReceiver, Counter>,
    delivery_seconds: Histograms<Receiver>,
    log_lag_seconds: Family<Tenant, Gauge<f64, AtomicU64>>,
    log_lag_records: Family<Tenant, Gauge>,
    dead_letters: Family<Tenant, Gauge>,
    receiver_down: Family<Receiver, Gauge>,
    violations: Family<Promise, Counter>,
    alerts_in_memory: Gauge,
    commits: Counter,
    sync_seconds: Counter<f64, AtomicU64>,
    journal_bytes: Counter,
    segment_bytes: Gauge,
    disk_full: Gauge,
    reload_successful: Gauge,
    reload_success_at: Gauge<f64, AtomicU64>,
    not_in_force: Family<Tenant, Gauge>,
    passthrough: Family<Tenant, Gauge>,
    shadow: Family<Tenant, Gauge>,
    key_fetches: Family<OfTenant, Counter>,
    handshakes: Family<OfResult, Counter>,
    tls_reloads: Family<OfResult, Counter>,
    adapt: adapt::AdaptMetrics,
    totals: TotalCounters,
    observations: Family<Tenant, Counter>,
    telemetry: telemetry::TelemetryMetrics,
    pub(crate) access_logs: access_logs::AccessLogMetrics,
    pub(crate) trainer: TrainerMetrics,
}

fn request_times() -> Times {
    Times::new(&REQUEST_SECONDS)
}

fn request_histogram() -> Histogram {
    Histogram::new(REQUEST_SECONDS)
}

fn score_histogram() -> Histogram {
    Histogram::new(SCORES)
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("openclaw"),
            requests: Family::new_with_constructor(request_times as fn() -> Times),
            decisions: Decisions::new(),
            received: Family::default(),
            way_back: Family::default(),
            outcomes: Family::default(),
            scores: Family::new_with_constructor(score_histogram as fn() -> Histogram),
            deliveries: Family::default(),
            delivery_seconds: Family::new_with_constructor(request_histogram as fn() -> Histogram),
            log_lag_seconds: Family::default(),
            log_lag_records: Family::default(),
            dead_letters: Family::default(),
            receiver_down: Family::default(),
            violations: Family::default(),
            alerts_in_memory: Gauge::default(),
            commits: Counter::default(),
            sync_seconds: Counter::default(),
            journal_bytes: Counter::default(),
            segment_bytes: Gauge::default(),
            disk_full: Gauge::default(),
            reload_successful: Gauge::default(),
            reload_success_at: Gauge::default(),
            not_in_force: Family::default(),
            passthrough: Family::default(),
            shadow: Family::default(),
            key_fetches: Family::default(),
            handshakes: Family::default(),
            tls_reloads: Family::default(),
            adapt: adapt::AdaptMetrics::default(),
            totals: TotalCounters::default(),
            observations: Family::default(),
            telemetry: telemetry::TelemetryMetrics::default(),
            access_logs: access_logs::AccessLogMetrics::default(),
            trainer: TrainerMetrics::default(),
        };
        metrics.adapt.register(&mut metrics.registry);
        metrics.telemetry.register(&mut metrics.registry);
        metrics.access_logs.register(&mut metrics.registry);
        metrics.trainer.register(&mut metrics.registry);
        metrics.register_requests();
        metrics.register_journal();
        metrics.register_settings();
        metrics.register_access();
        for promise in PROMISES {
            // Made here, so that it is seen to be 0.
            let _ = metrics.violations.get_or_create(&Promise { promise });
        }
        metrics
    }

    /// What is told of an upstream, where there is one.
    pub(crate) fn register_spool(&mut self, spool: &SpoolMetrics) {
        spool.register(&mut self.registry);
    }

    /// Only where limits are shared is there anything to tell.
    pub(crate) fn register_shares(&mut self, shares: &ShareMetrics) {
        shares.register(&mut self.registry);
    }

    fn register_requests(&mut self) {
        let r = &mut self.registry;
        let seconds = || Unit::Seconds;
        r.register_with_unit(
            "request_duration",
            "Time to answer a request",
            seconds(),
            self.requests.clone(),
        );
        self.decisions.register(r);
        r.register("observations", "Reports of how requests ended", self.observations.clone());
        r.register("alerts_received", "Alerts taken in, by what became of them", self.received.clone());
        r.register("way_back", "What people did in other tools, by what became of it", self.way_back.clone());
        r.register("alert_outcomes", "Ends of alerts at their receivers", self.outcomes.clone());
        r.register("alert_score", "Ratings given", self.scores.clone());
        r.register("deliveries", "Attempts to send, by outcome", self.deliveries.clone());
        r.register_with_unit(
            "delivery_duration",
            "Time an attempt took",
            seconds(),
            self.delivery_seconds.clone(),
        );
        r.register_with_unit(
            "log_lag",
            "How long the oldest deferred alert waits",
            seconds(),
            self.log_lag_seconds.clone(),
        );
        r.register(
            "log_lag_records",
            "Alerts that wait for their tenant's limit",
            self.log_lag_records.clone(),
        );
        r.register("dead_letters", "Messages given up and kept", self.dead_letters.clone());
        let help = "Receivers that are spared for a while since they don't answer";
        r.register("receiver_down", help, self.receiver_down.clone());
        r.register("promise_violations", "Broken promises; stays 0", self.violations.clone());
        r.register("alerts_in_memory", "Alerts of all tenants that are kept", self.alerts_in_memory.clone());
    }

    fn register_journal(&mut self) {
        let r = &mut self.registry;
        r.register("journal_commits", "Commits, an fdatasync each", self.commits.clone());
        r.register_with_unit(
            "journal_sync",
            "Time spent in fdatasync",
            Unit::Seconds,
            self.sync_seconds.clone(),
        );
        r.register_with_unit("journal", "Bytes made durable", Unit::Bytes, self.journal_bytes.clone());
        r.register_with_unit(
            "journal_segment",
            "Size of all segments",
            Unit::Bytes,
            self.segment_bytes.clone(),
        );
        r.register(
            "journal_disk_full",
            "1 while new alerts are refused for want of space",
            self.disk_full.clone(),
        );
    }

    fn register_settings(&mut self) {
        let r = &mut self.registry;
        r.register(
            "config_last_reload_successful",
            "1 unless the settings as they are now could not be read",
            self.reload_successful.clone(),
        );
        r.register_with_unit(
            "config_last_reload_success_timestamp",
            "When settings were last put in force",
            Unit::Seconds,
            self.reload_success_at.clone(),
        );
        r.register(
            "config_not_in_force",
            "1 while the tenant's settings as they are now could not be put in force",
            self.not_in_force.clone(),
        );
        r.register("passthrough", "1 while the tenant's break-glass is open", self.passthrough.clone());
        r.register(
            "delivery_shadow",
            "1 while the tenant's messages are decided and not sent",
            self.shadow.clone(),
        );
    }

    fn register_access(&mut self) {
        let r = &mut self.registry;
        r.register("jwks_fetches", "Fetches of key sets that verify tokens", self.key_fetches.clone());
        r.register("tls_handshakes", "TLS handshakes, by how they ended", self.handshakes.clone());
        r.register("tls_reloads", "Looks at changed certificate files", self.tls_reloads.clone());
    }

    /// A tenant's key set has been fetched, or could not be.
    pub(crate) fn fetched_keys(&self, tenant: &TenantName, is_success: bool) {
        let labels = OfTenant { tenant: tenant.to_string(), result: result(is_success) };
        self.key_fetches.get_or_create(&labels).inc();
    }

    /// A handshake has ended, this way.
    pub(crate) fn shook_hands(&self, result: &'static str) {
        self.handshakes.get_or_create(&OfResult { result }).inc();
    }

    /// Changed certificate files have been put in force, or refused.
    pub(crate) fn tls_reloaded(&self, is_success: bool) {
        self.tls_reloads.get_or_create(&OfResult { result: result(is_success) }).inc();
    }

    /// Settings have been put in force, or refused.
    pub(crate) fn reloaded(&self, is_success: bool, now: Timestamp) {
        self.reload_successful.set(i64::from(is_success));
        if is_success {
            self.reload_success_at.set(now.millis() as f64 / 1e3);
        }
    }

    /// Whose settings are not in force; nobody else's any more.
    pub(crate) fn not_in_force<'t>(&self, tenants: impl Iterator<Item = &'t TenantName>) {
        self.not_in_force.clear();
        for tenant in tenants {
            let labels = Tenant { tenant: tenant.as_str().to_owned() };
            self.not_in_force.get_or_create(&labels).set(1);
        }
    }

    /// A request has been answered.
    pub(crate) fn answered(
        &self,
        tenant: Option<&TenantName>,
        route: &'static str,
        status: u16,
        took: Duration,
    ) {
        self.requests_of(tenant, route, class(status)).observe(took);
    }

    /// Where requests of a kind are counted, for those who answer very many.
    pub(crate) fn requests_of(
        &self,
        tenant: Option<&TenantName>,
        route: &'static str,
        code: &'static str,
    ) -> Times {
        let tenant = tenant.map_or_else(String::new, |tenant| tenant.as_str().to_owned());
        self.requests.get_or_create_owned(&Request { tenant, route, code })
    }

    /// A request's alerts have been taken in, or not.
    pub(crate) fn received(&self, tenant: &TenantName, source: &str, taken: &Taken, invalid: usize) {
        let counts = [
            ("accepted", u64::from(taken.accepted)),
            ("renewed", u64::from(taken.renewed)),
            ("refused", u64::from(taken.refused)),
            ("invalid", invalid as u64),
        ];
        for (result, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            let labels = Received { tenant: tenant.to_string(), source: source.to_owned(), result };
            self.received.get_or_create(&labels).inc_by(count);
        }
    }

    /// Somebody did something in another tool.
    pub(crate) fn way_back(&self, tenant: &TenantName, tool: &'static str, result: &'static str) {
        self.way_back.get_or_create(&WayBack { tenant: tenant.to_string(), tool, result }).inc();
    }

    /// Scores have been given in one step.
    pub(crate) fn scored<'t>(&self, scores: impl Iterator<Item = (&'t TenantName, f32)>) {
        for (tenant, score) in scores {
            let labels = Tenant { tenant: tenant.to_string() };
            self.scores.get_or_create(&labels).observe(f64::from(score));
            self.totals.rated.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Alerts have come to their end at a receiver.
    pub(crate) fn ended(&self, ended: &Ended) {
        let labels = AtReceiver {
            tenant: ended.tenant.to_string(),
            receiver: ended.receiver.to_string(),
            outcome: ended.end.name(),
        };
        self.outcomes.get_or_create(&labels).inc_by(u64::from(ended.alerts));
        self.totals.routed.fetch_add(u64::from(ended.alerts), Ordering::Relaxed);
    }

    /// A send has been tried.
    pub(crate) fn attempted(&self, notification: &Notification, outcome: &SendOutcome, took: Duration) {
        if matches!(outcome, SendOutcome::Delivered { .. }) {
            self.totals.delivered.fetch_add(1, Ordering::Relaxed);
        }
        let outcome = match outcome {
            SendOutcome::Delivered { .. } => "delivered",
            SendOutcome::Retry { .. } => "retry",
            SendOutcome::Never { .. } => "never",
            SendOutcome::Untried { .. } => "untried",
        };
        let (tenant, receiver) = (notification.tenant.to_string(), notification.receiver.to_string());
        let of_receiver = Receiver { tenant: tenant.clone(), receiver: receiver.clone() };
        self.deliveries.get_or_create(&AtReceiver { tenant, receiver, outcome }).inc();
        self.delivery_seconds.get_or_create(&of_receiver).observe(took.as_secs_f64());
    }

    /// What has been done since the start.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            rated: self.totals.rated.load(Ordering::Relaxed),
            routed: self.totals.routed.load(Ordering::Relaxed),
            delivered: self.totals.delivered.load(Ordering::Relaxed),
        }
    }

    /// All metrics as text; nothing of alerts where there is no host for them.
    pub(crate) fn write(&self, host: Option<&Host>, limits: &Limits, format: Format) -> String {
        self.adapt.look(limits, limits.now());
        self.telemetry.look(limits);
        if let Some(host) = host {
            self.look(host);
        }
        self.decisions.look(limits, &self.requests);
        limits.observed(|tenant, total| {
            let labels = Tenant { tenant: tenant.to_string() };
            catch_up(&self.observations.get_or_create(&labels), total);
        });
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("metrics can't be written");
        }
        format.finish(text)
    }

    /// Brings up to date what is looked at, not counted.
    fn look(&self, host: &Host) {
        let mut alerts = 0;
        self.receiver_down.clear();
        for id in PartitionId::all() {
            let (gauges, in_memory, now) =
                host.read(id, |partition, now| (partition.gauges(), partition.alerts_in_memory(), now)).0;
            alerts += in_memory;
            for gauge in gauges {
                let labels = Tenant { tenant: gauge.tenant.to_string() };
                let lag = gauge.waiting_since.map_or(Duration::ZERO, |since| now.since(since));
                self.log_lag_seconds.get_or_create(&labels).set(lag.as_secs_f64());
                self.log_lag_records.get_or_create(&labels).set(gauge.waiting as i64);
                self.dead_letters.get_or_create(&labels).set(gauge.dead_letters as i64);
                for receiver in gauge.down {
                    let (tenant, receiver) = (gauge.tenant.to_string(), receiver.to_string());
                    self.receiver_down.get_or_create(&Receiver { tenant, receiver }).set(1);
                }
            }
        }
        self.look_at_switches(host);
        self.alerts_in_memory.set(alerts as i64);
        let stats = host.log().stats();
        catch_up(&self.commits, stats.syncs.count());
        catch_up(&self.journal_bytes, stats.bytes);
        let synced = stats.syncs.sum().as_secs_f64();
        self.sync_seconds.inc_by((synced - self.sync_seconds.get()).max(0.0));
        self.segment_bytes.set(stats.segment_bytes as i64);
        self.disk_full.set(i64::from(stats.is_disk_full));
        catch_up(&self.violations.get_or_create(&Promise { promise: "P1" }), stats.damage);
    }
}

impl Metrics {
    fn look_at_switches(&self, host: &Host) {
        // Tenants that have gone must not seem to be there.
        self.passthrough.clear();
        self.shadow.clear();
        for config in host.tenants().all() {
            let name = &config.settings.name;
            let is_on = host.read(Host::partition_of(name), |partition, _| partition.is_passthrough(name)).0;
            let labels = Tenant { tenant: name.to_string() };
            self.passthrough.get_or_create(&labels).set(i64::from(is_on));
            self.shadow.get_or_create(&labels).set(i64::from(config.settings.is_shadow()));
        }
    }
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

fn result(is_success: bool) -> &'static str {
    if is_success { "success" } else { "failure" }
}

/// Brings a counter up to a total that is counted elsewhere.
fn catch_up(counter: &Counter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}
