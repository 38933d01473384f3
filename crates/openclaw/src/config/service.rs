//! The main file, `openclaw.yaml`.

use super::buckets::{self, BucketsSection};
use super::edge::{self, EdgeSection};
use super::env::Environment;
use super::fault::{Fault, Place};
use super::models::{self, ModelsSection, ModelsSettings};
use super::outgoing::{self, OutgoingSection};
use super::problem::Problem;
use super::reach::{self, Reach, TenantSecretsSection};
use super::read::{At, Context, Field, NothingToSet, OtherEngine, Read, Secrets, choice, section};
use super::read_text;
use super::rollout::{self, RolloutSection, RolloutSettings};
use super::telemetry::{self, TelemetrySection};
use super::tenants::Tenants;
use super::training::{self, TrainingSection, TrainingSettings};
use super::units::{format_duration, format_size};
use super::values::{Address, Flag, Fraction, Size, Span, Tenant, Text, Url};
use super::yaml::{self, Node, Value};
use openclaw_alert::TenantName;
use openclaw_delivery::Outgoing;
use openclaw_server::{ClientAuth, SharesOptions, TlsOptions, UpstreamOptions};
use openclaw_telemetry::RecorderOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

section! {
    /// The service's settings. Every key may be left out.
    ServiceFile {
        /// Addresses that the service listens on.
        listen: ListenSection,
        /// Where people reach the service, for links in messages. Default: `http://` and the address it listens on.
        external_url: Url,
        /// Connections to receivers: what tenants may reach beyond the public Internet, and by which proxy.
        outgoing: OutgoingSection,
        /// Folder for everything that is kept. Default `./data`. Relative paths start at this file's folder.
        data: Text,
        /// What keys and certificates don't say.
        auth: AuthSection,
        /// Who hears of the service itself.
        operator: OperatorSection,
        /// The page `/metrics`.
        metrics: MetricsSection,
        /// The page `/console`.
        console: ConsoleSection,
        /// What the service says about itself on standard error.
        log: LogSection,
        /// Defaults for tenants that don't say otherwise.
        rating: RatingSection,
        /// Folder of the tenants' files, `NAME.yaml` or `NAME/tenant.yaml`. Default `./tenants`.
        tenants: Text,
        /// Where tenants' files may take secrets and templates from. Default: from whatever the service can read.
        tenant_secrets: TenantSecretsSection,
        /// Where accepted alerts and decisions are kept before they are answered.
        journal: JournalSection,
        /// Where credentials are kept.
        state: StateSection,
        /// Where history for training and reports is kept.
        telemetry: TelemetrySection,
        /// The index of similar alerts.
        similar: SimilarSection,
        /// Where models are kept, and which keys count for them.
        models: ModelsSection,
        /// How models come into service.
        rollout: RolloutSection,
        /// When and how models are made by themselves.
        training: TrainingSection,
        /// How replicas share rate limits.
        buckets: BucketsSection,
        /// What `serve --role edge` does besides deciding.
        edge: EdgeSection,
    }
}

section! {
    /// Addresses that the service listens on.
    ListenSection {
        /// HTTP. Default `127.0.0.1:8080`, which other machines can't reach.
        http: Address,
        /// gRPC. Default: the port after HTTP's, `127.0.0.1:8081`.
        grpc: Address,
        /// HTTP over TLS. Without it HTTP is plain.
        tls: TlsSection,
    }
}

section! {
    /// Certificates. Files are read again when they change; relative paths start at this file's folder.
    TlsSection {
        /// The certificate and those that link it to a root, PEM.
        cert_file: Text,
        /// Its private key, PEM.
        key_file: Text,
        /// Certificates of those who sign clients' certificates, PEM. With it clients are asked for theirs.
        client_ca_file: Text,
        /// `optional` (the default): a client without a certificate needs a key or a token. `required`: it is refused.
        client_auth: ClientAuthWord,
    }
}

