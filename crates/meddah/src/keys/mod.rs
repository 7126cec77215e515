//! Keys of online models and services: where they are kept, and to whom each may be sent.
//!
//! A key is kept in the system's keyring or in `keys.toml`; a variable `MEDDAH_KEY_<NAME>` stands in for it on
//! servers. Whatever is said of keys here, in errors, logs or lists, has names only, never a part of a key.
//!
//! A key is bound to its provider. Where the player's own settings name another address, it may go there; where
//! a world pack does, which may come from anywhere, the player has to allow it first.

mod environment;
mod error;
mod file;
mod name;
mod place;
mod process;
#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use meddah_inference::Key;
use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::paths::Paths;
use environment::Environment;
use file::{Content, Entry, KeyFile};
use place::Keyring;

pub use error::KeyError;
pub use name::{check_key, check_name, origin_of};
pub use process::{no_core_dumps, private_files};

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 4_096;
/// Keys kept at once.
pub const KEYS_MAX: usize = 64;
/// Addresses that a key may be allowed for.
pub const ALLOWED_MAX: usize = 32;

/// The setting `keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPlace {
    /// The keyring where there is one that takes it, else the file.
    Auto,
    /// The system's keyring.
    Keyring,
    /// A file in the data folder.
    File,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// The system's keyring.
    Keyring,
    /// `keys.toml`.
    File,
    /// A variable of the environment, which cannot be changed from here.
    Environment,
}

impl Kept {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Kept::Keyring => "keyring",
            Kept::File => "file",
            Kept::Environment => "environment",
        }
    }
}

/// Who named an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The player's own settings.
    Player,
    /// A world pack.
    Pack,
}

/// What may be told of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its name.
    pub name: String,
    /// Where it is; none if there is no key and only addresses are allowed.
    pub kept: Option<Kept>,
    /// Seconds since 1970, UTC; unknown for the environment.
    pub since: Option<u64>,
    /// Where it may go at a world pack's wish.
    pub allowed: Vec<String>,
}

/// The keys of one installation. Holds none itself: each is read when it is asked for.
pub struct KeyStore {
    place: KeyPlace,
    file: KeyFile,
    environment: Environment,
}

impl KeyStore {
    /// The keys of this data folder.
    ///
    /// # Errors
    /// `keys.toml` is there but cannot be used.
    pub fn open(paths: &Paths, settings: &Settings) -> Result<KeyStore, KeyError> {
        let store = KeyStore {
            place: settings.keys,
            file: KeyFile::at(paths.keys()),
            environment: Environment::of_this_process(),
        };
        store.file.read()?;
        Ok(store)
    }

