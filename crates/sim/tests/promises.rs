//! Two promises on their own: a storm delays only its own tenant, and a lost
//! renewal ends in no false resolve.

use openclaw_admission::Limits;
use openclaw_alert::{Batch, LabelsBuilder, SendOutcome, Status, TenantName, Timestamp, Zoned};
use openclaw_journal::{Options, Position};
use openclaw_pipeline::{Input, Taken, TenantSettings};
use openclaw_routing::{GroupBy, Receiver, RouteSettings, RouteTree, Routing};
use openclaw_sim::disk::PowerLossDisk;
use openclaw_sim::machine::{Flaws, Machine, Stepped};
use openclaw_sim::plan::neighbours;
use std::sync::Arc;
use std::time::Duration;

const GROUP_WAIT_MS: u64 = 2_000;

/// New alerts a second that a tenant may send.
const RATE_PER_S: u64 = 10;
const BURST: u64 = 20;

/// A machine that is driven by hand, with receivers that take everything.
struct Rig {
    disk: PowerLossDisk,
    tenants: Vec<Arc<TenantSettings>>,
    machine: Machine,
    now_ms: u64,
    told: Vec<Told>,
}

#[derive(Debug, Clone)]
struct Told {
    at_ms: u64,
    tenant: TenantName,
    n: u64,
    fires: bool,
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).plus(Duration::from_millis(ms))
}

fn settings(name: &TenantName) -> Arc<TenantSettings> {
    let root = RouteSettings {
        group_by: Some(GroupBy::All),
        group_wait: Some(Duration::from_millis(GROUP_WAIT_MS)),
        group_interval: Some(Duration::from_secs(10)),
        ..RouteSettings::to("ops")
    };
    let routing = Routing::new(RouteTree::new(&root).unwrap(), vec![Receiver::new("ops", &[true])]);
    Arc::new(TenantSettings {
        limits: Limits { rate_per_s: RATE_PER_S as f64, burst: BURST, backlog_bytes: 256 << 10 },
        ..TenantSettings::new(name.clone(), routing)
    })
}

fn boot(disk: &PowerLossDisk, tenants: &[Arc<TenantSettings>], now_ms: u64) -> Machine {
    let options = Options { segment_bytes: 4 << 20, reserve_bytes: 0, ..Options::default() };
    Machine::boot(Arc::new(disk.clone()), &options, tenants, at(now_ms), 1, Flaws::default()).unwrap()
}

impl Rig {
    fn new() -> Self {
        let disk = PowerLossDisk::new(1);
        let tenants: Vec<_> = neighbours(2).iter().map(settings).collect();
        let machine = boot(&disk, &tenants, 0);
        Self { disk, tenants, machine, now_ms: 0, told: Vec::new() }
    }

    fn step(&mut self, input: &Input<'_>) -> Stepped {
        let partition = self.tenants[0].name.partition();
        let mut stepped = self.machine.step(partition, input, at(self.now_ms)).unwrap();
        for send in std::mem::take(&mut stepped.sends) {
            self.machine.commit().unwrap();
            let tenant = &send.notification.tenant;
            self.told.extend(send.notification.alerts.iter().map(|alert| Told {
                at_ms: self.now_ms,
                tenant: tenant.clone(),
                n: alert.view().labels.get("n").parse().unwrap(),
                fires: alert.status == Status::Firing,
            }));
            let took = Duration::from_millis(1);
            self.step(&Input::Sent { entry: send.entry, outcome: &SendOutcome::DELIVERED, took });
        }
        stepped
    }

    fn advance(&mut self, until_ms: u64) {
        loop {
            let next = self.machine.deadlines().map(|(_, next)| next).min().unwrap();
            if next > at(until_ms) {
                break;
            }
            let ms = next.since(at(0)).as_nanos().div_ceil(1_000_000) as u64;
            self.now_ms = self.now_ms.max(ms);
            self.step(&Input::Tick);
        }
        self.now_ms = until_ms;
    }

    /// Posts alerts that end by themselves after four minutes.
    fn post(&mut self, tenant: usize, alerts: impl Iterator<Item = u64>) -> Stepped {
        let mut batch = Batch::default();
        for n in alerts {
            let (mut labels, mut annotations) = (LabelsBuilder::default(), LabelsBuilder::default());
            labels.push("n", &n.to_string());
            let ends_at = Zoned::utc(at(self.now_ms + 240_000));
            batch.push(&mut labels, &mut annotations, "", Some(Zoned::utc(at(self.now_ms))), Some(ends_at));
        }
        let name = self.tenants[tenant].name.clone();
        self.step(&Input::Alerts { tenant: &name, source: "s", batch: &batch })
    }