section! {
    /// What keys and certificates don't say.
    AuthSection {
        /// Tenants whose tokens may have the scope `operator`. Default: none.
        operator_tokens: Vec<At<Tenant>>,
        /// Tenant for rate-limit decisions asked for without a credential; nobody unless set.
        anonymous_tenant: Tenant,
    }
}

section! {
    /// Who hears of the service itself.
    OperatorSection {
        /// Tenant whose routes take alerts about the service: settings that are refused, a full disk. Nobody unless set.
        tenant: Tenant,
    }
}

section! {
    /// The page `/metrics`.
    MetricsSection {
        /// Shown without a credential. Default `false`.
        public: Flag,
    }
}

section! {
    /// The page `/console`.
    ConsoleSection {
        /// Shown without a credential. Default `false`.
        public: Flag,
    }
}

section! {
    /// What the service says about itself on standard error.
    LogSection {
        /// The least important lines that are written. Default `info`; environment: `LOG_LEVEL`.
        level: LogLevel,
        /// Default `text`.
        format: LogFormat,
    }
}

section! {
    /// Defaults for tenants that don't say otherwise.
    RatingSection {
        /// At or above this score an alert pages. Default 0.75; environment: `RATING_THRESHOLD`.
        threshold: Fraction,
        /// Default `observe`.
        mode: RatingModeName,
    }
}

section! {
    /// Where accepted alerts and decisions are kept.
    JournalSection {
        /// Segment files in the data folder.
        embedded: EmbeddedJournalSection,
        /// Apache Kafka.
        #[schemars(skip)]
        kafka: OtherEngine,
        /// PostgreSQL.
        #[schemars(skip)]
        postgres: OtherEngine,
    }
}

section! {
    /// Segment files in the data folder.
    EmbeddedJournalSection {
        /// Size of a segment file. Default `64MiB`.
        segment_bytes: Size,
        /// How long full segments are kept. Default `7d`.
        retain_age: Span,
        /// How many bytes of full segments are kept. Default `10GiB`.
        retain_bytes: Size,
        /// Longest time between snapshots. Default `10m`.
        snapshot_every: Span,
        /// Most bytes written between snapshots. Default `256MiB`.
        snapshot_bytes: Size,
        /// Space held back for outcomes when the disk is full. Default `64MiB`.
        reserve_bytes: Size,
    }
}

section! {
    /// Where credentials are kept.
    StateSection {
        /// An SQLite file in the data folder.
        sqlite: NothingToSet,
        /// PostgreSQL.
        #[schemars(skip)]
        postgres: OtherEngine,
    }
}

section! {
    /// The index of similar alerts.
    SimilarSection {
        /// In the process.
        embedded: NothingToSet,
        /// Chroma.
        #[schemars(skip)]
        chroma: OtherEngine,
    }
}

choice! {
    /// Whether a client must show a certificate.
    ClientAuthWord {
        Optional = "optional",
        Required = "required",
    }
}

choice! {
    /// Which lines are written.
    LogLevel {
        Error = "error",
        Warn = "warn",
        Info = "info",
        Debug = "debug",
        Trace = "trace",
    }
}

choice! {
    /// How lines are written.
    LogFormat {
        Text = "text",
        Json = "json",
    }
}

choice! {
    /// Whether scores change routing.
    RatingModeName {
        Observe = "observe",
        Enforce = "enforce",
    }
}

/// The main file, checked.
#[derive(Debug)]
pub(crate) struct ServiceSettings {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    tls: Option<At<TlsOptions>>,
    pub(crate) external_url: String,
    pub(crate) outgoing: Outgoing,
    pub(crate) data: PathBuf,
    pub(crate) tenants_folder: PathBuf,
    pub(crate) tenant_reach: Reach,
    pub(crate) metrics_public: bool,
    pub(crate) console_public: bool,
    pub(crate) log_level: LogLevel,
    pub(crate) log_format: LogFormat,
    pub(crate) rating: RatingDefaults,
    pub(crate) journal: JournalSettings,
    pub(crate) training: TrainingSettings,
    /// How models come into service.
    pub(crate) rollout: RolloutSettings,
    pub(crate) telemetry: RecorderOptions,
    /// How replicas share limits; nothing where they don't.
    pub(crate) shares: Option<SharesOptions>,
    /// Where an edge's observations go on to.
    pub(crate) upstream: Option<UpstreamOptions>,
    /// Where models are kept, and which keys count for them.
    pub(crate) models: ModelsSettings,
    anonymous_tenant: Option<At<Tenant>>,
    operator_tenant: Option<At<Tenant>>,
    operator_tokens: Vec<At<Tenant>>,
}

