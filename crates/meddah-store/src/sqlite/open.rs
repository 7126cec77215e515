//! Opening the file: whose it is, whether it is sound, and bringing it up to date.
//!
//! Nothing is written before all three are known, so a file that is refused stays as it was.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::error::DAMAGED;
use super::worker::Sync;
use crate::{StoreError, StoreErrorKind};

/// What makes a SQLite file one of ours.
pub(crate) struct FileKind {
    /// Marks it as ours.
    pub application_id: i32,
    /// Each brings a file one version further; a file's version is how many it has seen.
    pub migrations: &'static [&'static str],
    /// SQLite's `synchronous`: what a power cut may take with it.
    pub synchronous: &'static str,
}

/// Timelines. "MdTL". The disk is synced right behind each commit, see [`sync`].
const TIMELINES: FileKind = FileKind {
    application_id: 0x4d64_544c,
    migrations: &[include_str!("migrations/001_timelines.sql"), include_str!("migrations/002_derived.sql")],
    synchronous: "NORMAL",
};
/// What every SQLite file begins with.
const FILE_START: &[u8; 16] = b"SQLite format 3\0";
/// How long a connection waits for another program's lock.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);
/// Between two tries where SQLite does not wait.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Files up to this size are checked as a whole on opening, at some 2 to 7 ms per MiB; larger ones
/// would delay the start, and of those only what is read is checked.
const CHECKED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Prepared statements kept by a connection; there are about thirty.
const STATEMENTS_MAX: usize = 48;
/// Pages that the reader keeps in memory, in KiB: recalling reads a few hundred vectors of some KiB each, mostly
/// the same ones.
const READ_CACHE_KIB: i64 = 16 * 1024;
/// Pages of the journal at which the writer itself folds it into the file, which takes some 10 ms: only if
/// [`super::Folding`] does not come to it.
const JOURNAL_PAGES_MAX: u32 = 8_000;
/// The journal shrinks to this after a burst, in bytes.
const JOURNAL_BYTES_KEPT: u64 = 4 * 1024 * 1024;
/// How many names [`move_aside`] tries.
const ASIDE_NAMES_MAX: u32 = 1_000;

/// The writer's connection to a file of timelines.
pub(super) fn file(path: &Path) -> Result<Connection, StoreError> {
    let connection = file_of(&TIMELINES, path)?;
    connection.pragma_update(None, "wal_autocheckpoint", JOURNAL_PAGES_MAX)?;
    Ok(connection)
}

/// A connection that folds the journal of a file that [`file`] has opened into it.
pub(super) fn folder(path: &Path) -> Result<Connection, StoreError> {
    connect(path)
}

/// A connection that writes to a file of this kind.
pub(crate) fn file_of(kind: &FileKind, path: &Path) -> Result<Connection, StoreError> {
    let create_folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    create_folder.map_err(|error| unreadable(path, &error))?;
    let bytes = check_start(path)?;
    let mut connection = connect(path)?;
    connection.busy_timeout(BUSY_WAIT_MAX)?;
    check_owner(kind, &connection, path)?;
    if (1..=CHECKED_BYTES_MAX).contains(&bytes) {
        check_sound(&connection, path)?;
    }
    begin_journal(&connection)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_KEPT)?;
    prepare(kind, &mut connection)?;
    Ok(connection)
}

/// Makes the disk keep what was committed to this file: a commit only stands in the journal, which SQLite then
/// syncs when it copies it into the file. A journal that cannot be opened is synced by SQLite at each commit.
pub(super) fn sync(path: &Path, connection: &Connection) -> Result<Sync, StoreError> {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    // It stays the same file for as long as a connection is open.
    let Ok(journal) = File::options().write(true).open(&journal) else {
        connection.pragma_update(None, "synchronous", "FULL")?;
        return Ok(Box::new(|| Ok(())));
    };
    let path = path.to_owned();
    Ok(Box::new(move || journal.sync_data().map_err(|error| unwritten(&path, &error))))
}

/// Turns write-ahead logging on. SQLite does not wait by itself when several programs do so at once with a new
/// file.
fn begin_journal(connection: &Connection) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < BUSY_WAIT_MAX =>
            {
                std::thread::sleep(BUSY_PAUSE);
            }
            done => return Ok(done?),
        }
    }
}

