//! Which programs live. Each holds a lock on a small file beside the database, which the system lets go of
//! however the program ends; a number of a process would be used again by another.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use crate::storage::HostId;

const INFIX: &str = ".host-";
/// How often a new program tries to get a lock of its own.
const TRIES_MAX: u32 = 100;
/// The most files that are looked at when tidying up.
const FILES_MAX: usize = 1_000;

/// A program that lives as long as this does.
pub(super) struct Alive {
    pub id: HostId,
    place: PathBuf,
    /// Taken when it is dropped: some systems delete no file that is open.
    lock: Option<File>,
}

impl Alive {
    /// Takes a lock beside this database.
    pub fn begin(database: &Path) -> io::Result<Alive> {
        for _ in 0..TRIES_MAX {
            let id = HostId::new();
            let place = place(database, id);
            let file = File::options().read(true).write(true).create_new(true).open(&place)?;
            file.lock()?;
            // Somebody who tidied up may have taken it for a dead one before it was locked.
            if place.exists() {
                return Ok(Alive { id, place, lock: Some(file) });
            }
        }
        Err(io::Error::other("the files of other programs are being tidied up all the time"))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.lock = None;
        std::fs::remove_file(&self.place).ok(); // the next who opens the database does it
    }
}

fn place(database: &Path, id: HostId) -> PathBuf {
    let mut place: OsString = database.as_os_str().to_owned();
    place.push(format!("{INFIX}{id}"));
    place.into()
}

/// Whether this program has ended. Where that cannot be told, it has not.
pub(super) fn is_gone(database: &Path, id: HostId) -> bool {
    let place = place(database, id);
    match File::options().read(true).write(true).open(&place) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(file) => match file.try_lock() {
            Ok(()) => {
                std::fs::remove_file(&place).ok(); // in its way to nobody
                true
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
    }
}

/// Deletes the files of programs that have ended.
pub(super) fn tidy_up(database: &Path) {
    let (Some(folder), Some(file)) = (database.parent(), database.file_name().and_then(|name| name.to_str()))
    else {
        return;
    };
    let begin = format!("{file}{INFIX}");
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().take(FILES_MAX) {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix(&begin));
        if let Some(id) = id.and_then(|id| HostId::from_str(id).ok()) {
            is_gone(database, id);
        }
    }
}
