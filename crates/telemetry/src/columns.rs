//! Columns of one row group, in the order of their schema.

use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::RowGroupReader;
use parquet::file::writer::SerializedRowGroupWriter;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

/// Takes a row group's columns one after the other.
pub(crate) struct Put<'p, 'g, W: Write + Send>(&'p mut SerializedRowGroupWriter<'g, W>);

impl<'p, 'g, W: Write + Send> Put<'p, 'g, W> {
    pub(crate) fn new(group: &'p mut SerializedRowGroupWriter<'g, W>) -> Self {
        Self(group)
    }

    /// One value a row.
    pub(crate) fn each<T: DataType>(&mut self, values: impl Iterator<Item = T::T>) -> Result<()> {
        let values: Vec<T::T> = values.collect();
        self.column::<T>(&values, None)
    }

    pub(crate) fn texts<'t>(&mut self, values: impl Iterator<Item = &'t str>) -> Result<()> {
        self.each::<ByteArrayType>(values.map(ByteArray::from))
    }

    /// A list of `N` values a row.
    pub(crate) fn lists<T: DataType, const N: usize>(
        &mut self,
        rows: impl Iterator<Item = [T::T; N]>,
    ) -> Result<()> {
        let values: Vec<T::T> = rows.flatten().collect();
        let defined = vec![1; values.len()];
        let repeated: Vec<i16> = (0..values.len()).map(|at| i16::from(at % N != 0)).collect();
        self.column::<T>(&values, Some((&defined, &repeated)))
    }

    fn column<T: DataType>(&mut self, values: &[T::T], levels: Option<(&[i16], &[i16])>) -> Result<()> {
        let Some(mut column) = self.0.next_column()? else {
            return Err(ParquetError::General("more columns than the schema has".to_owned()));
        };
        let (defined, repeated) = levels.unzip();
        column.typed::<T>().write_batch(values, defined, repeated)?;
        column.close()
    }
}

/// Gives some of a row group's rows, column after column.
pub(crate) struct Take<'g> {
    group: &'g dyn RowGroupReader,
    next: usize,
    rows: Range<usize>,
}

impl<'g> Take<'g> {
    pub(crate) fn new(group: &'g dyn RowGroupReader, rows: Range<usize>) -> Self {
        Self { group, next: 0, rows }
    }

    /// One value a row.
    pub(crate) fn each<T: DataType>(&mut self) -> Result<Vec<T::T>> {
        self.column::<T>(1)
    }

    /// Texts, of which few are different from the one before.
    pub(crate) fn names(&mut self) -> Result<Vec<Arc<str>>> {
        let mut last: Option<(ByteArray, Arc<str>)> = None;
        let values = self.each::<ByteArrayType>()?;
        let names = values.into_iter().map(|value| match &last {
            Some((bytes, name)) if *bytes == value => Ok(Arc::clone(name)),
            _ => {
                let name: Arc<str> = value.as_utf8()?.into();
                last = Some((value, Arc::clone(&name)));
                Ok(name)
            }
        });
        names.collect()
    }

    /// A list of `N` values a row.
    pub(crate) fn lists<T: DataType, const N: usize>(&mut self) -> Result<Vec<[T::T; N]>>
    where
        T::T: Copy + Default,
    {
        let values = self.column::<T>(N)?;
        let (rows, []) = values.as_chunks::<N>() else { return Err(uneven()) };
        Ok(rows.to_vec())
    }

    fn column<T: DataType>(&mut self, each: usize) -> Result<Vec<T::T>> {
        let mut column = get_typed_column_reader::<T>(self.group.get_column_reader(self.next)?);
        self.next += 1;
        column.skip_records(self.rows.start)?;
        let wanted = self.rows.len();
        let (mut values, mut records) = (Vec::with_capacity(wanted * each), 0);
        let (mut defined, mut repeated) = (Vec::new(), Vec::new());
        while records < wanted {
            let levels = (each > 1).then_some((&mut defined, &mut repeated));
            let (defined, repeated) = levels.unzip();
            let (more, ..) = column.read_records(wanted - records, defined, repeated, &mut values)?;
            if more == 0 {
                break;
            }
            records += more;
        }
        if records != wanted || values.len() != wanted * each { Err(uneven()) } else { Ok(values) }
    }
}

fn uneven() -> ParquetError {
    ParquetError::General("columns have different numbers of rows".to_owned())
}
