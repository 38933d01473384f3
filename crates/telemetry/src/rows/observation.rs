//! How one request ended.

use super::Stored;
use crate::columns::{Put, Take};
use crate::layout::Kind;
use parquet::basic::Encoding;
use parquet::data_type::{FloatType, Int32Type, Int64Type};
use parquet::errors::Result;
use std::io::Write;
use std::sync::Arc;

/// How one request ended, or `weight` of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservationRow {
    /// Who had asked, within the tenant.
    pub client_id: Arc<str>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// How long the answer took.
    pub response_time_ms: f32,
    /// The answer's HTTP status; 0 where none came in time.
    pub status_code: u16,
    /// For how many it stands. Set by whoever samples.
    pub weight: f32,
}

impl Stored for ObservationRow {
    const KIND: Kind = Kind::Observations;
    const SCHEMA: &'static str = "message observation {
        REQUIRED BYTE_ARRAY client_id (STRING);
        REQUIRED INT64 timestamp (TIMESTAMP(MILLIS,true));
        REQUIRED FLOAT response_time_ms;
        REQUIRED INT32 status_code (INTEGER(16,false));
        REQUIRED FLOAT weight;
    }";
    const PLAIN: &'static [(&'static str, Encoding)] =
        &[("timestamp", Encoding::DELTA_BINARY_PACKED), ("response_time_ms", Encoding::PLAIN)];

    fn at_ms(&self) -> i64 {
        self.at_ms
    }

    fn sort(rows: &mut [Self]) {
        rows.sort_by(|a, b| (&a.client_id, a.at_ms).cmp(&(&b.client_id, b.at_ms)));
    }

    fn write<W: Write + Send>(rows: &[Self], put: &mut Put<'_, '_, W>) -> Result<()> {
        put.texts(rows.iter().map(|row| &*row.client_id))?;
        put.each::<Int64Type>(rows.iter().map(|row| row.at_ms))?;
        put.each::<FloatType>(rows.iter().map(|row| row.response_time_ms))?;
        put.each::<Int32Type>(rows.iter().map(|row| row.status_code.into()))?;
        put.each::<FloatType>(rows.iter().map(|row| row.weight))
    }

    fn read(take: &mut Take<'_>) -> Result<Vec<Self>> {
        let clients = take.names()?;
        let times = take.each::<Int64Type>()?;
        let took = take.each::<FloatType>()?;
        let codes = take.each::<Int32Type>()?;
        let weights = take.each::<FloatType>()?;
        let rows = clients.into_iter().enumerate().map(|(at, client_id)| Self {
            client_id,
            at_ms: times[at],
            response_time_ms: took[at],
            status_code: codes[at] as u16,
            weight: weights[at],
        });
        Ok(rows.collect())
    }
}
