//! The ledger of shares, kept by a script in Redis.

use super::redis::{Connection, Redis, RedisError, RedisOptions};
use super::reply::{NotRedis, Reply};
use openclaw_admission::shares::{Answer, Grant, Report, Share, SharedKey};
use openclaw_delivery::TlsSettingsError;
use std::time::Duration;

pub(super) const ROUND: &str = include_str!("ledger.lua");
pub(super) const LEAVE: &str = include_str!("leave.lua");

/// The way to the ledger.
pub(super) struct Ledger {
    redis: Redis,
    prefix: String,
    replica: String,
    lease: Duration,
    connected: Option<Connected>,
    /// What this replica hashes clients' names with, once that is settled.
    seed: Option<[u8; 16]>,
    has_common_seed: bool,
}

struct Connected {
    connection: Connection,
    /// What Redis calls the script.
    script: Vec<u8>,
}

impl Ledger {
    /// # Errors
    /// The settings can't be used for TLS.
    pub(super) fn new(
        options: RedisOptions,
        prefix: &str,
        replica: String,
        lease: Duration,
    ) -> Result<Self, TlsSettingsError> {
        // In braces: what a cluster would keep together.
        let (redis, prefix) = (Redis::new(options)?, format!("{{{prefix}}}"));
        Ok(Self { redis, prefix, replica, lease, connected: None, seed: None, has_common_seed: false })
    }

    /// Says what this replica holds and wants, and hears what it may hold;
    /// nothing where an old report was overtaken.
    pub(super) async fn round(&mut self, report: &Report) -> Result<Option<Answer>, RedisError> {
        let result = self.said(report).await;
        if result.is_err() {
            self.connected = None;
        }
        result
    }

    async fn said(&mut self, report: &Report) -> Result<Option<Answer>, RedisError> {
        let arguments = arguments(&self.replica, report, self.lease);
        let (prefix, Connected { connection, script }) = self.connected().await?;
        let mut words: Vec<&[u8]> = vec![b"EVALSHA", script, b"1", prefix.as_bytes()];
        words.extend(arguments.iter().map(String::as_bytes));
        let reply = connection.ask(&words).await?;
        Ok(answer(&reply)?)
    }

    async fn connected(&mut self) -> Result<(&str, &mut Connected), RedisError> {
        let connected = match self.connected.take() {
            Some(connected) => connected,
            None => self.connect().await?,
        };
        Ok((&self.prefix, self.connected.insert(connected)))
    }

    /// A Redis that has lost its memory is told the seed again, before anybody
    /// new can bring another one.
    async fn connect(&mut self) -> Result<Connected, RedisError> {
        let mut connection = self.redis.connect().await?;
        if let Some(seed) = self.seed {
            self.has_common_seed = first_seed(&mut connection, &self.prefix, &seed).await? == seed;
        }
        match connection.ask(&["SCRIPT", "LOAD", ROUND]).await? {
            Reply::Text(script) => Ok(Connected { connection, script }),
            _ => Err(NotRedis.into()),
        }
    }

    /// Settles on a seed: the first of all replicas', or its own where Redis is
    /// away.
    pub(super) async fn agree_on_seed(&mut self, own: [u8; 16]) -> [u8; 16] {
        let first = match self.redis.connect().await {
            Ok(mut connection) => first_seed(&mut connection, &self.prefix, &own).await.ok(),
            Err(_) => None,
        };
        let seed = first.and_then(|first| first.try_into().ok()).unwrap_or(own);
        self.seed = Some(seed);
        seed
    }

    /// Whether clients are called the same by all replicas.
    pub(super) fn has_common_seed(&self) -> bool {
        self.has_common_seed
    }

    /// Gives the share back: this replica decides nothing any more.
    pub(super) async fn leave(&mut self) -> Result<(), RedisError> {
        let replica = self.replica.clone();
        let (prefix, Connected { connection, .. }) = self.connected().await?;
        connection.ask(&["EVAL", LEAVE, "1", prefix, &replica]).await.map(drop)
    }
}

/// Its own, where there is none yet.
async fn first_seed(connection: &mut Connection, prefix: &str, own: &[u8]) -> Result<Vec<u8>, RedisError> {
    let key = format!("{prefix}:seed");
    connection.ask(&[b"SETNX", key.as_bytes(), own]).await?;
    match connection.ask(&[b"GET", key.as_bytes()]).await? {
        Reply::Text(seed) => Ok(seed),
        _ => Err(NotRedis.into()),
    }
}

pub(super) fn arguments(replica: &str, report: &Report, lease: Duration) -> Vec<String> {
    let mut words = vec![
        replica.to_owned(),
        report.turn.to_string(),
        report.epoch.to_string(),
        report.ledger.to_string(),
        report.members.join(" "),
        report.calls_since.to_string(),
        lease.as_millis().to_string(),
    ];
    for entry in &report.entries {
        words.push(format!("{:032x}", entry.key.0));
        words.push(entry.held.parts().to_string());
        words.push(entry.wanted.parts().to_string());
        words.push(entry.demand.to_string());
        words.push(u8::from(entry.is_last).to_string());
    }
    words
}

pub(super) fn answer(reply: &Reply) -> Result<Option<Answer>, NotRedis> {
    match reply.list() {
        Some([]) => Ok(None),
        Some(items) => answer_of(items).map(Some).ok_or(NotRedis),
        None => Err(NotRedis),
    }
}

fn answer_of(items: &[Reply]) -> Option<Answer> {
    let [epoch, ledger, members, is_open, at, grants, called] = items else { return None };
    let members = members.list()?.iter().map(|name| name.text().map(str::to_owned));
    let grants = grants.list()?.chunks_exact(2).map(|pair| {
        let share = Share::of_parts(pair[0].number()? as u32);
        Some(Grant { share, demand_of_others: pair[1].number()? })
    });
    let called = called.list()?.iter().map(|key| {
        let key = u128::from_str_radix(key.text()?, 16).ok()?;
        Some(SharedKey(key))
    });
    Some(Answer {
        epoch: epoch.number()?,
        ledger: ledger.number()?,
        members: members.collect::<Option<_>>()?,
        is_open: is_open.number()? == 1,
        at: at.number()?,
        grants: grants.collect::<Option<_>>()?,
        called: called.collect::<Option<_>>()?,
    })
}
