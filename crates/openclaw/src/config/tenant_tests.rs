use super::*;
use openclaw_admission::Limits;
use openclaw_alert::{Labels, LabelsBuilder};
use openclaw_delivery::{Integration, webhook};

fn good(text: &str, defaults: RatingDefaults) -> TenantConfig {
    let name = TenantName::new("acme").unwrap();
    let path: Arc<Path> = Path::new("acme.yaml").into();
    let (config, faults) =
        parse(text, &path, &name, defaults, Secrets::Fetched, &Reach::Everything, &Environment::default());
    assert!(faults.is_empty(), "{faults:?}");
    config.unwrap()
}

fn faults(text: &str) -> Vec<String> {
    let name = TenantName::new("acme").unwrap();
    let path: Arc<Path> = Path::new("acme.yaml").into();
    let defaults = RatingDefaults::default();
    let (_, faults) =
        parse(text, &path, &name, defaults, Secrets::Fetched, &Reach::Everything, &Environment::default());
    faults.iter().map(ToString::to_string).collect()
}

fn plain(more: &str) -> TenantConfig {
    let text = format!("tenant: acme\nreceivers: [{{name: ops}}, {{name: lead}}]\n{more}\n");
    good(&text, RatingDefaults::default())
}

fn receivers_of(config: &TenantConfig, pairs: &[(&str, &str)]) -> Vec<String> {
    let labels = LabelsBuilder::encode(pairs.iter().copied());
    let routes = config.pipeline.routing.tree.find(Labels::from_encoded(&labels), None);
    routes.iter().map(|route| route.receiver.to_string()).collect()
}

#[test]
fn the_example_reaches_its_types() {
    let config = good(include_str!("../../../../examples/tenants/acme.yaml"), RatingDefaults::default());
    let TenantSettings { limits, rating, routing, resolve_timeout, .. } = &*config.pipeline;
    assert_eq!((limits.rate_per_s, limits.burst, limits.backlog_bytes), (1000.0, 10_000, 64 << 20));
    assert_eq!(config.limits.policies.iter().map(|policy| &*policy.name).collect::<Vec<_>>(), ["api"]);
    assert!(matches!(rating.mode, RatingMode::Observe));
    assert_eq!(rating.never_digest[0].to_string(), "severity=\"critical\"");
    let root = routing.tree.root();
    assert_eq!((&*root.receiver, root.group_wait), ("ops", Duration::from_secs(30)));
    let [ops, lead, mail] = routing.receivers.as_slice() else { panic!("three receivers") };
    assert!(ops.integrations[0].send_resolved && lead.integrations.is_empty());
    assert_eq!(ops.on_call.as_ref().map(|rota| &**rota.name()), Some("ops"));
    assert!(mail.on_call.is_none());
    assert_eq!((routing.inhibit_rules.len(), routing.intervals.len()), (1, 1));
    assert_eq!(*resolve_timeout, Duration::from_secs(300));
    let formats: Vec<_> = config.sources.iter().map(|s| (&*s.intake.name, s.intake.format.name())).collect();
    assert_eq!(formats, [("prom-eu", "alertmanager"), ("grafana", "grafana"), ("backups", "json")]);
    let Integration::Webhook(webhook) = &config.receivers[0].integrations[0] else { panic!("a webhook") };
    let webhook::Address::Fixed(url) = &webhook.url else { panic!("no template") };
    assert_eq!(url.host(), "127.0.0.1:9095");
}

#[test]
fn what_is_left_out_has_defaults() {
    let text = "tenant: acme\nreceivers: [{name: ops}]\nroute: {receiver: ops}\n";
    let defaults = RatingDefaults { threshold: 0.6, mode: RatingModeName::Observe };
    let config = good(text, defaults);
    let TenantSettings { limits, rating, routing, delivery, rearm_after, watchdog, silent_after, .. } =
        &*config.pipeline;
    assert_eq!(*limits, Limits::default());
    assert_eq!((rating.threshold, rating.never_digest.len()), (0.6, 1));
    assert_eq!((*delivery, *rearm_after, *watchdog), (DeliveryMode::Live, REARM_AFTER, None));
    assert!(silent_after.is_empty());
    let root = routing.tree.root();
    let timers = [root.group_wait, root.group_interval, root.repeat_interval].map(|span| span.as_secs());
    assert_eq!(timers, [30, 300, 14_400]);
    assert_eq!(routing.tree.iter().count(), 1);
}

#[test]
fn the_service_mode_holds_where_the_tenant_has_none() {
    let text = "tenant: acme
rating: { never_digest: [], digest: { receiver: ops, every: 6h, at: '08:30', timezone: Europe/Berlin } }
receivers: [{name: ops}]
route: {receiver: ops}
";
    let config = good(text, RatingDefaults { threshold: 0.6, mode: RatingModeName::Enforce });
    let RatingMode::Enforce(digest) = &config.pipeline.rating.mode else { panic!("enforce") };
    let schedule = DigestSchedule::new(Duration::from_secs(6 * 3600), "08:30", "Europe/Berlin").unwrap();
    assert_eq!((&*digest.receiver, &digest.schedule), ("ops", &schedule));
    assert!(config.pipeline.rating.never_digest.is_empty());
}

