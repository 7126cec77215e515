//! Names and small files: what a downloaded thing may be called on every system, and how files come and go.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use super::{Kind, ModelsError, ModelsErrorKind};

/// Leaves room for our own suffixes within the 255 bytes of a file name.
const NAME_BYTES_MAX: usize = 120;
/// Windows keeps these names for devices, with any suffix.
const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];
/// A virus scanner may hold a fresh file open for a moment.
const RENAME_TRIES: u32 = 10;
const RENAME_PAUSE: Duration = Duration::from_millis(100);
const LOCK_FILE: &str = ".lock";

/// A file name without `.gguf` or `.onnx`.
pub(super) fn stem(file_name: &str) -> &str {
    Kind::ALL.into_iter().find_map(|kind| kind.stem(file_name)).unwrap_or(file_name)
}

/// A name for the models folder that is harmless on every system, without `.gguf` or `.onnx`.
pub(super) fn model_name(wanted: &str) -> Result<String, ModelsError> {
    let refuse = |why: &str| {
        Err(ModelsError::new(
            ModelsErrorKind::BadInput,
            format!("{wanted:?} cannot be a model's file name: {why}"),
            "Give a file whose name has letters or digits, then `.gguf` (or `.onnx` for an embedder or a voice).",
        ))
    };
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '-' };
    let name: String = stem(wanted).chars().map(kept).collect();
    let name = name.trim_matches(['.', '-']);
    if !name.contains(|c: char| c.is_ascii_alphanumeric()) {
        return refuse("nothing is left of it");
    }
    if name.len() > NAME_BYTES_MAX {
        return refuse("it is too long");
    }
    let device = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    if RESERVED.contains(&device.as_str()) {
        return refuse("Windows keeps it for a device");
    }
    if is_split(name) {
        return Err(ModelsError::new(
            ModelsErrorKind::BadInput,
            format!("{wanted:?} is one piece of a model that is split into several files"),
            "Choose a model that is one file; the same page often has a smaller one.",
        ));
    }
    Ok(name.to_owned())
}

/// `name-00001-of-00003`, as llama.cpp's splitting tool writes it.
fn is_split(name: &str) -> bool {
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut words = name.rsplit('-');
    let (last, of, piece) = (words.next(), words.next(), words.next());
    last.is_some_and(number) && of == Some("of") && piece.is_some_and(number)
}

/// A small UTF-8 file; `None` if it is missing, unreadable or too large.
pub(super) fn read_small(path: &Path, bytes_max: u64) -> Option<String> {
    let mut text = String::new();
    let count = File::open(path).ok()?.take(bytes_max + 1).read_to_string(&mut text).ok()?;
    (count as u64 <= bytes_max).then_some(text)
}

/// Renames; waits a moment for a program that looks at the file.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 1..RENAME_TRIES {
        match std::fs::rename(from, to) {
            Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied => {
                std::thread::sleep(RENAME_PAUSE);
            }
            result => return result,
        }
    }
    std::fs::rename(from, to)
}

/// Deletes a file that may be missing already.
pub(super) fn delete(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Held while the folder changes, so that two programs never write the same file. The system lets go of it
/// when the process ends, however it ends.
pub(super) struct FolderLock(#[expect(dead_code, reason = "open as long as the lock is held")] File);

impl FolderLock {
    /// Takes the lock or says that somebody has it.
    pub(super) fn take(folder: &Path) -> Result<FolderLock, ModelsError> {
        let path = folder.join(LOCK_FILE);
        let file = File::create(&path).map_err(|error| ModelsError::storage("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock(file)),
            Err(TryLockError::WouldBlock) => Err(ModelsError::new(
                ModelsErrorKind::Busy,
                "another download or import is under way",
                "Wait until it is done, or end it first.",
            )),
            Err(TryLockError::Error(error)) => Err(ModelsError::storage("lock", &path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_harmless() {
        for (wanted, name) in [
            ("Model.Q4_1.gguf", "Model.Q4_1"),
            ("Model.GGUF", "Model"),
            ("../../etc/passwd", "etc-passwd"),
            ("a b:c?.gguf", "a-b-c"),
            ("..\\evil.gguf", "evil"),
            ("Bär.gguf", "B-r"),
        ] {
            assert_eq!(model_name(wanted).unwrap(), name);
        }
    }

    #[test]
    fn impossible_names_are_refused() {
        let long = "x".repeat(200);
        for wanted in ["", ".gguf", "...", "NUL.gguf", "con.q4.gguf", "m-00001-of-00003.gguf", &long] {
            assert!(model_name(wanted).is_err(), "{wanted}");
        }
    }

    #[test]
    fn the_lock_is_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        assert_eq!(FolderLock::take(folder.path()).err().unwrap().kind, ModelsErrorKind::Busy);
        drop(lock);
        assert!(FolderLock::take(folder.path()).is_ok());
    }
}