/// For tenants that don't say otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RatingDefaults {
    pub(crate) threshold: f32,
    pub(crate) mode: RatingModeName,
}

impl RatingDefaults {
    /// Where there is no digest to enforce anything with.
    pub(super) fn observing(self) -> Self {
        Self { mode: RatingModeName::Observe, ..self }
    }
}

/// The embedded journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JournalSettings {
    pub(crate) segment_bytes: u64,
    pub(crate) retain_age: Duration,
    pub(crate) retain_bytes: u64,
    pub(crate) snapshot_every: Duration,
    pub(crate) snapshot_bytes: u64,
    pub(crate) reserve_bytes: u64,
}

impl Default for RatingDefaults {
    fn default() -> Self {
        Self { threshold: 0.75, mode: RatingModeName::Observe }
    }
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            retain_age: Duration::from_secs(7 * 86_400),
            retain_bytes: 10 << 30,
            snapshot_every: Duration::from_secs(600),
            snapshot_bytes: 256 << 20,
            reserve_bytes: 64 << 20,
        }
    }
}

impl ServiceSettings {
    /// Tenants that are named here and have no file.
    /// The section that names a tenant.
    pub(crate) fn names(&self, tenant: &TenantName) -> Option<&'static str> {
        let is_it = |set: &At<Tenant>| set.value.0 == *tenant;
        if self.operator_tenant.as_ref().is_some_and(is_it) {
            return Some("operator");
        }
        let in_auth = self.anonymous_tenant.iter().chain(&self.operator_tokens).any(is_it);
        in_auth.then_some("auth")
    }

    /// Who asks for decisions without a credential.
    pub(crate) fn anonymous_tenant(&self) -> Option<&TenantName> {
        self.anonymous_tenant.as_ref().map(|set| &set.value.0)
    }

    /// Who hears of the service itself.
    pub(crate) fn operator(&self) -> Option<&TenantName> {
        self.operator_tenant.as_ref().map(|set| &set.value.0)
    }

    pub(super) fn wrong_tenants(&self, tenants: &Tenants) -> Vec<Fault> {
        let named = self.anonymous_tenant.iter().chain(&self.operator_tenant).chain(&self.operator_tokens);
        let unknown = named.filter(|set| !tenants.names.contains(&set.value.0));
        let fault = |set: &At<Tenant>| {
            let problem = Problem::UnknownTenant { name: set.value.0.to_string() };
            Fault { place: set.place.clone(), problem }
        };
        unknown.map(fault).chain(self.mute_operator(tenants)).collect()
    }

    /// Who should hear of the service itself, but has no route.
    fn mute_operator(&self, tenants: &Tenants) -> Option<Fault> {
        let set = self.operator_tenant.as_ref()?;
        let known = tenants.configs.iter().find(|config| config.pipeline.name == set.value.0)?;
        let problem = Problem::TellsNobody { name: set.value.0.to_string() };
        (!known.takes_alerts).then(|| Fault { place: set.place.clone(), problem })
    }

    /// Whether a tenant's tokens may have the scope `operator`.
    pub(super) fn may_operate_by_token(&self, tenant: &str) -> bool {
        self.operator_tokens.iter().any(|set| set.value.0.as_str() == tenant)
    }

    /// Whether clients are asked for their certificates.
    pub(super) fn asks_for_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.value.client.is_some())
    }

    /// Certificates, for HTTP over TLS.
    pub(crate) fn tls(&self) -> Option<&TlsOptions> {
        self.tls.as_ref().map(|tls| &tls.value)
    }

    /// Reads the certificates' files. Apart from the rest, since other commands
    /// need not be able to, and new settings must not wait for new certificates.
    pub(crate) fn check_tls(&self) -> Result<(), Fault> {
        let Some(At { value, place }) = &self.tls else { return Ok(()) };
        value.check().map_err(|fault| Fault { place: place.clone(), problem: Problem::Tls(Box::new(fault)) })
    }
}

