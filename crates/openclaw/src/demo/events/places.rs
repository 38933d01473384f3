//! The tenants, what runs at them, and how an alert about it is labelled.
//! All made up.

use super::figures::{Arrivals, LOAD_BALANCER, OFFICE, RETAIL};
use super::kinds::Target;
use openclaw_alert::fnv1a;

/// A tenant of the demo.
pub(super) struct Tenant {
    /// Its name.
    pub(super) name: &'static str,
    /// How its alerts arrive.
    pub(super) arrivals: Arrivals,
    /// Alerts a day beside the storms, about.
    pub(super) alerts_per_day: f64,
    /// Who answers its alerts.
    pub(super) people: [&'static str; 3],
    clusters: [&'static str; 2],
    /// Name and team.
    services: [(&'static str, &'static str); 10],
}

/// In the order of the documentation.
pub(super) const TENANTS: [Tenant; 3] = [
    Tenant {
        name: "acme",
        arrivals: LOAD_BALANCER,
        alerts_per_day: 1250.0,
        people: ["amira", "jonas", "mei"],
        clusters: ["eu-west-1", "us-east-1"],
        services: [
            ("gateway", "platform"),
            ("accounts", "platform"),
            ("catalog", "shop"),
            ("search", "shop"),
            ("cart", "shop"),
            ("checkout", "shop"),
            ("payments", "money"),
            ("orders", "money"),
            ("inventory", "stock"),
            ("recommendations", "data"),
        ],
    },
    Tenant {
        name: "globex",
        arrivals: OFFICE,
        alerts_per_day: 850.0,
        people: ["lucia", "oskar", "tariq"],
        clusters: ["eu-central-1", "ap-south-1"],
        services: [
            ("edge", "infrastructure"),
            ("identity", "infrastructure"),
            ("shipments", "freight"),
            ("routing", "freight"),
            ("tracking", "freight"),
            ("fleet", "vehicles"),
            ("telematics", "vehicles"),
            ("customs", "papers"),
            ("labels", "papers"),
            ("billing", "papers"),
        ],
    },
    Tenant {
        name: "initech",
        arrivals: RETAIL,
        alerts_per_day: 500.0,
        people: ["nora", "peter", "samir"],
        clusters: ["dc-austin", "dc-dallas"],
        services: [
            ("web", "frontend"),
            ("sso", "frontend"),
            ("reports", "reporting"),
            ("exports", "reporting"),
            ("scheduler", "reporting"),
            ("ledger", "accounting"),
            ("invoices", "accounting"),
            ("payroll", "accounting"),
            ("documents", "archive"),
            ("mailer", "archive"),
        ],
    },
];

const NODES_PER_CLUSTER: u64 = 40;
const HANDLERS: [&str; 6] =
    ["/api/v1/list", "/api/v1/item", "/api/v1/create", "/api/v1/update", "/login", "/"];
const MOUNTPOINTS: [(&str, &str); 3] =
    [("/", "/dev/nvme0n1p1"), ("/var/lib/containerd", "/dev/nvme1n1"), ("/data", "/dev/nvme2n1")];

/// What an alert is about.
pub(super) struct Place {
    /// Labels beside `alertname` and `severity`.
    pub(super) labels: Vec<(&'static str, String)>,
    /// For a sentence.
    pub(super) subject: String,
}

/// How many places of a service (of a cluster, for machines) there are.
fn places_each(target: Target) -> u64 {
    match target {
        Target::Pod | Target::Replica => 24,
        Target::Handler => HANDLERS.len() as u64,
        Target::Node => NODES_PER_CLUSTER,
        Target::Disk => NODES_PER_CLUSTER * MOUNTPOINTS.len() as u64,
        Target::Database | Target::Batch => 6,
        Target::Topic | Target::Volume => 8,
        Target::Probe => 4,
    }
}

impl Tenant {
    /// How many different places an alert about `target` can be about.
    pub(super) fn places(&self, target: Target) -> u64 {
        let services = match target {
            Target::Node | Target::Disk => 1,
            _ => self.services.len() as u64,
        };
        self.clusters.len() as u64 * services * places_each(target)
    }

    /// The place of a number below [`Tenant::places`]; neighbours share their
    /// service, as a burst does.
    pub(super) fn place(&self, target: Target, number: u64) -> Place {
        let (index, rest) = (number % places_each(target), number / places_each(target));
        match target {
            Target::Node | Target::Disk => self.machine(target, index, rest),
            _ => {
                let service = self.services[(rest % self.services.len() as u64) as usize];
                self.of_service(target, service, index, rest / self.services.len() as u64)
            }
        }
    }

    fn cluster(&self, number: u64) -> &'static str {
        self.clusters[(number % self.clusters.len() as u64) as usize]
    }

    fn machine(&self, target: Target, index: u64, cluster: u64) -> Place {
        let cluster = self.cluster(cluster);
        let node = format!("node-{:02}.{cluster}.{}.example", index % NODES_PER_CLUSTER + 1, self.name);
        let mut labels = vec![
            ("cluster", cluster.to_owned()),
            ("job", "node-exporter".to_owned()),
            ("instance", format!("{node}:9100")),
        ];
        if target == Target::Node {
            return Place { labels, subject: node };
        }
        let (mountpoint, device) = MOUNTPOINTS[(index / NODES_PER_CLUSTER) as usize];
        labels.extend([("mountpoint", mountpoint.to_owned()), ("device", device.to_owned())]);
        Place { labels, subject: format!("{mountpoint} on {node}") }
    }

    fn of_service(&self, target: Target, service: (&'static str, &str), index: u64, cluster: u64) -> Place {
        let ((service, team), cluster) = (service, self.cluster(cluster));
        let (mut labels, subject) = match target {
            Target::Pod => pod(service, team, index, cluster),
            Target::Replica => replica(service, index, cluster),
            Target::Database => database(service, index),
            Target::Topic => topic(service, index),
            Target::Probe => self.probe(service, index, cluster),
            Target::Volume => volume(service, index),
            Target::Batch => batch(service, index),
            Target::Handler | Target::Node | Target::Disk => handler(service, index),
        };
        labels.extend([
            ("cluster", cluster.to_owned()),
            ("namespace", team.to_owned()),
            ("service", service.to_owned()),
        ]);
        Place { labels, subject }
    }

    fn probe(&self, service: &str, index: u64, cluster: &str) -> Named {
        let page = ["healthz", "login", "", "status"][index as usize % 4];
        let url = format!("https://{service}.{cluster}.{}.example/{page}", self.name);
        (vec![("job", "blackbox-exporter".to_owned()), ("instance", url.clone())], url)
    }
}

/// Labels of a place and its name.
type Named = (Vec<(&'static str, String)>, String);

/// Name of a pod, as a deployment makes it.
fn pod_name(service: &str, index: u64, cluster: &str) -> String {
    let hash = fnv1a(&[service.as_bytes(), cluster.as_bytes()]);
    let own = fnv1a(&[service.as_bytes(), cluster.as_bytes(), &index.to_le_bytes()]);
    format!("{service}-{:08x}-{:05x}", hash as u32, own & 0xf_ffff)
}

fn pod(service: &str, team: &str, index: u64, cluster: &str) -> Named {
    let name = pod_name(service, index, cluster);
    let subject = format!("{team}/{name}");
    let labels =
        vec![("job", "kube-state-metrics".to_owned()), ("container", service.to_owned()), ("pod", name)];
    (labels, subject)
}

fn replica(service: &str, index: u64, cluster: &str) -> Named {
    let hash = fnv1a(&[service.as_bytes(), cluster.as_bytes()]);
    let instance = format!("10.{}.{}.{}:8080", hash % 64, (hash >> 8) % 256, index + 10);
    let labels = vec![
        ("job", service.to_owned()),
        ("instance", instance.clone()),
        ("pod", pod_name(service, index, cluster)),
    ];
    (labels, format!("{service} at {instance}"))
}

fn handler(service: &str, index: u64) -> Named {
    let handler = HANDLERS[index as usize % HANDLERS.len()];
    let labels = vec![("job", service.to_owned()), ("handler", handler.to_owned())];
    (labels, format!("{service}{handler}"))
}

fn database(service: &str, index: u64) -> Named {
    let host = format!("{service}-db-{index}");
    let labels = vec![
        ("job", "postgres-exporter".to_owned()),
        ("instance", format!("{host}:9187")),
        ("datname", service.to_owned()),
    ];
    (labels, host)
}

fn topic(service: &str, index: u64) -> Named {
    let event = ["created", "changed", "deleted", "paid", "sent", "failed", "audited", "exported"]
        [index as usize % 8];
    let topic = format!("{service}.{event}");
    let labels = vec![
        ("job", "kafka-exporter".to_owned()),
        ("topic", topic.clone()),
        ("consumergroup", format!("{service}-workers")),
    ];
    (labels, format!("topic {topic}"))
}

fn volume(service: &str, index: u64) -> Named {
    let claim = format!("data-{service}-{index}");
    (vec![("job", "kubelet".to_owned()), ("persistentvolumeclaim", claim.clone())], claim)
}

fn batch(service: &str, index: u64) -> Named {
    let task = ["nightly", "cleanup", "reindex", "sync", "report", "rotate"][index as usize % 6];
    let name = format!("{service}-{task}");
    (vec![("job", "kube-state-metrics".to_owned()), ("job_name", name.clone())], name)
}
