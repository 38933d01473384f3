//! The folder of all files.

use crate::error::TelemetryError;
use crate::files::{self, Reader};
use crate::layout::{Day, Kind, Place, Span, day_of, sifted, tenant_folder, tenant_of};
use crate::rows::{ObservationRow, Stored};
use openclaw_alert::TenantName;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files on their way in.
const COMING: &str = ".coming";
/// Files whose rows others have by now, for those who are about to read them.
const REPLACED: &str = ".replaced";

/// The folder of all files. Reading from it needs nobody's leave; only one
/// process may write.
#[derive(Debug, Clone)]
pub struct Store {
    root: Arc<Path>,
    /// Whoever takes files away, or puts one in the place of several.
    turn: Arc<Mutex<()>>,
}

impl Store {
    /// At a folder, which need not be there yet.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into().into(), turn: Arc::default() }
    }

    /// Makes ready for writing: what a crash has left half done goes.
    pub(crate) fn prepare(&self) -> Result<(), TelemetryError> {
        for folder in [COMING, REPLACED].map(|name| self.root.join(name)) {
            remove_folder(&folder)?;
            fs::create_dir_all(&folder).map_err(TelemetryError::file(&folder))?;
        }
        Ok(())
    }

    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn folder(&self, place: &Place) -> PathBuf {
        self.root.join(place.folder())
    }

    pub(crate) fn path(&self, place: &Place, span: Span) -> PathBuf {
        self.folder(place).join(span.to_string())
    }

    fn replaced(&self, place: &Place) -> PathBuf {
        self.root.join(REPLACED).join(place.folder())
    }

    /// Writes a file. Gives its size.
    pub(crate) fn write<R: Stored>(
        &self,
        place: &Place,
        span: Span,
        rows: &[R],
    ) -> Result<u64, TelemetryError> {
        let Place { kind, tenant, day } = place;
        let coming = self.root.join(COMING).join(format!("{}-{tenant}-{day}-{span}", kind.name()));
        let bytes = files::write(&coming, rows)?;
        files::move_in(&coming, &self.folder(place), &self.path(place, span))?;
        Ok(bytes)
    }

    /// Opens a file, or what is left of it for those who knew it.
    pub(crate) fn open<T>(
        &self,
        place: &Place,
        span: Span,
        read: impl FnOnce(&Reader<'_>) -> Result<T, TelemetryError>,
    ) -> Result<T, TelemetryError> {
        let replaced = self.replaced(place).join(span.to_string());
        read(&Reader::open(&self.path(place, span), &replaced)?)
    }

    /// Takes files away whose rows another has; who knows of them can still
    /// read them where they are now, until these are removed.
    pub(crate) fn replace(&self, place: &Place, spans: &[Span]) -> Result<Vec<PathBuf>, TelemetryError> {
        let aside = self.replaced(place);
        fs::create_dir_all(&aside).map_err(TelemetryError::file(&aside))?;
        let mut moved = Vec::new();
        for span in spans {
            let (path, to) = (self.path(place, *span), aside.join(span.to_string()));
            fs::rename(&path, &to).map_err(TelemetryError::file(&path))?;
            moved.push(to);
        }
        files::sync_folder(&self.folder(place))?;
        Ok(moved)
    }

    /// Whatever was moved aside, by whomever.
    pub(crate) fn forget_replaced(&self) -> Result<(), TelemetryError> {
        remove_folder(&self.root.join(REPLACED))
    }

    /// The numbers of a folder's files, in order: those that count, and those
    /// whose rows others have as well.
    pub(crate) fn spans(&self, place: &Place) -> Result<(Vec<Span>, Vec<Span>), TelemetryError> {
        let names = names(&self.folder(place))?;
        Ok(sifted(names.iter().filter_map(|name| Span::parse(name)).collect()))
    }

    /// Whose rows there are.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn tenants(&self, kind: Kind) -> Result<Vec<TenantName>, TelemetryError> {
        let names = names(&self.root.join(kind.name()))?;
        Ok(names.iter().filter_map(|name| tenant_of(name)).collect())
    }

    /// The days of which there are rows, in order.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn days(&self, kind: Kind, tenant: &TenantName) -> Result<Vec<Day>, TelemetryError> {
        let names = names(&self.root.join(tenant_folder(kind, tenant)))?;
        let mut days: Vec<Day> = names.iter().filter_map(|name| day_of(name)).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// One tenant's observations of one day, file by file.
    ///
    /// # Errors
    /// Where a file can't be read.
    pub fn observations(
        &self,
        tenant: &TenantName,
        day: Day,
        mut each: impl FnMut(Vec<ObservationRow>),
    ) -> Result<(), TelemetryError> {
        let place = Place { kind: Kind::Observations, tenant: tenant.clone(), day };
        for span in self.spans(&place)?.0 {
            let mut rows = Vec::new();
            self.open(&place, span, |file| file.read_all(&mut rows))?;
            each(rows);
        }
        Ok(())
    }

    pub(crate) fn remove_day(&self, place: &Place) -> Result<(), TelemetryError> {
        let _turn = self.turn();
        remove_folder(&self.folder(place))
    }

    /// Leaves nothing of a tenant.
    pub(crate) fn erase(&self, tenant: &TenantName) -> Result<(), TelemetryError> {
        let _turn = self.turn();
        for kind in Kind::ALL {
            let folder = tenant_folder(kind, tenant);
            remove_folder(&self.root.join(REPLACED).join(&folder))?;
            remove_folder(&self.root.join(&folder))?;
            let all = self.root.join(kind.name());
            if all.is_dir() {
                files::sync_folder(&all)?;
            }
        }
        Ok(())
    }
}

/// What is in a folder; nothing where there is none.
fn names(folder: &Path) -> Result<Vec<String>, TelemetryError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(TelemetryError::file(folder))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
    names.collect::<io::Result<_>>().map_err(TelemetryError::file(folder))
}

fn remove_folder(folder: &Path) -> Result<(), TelemetryError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TelemetryError::file(folder)(error)),
        _ => Ok(()),
    }
}
