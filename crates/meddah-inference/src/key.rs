//! A secret that stays out of logs, errors and memory that is freed.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// A key of a provider or service. It is wiped from memory when dropped, and its `Debug` prints nothing of it.
#[derive(Clone)]
pub struct Key(SecretString);

impl Key {
    /// Takes a key; white space around it, which comes from pasting, is dropped.
    pub fn new(key: &str) -> Key {
        Key(SecretString::from(key.trim()))
    }

    /// The key itself, for a request's header and for nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_key_is_trimmed_and_never_shown() {
        let key = Key::new(" sk-abc\n");
        assert_eq!(key.expose(), "sk-abc");
        assert_eq!(format!("{key:?} {key:#?}"), "Key(hidden) Key(hidden)");
    }
}
