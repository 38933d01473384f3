//! Rows, and how they lie in columns.

mod observation;
mod window;

pub use observation::ObservationRow;
pub use window::{ClientId, TICKS, WindowRow};

use crate::columns::{Put, Take};
use crate::layout::Kind;
use parquet::basic::{Compression, Encoding};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};
use std::io::Write;
use std::sync::Arc;

/// Rows of a page: who reads a sample has no more than one page too many of
/// each column.
const PAGE_ROWS: usize = 1 << 10;

/// A kind of row that is kept.
pub(crate) trait Stored: Sized + Send + 'static {
    const KIND: Kind;
    /// Parquet's message type.
    const SCHEMA: &'static str;
    /// Columns whose values hardly repeat.
    const PLAIN: &'static [(&'static str, Encoding)];

    fn at_ms(&self) -> i64;
    /// The order within a file that is made of several.
    fn sort(rows: &mut [Self]);
    fn write<W: Write + Send>(rows: &[Self], put: &mut Put<'_, '_, W>) -> Result<()>;
    fn read(take: &mut Take<'_>) -> Result<Vec<Self>>;
}

pub(crate) fn schema<R: Stored>() -> Result<TypePtr> {
    Ok(Arc::new(parse_message_type(R::SCHEMA)?))
}

pub(crate) fn properties<R: Stored>() -> Arc<WriterProperties> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("openclaw ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    let plain = |properties: WriterPropertiesBuilder, (name, encoding): &(&str, Encoding)| {
        let column = ColumnPath::new(name.split('.').map(str::to_owned).collect());
        properties.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column, *encoding)
    };
    Arc::new(R::PLAIN.iter().fold(properties, plain).build())
}