/// Reads and checks the main file.
pub(super) fn load(file: &Path, environment: &Environment) -> (Option<ServiceSettings>, Vec<Fault>) {
    let file: Arc<Path> = file.into();
    match read_text(&file).and_then(|text| yaml::parse(&text, &file)) {
        Ok(root) => from_tree(root, file.parent().unwrap_or(Path::new("")), environment),
        Err(fault) => (None, vec![fault]),
    }
}

/// What an empty file would give.
pub(super) fn without_file(environment: &Environment) -> (Option<ServiceSettings>, Vec<Fault>) {
    let place = Place::Whole(Path::new("openclaw.yaml").into());
    from_tree(Node { value: Value::Null, place }, Path::new(""), environment)
}

fn from_tree(
    mut root: Node,
    folder: &Path,
    environment: &Environment,
) -> (Option<ServiceSettings>, Vec<Fault>) {
    environment.overlay(&mut root);
    let mut cx = Context {
        environment,
        folder: folder.to_owned(),
        secrets: Secrets::Fetched,
        reach: &Reach::Everything,
        faults: Vec::new(),
    };
    let settings = ServiceFile::read(&root, &mut cx).map(|sections| checked(sections, &mut cx));
    (settings, cx.faults)
}

fn checked(file: ServiceFile, cx: &mut Context<'_>) -> ServiceSettings {
    let listen = file.listen.into_value().unwrap_or_default();
    let (http, grpc) = addresses(&listen, cx);
    let outgoing = outgoing::checked(file.outgoing, http, cx);
    let tls = listen.tls.into_set().and_then(|section| tls(section, cx));
    let auth = file.auth.into_value().unwrap_or_default();
    let log = file.log.into_value().unwrap_or_default();
    let tenant_reach = reach::checked(file.tenant_secrets, cx);
    let flag = |field: Field<Flag>| field.into_value().is_some_and(|flag| flag.0);
    let folder = |field: Field<Text>, default: &str| {
        let path = field.into_value().map_or_else(|| default.to_owned(), |path| path.0);
        cx.folder.join(path)
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let external_url =
        file.external_url.into_value().map_or_else(|| format!("{scheme}://{http}"), |url| url.0);
    ServiceSettings {
        http,
        tls,
        grpc,
        external_url,
        outgoing,
        data: folder(file.data, "data"),
        tenants_folder: folder(file.tenants, "tenants"),
        tenant_reach,
        metrics_public: flag(file.metrics.into_value().unwrap_or_default().public),
        console_public: flag(file.console.into_value().unwrap_or_default().public),
        log_level: log.level.into_value().unwrap_or(LogLevel::Info),
        log_format: log.format.into_value().unwrap_or(LogFormat::Text),
        rating: rating_defaults(file.rating.into_value().unwrap_or_default()),
        operator_tenant: file.operator.into_value().and_then(|operator| operator.tenant.into_set()),
        anonymous_tenant: auth.anonymous_tenant.into_set(),
        operator_tokens: auth.operator_tokens.into_value().unwrap_or_default(),
        journal: journal(file.journal.into_value().unwrap_or_default(), cx),
        telemetry: telemetry::checked(file.telemetry, cx),
        training: training::checked(file.training, cx),
        rollout: rollout::checked(file.rollout, cx),
        shares: buckets::checked(file.buckets.into_value().unwrap_or_default(), cx),
        upstream: edge::checked(file.edge, cx),
        models: models::checked(file.models.into_value().unwrap_or_default(), cx),
    }
}

/// Where HTTP and gRPC are served.
fn addresses(listen: &ListenSection, cx: &mut Context<'_>) -> (SocketAddr, SocketAddr) {
    let address = |set: Option<&At<Address>>, default| set.map_or(default, |set| set.value.0);
    let http = address(listen.http.as_set(), SocketAddr::from(([127, 0, 0, 1], 8080)));
    let grpc = address(listen.grpc.as_set(), beside(http));
    // Port 0 asks for any free one, so two of these never meet.
    if http == grpc
        && http.port() != 0
        && let Some(set) = listen.grpc.as_set().or(listen.http.as_set())
    {
        cx.fault(&set.place, Problem::SameAddress { address: http });
    }
    (http, grpc)
}

/// The next port; of any free one, any other.
fn beside(mut address: SocketAddr) -> SocketAddr {
    if address.port() != 0 {
        address.set_port(address.port().checked_add(1).unwrap_or(8081));
    }
    address
}

fn tls(section: At<TlsSection>, cx: &mut Context<'_>) -> Option<At<TlsOptions>> {
    let At { value, place } = section;
    let cert_file = value.cert_file.required("cert_file", &place, cx);
    let key_file = value.key_file.required("key_file", &place, cx);
    if let (true, Some(auth)) = (value.client_ca_file.is_absent(), value.client_auth.as_set()) {
        cx.fault(&auth.place, Problem::ClientAuthWithoutCa);
    }
    let is_required = matches!(value.client_auth.into_value(), Some(ClientAuthWord::Required));
    let path = |file: At<Text>| cx.folder.join(file.value.0);
    let client = value.client_ca_file.into_set().map(|file| ClientAuth { ca_file: path(file), is_required });
    let value = TlsOptions { cert_file: path(cert_file?), key_file: path(key_file?), client };
    Some(At { value, place })
}

fn rating_defaults(rating: RatingSection) -> RatingDefaults {
    let RatingDefaults { threshold, mode } = RatingDefaults::default();
    RatingDefaults {
        threshold: rating.threshold.into_value().map_or(threshold, |set| set.0),
        mode: rating.mode.into_value().unwrap_or(mode),
    }
}

fn journal(section: JournalSection, cx: &mut Context<'_>) -> JournalSettings {
    let embedded = section.embedded.into_value().unwrap_or_default();
    let default = JournalSettings::default();
    JournalSettings {
        segment_bytes: size("segment_bytes", embedded.segment_bytes, default.segment_bytes, cx),
        retain_age: span("retain_age", embedded.retain_age, default.retain_age, cx),
        retain_bytes: size("retain_bytes", embedded.retain_bytes, default.retain_bytes, cx),
        snapshot_every: span("snapshot_every", embedded.snapshot_every, default.snapshot_every, cx),
        snapshot_bytes: size("snapshot_bytes", embedded.snapshot_bytes, default.snapshot_bytes, cx),
        reserve_bytes: size("reserve_bytes", embedded.reserve_bytes, default.reserve_bytes, cx),
    }
}

fn size(key: &'static str, field: Field<Size>, default: u64, cx: &mut Context<'_>) -> u64 {
    const BOUNDS: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 40;
    let Some(set) = field.into_set() else { return default };
    if !BOUNDS.contains(&set.value.0) {
        let (least, most) = (format_size(*BOUNDS.start()), format_size(*BOUNDS.end()));
        cx.fault(&set.place, Problem::OutOfRange { key, least, most });
    }
    set.value.0
}

fn span(key: &'static str, field: Field<Span>, default: Duration, cx: &mut Context<'_>) -> Duration {
    const BOUNDS: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(10 * 365 * 86_400);
    let Some(set) = field.into_set() else { return default };
    if !BOUNDS.contains(&set.value.0) {
        let (least, most) = (format_duration(*BOUNDS.start()), format_duration(*BOUNDS.end()));
        cx.fault(&set.place, Problem::OutOfRange { key, least, most });
    }
    set.value.0
}