    /// The key of this name for a request to `url`. `default_url` is where its provider is by itself.
    ///
    /// # Errors
    /// It may not be sent there, or cannot be read.
    pub fn key_for(
        &self,
        name: &str,
        url: &str,
        set_by: SetBy,
        default_url: Option<&str>,
    ) -> Result<Option<Key>, KeyError> {
        check_name(name)?;
        let content = self.file.read()?;
        if !self.environment.has(name) && !content.keys.contains_key(name) {
            return Ok(None);
        }
        if !may_go(&content, name, url, set_by, default_url)? {
            return Err(KeyError::NotAllowed { name: name.to_owned(), origin: origin_of(url)? });
        }
        if let Some(key) = self.environment.key(name)? {
            return Ok(Some(key));
        }
        match content.keys.get(name) {
            Some(Entry { key: Some(key), .. }) => Ok(Some(key.0.clone())),
            Some(Entry { kept: Kept::Keyring, .. }) => self.keyring(&content)?.get(name).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether the key of this name may be sent to `url`.
    ///
    /// # Errors
    /// The name or the address is none, or the file cannot be read.
    pub fn allowed(
        &self,
        name: &str,
        url: &str,
        set_by: SetBy,
        default_url: Option<&str>,
    ) -> Result<bool, KeyError> {
        check_name(name)?;
        may_go(&self.file.read()?, name, url, set_by, default_url)
    }

    /// Keeps a key, in place of an earlier one of this name.
    ///
    /// # Errors
    /// It is no key, or there is no place that takes it.
    pub fn set(&self, name: &str, key: &Key) -> Result<Kept, KeyError> {
        check_name(name)?;
        check_key(key)?;
        let keyring_id = match self.place {
            KeyPlace::File => None,
            KeyPlace::Auto | KeyPlace::Keyring => Some(self.keyring_id()?),
        };
        let kept = match keyring_id.map(|id| Keyring::new(id).set(name, key)) {
            Some(Ok(())) => Kept::Keyring,
            Some(Err(error)) if self.place == KeyPlace::Keyring => return Err(error),
            Some(Err(error)) => {
                tracing::info!("the keyring does not take the key, it is kept in the file: {error}");
                Kept::File
            }
            None => Kept::File,
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let stored = (kept == Kept::File).then(|| file::KeyText(key.clone()));
        let replaced = self.file.change(|content| {
            if content.keys.len() >= KEYS_MAX && !content.keys.contains_key(name) {
                return Err(KeyError::TooMany { what: "keys", max: KEYS_MAX });
            }
            Ok(content.keys.insert(name.to_owned(), Entry { since, kept, key: stored }))
        })?;
        if replaced.is_some_and(|old| old.kept == Kept::Keyring) && kept == Kept::File {
            // The old one must not come back one day.
            self.forget_in_keyring(name)?;
        }
        Ok(kept)
    }

    /// Forgets a key and where it was allowed.
    ///
    /// # Errors
    /// There is none, or it is in the environment, or the keyring does not let go of it.
    pub fn remove(&self, name: &str) -> Result<Kept, KeyError> {
        check_name(name)?;
        let content = self.file.read()?;
        let kept = match content.keys.get(name) {
            Some(entry) => entry.kept,
            None if self.environment.has(name) => {
                return Err(KeyError::InEnvironment { variable: environment::variable(name) });
            }
            None => return Err(KeyError::NotFound { name: name.to_owned() }),
        };
        if kept == Kept::Keyring {
            self.forget_in_keyring(name)?;
        }
        self.file.change(|content| {
            content.keys.remove(name);
            content.allowed.remove(name);
            Ok(())
        })?;
        Ok(kept)
    }

    /// Names, places and allowed addresses.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let content = self.file.read()?;
        let in_environment = self.environment.names();
        let names = content.keys.keys().chain(content.allowed.keys()).chain(&in_environment);
        let names: std::collections::BTreeSet<&String> = names.collect();
        let info = |name: &String| {
            let entry = content.keys.get(name);
            let (kept, since) = match entry {
                _ if in_environment.contains(name) => (Some(Kept::Environment), None),
                Some(entry) => (Some(entry.kept), Some(entry.since)),
                None => (None, None),
            };
            let allowed = content.allowed.get(name).into_iter().flatten().cloned().collect();
            KeyInfo { name: name.clone(), kept, since, allowed }
        };
        Ok(names.into_iter().map(info).collect())
    }

    /// Lets world packs have this key sent to an address. Gives its origin.
    ///
    /// # Errors
    /// It is no address, or one without encryption on another computer.
    pub fn allow(&self, name: &str, url: &str) -> Result<String, KeyError> {
        check_name(name)?;
        let origin = origin_of(url)?;
        if !name::is_encrypted_or_here(&origin) {
            return Err(KeyError::NotEncrypted { origin });
        }
        self.file.change(|content| {
            let allowed = content.allowed.entry(name.to_owned()).or_default();
            if allowed.len() >= ALLOWED_MAX && !allowed.contains(&origin) {
                return Err(KeyError::TooMany { what: "allowed addresses", max: ALLOWED_MAX });
            }
            allowed.insert(origin.clone());
            Ok(())
        })?;
        Ok(origin)
    }

    /// Takes that back. Gives whether it was allowed.
    ///
    /// # Errors
    /// It is no address, or the file cannot be written.
    pub fn deny(&self, name: &str, url: &str) -> Result<bool, KeyError> {
        check_name(name)?;
        let origin = origin_of(url)?;
        self.file.change(|content| {
            let was = content.allowed.get_mut(name).is_some_and(|allowed| allowed.remove(&origin));
            content.allowed.retain(|_, allowed| !allowed.is_empty());
            Ok(was)
        })
    }

    fn keyring(&self, content: &Content) -> Result<Keyring, KeyError> {
        content.keyring_id.clone().map(Keyring::new).ok_or_else(|| self.file.damaged("it names no keyring"))
    }

    fn forget_in_keyring(&self, name: &str) -> Result<(), KeyError> {
        self.keyring(&self.file.read()?)?.remove(name)
    }

    /// Tells this data folder's keys from those of another one in the same keyring.
    fn keyring_id(&self) -> Result<String, KeyError> {
        if let Some(id) = self.file.read()?.keyring_id {
            return Ok(id);
        }
        let new = crate::sidecar::unguessable().map_err(|error| KeyError::Keyring(error.message))?;
        self.file.change(|content| Ok(content.keyring_id.get_or_insert(new).clone()))
    }
}

fn may_go(
    content: &Content,
    name: &str,
    url: &str,
    set_by: SetBy,
    default_url: Option<&str>,
) -> Result<bool, KeyError> {
    let origin = origin_of(url)?;
    let default = default_url.map(origin_of).transpose()?;
    let named_by_player = set_by == SetBy::Player || default.as_ref() == Some(&origin);
    Ok(named_by_player || content.allowed.get(name).is_some_and(|allowed| allowed.contains(&origin)))
}
