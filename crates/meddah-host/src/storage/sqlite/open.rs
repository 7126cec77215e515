//! Opening the file: whose it is, and bringing it up to date. A file that is refused stays as it was.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::storage::{StorageError, StorageErrorKind as Kind};

/// Marks a file as ours: "MdHo".
const APPLICATION_ID: i32 = 0x4d64_486f;
/// Each brings a file one version further; a file's version is how many it has seen.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001_host.sql"),
    include_str!("migrations/002_people.sql"),
    include_str!("migrations/003_counted_later.sql"),
];
/// What every SQLite file begins with.
const FILE_START: &[u8; 16] = b"SQLite format 3\0";
/// How long a connection waits for another program's lock.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);
/// Between two tries where SQLite does not wait.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Prepared statements kept by a connection; there are about fifty.
const STATEMENTS_MAX: usize = 64;
/// With so many pages in the journal (16 MB) the writer writes it back itself, and others wait.
const JOURNAL_PAGES_MAX: u32 = 4_096;
/// The journal shrinks to this after a burst, in bytes.
const JOURNAL_BYTES_KEPT: u64 = 16 * 1024 * 1024;

/// The writer's connection: makes the file if there is none, and brings it up to date.
pub(super) fn writer(path: &Path, migrations: &[&str]) -> Result<Connection, StorageError> {
    create(path).map_err(|error| unreadable(path, &error))?;
    let mut connection = connect(path)?;
    check(&connection, path, migrations.len())?;
    begin_journal(&connection)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_KEPT)?;
    connection.pragma_update(None, "wal_autocheckpoint", JOURNAL_PAGES_MAX)?;
    // A crash of the program loses nothing; a power cut may lose the last moments, never the file.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    migrate(&mut connection, path, migrations)?;
    Ok(connection)
}

/// A connection that only reads a file that [`writer`] has opened.
pub(super) fn reader(path: &Path) -> Result<Connection, StorageError> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// A new file for a backup.
pub(super) fn empty(path: &Path) -> Result<Connection, StorageError> {
    create(path).map_err(|error| unreadable(path, &error))?;
    connect(path)
}

/// The file holds who plays and hashes of their tokens: nobody else on the machine needs to read it.
fn create(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

pub(super) fn connect(path: &Path) -> Result<Connection, StorageError> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_START.len() as u64).read_to_end(&mut start));
    read.map_err(|error| unreadable(path, &error))?;
    if !start.is_empty() && start != FILE_START {
        return Err(foreign(path));
    }
    // Without URI names: a folder may be called anything. Each connection stays on one thread.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT_MAX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Otherwise each new value is a reason to plan anew, which costs more than the query itself.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn check(connection: &Connection, path: &Path, known: usize) -> Result<(), StorageError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (owner, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let is_empty = owner == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if owner != i64::from(APPLICATION_ID) && !is_empty {
        return Err(foreign(path));
    }
    if version > known as i64 {
        return Err(StorageError::new(
            Kind::Unusable,
            format!("{path:?} was written by a newer version (its format is {version}, this knows {known})"),
            "Update Meddah. The file was left as it is.",
        ));
    }
    Ok(())
}

/// Turns write-ahead logging on. SQLite does not wait by itself when several programs do so at once.
fn begin_journal(connection: &Connection) -> Result<(), StorageError> {
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

fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StorageError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Again, because another program may have brought it further meanwhile.
    check(&transaction, path, migrations.len())?;
    let version: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for migration in &migrations[version..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", migrations.len())?;
    Ok(transaction.commit()?)
}

fn foreign(path: &Path) -> StorageError {
    StorageError::new(
        Kind::Unusable,
        format!("{path:?} is not a database of a host"),
        "Choose another file in the settings. This one was left as it is.",
    )
}

fn unreadable(path: &Path, error: &io::Error) -> StorageError {
    StorageError::new(
        Kind::Unavailable,
        format!("{path:?} cannot be opened: {error}"),
        "Check that the host's database and its folder exist and may be written to.",
    )
}
