//! The system's keyring.

use std::sync::mpsc;
use std::time::Duration;

use keyring::Entry;
use meddah_inference::Key;

use super::KeyError;

/// The service under which keyrings list our keys.
const SERVICE: &str = "meddah";
/// How long the system may take; it may ask the player for a password.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The keyring's part that belongs to one data folder.
pub(super) struct Keyring {
    id: String,
}

impl Keyring {
    pub fn new(id: String) -> Keyring {
        Keyring { id }
    }

    pub fn set(&self, name: &str, key: &Key) -> Result<(), KeyError> {
        let text = key.clone();
        self.run(name, move |entry| entry.set_password(text.expose()))?;
        // A keyring that forgets or changes the key is none.
        if self.get(name)?.expose() == key.expose() {
            return Ok(());
        }
        Err(KeyError::Keyring("it does not give back what it was given".to_owned()))
    }

    pub fn get(&self, name: &str) -> Result<Key, KeyError> {
        self.run(name, |entry| entry.get_password().map(|text| Key::new(&zeroize::Zeroizing::new(text))))
    }

    /// A key that is not there is as good as removed.
    pub fn remove(&self, name: &str) -> Result<(), KeyError> {
        self.run(name, |entry| match entry.delete_credential() {
            Err(keyring::Error::NoEntry) => Ok(()),
            done => done,
        })
    }

    /// On a thread of its own: a keyring that hangs must not hang us. Such a thread ends with the program.
    fn run<T: Send + 'static>(
        &self,
        name: &str,
        job: impl FnOnce(&Entry) -> keyring::Result<T> + Send + 'static,
    ) -> Result<T, KeyError> {
        let user = format!("{name}/{}", self.id);
        let (answer, answered) = mpsc::channel();
        let work = move || {
            let done = Entry::new(SERVICE, &user).and_then(|entry| job(&entry));
            answer.send(done.map_err(|error| told(&error))).ok(); // nobody waits any more
        };
        let thread = std::thread::Builder::new().name("meddah-keyring".into()).spawn(work);
        thread.map_err(|error| KeyError::Keyring(error.to_string()))?;
        let waited = answered.recv_timeout(WAIT_MAX);
        waited.unwrap_or_else(|_| Err("no answer in time".to_owned())).map_err(KeyError::Keyring)
    }
}

/// In our own words: an error of the keyring may hold what it was to keep.
fn told(error: &keyring::Error) -> String {
    use keyring::Error as E;
    match error {
        E::NoDefaultStore => "there is none".to_owned(),
        E::NoStorageAccess(_) => "it is locked or does not let us in".to_owned(),
        E::NoEntry => "the key is not in it any more".to_owned(),
        E::TooLong(_, max) => format!("it takes at most {max} bytes"),
        E::PlatformFailure(_) => "it failed".to_owned(),
        E::Ambiguous(_) => "there are several keys of this name in it".to_owned(),
        _ => "it does not take this".to_owned(),
    }
}
