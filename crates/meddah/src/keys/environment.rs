//! Keys in variables, for hosts and continuous integration.

use meddah_inference::Key;

use super::{KeyError, check_key};
use crate::config::KEY_PREFIX;

type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;
type Names = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// The environment, looked into when a key is needed and never kept.
pub(super) struct Environment {
    lookup: Lookup,
    names: Names,
}

/// The variable of a key.
pub(super) fn variable(name: &str) -> String {
    format!("{KEY_PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

impl Environment {
    /// This process's own.
    pub fn of_this_process() -> Environment {
        let names = || std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        Environment { lookup: Box::new(|variable| std::env::var(variable).ok()), names: Box::new(names) }
    }

    #[cfg(test)]
    pub fn of(variables: &'static [(&'static str, &'static str)]) -> Environment {
        let lookup = |variable: &str| {
            variables.iter().find(|(name, _)| *name == variable).map(|(_, value)| (*value).to_owned())
        };
        let names = || variables.iter().map(|(name, _)| (*name).to_owned()).collect();
        Environment { lookup: Box::new(lookup), names: Box::new(names) }
    }

    /// The key of this name. An empty variable is none.
    pub fn key(&self, name: &str) -> Result<Option<Key>, KeyError> {
        let text = (self.lookup)(&variable(name)).map(zeroize::Zeroizing::new);
        let key = text.filter(|text| !text.trim().is_empty()).map(|text| Key::new(&text));
        key.map(|key| check_key(&key).map(|()| key)).transpose()
    }

    /// Whether there is a key of this name.
    pub fn has(&self, name: &str) -> bool {
        (self.lookup)(&variable(name)).is_some_and(|text| !zeroize::Zeroizing::new(text).trim().is_empty())
    }

    /// Names of all keys; of `-` and `_`, which a variable does not tell apart, the latter.
    pub fn names(&self) -> Vec<String> {
        let names = (self.names)().into_iter();
        let names = names.filter_map(|name| name.strip_prefix(KEY_PREFIX).map(str::to_ascii_lowercase));
        names.filter(|name| super::check_name(name).is_ok() && self.has(name)).collect()
    }
}