/// A second connection to a file that [`file`] has opened.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    connection.busy_timeout(BUSY_WAIT_MAX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READ_CACHE_KIB)?; // negative: in KiB
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    // Without URI names: a folder may be called anything. Each connection stays on one thread.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

pub(super) fn memory() -> Result<Connection, StoreError> {
    let mut connection = Connection::open_in_memory()?;
    prepare(&TIMELINES, &mut connection)?;
    Ok(connection)
}

fn prepare(kind: &FileKind, connection: &mut Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "synchronous", kind.synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    migrate(kind, connection)
}

fn migrate(kind: &FileKind, connection: &mut Connection) -> Result<(), StoreError> {
    // Immediate: a second program that opens the same new file waits here and then finds it made.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in kind.migrations.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    if version < kind.migrations.len() {
        transaction.pragma_update(None, "application_id", kind.application_id)?;
        transaction.pragma_update(None, "user_version", kind.migrations.len())?;
    }
    Ok(transaction.commit()?)
}

/// Refuses what is no SQLite file; gives the size in bytes, 0 for a new one.
fn check_start(path: &Path) -> Result<u64, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let bytes = file.metadata().map_err(|error| unreadable(path, &error))?.len();
    let mut start = [0; FILE_START.len()];
    if bytes == 0 {
        return Ok(0);
    }
    match file.read_exact(&mut start) {
        Ok(()) if &start == FILE_START => Ok(bytes),
        Ok(()) => Err(foreign(path)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(foreign(path)),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Refuses another program's SQLite file, and one of a newer version.
fn check_owner(kind: &FileKind, connection: &Connection, path: &Path) -> Result<(), StoreError> {
    // All three of one moment: another program may be making the file just now.
    let moment = connection.unchecked_transaction()?;
    let owner: i32 = moment.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = moment.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = moment.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    drop(moment);
    let empty = owner == 0 && version == 0 && tables == 0;
    if owner != kind.application_id && !empty {
        return Err(foreign(path));
    }
    if version > kind.migrations.len() as i64 {
        let message = format!(
            "{path:?} was written by a newer version (its format is {version}, this knows {})",
            kind.migrations.len()
        );
        return Err(StoreError::new(StoreErrorKind::Invalid, message).with_help(
            "Update Meddah, or choose another data folder with MEDDAH_DATA. The file was left as it is.",
        ));
    }
    Ok(())
}

fn check_sound(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = connection.query_one("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::new(StoreErrorKind::Corrupt, format!("{path:?} is damaged: {verdict}"))
        .with_help(DAMAGED))
}

fn foreign(path: &Path) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("{path:?} is not a memory file of Meddah")).with_help(
        "Move the file aside, or choose another data folder with MEDDAH_DATA. The file was left as it is.",
    )
}

fn unwritten(path: &Path, error: &io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("the disk did not take {path:?}: {error}"))
        .with_help("Check whether the disk is full or failing.")
}

fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("{path:?} cannot be opened: {error}"))
        .with_help("Check that the memory file and its folder exist and may be written to.")
}

/// Renames a memory file that cannot be opened, with its journal, so that a new one can be begun.
/// Gives the new name. Nothing is overwritten; close every store on the file first.
pub fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let suffixed = |base: &Path, suffix: &str| {
        let mut name = base.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let free = (1..=ASIDE_NAMES_MAX).map(|number| suffixed(path, &format!(".aside-{number}")));
    let aside = free.into_iter().find(|name| !name.exists()).ok_or_else(|| {
        StoreError::new(StoreErrorKind::Invalid, format!("{path:?} was moved aside too often"))
            .with_help("Delete the copies named `.aside-…` beside it that you do not need.")
    })?;
    fs::rename(path, &aside).map_err(|error| unreadable(path, &error))?;
    for journal in ["-wal", "-shm"] {
        match fs::rename(suffixed(path, journal), suffixed(&aside, journal)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unreadable(path, &error)),
            _ => {}
        }
    }
    Ok(aside)
}
