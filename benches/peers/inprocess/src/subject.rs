//! The limiters, each behind the same few calls. All are given rates that are
//! never reached, so that each decision takes the way of one that is allowed.

use governor::{DefaultKeyedRateLimiter, Quota};
use openclaw_limiter::{
    Adaptive, Ask, Common, CoreId, Key, LevelId, Limiter, Policy, PolicyId, Rate, Seed, Sizes, Verdict,
};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use throttlecrab::{AdaptiveStore, RateLimiter};

/// Tenants, among which clients are dealt out in turn.
pub(crate) const TENANTS: usize = 1000;

/// Refill rate and size of each bucket.
const RATE_PER_S: u32 = 1_000_000;
const BURST: u32 = 100_000;

/// One client, as a server knows it: its tenant from the credential, its name
/// as the request says it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) tenant: u16,
    pub(crate) name: String,
}

impl Client {
    pub(crate) fn new(number: usize) -> Self {
        let tenant = number % TENANTS;
        Self { tenant: tenant as u16, name: format!("tenant-{tenant:03}/client-{number:07}") }
    }
}

/// A limiter under test.
pub(crate) trait Subject: Sync {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// True where the client may go on. `nanos` is when the batch began.
    fn decide(&self, thread: u16, client: &Client, nanos: u64) -> bool;

    /// Other parameters, while decisions go on; those who can't keep theirs.
    fn rewrite(&self, _turn: u32, _nanos: u64) {}
}

/// Makes a limiter with room for so many clients.
pub(crate) type Maker = fn(usize) -> Box<dyn Subject>;

/// All of them, or those that are named.
pub(crate) fn all(names: &[String]) -> Vec<Maker> {
    let makers: [(&str, Maker); 9] = [
        ("governor", |_| Box::new(Governor::new())),
        ("throttlecrab", |clients| Box::new(Throttlecrab::new(clients))),
        ("pingora", |_| Box::new(Pingora::new())),
        ("flat", |clients| Box::new(Ours::new(clients, Form::Flat))),
        ("clock", |clients| Box::new(Ours::new(clients, Form::FlatOwnClock))),
        ("nested", |clients| Box::new(Ours::new(clients, Form::Nested))),
        ("adaptive", |clients| Box::new(Ours::new(clients, Form::Adaptive))),
        ("learned", |clients| Box::new(Ours::new(clients, Form::Learned))),
        ("names", |_| Box::new(Names(Seed::new([7; 16])))),
    ];
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    makers.into_iter().filter(|(name, _)| is_wanted(name)).map(|(_, make)| make).collect()
}

struct Governor(DefaultKeyedRateLimiter<String>);

impl Governor {
    fn new() -> Self {
        let number = |number: u32| NonZeroU32::MIN.saturating_add(number - 1);
        Self(governor::RateLimiter::keyed(Quota::per_second(number(RATE_PER_S)).allow_burst(number(BURST))))
    }
}

impl Subject for Governor {
    fn name(&self) -> &'static str {
        "governor, keyed"
    }

    fn decide(&self, _thread: u16, client: &Client, _nanos: u64) -> bool {
        self.0.check_key(&client.name).is_ok()
    }
}

/// Its own server keeps it in one task; a lock is the nearest for threads.
struct Throttlecrab(Mutex<RateLimiter<AdaptiveStore>>);

impl Throttlecrab {
    fn new(clients: usize) -> Self {
        Self(Mutex::new(RateLimiter::new(AdaptiveStore::builder().capacity(clients).build())))
    }
}

impl Subject for Throttlecrab {
    fn name(&self) -> &'static str {
        "throttlecrab, adaptive store, in a mutex"
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "it wants the time of day, which its server reads each time"
    )]
    fn decide(&self, _thread: u16, client: &Client, _nanos: u64) -> bool {
        let mut limiter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = limiter.rate_limit(
            &client.name,
            i64::from(BURST),
            i64::from(RATE_PER_S),
            1,
            1,
            SystemTime::now(),
        );
        answer.is_ok_and(|(is_allowed, _)| is_allowed)
    }
}

struct Pingora(pingora_limits::rate::Rate);

impl Pingora {
    fn new() -> Self {
        Self(pingora_limits::rate::Rate::new(Duration::from_secs(1)))
    }
}

impl Subject for Pingora {
    fn name(&self) -> &'static str {
        "pingora-limits, estimates"
    }

    fn decide(&self, _thread: u16, client: &Client, _nanos: u64) -> bool {
        self.0.observe(&client.name, 1) < isize::MAX
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A client's own bucket.
    Flat,
    /// The same; the clock is read for each decision.
    FlatOwnClock,
    /// A client's bucket in its policy's, in its tenant's.
    Nested,
    /// The same; the policies adapt, and no client comes near its limit.
    Adaptive,
    /// Nested; each client has learned a rate of its own, and is counted.
    Learned,
}

