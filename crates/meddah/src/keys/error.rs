//! What can go wrong with keys. No error has a part of a key in it.

use super::{ALLOWED_MAX, KEY_BYTES_MAX, KEYS_MAX};

/// A key that cannot be kept, read or sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// What was given as a name is none. It is not shown: it may be a key.
    #[error("this is no name for a key")]
    BadName,
    /// What was given as a key is none.
    #[error("this is no key: {0}")]
    BadKey(&'static str),
    /// What was given as an address is none.
    #[error("this is no address that a key can be sent to: {0}")]
    BadAddress(&'static str),
    /// There is no such key.
    #[error("there is no key {name}")]
    NotFound {
        /// Its name.
        name: String,
    },
    /// The key may not be sent to this address.
    #[error("a world pack wants the key {name} sent to {origin}")]
    NotAllowed {
        /// The key's name.
        name: String,
        /// Scheme, host and port.
        origin: String,
    },
    /// Anybody on the way could read the key.
    #[error("{origin} is on another computer and not encrypted")]
    NotEncrypted {
        /// Scheme, host and port.
        origin: String,
    },
    /// Variables are not ours to change.
    #[error("this key is in the variable {variable}")]
    InEnvironment {
        /// The variable.
        variable: String,
    },
    /// A limit is reached.
    #[error("there are {max} {what} already")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The file of keys cannot be used.
    #[error("{place}: {message}")]
    File {
        /// The file.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// The system's keyring cannot be used.
    #[error("the system's keyring does not answer as it should: {0}")]
    Keyring(String),
}

impl KeyError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            KeyError::BadName => "Use the provider's name, for example `openai`: at most 32 lower-case letters, \
                `-`, `_` and a few digits. If this was a key itself, it now stands in your shell's history: replace it \
                at the provider."
                .into(),
            KeyError::BadKey(_) => format!(
                "A key is one word of at most {KEY_BYTES_MAX} letters, digits and signs. Copy it once more from \
                 the provider's page."
            ),
            KeyError::BadAddress(_) => {
                "Write it like `https://api.example.com`, without a name or password in it.".into()
            }
            KeyError::NotFound { .. } => "`meddah key list` shows which there are.".into(),
            KeyError::NotAllowed { name, origin } => format!(
                "If you trust whoever runs that address with your key and your money: \
                 `meddah key allow {name} {origin}`."
            ),
            KeyError::NotEncrypted { .. } => {
                "Use an https address. Your own settings may name such an address; a world pack may not.".into()
            }
            KeyError::InEnvironment { .. } => "Unset it where it is set.".into(),
            KeyError::TooMany { .. } => format!(
                "Remove some with `meddah key remove` or `meddah key deny`; {KEYS_MAX} keys and {ALLOWED_MAX} \
                 addresses for each can be kept."
            ),
            KeyError::File { .. } => {
                "Correct the file or its rights, or delete it and set the keys again with `meddah key set`.".into()
            }
            KeyError::Keyring(_) => {
                "Unlock the keyring and try again, or set `keys = \"file\"` and set the key once more.".into()
            }
        }
    }
}
