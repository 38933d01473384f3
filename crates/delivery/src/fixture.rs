//! Notifications to send, made to be read in snapshots.

use openclaw_alert::{
    Acted, Content, EpisodeId, FACTOR_COUNT, Feedback, Labels, LabelsBuilder, Notification, NotificationKind,
    NotifiedAlert, PartitionId, Past, Reason, Score, Status, TenantName, Timestamp, Zoned,
};

pub(crate) type Pairs<'t> = &'t [(&'t str, &'t str)];

/// 2026-11-22T12:00:00Z
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_348_800);

pub(crate) fn encoded(pairs: Pairs<'_>) -> Box<[u8]> {
    LabelsBuilder::encode(pairs.iter().copied()).into()
}

pub(crate) fn score(contributions: [f32; FACTOR_COUNT]) -> Score {
    Score { contributions }
}

/// Firing for ten minutes.
pub(crate) fn alert(labels: Pairs<'_>, annotations: Pairs<'_>) -> NotifiedAlert {
    let (labels, annotations) = (encoded(labels), encoded(annotations));
    let content = Content {
        labels: Labels::from_encoded(&labels),
        annotations: Labels::from_encoded(&annotations),
        generator_url: "http://prometheus:9090/graph?g0.expr=up&g0.tab=1",
    };
    let mut bytes = Vec::new();
    content.write(&mut bytes);
    NotifiedAlert {
        id: EpisodeId { partition: PartitionId::new(7).unwrap(), offset: 4096 },
        content: bytes.into(),
        status: Status::Firing,
        starts_at: Zoned::parse("2026-11-22T11:50:00.123456789Z").unwrap(),
        ends_at: Zoned::parse("2026-11-22T12:04:00Z").unwrap(),
        score: score([-1.0, 2.0, 0.25, -0.5, 0.75, 0.0, 0.125]),
        acted: None,
        past: Past::default(),
    }
}

/// Its condition ended a minute ago, in a zone of its own.
pub(crate) fn resolved(alert: NotifiedAlert) -> NotifiedAlert {
    let ends_at = Zoned::parse("2026-11-22T13:59:00.5+02:00").unwrap();
    NotifiedAlert { status: Status::Resolved, ends_at, ..alert }
}

/// With what a person did five minutes ago.
pub(crate) fn acted(alert: NotifiedAlert, action: Feedback, by: &str) -> NotifiedAlert {
    acted_at(alert, action, by, Timestamp::from_secs(NOW.secs() - 300))
}

/// With what a person did.
pub(crate) fn acted_at(alert: NotifiedAlert, action: Feedback, by: &str, at: Timestamp) -> NotifiedAlert {
    NotifiedAlert { acted: Some(Acted { action, by: by.into(), at }), ..alert }
}

/// A page about `alerts`, grouped by name and cluster.
pub(crate) fn page(alerts: Vec<NotifiedAlert>) -> Notification {
    Notification {
        tenant: TenantName::new("acme").unwrap(),
        receiver: "ops".into(),
        integration: 0,
        group_key: r#"{}:{alertname="HighLatency", cluster="eu"}"#.to_owned(),
        group_labels: encoded(&[("alertname", "HighLatency"), ("cluster", "eu")]),
        kind: NotificationKind::Page,
        reason: Reason::First,
        idempotency_key: "6f1b2c3d4e5f60718293a4b5c6d7e8f9".to_owned(),
        dedup_key: "a1b2c3d4e5f60718071000000000002a".to_owned(),
        receipt: None,
        attempt: 1,
        decided_at: NOW,
        on_call: None,
        alerts,
    }
}

/// The alert of group and instance.
pub(crate) fn latency(instance: &str) -> NotifiedAlert {
    alert(
        &[
            ("alertname", "HighLatency"),
            ("cluster", "eu"),
            ("job", "api"),
            ("instance", instance),
            ("severity", "critical"),
        ],
        &[("summary", "p99 above 2 s"), ("runbook_url", "https://runbooks.example/latency")],
    )
}
