//! What a client was allowed within one window.

use super::Stored;
use crate::columns::{Put, Take};
use crate::layout::{Day, Kind};
use openclaw_alert::Timestamp;
use parquet::basic::Encoding;
use parquet::data_type::{BoolType, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use std::fmt;
use std::io::Write;
use std::sync::Arc;

/// Ticks in a window.
pub const TICKS: usize = 12;
/// A window and a half: whoever says nothing for longer has said something
/// that isn't here.
const GAP_MS: i64 = 18_000;

/// A client under one policy: a hash of its name, since names aren't known
/// where limits are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

impl ClientId {
    /// Its place in the order in which clients are sampled: those whose place
    /// is below some number are a fair part of all.
    #[must_use]
    pub fn place(self) -> u32 {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    fn parse(text: &str) -> Result<Self> {
        let number = u64::from_str_radix(text, 16);
        number.map(Self).map_err(|error| ParquetError::General(format!("client `{text}`: {error}")))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// What a client was allowed within one window, and all that what was learned
/// from it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRow {
    /// Who.
    pub client_id: ClientId,
    /// Under which policy.
    pub policy: Arc<str>,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// Windows of the client that were taken in before it, up to a hundred; at
    /// 0 it begins anew.
    pub before: u8,
    /// Tokens asked for in each tick.
    pub ticks: [u32; TICKS],
    /// Decisions that let the client go on.
    pub allowed: u64,
    /// Decisions that didn't.
    pub refused: u64,
    /// Tokens spent.
    pub cost: u64,
    /// Refill of the bucket that was in force, in tokens a second.
    pub rate_per_s: f64,
    /// Its size.
    pub burst: u32,
    /// Refill of the bucket that was advised.
    pub advised_rate_per_s: f64,
    /// Its size.
    pub advised_burst: u32,
    /// Whether the backend suffered.
    pub is_strained: bool,
    /// Tokens that count for what is learned: at most so many times the bucket.
    pub counted: f32,
    /// Of the burst within the window, what counts.
    pub counted_burst: f32,
    /// Requests whose outcome was told, up to 65 535.
    pub answered: u16,
    /// Of these, those that failed by the client's own doing.
    pub own_faults: u16,
    /// ln(p95 / SLO) of what the client waited for.
    pub latency: f32,
    /// What had predicted the bucket.
    pub model: Arc<str>,
    /// For how many it stands. Set by whoever samples.
    pub weight: f32,
}

impl WindowRow {
    /// The day on which it ended.
    #[must_use]
    pub fn day(&self) -> Day {
        Day::of(Timestamp::from_nanos(self.at_ms.saturating_mul(1_000_000)))
    }

    /// Whether it is the window right after another of the same client, so
    /// that what was known then was known here.
    #[must_use]
    pub fn follows(&self, earlier: &Self) -> bool {
        let is_next = self.before == earlier.before.saturating_add(1).min(100);
        is_next && self.at_ms - earlier.at_ms <= GAP_MS
    }
}

impl Stored for WindowRow {
    const KIND: Kind = Kind::Windows;
    const SCHEMA: &'static str = "message window {
        REQUIRED INT64 place;
        REQUIRED BYTE_ARRAY client_id (STRING);
        REQUIRED BYTE_ARRAY policy (STRING);
        REQUIRED INT64 timestamp (TIMESTAMP(MILLIS,true));
        REQUIRED INT32 before (INTEGER(8,false));
        REQUIRED GROUP ticks (LIST) { REPEATED GROUP list { REQUIRED INT32 element (INTEGER(32,false)); } }
        REQUIRED INT64 allowed;
        REQUIRED INT64 refused;
        REQUIRED INT64 cost;
        REQUIRED DOUBLE rate_per_s;
        REQUIRED INT64 burst;
        REQUIRED DOUBLE advised_rate_per_s;
        REQUIRED INT64 advised_burst;
        REQUIRED BOOLEAN is_strained;
        REQUIRED FLOAT counted;
        REQUIRED FLOAT counted_burst;
        REQUIRED INT32 answered (INTEGER(16,false));
        REQUIRED INT32 own_faults (INTEGER(16,false));
        REQUIRED FLOAT latency;
        REQUIRED BYTE_ARRAY model (STRING);
        REQUIRED FLOAT weight;
    }";
    // A dictionary has to be read as a whole by those who want a few rows.
    const PLAIN: &'static [(&'static str, Encoding)] = &[
        ("timestamp", Encoding::DELTA_BINARY_PACKED),
        ("ticks.list.element", Encoding::DELTA_BINARY_PACKED),
        ("allowed", Encoding::DELTA_BINARY_PACKED),
        ("refused", Encoding::DELTA_BINARY_PACKED),
        ("cost", Encoding::DELTA_BINARY_PACKED),
        ("rate_per_s", Encoding::PLAIN),
        ("burst", Encoding::DELTA_BINARY_PACKED),
        ("advised_rate_per_s", Encoding::PLAIN),
        ("advised_burst", Encoding::DELTA_BINARY_PACKED),
        ("counted", Encoding::PLAIN),
        ("counted_burst", Encoding::PLAIN),
        ("answered", Encoding::DELTA_BINARY_PACKED),
        ("own_faults", Encoding::DELTA_BINARY_PACKED),
        ("latency", Encoding::PLAIN),
    ];

    fn at_ms(&self) -> i64 {
        self.at_ms
    }

    fn sort(rows: &mut [Self]) {
        let order = |row: &Self| (row.client_id.place(), row.client_id);
        rows.sort_by(|a, b| {
            order(a).cmp(&order(b)).then_with(|| (&a.policy, a.at_ms).cmp(&(&b.policy, b.at_ms)))
        });
    }

    fn write<W: Write + Send>(rows: &[Self], put: &mut Put<'_, '_, W>) -> Result<()> {
        let clients: Vec<String> = rows.iter().map(|row| row.client_id.to_string()).collect();
        put.each::<Int64Type>(rows.iter().map(|row| row.client_id.place().into()))?;
        put.texts(clients.iter().map(String::as_str))?;
        put.texts(rows.iter().map(|row| &*row.policy))?;
        put.each::<Int64Type>(rows.iter().map(|row| row.at_ms))?;
        put.each::<Int32Type>(rows.iter().map(|row| row.before.into()))?;
        put.lists::<Int32Type, TICKS>(rows.iter().map(|row| row.ticks.map(u32::cast_signed)))?;
        put.each::<Int64Type>(rows.iter().map(|row| row.allowed.cast_signed()))?;
        put.each::<Int64Type>(rows.iter().map(|row| row.refused.cast_signed()))?;
        put.each::<Int64Type>(rows.iter().map(|row| row.cost.cast_signed()))?;
        put.each::<DoubleType>(rows.iter().map(|row| row.rate_per_s))?;
        put.each::<Int64Type>(rows.iter().map(|row| row.burst.into()))?;
        put.each::<DoubleType>(rows.iter().map(|row| row.advised_rate_per_s))?;
        put.each::<Int64Type>(rows.iter().map(|row| row.advised_burst.into()))?;
        put.each::<BoolType>(rows.iter().map(|row| row.is_strained))?;
        put.each::<FloatType>(rows.iter().map(|row| row.counted))?;
        put.each::<FloatType>(rows.iter().map(|row| row.counted_burst))?;
        put.each::<Int32Type>(rows.iter().map(|row| row.answered.into()))?;
        put.each::<Int32Type>(rows.iter().map(|row| row.own_faults.into()))?;
        put.each::<FloatType>(rows.iter().map(|row| row.latency))?;
        put.texts(rows.iter().map(|row| &*row.model))?;
        put.each::<FloatType>(rows.iter().map(|row| row.weight))
    }

    fn read(take: &mut Take<'_>) -> Result<Vec<Self>> {
        let _places = take.each::<Int64Type>()?;
        let clients = take.each::<ByteArrayType>()?;
        let policies = take.names()?;
        let times = take.each::<Int64Type>()?;
        let before = take.each::<Int32Type>()?;
        let ticks = take.lists::<Int32Type, TICKS>()?;
        let [allowed, refused, cost] =
            [take.each::<Int64Type>()?, take.each::<Int64Type>()?, take.each::<Int64Type>()?];
        let (rates, bursts) = (take.each::<DoubleType>()?, take.each::<Int64Type>()?);
        let (advised_rates, advised_bursts) = (take.each::<DoubleType>()?, take.each::<Int64Type>()?);
        let strained = take.each::<BoolType>()?;
        let (counted, counted_bursts) = (take.each::<FloatType>()?, take.each::<FloatType>()?);
        let (answered, own_faults) = (take.each::<Int32Type>()?, take.each::<Int32Type>()?);
        let latencies = take.each::<FloatType>()?;
        let models = take.names()?;
        let weights = take.each::<FloatType>()?;
        let rows = clients.iter().enumerate().map(|(at, client)| {
            Ok(Self {
                client_id: ClientId::parse(client.as_utf8()?)?,
                policy: Arc::clone(&policies[at]),
                at_ms: times[at],
                before: before[at] as u8,
                ticks: ticks[at].map(i32::cast_unsigned),
                allowed: allowed[at].cast_unsigned(),
                refused: refused[at].cast_unsigned(),
                cost: cost[at].cast_unsigned(),
                rate_per_s: rates[at],
                burst: bursts[at] as u32,
                advised_rate_per_s: advised_rates[at],
                advised_burst: advised_bursts[at] as u32,
                is_strained: strained[at],
                counted: counted[at],
                counted_burst: counted_bursts[at],
                answered: answered[at] as u16,
                own_faults: own_faults[at] as u16,
                latency: latencies[at],
                model: Arc::clone(&models[at]),
                weight: weights[at],
            })
        });
        rows.collect()
    }
}
