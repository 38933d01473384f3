//! A new `state.db`, made beside and moved in as a whole: that waits for the
//! disk twice, where SQLite in its place waits for each of its steps.

use super::{OWNER_ONLY, apply_migrations};
use rusqlite::Connection;
use std::fs::{File, OpenOptions, hard_link, remove_file};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Makes the file where there is none. Where that fails, or another process is
/// at it or was cut off, whoever opens it makes it in its place.
pub(super) fn make(path: &Path) {
    if path.exists() {
        return;
    }
    let new = path.with_extension("db.new");
    if OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&new).is_err() {
        return;
    }
    if fill(&new).is_ok() {
        // A link, since it must not take the place of what others made.
        let _ = sync(&new).and_then(|()| hard_link(&new, path)).and_then(|()| sync_folder_of(path));
    }
    let _ = remove_file(&new);
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    apply_migrations(&mut connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keys;
    use std::os::unix::fs::PermissionsExt as _;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(super::super::FILE_NAME);
        make(&path);
        assert_eq!(names(folder.path()), ["state.db"]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let connection = Connection::open(&path).unwrap();
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        drop(connection);
        let made = Keys::open(folder.path()).unwrap().instance().unwrap();
        make(&path);
        assert_eq!(Keys::open(folder.path()).unwrap().instance().unwrap(), made);
    }

    #[test]
    fn what_another_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("state.db.new"), b"half").unwrap();
        Keys::open(folder.path()).unwrap().instance().unwrap();
        assert!(names(folder.path()).contains(&"state.db.new".to_owned()));
    }

    #[test]
    fn many_at_once_make_one() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Keys::open(folder.path()).unwrap().instance().unwrap();
        let made: Vec<_> = std::thread::scope(|scope| {
            let opening: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            opening.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(made.iter().all(|number| *number == made[0]), "{made:?}");
    }
}
