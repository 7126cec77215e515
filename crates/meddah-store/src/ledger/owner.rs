//! Which program reserved something, and whether it still runs.
//!
//! Each program that reserves holds a lock on a small file of its own beside the ledger. Systems let go of a
//! lock when its program ends, however it ends, and numbers of processes that are used again cannot be taken
//! for a program that was killed.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A name is drawn anew so often when somebody tidies up at the same moment.
const TRIES_MAX: u32 = 8;
/// Files that are looked at when tidying up.
const FILES_MAX: usize = 1_000;
const INFIX: &str = ".owner-";

/// This program, as long as it holds its lock.
pub(super) struct Owner {
    pub name: String,
    place: PathBuf,
    /// Taken when it is dropped: some systems delete no file that is open.
    lock: Option<File>,
}

impl Owner {
    /// Takes a lock beside this ledger.
    pub fn begin(ledger: &Path) -> io::Result<Owner> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        for _ in 0..TRIES_MAX {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{since}-{count}", std::process::id());
            let place = place(ledger, &name);
            let file = File::options().read(true).write(true).create_new(true).open(&place)?;
            file.lock()?;
            // Somebody who tidied up may have taken it for a dead one before it was locked.
            if place.exists() {
                return Ok(Owner { name, place, lock: Some(file) });
            }
        }
        Err(io::Error::other("the files of other programs are being tidied up all the time"))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.lock = None;
        std::fs::remove_file(&self.place).ok(); // the next who opens the ledger does it
    }
}

fn place(ledger: &Path, name: &str) -> PathBuf {
    let mut place: OsString = ledger.as_os_str().to_owned();
    place.push(format!("{INFIX}{name}"));
    place.into()
}

/// Whether the program of this name has ended. Where that cannot be told, it has not.
pub(super) fn is_gone(ledger: &Path, name: &str) -> bool {
    let place = place(ledger, name);
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
pub(super) fn tidy_up(ledger: &Path) {
    let (Some(folder), Some(file)) = (ledger.parent(), ledger.file_name().and_then(|name| name.to_str()))
    else {
        return;
    };
    let begin = format!("{file}{INFIX}");
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().take(FILES_MAX) {
        let name = entry.file_name();
        if let Some(name) = name.to_str().and_then(|name| name.strip_prefix(&begin)) {
            is_gone(ledger, name);
        }
    }
}
