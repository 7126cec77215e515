//! `keys.toml`: which keys there are, where they are allowed to go, and the keys that are in no keyring.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use meddah_inference::Key;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{Kept, KeyError};

/// A larger file is not one.
const FILE_BYTES_MAX: u64 = 512 * 1024;
/// How long a change waits for another program's.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const HEADING: &str = "# Keys of Meddah; `meddah key` changes them. Nobody else may read this file.\n";

/// What is in the file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Content {
    /// Tells this data folder's keys from another's in the keyring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring_id: Option<String>,
    pub keys: BTreeMap<String, Entry>,
    /// Origins by the key's name.
    pub allowed: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Seconds since 1970.
    pub since: u64,
    pub kept: Kept,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyText>,
}

/// A key in the file.
pub(super) struct KeyText(pub Key);

impl Serialize for KeyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| KeyText(Key::new(&Zeroizing::new(text))))
    }
}

pub(super) struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    pub fn at(path: PathBuf) -> KeyFile {
        KeyFile { path }
    }

    pub fn read(&self) -> Result<Content, KeyError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::default()),
            Err(error) => return Err(self.damaged(&error.to_string())),
        };
        self.keep_private(&file)?;
        let mut text = Zeroizing::new(String::new());
        let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
        match read {
            Err(error) => Err(self.damaged(&error.to_string())),
            Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => Err(self.damaged("it is too large")),
            Ok(_) => toml::from_str(&text).map_err(|error| self.not_understood(&text, &error)),
        }
    }

    /// Reads, changes and replaces the file as a whole; other programs wait meanwhile.
    pub fn change<T>(&self, job: impl FnOnce(&mut Content) -> Result<T, KeyError>) -> Result<T, KeyError> {
        let _lock = self.lock()?;
        let mut content = self.read()?;
        let done = job(&mut content)?;
        let text = toml::to_string(&content).map(Zeroizing::new);
        let text = text.map_err(|_| self.damaged("it cannot be written"))?;
        self.replace(&text).map_err(|error| self.damaged(&error.to_string()))?;
        Ok(done)
    }

    /// An error of this file. The message must not have any of its text in it.
    pub fn damaged(&self, message: &str) -> KeyError {
        KeyError::File { place: self.path.display().to_string(), message: message.to_owned() }
    }

    /// The parser's own words show the line, which may hold a key.
    fn not_understood(&self, text: &str, error: &toml::de::Error) -> KeyError {
        let before = error.span().and_then(|span| text.get(..span.start));
        match before.map(|before| before.matches('\n').count() + 1) {
            Some(line) => self.damaged(&format!("line {line} is not as it should be")),
            None => self.damaged("it is not as it should be"),
        }
    }

    fn lock(&self) -> Result<File, KeyError> {
        let fail = |error: std::io::Error| self.damaged(&error.to_string());
        let lock = File::create(self.path.with_extension("lock")).map_err(fail)?;
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(std::fs::TryLockError::WouldBlock) if begun.elapsed() < LOCK_WAIT_MAX => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(self.damaged("another program is changing it"));
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(fail(error)),
            }
        }
    }

    fn replace(&self, text: &str) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // Temporary files are the user's own: mode 0600 on Unix, the profile's rights on Windows.
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft.write_all(HEADING.as_bytes())?;
        draft.write_all(text.as_bytes())?;
        draft.as_file().sync_all()?;
        draft.persist(&self.path).map(|_| ()).map_err(|error| error.error)
    }

    /// Takes others' rights away. A file on which that cannot be done is not used.
    #[cfg(unix)]
    fn keep_private(&self, file: &File) -> Result<(), KeyError> {
        use std::os::unix::fs::PermissionsExt as _;
        const OTHERS: u32 = 0o077;
        const PRIVATE: u32 = 0o600;
        let metadata = file.metadata().map_err(|error| self.damaged(&error.to_string()))?;
        if metadata.permissions().mode() & OTHERS == 0 {
            return Ok(());
        }
        let repaired = file.set_permissions(std::fs::Permissions::from_mode(PRIVATE));
        repaired.map_err(|_| self.damaged("others can read it, and its rights cannot be changed"))?;
        tracing::warn!(
            "{} could be read by others; it is yours alone now. Whoever was on this computer may have the keys",
            self.path.display()
        );
        Ok(())
    }

    /// On Windows the data folder's rights are those of the user's profile.
    #[cfg(not(unix))]
    fn keep_private(&self, _: &File) -> Result<(), KeyError> {
        Ok(())
    }
}