#[test]
fn modes_and_timers_reach_their_types() {
    let config = plain(
        "delivery: shadow
acknowledgement: { rearm_after: 4h }
sources: { prom: { format: alertmanager, silent_after: 10m }, alertmanager: {} }
route: { receiver: ops }",
    );
    let TenantSettings { delivery, rearm_after, silent_after, .. } = &*config.pipeline;
    assert_eq!((*delivery, *rearm_after), (DeliveryMode::Shadow, Duration::from_secs(4 * 3600)));
    assert_eq!(*silent_after, [("prom".into(), Duration::from_secs(600))]);
}

#[test]
fn old_words_mean_what_new_ones_do() {
    let old = plain(
        "route: { receiver: ops, routes: [{ receiver: lead, match: { code: 500 }, match_re: { job: 'a|b' } }] }",
    );
    let new = plain(
        "route: { receiver: ops, routes: [{ receiver: lead, matchers: ['{code=\"500\", job=~\"^(?:a|b)$\"}'] }] }",
    );
    assert_eq!(old.routing_yaml, new.routing_yaml);
    assert_eq!(receivers_of(&old, &[("code", "500"), ("job", "b")]), ["lead"]);
    assert_eq!(receivers_of(&old, &[("code", "500"), ("job", "c")]), ["ops"]);
    let old = plain(
        "route: { receiver: ops }\ninhibit_rules: [{ source_match: { a: 1 }, source_match_re: { b: x }, target_match: { c: y } }]",
    );
    let new = plain(
        "route: { receiver: ops }\ninhibit_rules: [{ source_matchers: [a=1, 'b=~\"^(?:x)$\"'], target_matchers: [c=y] }]",
    );
    assert_eq!(old.routing_yaml, new.routing_yaml);
}

#[test]
fn a_tenant_may_have_limits_alone() {
    let limits = "tenant: acme\nlimits: { policies: { api: { rate: 5/s, burst: 10 } } }\n";
    let enforce = RatingDefaults { threshold: 0.75, mode: RatingModeName::Enforce };
    let config = good(limits, enforce);
    assert!(!config.takes_alerts);
    assert_eq!(config.routing_yaml, "route:\n  receiver: \"none\"\nreceivers:\n- name: \"none\"\n");
    // Whoever says anything of alerts must say where they go.
    for more in ["receivers: [{ name: ops }]", "sources: { prom: { format: json } }", "delivery: live"] {
        let faults = faults(&format!("{limits}{more}\n"));
        assert!(faults.iter().any(|fault| fault.contains("`route` is missing")), "{more}: {faults:?}");
    }
    assert!(faults("tenant: acme\n").iter().any(|fault| fault.contains("`route` is missing")));
}

#[test]
fn the_watchdog_is_told_before_all_others_and_by_itself() {
    let config = plain(
        "watchdog: { receiver: lead, every: 1m }
route: { receiver: ops, escalate: [{ after: 5m, receiver: lead }], routes: [{ receiver: ops, continue: true }] }",
    );
    assert_eq!(config.pipeline.watchdog, Some(Duration::from_secs(60)));
    assert_eq!(receivers_of(&config, &[("alertname", WATCHDOG)]), ["lead"]);
    let tree = &config.pipeline.routing.tree;
    let route = tree.iter().nth(1).unwrap();
    assert_eq!((&route.group_by, route.group_wait), (&GroupBy::All, Duration::ZERO));
    assert_eq!(
        (route.group_interval, route.repeat_interval),
        (Duration::from_secs(60), Duration::from_secs(30))
    );
    assert_eq!(tree.escalations(route).count(), 0);
    assert_eq!(tree.escalations(tree.root()).count(), 1);
}

#[test]
fn the_routing_is_one_alertmanager_configuration() {
    let config = good(include_str!("../../tests/config/whole.yaml"), RatingDefaults::default());
    assert!(!config.routing_yaml.contains("hidden"));
    insta::assert_snapshot!(config.routing_yaml);
    let file: Arc<Path> = Path::new("original.yaml").into();
    yaml::parse(&config.routing_yaml, &file).unwrap();
}

#[test]
fn limits_of_the_tenants_own_clients() {
    let config = plain(
        r#"route: { receiver: ops }
limits:
  floor: { rate: 5/s, burst: 10 }
  adaptive: "on"
  headroom: 2.5
  total: { rate: 500/s, burst: 900 }
  exempt: [health, 10.0.0.0/8]
  plans: { gold: [alice, "corp-*"] }
  policies:
    api:
      rate: 600/m
      burst: 20
      total: { rate: 100/s, burst: 200 }
      when: { paths: ["/v1/**"], methods: [GET], plans: [gold] }
      quotas: [{ limit: 10000, per: day, timezone: Europe/Berlin }, { limit: 7, per: hour }]
      deny: [mallory]
      cost: 3
      adaptive: off
      ceiling: { rate: 20/s, burst: 40 }
    big: { rate: 7200/h, burst: 50000, per: tenant, dry_run: true }
  descriptors:
    - domain: edge
      descriptors:
        - key: path
          value: /login
          descriptors: [{ key: user, rate: 20/h, burst: 5, name: login, replaces: [all] }]
        - { key: port, value: 8080, rate: 1/month, quota_mode: true }
        - { key: client, policy: api, dry_run: true }
"#,
    );
    let limits = &config.limits;
    assert!(limits.exempt.holds(b"10.9.9.9") && limits.plans[0].1.holds(b"corp-7"));
    insta::assert_debug_snapshot!((
        &limits.total,
        &limits.policies[0],
        &limits.policies[1],
        &limits.descriptors
    ));
    // The floor is for both; without a ceiling, new alerts keep their own.
    assert_eq!(config.pipeline.limits, Limits::default());
}