    fn told_of(&self, tenant: usize, n: u64) -> Vec<&Told> {
        let name = &self.tenants[tenant].name;
        self.told.iter().filter(|told| told.tenant == *name && told.n == n).collect()
    }
}

const NOISY: usize = 0;
const QUIET: usize = 1;

/// P6: during a storm of a hundred times its neighbour's limit, a tenant's
/// alert is decided in its own step and told as though it were alone.
#[test]
fn a_storm_delays_only_its_own_tenant() {
    let mut rig = Rig::new();
    let mut refused = 0;
    for tenth in 0_u64..150 {
        rig.advance(tenth * 100);
        let storm = tenth * RATE_PER_S * 10;
        refused += rig.post(NOISY, storm..storm + RATE_PER_S * 10).taken.refused;
        if tenth.is_multiple_of(30) {
            let taken = rig.post(QUIET, std::iter::once(tenth)).taken;
            assert_eq!(taken, Taken { accepted: 1, ..Taken::default() });
        }
    }
    assert!(refused > 10_000, "this is a storm: {refused}");
    rig.advance(20_000);
    for tenth in (0..150).step_by(30) {
        let told = rig.told_of(QUIET, tenth);
        assert_eq!(told.len(), 1, "alert {tenth}");
        assert_eq!(told[0].at_ms, tenth * 100 + GROUP_WAIT_MS);
    }
}

/// P6: what a tenant itself sends beyond its limit waits for its own tokens
/// and for one round of the fair queue, not for what its neighbour has waiting.
#[test]
fn who_waits_waits_for_its_own_limit_alone() {
    let mut rig = Rig::new();
    for tenth in 0_u64..30 {
        rig.advance(tenth * 100);
        rig.post(NOISY, tenth * 100..tenth * 100 + 100);
    }
    let beyond = 10;
    let posted_ms = rig.now_ms;
    let taken = rig.post(QUIET, 0..BURST + beyond).taken;
    assert_eq!((taken.accepted, u64::from(taken.deferred)), ((BURST + beyond) as u32, beyond));
    rig.advance(posted_ms + 5_000);
    for n in 0..BURST + beyond {
        let own_wait_ms = (n + 1).saturating_sub(BURST) * 1000 / RATE_PER_S;
        let told_ms = rig.told_of(QUIET, n)[0].at_ms - posted_ms - GROUP_WAIT_MS;
        let a_round_ms = 20;
        assert!((own_wait_ms..=own_wait_ms + a_round_ms).contains(&told_ms), "alert {n} after {told_ms} ms");
    }
}

/// P6: a request beyond the backlog is refused as a whole, and what it repeats
/// is taken all the same.
#[test]
fn repeats_in_a_refused_request_are_taken() {
    let mut rig = Rig::new();
    rig.post(NOISY, 0..10);
    let taken = rig.post(NOISY, 0..5_000).taken;
    assert!(taken.refused > 0 && taken.renewed == 10, "{taken:?}");
}

/// P5: a renewal that was answered before its sync, and is lost, ends in no
/// false resolve, however long nobody listens.
#[test]
fn a_lost_renewal_is_no_resolve() {
    for down_s in [1, 50, 100, 170, 179, 181, 600] {
        let mut rig = Rig::new();
        rig.post(QUIET, std::iter::once(7));
        rig.advance(60_000);
        rig.machine.commit().unwrap();
        let durable = rig.machine.durable();
        let renewed = rig.post(QUIET, std::iter::once(7));
        assert_eq!(renewed.taken.renewed, 1);
        assert!(renewed.answer_at <= durable && renewed.send_at > durable, "answered, and not written");
        rig.disk.power_loss(down_s);
        rig.now_ms += down_s * 1000;
        rig.machine = boot(&rig.disk, &rig.tenants, rig.now_ms);
        assert!(rig.machine.durable() > Position::START);
        // The source comes back with its next repeat, up to a minute later.
        rig.advance(rig.now_ms + 59_000);
        rig.post(QUIET, std::iter::once(7));
        rig.advance(rig.now_ms + 239_000);
        assert!(rig.told_of(QUIET, 7).iter().all(|told| told.fires), "down for {down_s} s");
        rig.advance(rig.now_ms + 400_000);
        assert!(!rig.told_of(QUIET, 7).last().unwrap().fires, "then it is silent, and over");
    }
}
