//! A file of numbers by client, for whoever trains elsewhere.

use crate::columns::Put;
use crate::error::TelemetryError;
use crate::files::{GROUP_ROWS, sync_folder};
use crate::rows::ClientId;
use openclaw_alert::TenantName;
use parquet::basic::Compression;
use parquet::data_type::{FloatType, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes rows of numbers, a group at a time. The file is there once it is
/// finished.
pub struct Table {
    path: PathBuf,
    coming: PathBuf,
    writer: SerializedFileWriter<File>,
    rows: Rows,
}

/// Those of the next group.
#[derive(Default)]
struct Rows {
    clients: Vec<(TenantName, ClientId, Arc<str>, i64)>,
    numbers: Vec<Vec<f32>>,
}

impl Table {
    /// Begins a file with columns of these names besides `tenant`, `client_id`,
    /// `policy` and `timestamp`.
    ///
    /// # Errors
    /// Where the file can't be made, or a name can't be a column's.
    pub fn create(path: &Path, numbers: &[&str]) -> Result<Self, TelemetryError> {
        let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
        name.push(".coming");
        let coming = path.with_file_name(name);
        let file = File::create(&coming).map_err(TelemetryError::file(&coming))?;
        let writer = writer(file, numbers).map_err(TelemetryError::damaged(path))?;
        let rows = Rows { clients: Vec::new(), numbers: vec![Vec::new(); numbers.len()] };
        Ok(Self { path: path.to_owned(), coming, writer, rows })
    }

    /// Adds a row with a number for each column.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn add(
        &mut self,
        tenant: &TenantName,
        client: ClientId,
        policy: &Arc<str>,
        at_ms: i64,
        numbers: impl IntoIterator<Item = f32>,
    ) -> Result<(), TelemetryError> {
        self.rows.clients.push((tenant.clone(), client, Arc::clone(policy), at_ms));
        for (column, number) in self.rows.numbers.iter_mut().zip(numbers) {
            column.push(number);
        }
        if self.rows.clients.len() >= GROUP_ROWS { self.write() } else { Ok(()) }
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn finish(mut self) -> Result<(), TelemetryError> {
        self.write()?;
        let file = self.writer.into_inner().map_err(TelemetryError::damaged(&self.path))?;
        file.sync_all().map_err(TelemetryError::file(&self.coming))?;
        fs::rename(&self.coming, &self.path).map_err(TelemetryError::file(&self.path))?;
        match self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => sync_folder(folder),
            None => sync_folder(Path::new(".")),
        }
    }

    fn write(&mut self) -> Result<(), TelemetryError> {
        let columns = self.rows.numbers.len();
        let rows =
            std::mem::replace(&mut self.rows, Rows { numbers: vec![Vec::new(); columns], ..Rows::default() });
        rows.write(&mut self.writer).map_err(TelemetryError::damaged(&self.path))
    }
}

impl Rows {
    fn write(&self, writer: &mut SerializedFileWriter<File>) -> ParquetResult<()> {
        if self.clients.is_empty() {
            return Ok(());
        }
        if self.numbers.iter().any(|column| column.len() != self.clients.len()) {
            return Err(ParquetError::General("a row has too few numbers".to_owned()));
        }
        let names: Vec<String> = self.clients.iter().map(|(_, client, ..)| client.to_string()).collect();
        let mut group = writer.next_row_group()?;
        let mut put = Put::new(&mut group);
        put.texts(self.clients.iter().map(|(tenant, ..)| tenant.as_str()))?;
        put.texts(names.iter().map(String::as_str))?;
        put.texts(self.clients.iter().map(|(_, _, policy, _)| &**policy))?;
        put.each::<Int64Type>(self.clients.iter().map(|(.., at_ms)| *at_ms))?;
        for column in &self.numbers {
            put.each::<FloatType>(column.iter().copied())?;
        }
        group.close().map(drop)
    }
}

fn writer(file: File, numbers: &[&str]) -> ParquetResult<SerializedFileWriter<File>> {
    let numbers: String = numbers.iter().map(|name| format!("REQUIRED FLOAT {name};")).collect();
    let schema = format!(
        "message window {{ REQUIRED BYTE_ARRAY tenant (STRING); REQUIRED BYTE_ARRAY client_id (STRING);
        REQUIRED BYTE_ARRAY policy (STRING); REQUIRED INT64 timestamp (TIMESTAMP(MILLIS,true)); {numbers} }}"
    );
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    SerializedFileWriter::new(file, Arc::new(parse_message_type(&schema)?), Arc::new(properties))
}