struct Ours {
    limiter: Limiter,
    form: Form,
    start: Instant,
    clients: u32,
}

impl Ours {
    fn new(count: usize, form: Form) -> Self {
        let tenants = TENANTS as u16;
        let sizes = Sizes { clients: count, policies: tenants, levels: 3 * u32::from(tenants), cores: 2 };
        let clients = count as u32;
        let limiter = Limiter::new(sizes, Seed::new([7; 16]));
        let limiter = if form == Form::Learned { limiter.with_learned(clients) } else { limiter };
        let ours = Self { limiter, form, start: Instant::now(), clients };
        ours.set_policies(1, 0);
        if form == Form::Learned {
            (0..count).map(Client::new).for_each(|client| ours.learn(&client));
        }
        ours
    }

    fn set_policies(&self, turn: u32, nanos: u64) {
        for tenant in 0..TENANTS as u16 {
            let within = self.within(tenant);
            for level in within.into_iter().flatten() {
                let rate = Rate::new(100.0 * f64::from(RATE_PER_S + turn % 7), u32::MAX);
                self.limiter.set_level(level, rate, nanos);
            }
            self.limiter.set_policy(PolicyId(tenant), Policy { rate: rate(turn), within }, nanos);
            if matches!(self.form, Form::Adaptive | Form::Learned) {
                // As for a backend that bears what is asked for: its level has no rate.
                let level = LevelId(2 * TENANTS as u32 + u32::from(tenant));
                let common = Some(Common { level, floor: 1 });
                self.limiter.set_adaptive(PolicyId(tenant), Some(Adaptive { slo_ms: 100, common }));
            }
        }
    }

    /// Clients that find no room stay with their policy's rate.
    fn learn(&self, client: &Client) {
        let _ = self.limiter.learn(PolicyId(client.tenant), self.key(client), rate(0), 0);
    }

    fn key(&self, client: &Client) -> Key {
        self.limiter.key(u64::from(client.tenant), client.name.as_bytes())
    }

    fn within(&self, tenant: u16) -> [Option<LevelId>; 2] {
        let level = u32::from(tenant);
        match self.form {
            Form::Flat | Form::FlatOwnClock => [None, None],
            Form::Nested | Form::Adaptive | Form::Learned => {
                [Some(LevelId(2 * level)), Some(LevelId(2 * level + 1))]
            }
        }
    }
}

/// A little different each turn.
fn rate(turn: u32) -> Rate {
    Rate::new(f64::from(RATE_PER_S + turn % 7), BURST)
}

impl Subject for Ours {
    fn name(&self) -> &'static str {
        match self.form {
            Form::Flat => "**openclaw, flat**",
            Form::FlatOwnClock => "**openclaw, flat, clock read each time**",
            Form::Nested => "**openclaw, client in policy in tenant**",
            Form::Adaptive => "**openclaw, the same, adaptation on**",
            Form::Learned => "**openclaw, the same, each client learned and counted**",
        }
    }

    fn decide(&self, thread: u16, client: &Client, nanos: u64) -> bool {
        let nanos = match self.form {
            Form::FlatOwnClock => self.start.elapsed().as_nanos() as u64,
            Form::Flat | Form::Nested | Form::Adaptive | Form::Learned => nanos,
        };
        let ask = Ask { policy: PolicyId(client.tenant), key: self.key(client), cost: 1 };
        self.limiter.decide(CoreId(thread), ask, nanos).verdict == Verdict::Allowed
    }

    fn rewrite(&self, turn: u32, nanos: u64) {
        if self.form != Form::Learned {
            return self.set_policies(turn, nanos);
        }
        for learned in self.limiter.learned(0..self.clients, nanos) {
            self.limiter.set_learned_rate(learned.id, learned.policy, learned.key, rate(turn), nanos);
        }
    }
}

/// Reads and hashes names, and decides nothing: what is left of a decision once
/// the table costs nothing.
struct Names(Seed);

impl Subject for Names {
    fn name(&self) -> &'static str {
        "names read and hashed, nothing decided"
    }

    fn decide(&self, _thread: u16, client: &Client, _nanos: u64) -> bool {
        // Never 0, which a compiler can know without a hash.
        black_box(Key::new(&self.0, u64::from(client.tenant), client.name.as_bytes())).word() != 0
    }
}
