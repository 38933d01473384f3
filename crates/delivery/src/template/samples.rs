//! Groups to try a template on.

use openclaw_alert::{
    Content, EpisodeId, FACTOR_COUNT, Labels, LabelsBuilder, Notification, NotificationKind, NotifiedAlert,
    Past, Reason, Score, Status, TenantName, Timestamp, Zoned,
};

type Pairs<'t> = &'t [(&'t str, &'t str)];

/// 2026-01-15T09:30:00Z, a Thursday; templates have no clock, so that their
/// text is the same every day.
const DECIDED_AT: Timestamp = Timestamp::from_secs(1_768_469_400);

/// A state that a receiver can be told of.
#[derive(Debug, Clone)]
pub struct SampleGroup {
    /// In a word.
    pub name: &'static str,
    /// What would be sent.
    pub notification: Notification,
}

/// One alert, several, all resolved, some of each, odd text, a digest.
#[must_use]
pub fn sample_groups() -> Vec<SampleGroup> {
    TenantName::new("acme").map(|tenant| groups_of(&tenant)).unwrap_or_default()
}

fn groups_of(tenant: &TenantName) -> Vec<SampleGroup> {
    let alert = |labels, annotations| alert(tenant, labels, annotations);
    let latency = |instance, severity| latency(tenant, instance, severity);
    let group = |alerts, by, reason| group(tenant, alerts, by, reason);
    let sample = |name, notification| SampleGroup { name, notification };
    let first = latency("eu-1:9090", "critical");
    let second = latency("eu-2:9090", "warning");
    let odd = alert(
        &[("alertname", "Odd & <b>\"quoted\"</b>"), ("path", "/a b?c=d&e"), ("über", "ü😀")],
        &[("summary", "first line\nsecond `line` {{ not a template }}"), ("empty", "")],
    );
    let quiet = alert(&[("alertname", "DiskFilling"), ("instance", "db-1")], &[("description", "80 % full")]);
    let mut digest = group(vec![first.clone(), quiet], &[], Reason::Digest);
    digest.kind = NotificationKind::Digest;
    let by_name: Pairs<'_> = &[("alertname", "HighLatency"), ("cluster", "eu")];
    let mut several = group(vec![first.clone(), second.clone()], by_name, Reason::NewAlerts);
    several.on_call = Some("Ada Lovelace".into());
    vec![
        sample("firing", group(vec![first.clone()], by_name, Reason::First)),
        sample("several", several),
        sample("resolved", group(vec![resolved(first.clone())], by_name, Reason::AllResolved)),
        sample("mixed", group(vec![resolved(first), second], by_name, Reason::SomeResolved)),
        sample("odd", group(vec![odd], &[("über", "ü😀")], Reason::First)),
        sample("digest", digest),
    ]
}

fn encoded(pairs: Pairs<'_>) -> Vec<u8> {
    let mut builder = LabelsBuilder::default();
    pairs.iter().for_each(|(name, value)| builder.push(name, value));
    let mut out = Vec::new();
    builder.write(&mut out, false);
    out
}

fn alert(tenant: &TenantName, labels: Pairs<'_>, annotations: Pairs<'_>) -> NotifiedAlert {
    let (labels, annotations) = (encoded(labels), encoded(annotations));
    let content = Content {
        labels: Labels::from_encoded(&labels),
        annotations: Labels::from_encoded(&annotations),
        generator_url: "http://prometheus.example:9090/graph?g0.expr=up&g0.tab=1",
    };
    let mut bytes = Vec::new();
    content.write(&mut bytes);
    let mut contributions = [0.0; FACTOR_COUNT];
    contributions[..3].copy_from_slice(&[-1.0, 2.0, 0.25]);
    NotifiedAlert {
        id: EpisodeId { partition: tenant.partition(), offset: 4096 },
        content: bytes.into(),
        status: Status::Firing,
        starts_at: Zoned::utc(Timestamp::from_nanos(DECIDED_AT.nanos() - 602_876_543_211)),
        ends_at: Zoned::utc(DECIDED_AT),
        score: Score { contributions },
        acted: None,
        past: Past::default(),
    }
}

fn latency(tenant: &TenantName, instance: &str, severity: &str) -> NotifiedAlert {
    alert(
        tenant,
        &[
            ("alertname", "HighLatency"),
            ("cluster", "eu"),
            ("instance", instance),
            ("job", "api"),
            ("severity", severity),
        ],
        &[
            ("description", "p99 of the API is 2.4 s"),
            ("runbook_url", "https://runbooks.example/latency"),
            ("summary", "p99 above 2 s"),
        ],
    )
}

fn resolved(alert: NotifiedAlert) -> NotifiedAlert {
    let ends_at =
        Zoned { at: Timestamp::from_nanos(DECIDED_AT.nanos() - 30_500_000_000), offset_minutes: 120 };
    NotifiedAlert { status: Status::Resolved, ends_at, ..alert }
}

fn group(tenant: &TenantName, alerts: Vec<NotifiedAlert>, by: Pairs<'_>, reason: Reason) -> Notification {
    let labels: Vec<String> = by.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    Notification {
        tenant: tenant.clone(),
        receiver: "ops".into(),
        integration: 0,
        group_key: format!("{{}}:{{{}}}", labels.join(", ")),
        group_labels: encoded(by).into(),
        kind: NotificationKind::Page,
        reason,
        idempotency_key: "sample".to_owned(),
        dedup_key: "a1b2c3d4e5f60718071000000000002a".to_owned(),
        receipt: None,
        attempt: 1,
        decided_at: DECIDED_AT,
        on_call: None,
        alerts,
    }
}
