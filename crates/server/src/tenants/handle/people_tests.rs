//! Groups that have left memory, in a host on a clock that stands.

use super::*;
use crate::clock::Clock;
use crate::host::{Host, Parts};
use crate::observe::Metrics;
use crate::tenants::{Registered, Senders, Sources, TenantConfig, Tenants};
use openclaw_alert::{Batch, LabelsBuilder, TenantName, Zoned, fnv1a};
use openclaw_delivery::{Sender, SenderOptions};
use openclaw_journal::{Log, Options, RealDisk, Writer};
use openclaw_pipeline::{DeliveryMode, TenantSettings};
use openclaw_routing::{Receiver, RouteTree, Routing};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Some time in 2020.
const BEGIN: i64 = 1_600_000_000;

struct World {
    host: Arc<Host>,
    handle: TenantHandle,
    _folder: TempDir,
}

fn config() -> TenantConfig {
    let routing = Routing::new(RouteTree::single("ops"), vec![Receiver::new("ops", &[true])]);
    let mut settings = TenantSettings::new(TenantName::new("acme").unwrap(), routing);
    settings.delivery = DeliveryMode::Shadow;
    TenantConfig {
        settings: Arc::new(settings),
        receivers: Vec::new(),
        origins: Vec::new(),
        takes_alerts: true,
        routing_yaml: String::new(),
        sources: Sources::default(),
        limits: openclaw_admission::LimitSettings::default(),
        tokens: None,
        certificates: Vec::new(),
        version: 0,
    }
}

fn log(folder: &Path, now: Timestamp) -> Log {
    let keys = |frame: &StoredFrame, keys: &mut Vec<u64>| {
        trail::frame_keys(frame.partition, frame.base_offset, &frame.payload, keys);
    };
    let options = Options { keys, segment_bytes: 1 << 20, reserve_bytes: 1 << 20, ..Options::default() };
    let (writer, _) = Writer::open(Arc::new(RealDisk::new(folder).unwrap()), options, now).unwrap();
    Log::start(writer).unwrap()
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Clock::manual(Timestamp::from_secs(BEGIN)));
    let registered = Registered { config: config(), senders: Senders::new() };
    let tenants = Arc::new(Tenants::new([registered]));
    let parts = Parts {
        log: log(&folder.path().join("journal"), clock.now()),
        clock,
        sender: Arc::new(Sender::new(SenderOptions::default()).unwrap()),
        tenants: Arc::clone(&tenants),
        metrics: Arc::new(Metrics::new()),
        work: tokio::runtime::Handle::current(),
    };
    let host = Host::recover(parts, None).unwrap();
    let handle = TenantHandle::new(Arc::clone(&host), tenants.find("acme").unwrap());
    World { host, handle, _folder: folder }
}

impl World {
    async fn post(&self, name: &str, is_over: bool) {
        let (mut labels, mut batch) = (LabelsBuilder::default(), Batch::default());
        labels.push("alertname", name);
        let end = Zoned::utc(if is_over { self.host.now() } else { self.host.now().plus(YEAR) });
        assert!(batch.push(&mut labels, &mut LabelsBuilder::default(), "", None, Some(end)));
        let stepped = self.handle.ingest("alertmanager", &batch).await.unwrap();
        self.handle.durable(stepped.wait_for).await.unwrap();
    }

    /// Lets time pass, and all that is due happen.
    async fn pass(&self, time: Duration) {
        let end = self.host.now().plus(time);
        while self.host.now() < end {
            let next = self.host.next_deadline().min(end);
            self.host.clock().advance_to(next);
            self.host.keep_due().await;
        }
    }

    async fn group(&self) -> Option<u64> {
        self.handle.read(|partition, tenant, _| partition.groups(tenant).first().copied()).await.unwrap()
    }

    async fn hear(&self, key: &str, action: Feedback, by: &str) -> Came {
        let named = self.handle.named(key).await.unwrap().unwrap();
        assert!(matches!(named, Named::Past(_)), "{named:?}");
        let action = Action::new(action, by, "");
        self.handle.hear(&named, action).await.unwrap()
    }
}

const YEAR: Duration = Duration::from_secs(365 * 86_400);
const HOUR: Duration = Duration::from_secs(3600);

/// As the pipeline names it: what other tools keep has to mean the same after
/// an upgrade.
fn dedup_key(group: u64) -> String {
    let instance = 0_u64.to_le_bytes();
    let hash = fnv1a(&[&instance, b"acme", b"ops", &0_u16.to_le_bytes(), b""]);
    let partition = TenantName::new("acme").unwrap().partition().get();
    format!("{hash:016x}{partition:02x}{group:014x}")
}

#[tokio::test]
async fn a_group_that_has_left_can_still_be_judged() {
    let world = world();
    world.post("old", false).await;
    world.pass(HOUR).await;
    world.post("old", true).await;
    world.post("noise", false).await;
    world.pass(HOUR).await;
    let key = dedup_key(world.group().await.unwrap());
    assert!(matches!(world.handle.named(&key).await.unwrap(), Some(Named::Here(_))));
    world.post("noise", true).await;
    world.pass(HOUR).await;
    assert_eq!(world.group().await, None, "it has left memory");
    let Some(Named::Past(told)) = world.handle.named(&key).await.unwrap() else { panic!() };
    assert_eq!(told.len(), 1, "what the last message told of");
    assert_eq!(world.hear(&key, Feedback::Ack, "ann in Slack").await, Came::Over);
    assert_eq!(world.hear(&key, Feedback::Dismiss, "ann in Slack").await, Came::Noted);
    let Came::NoNews(before) = world.hear(&key, Feedback::Dismiss, "bob in Slack").await else { panic!() };
    assert_eq!((before.action, &*before.by), (Feedback::Dismiss, "ann in Slack"));
    assert_eq!(world.hear(&key, Feedback::Resolve, "bob in Slack").await, Came::Noted);
    let story = world.handle.explain(told[0]).await.unwrap();
    assert_eq!(story.opening.labels().get("alertname"), "noise");
    let judged = story.events.iter().filter(|event| matches!(event.what, Happened::Feedback { .. }));
    assert_eq!(judged.count(), 2);
    let silenced = world.handle.named(&key).await.unwrap().unwrap();
    let id = SilenceId::from_random([7; 16]);
    let silenced = world.handle.silence_group(&silenced, "ann in Slack", HOUR, id).await.unwrap();
    assert!(matches!(silenced, Silenced::Over));
}

#[tokio::test]
async fn keys_that_are_none_name_nothing() {
    let world = world();
    world.post("up", false).await;
    world.pass(HOUR).await;
    let group = world.group().await.unwrap();
    world.post("up", true).await;
    world.pass(HOUR).await;
    let right = dedup_key(group);
    assert!(world.handle.named(&right).await.unwrap().is_some());
    let other_group = format!("{}{:014x}", &right[..18], group + 1);
    let other_hash = format!("{:016x}{}", 7, &right[16..]);
    let other_partition = format!("{}{:02x}{}", &right[..16], 1, &right[18..]);
    let beyond = format!("{}{:014x}", &right[..18], (1_u64 << 56) - 1);
    for key in [&other_group, &other_hash, &other_partition, &beyond, "", "x", &right[1..]] {
        assert!(world.handle.named(key).await.unwrap().is_none(), "{key}");
    }
}
