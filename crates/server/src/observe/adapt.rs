//! What limits that learn tell of themselves.

use super::Tenant;
use crate::limits::Limits;
use openclaw_admission::{QUANTILES, SERVING10, TenantFigures};
use openclaw_alert::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// As the metric names [`QUANTILES`].
const QUANTILE_NAMES: [&str; QUANTILES.len()] = ["0.1", "0.5", "0.9", "0.99"];
const OUTPUTS: [&str; 2] = ["rate", "burst"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Quantile {
    tenant: String,
    quantile: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Output {
    tenant: String,
    output: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Model {
    version: String,
    stage: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Feature {
    feature: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RolloutResult {
    result: &'static str,
}

type FloatGauge = Gauge<f64, AtomicU64>;

/// Of learned limits.
#[derive(Debug, Default)]
pub(crate) struct AdaptMetrics {
    sizes: Family<Quantile, FloatGauge>,
    rates: Family<Quantile, FloatGauge>,
    errors: Family<Output, FloatGauge>,
    coverage: Family<Tenant, FloatGauge>,
    clients: Family<Tenant, Gauge>,
    strained: Family<Tenant, Gauge>,
    underflow: Family<Tenant, Counter>,
    unsound: Family<Tenant, Counter>,
    without_room: Counter,
    model: Family<Model, Gauge>,
    age: Gauge<f64, AtomicU64>,
    fallback: Gauge,
    drift: Family<Feature, FloatGauge>,
    rollouts: Family<RolloutResult, Counter>,
}

impl AdaptMetrics {
    pub(crate) fn register(&self, r: &mut Registry) {
        r.register(
            "bucket_size",
            "Learned bucket sizes over clients, enforced or advised",
            self.sizes.clone(),
        );
        let help = "Learned tokens a second over clients, enforced or advised";
        r.register("bucket_refill_rate", help, self.rates.clone());
        let help = "Tokens refused that the floor or the client's own target said to allow";
        r.register("bucket_underflow", help, self.underflow.clone());
        let help = "Mean absolute relative error of the last window's predictions";
        r.register("prediction_error", help, self.errors.clone());
        let help = "Share of the last window's clients that stayed within their prediction";
        r.register("prediction_coverage", help, self.coverage.clone());
        r.register(
            "learned_clients",
            "Clients with a learned limit, enforced or advised",
            self.clients.clone(),
        );
        let help = "1 while learned limits are cut since the tenant's backend suffers";
        r.register("backend_strained", help, self.strained.clone());
        let help = "Predictions that were no numbers and gave way to the plain estimator's";
        r.register("predictions_refused", help, self.unsound.clone());
        let help = "Clients that should have learned a limit and found no room";
        r.register("learned_clients_without_room", help, self.without_room.clone());
        r.register(
            "model_info",
            "1 for what predicts clients' limits, and for models before and to come",
            self.model.clone(),
        );
        r.register(
            "model_age_seconds",
            "Time since the running model was made; 0 of the plain estimator",
            self.age.clone(),
        );
        let help = "1 while the model that should run can't be loaded and what ran before it does";
        r.register("model_fallback", help, self.fallback.clone());
        let help = "Population stability index of what the running model is given, against its training";
        r.register("feature_drift", help, self.drift.clone());
        r.register("rollouts", "Steps of models on their way to everybody", self.rollouts.clone());
    }

    /// Brings them up to date.
    pub(crate) fn look(&self, limits: &Limits, now: Timestamp) {
        // Tenants that have gone must not seem to be there.
        self.sizes.clear();
        self.rates.clear();
        self.errors.clear();
        self.coverage.clear();
        self.clients.clear();
        self.strained.clear();
        limits.adapted(|tenant, figures| self.show(tenant.as_str(), figures));
        super::catch_up(&self.without_room, limits.without_room());
        self.show_models(limits, now);
    }

    fn show_models(&self, limits: &Limits, now: Timestamp) {
        self.model.clear();
        self.drift.clear();
        let (told, drift) = limits.models_told();
        let show = |version: &str, stage: &str| {
            let model = Model { version: version.to_owned(), stage: stage.to_owned() };
            self.model.get_or_create(&model).set(1);
        };
        show(limits.predictor(), "serving");
        told.previous.iter().for_each(|version| show(version, "previous"));
        told.candidate.iter().for_each(|(version, stage)| show(version, stage));
        for (result, count) in &told.rollouts {
            super::catch_up(&self.rollouts.get_or_create(&RolloutResult { result }), *count);
        }
        self.fallback.set(told.is_fallback.into());
        self.age.set(told.created_at.map_or(0.0, |at| now.since(at).as_secs_f64()));
        for (feature, psi) in SERVING10.into_iter().zip(drift.into_iter().flatten()) {
            self.drift.get_or_create(&Feature { feature }).set(psi);
        }
    }

    fn show(&self, tenant: &str, figures: &TenantFigures) {
        let of_tenant = || Tenant { tenant: tenant.to_owned() };
        let window = &figures.window;
        self.clients.get_or_create(&of_tenant()).set(window.clients.into());
        self.strained.get_or_create(&of_tenant()).set(figures.is_strained.into());
        super::catch_up(&self.underflow.get_or_create(&of_tenant()), figures.underflow);
        super::catch_up(&self.unsound.get_or_create(&of_tenant()), figures.unsound);
        if window.clients == 0 {
            return;
        }
        for (at, quantile) in QUANTILE_NAMES.into_iter().enumerate() {
            let labels = Quantile { tenant: tenant.to_owned(), quantile };
            self.sizes.get_or_create(&labels).set(window.sizes[at].into());
            self.rates.get_or_create(&labels).set(window.rates_per_s[at].into());
        }
        for (at, output) in OUTPUTS.into_iter().enumerate() {
            self.errors.get_or_create(&Output { tenant: tenant.to_owned(), output }).set(window.errors[at]);
        }
        self.coverage.get_or_create(&of_tenant()).set(window.within);
    }
}
