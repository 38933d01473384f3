//! Alerts in other tools' words: from a request as the tool writes it to the
//! message that somebody gets.

mod hostile;
mod life;
mod refusals;
mod senders;
mod settings;
mod signed;
mod strangers;

use crate::support::server::{Server, told_at_once};
use crate::support::{Folder, Sink, until};
use serde_json::Value;

/// A tenant `acme` whose alerts are told one by one.
struct World {
    server: Server,
    key: String,
    operator: String,
    sink: Sink,
    folder: Folder,
}

fn world(more: &str) -> World {
    let sink = Sink::new();
    let folder = Folder::new(&[("acme", &format!("{}{more}", told_at_once(&sink.url("/hook"))))]);
    let (key, operator) = (folder.full_key("acme"), folder.operator_key());
    World { server: folder.serve(), key, operator, sink, folder }
}

impl World {
    /// All alerts of `GET /api/v1/alerts`.
    fn alerts(&self) -> Vec<Value> {
        let page = self.server.get("/api/v1/alerts?limit=500", &self.key).expect(200).json();
        page["alerts"].as_array().unwrap().clone()
    }

    /// The only alert.
    #[track_caller]
    fn alert(&self) -> Value {
        let alerts = self.alerts();
        assert_eq!(alerts.len(), 1, "{alerts:#?}");
        alerts[0].clone()
    }

    /// How many messages of this status have come.
    fn told(&self, status: &str) -> usize {
        self.sink.seen_at("/hook").iter().filter(|seen| seen.status_word() == status).count()
    }

    #[track_caller]
    fn wait_told(&self, status: &str, count: usize) {
        until(&format!("{count} messages that say {status}"), || self.told(status) >= count);
    }

    /// `openclaw_alerts_received_total` of a source, by result.
    fn received(&self, source: &str, result: &str) -> u64 {
        let text = self.server.get("/metrics", &self.operator).expect(200).text();
        let labels = format!("{{tenant=\"acme\",source=\"{source}\",result=\"{result}\"}}");
        let line = text.lines().find(|line| line.contains("alerts_received_total") && line.contains(&labels));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }

    /// Waits until nothing fires any more.
    #[track_caller]
    fn wait_ended(&self) {
        until("the alerts end", || self.firing().is_empty());
    }

    /// Those of [`World::alerts`] that go on; the others are soon forgotten.
    fn firing(&self) -> Vec<Value> {
        let mut alerts = self.alerts();
        alerts.retain(|alert| alert["state"] == "firing");
        alerts
    }
}
