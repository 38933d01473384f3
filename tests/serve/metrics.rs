//! `/metrics` in both formats, and one tenant's part of it.

use crate::support::server::{Server, told_at_once};
use crate::support::{Alert, Folder, Request, Sink};

/// Families that a service with one delivered alert must show, by type.
const FAMILIES: [(&str, &str); 10] = [
    ("openclaw_request_duration_seconds", "histogram"),
    ("openclaw_alerts_received", "counter"),
    ("openclaw_alert_outcomes", "counter"),
    ("openclaw_alert_score", "histogram"),
    ("openclaw_log_lag_seconds", "gauge"),
    ("openclaw_log_lag_records", "gauge"),
    ("openclaw_deliveries", "counter"),
    ("openclaw_delivery_duration_seconds", "histogram"),
    ("openclaw_dead_letters", "gauge"),
    ("openclaw_promise_violations", "counter"),
];

struct World {
    server: Server,
    acme: String,
    operator: String,
    _folder: Folder,
    _sink: Sink,
}

fn world() -> World {
    let sink = Sink::new();
    let tenant = told_at_once(&sink.url("/hook"));
    let folder = Folder::new(&[("acme", &tenant), ("globex", &tenant)]);
    let (acme, operator) = (folder.full_key("acme"), folder.operator_key());
    let globex = folder.full_key("globex");
    let server = folder.serve();
    for key in [&acme, &globex] {
        server.post_alerts(key, &[Alert::new("up")]);
        server.post_alerts(key, &[Alert::new("up")]);
        let id = server.alert(key, "up")["id"].as_str().unwrap().to_owned();
        server.wait_stage(key, &id, "delivered");
    }
    World { server, acme, operator, _folder: folder, _sink: sink }
}

impl World {
    fn scrape(&self, target: &str, key: &str, accept: &str) -> (String, String) {
        let request = Request::get(target).key(key).header("Accept", accept);
        let answer = request.send(self.server.address).expect(200);
        (answer.header("content-type").unwrap().to_owned(), answer.text())
    }
}

/// A sample's value, by its name and labels as written.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("{series} is not in\n{text}"));
    line.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_classic_format_names_what_the_contract_names() {
    let world = world();
    let (content_type, text) = world.scrape("/metrics", &world.operator, "text/plain");
    assert!(content_type.starts_with("text/plain; version=0.0.4"));
    for (family, kind) in FAMILIES {
        let suffix = if kind == "counter" { "_total" } else { "" };
        assert!(text.contains(&format!("# TYPE {family}{suffix} {kind}\n")), "{family} in\n{text}");
    }
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
    let received = |result: &str| {
        let labels = format!("tenant=\"acme\",source=\"alertmanager\",result=\"{result}\"");
        value(&text, &format!("openclaw_alerts_received_total{{{labels}}}"))
    };
    assert_eq!((received("accepted"), received("renewed")), (1.0, 1.0));
    let told = "openclaw_alert_outcomes_total{tenant=\"acme\",receiver=\"ops\",outcome=\"delivered\"}";
    assert_eq!(value(&text, told), 1.0);
    let posted =
        "openclaw_request_duration_seconds_count{tenant=\"acme\",route=\"/api/v2/alerts\",code=\"2xx\"}";
    assert_eq!(value(&text, posted), 2.0);
    assert!(text.contains("le=\"0.2\""));
    for promise in 1..=10 {
        let series = format!("openclaw_promise_violations_total{{promise=\"P{promise}\"}}");
        assert_eq!(value(&text, &series), 0.0);
    }
}

#[test]
fn the_open_format_is_whole() {
    let world = world();
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    for (target, key) in [("/metrics", &world.operator), ("/t/acme/metrics", &world.acme)] {
        let (content_type, text) = world.scrape(target, key, accept);
        assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert!(text.contains("# TYPE openclaw_alerts_received counter\n"));
        assert!(text.contains("openclaw_alerts_received_total{"));
    }
}

#[test]
fn a_tenant_sees_its_own_series_alone() {
    let world = world();
    let (_, text) = world.scrape("/t/acme/metrics", &world.acme, "");
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.len() > 10);
    assert!(samples.iter().all(|line| line.contains("tenant=\"acme\"")), "{text}");
    assert!(!text.contains("globex"));
    let (_, as_operator) = world.scrape("/t/globex/metrics", &world.operator, "");
    assert!(as_operator.contains("globex") && !as_operator.contains("acme"));
}

#[test]
fn the_whole_page_is_the_operators() {
    let world = world();
    assert_eq!(Request::get("/metrics").send(world.server.address).status, 401);
    assert_eq!(world.server.get("/metrics", &world.acme).status, 403);
    assert_eq!(world.server.get("/t/globex/metrics", &world.acme).status, 403);
    let folder = Folder::with_service("listen: { http: \"127.0.0.1:0\" }\nmetrics: { public: true }\n", &[]);
    let server = folder.serve();
    Request::get("/metrics").send(server.address).expect(200);
}

/// A few rules of the text formats that scrapers insist on.
#[test]
fn every_line_is_a_comment_or_a_sample() {
    let world = world();
    let (_, text) = world.scrape("/metrics", &world.operator, "");
    for line in text.lines() {
        if line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        assert!(
            name.starts_with("openclaw_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{line}"
        );
        assert!(!series.contains("client="), "a series a client: {line}");
    }
}
