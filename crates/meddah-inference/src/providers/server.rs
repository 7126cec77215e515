//! Where a provider is, and how it knows us.

use std::collections::BTreeMap;

use super::wire::Body;
use super::{ProviderConfig, ProviderInfo};
use crate::http::{Call, check_key_is_safe, endpoint};
use crate::{ErrorKind, Key, ModelError};
use reqwest::Url;

/// Headers that a player adds, at most.
const EXTRA_HEADERS_MAX: usize = 32;

/// One address of a provider, with what every request to it carries.
pub(super) struct Server {
    url: Url,
    key: Option<Key>,
    /// The header of the key, and what stands before the key in it.
    key_header: (&'static str, &'static str),
    headers: BTreeMap<String, String>,
}

/// Whether a header of this name holds a key.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "key", "token", "secret", "cookie"].iter().any(|word| name.contains(word))
}

/// The header of most.
pub(super) const BEARER: (&str, &str) = ("authorization", "Bearer ");

impl Server {
    /// # Errors
    /// `BadRequest` for an address that is none, `Unauthorized` for a key that would go in the open.
    pub fn new(
        config: &ProviderConfig,
        info: &ProviderInfo,
        tail: &str,
        key_header: (&'static str, &'static str),
    ) -> Result<Server, ModelError> {
        let base = config.base_url.as_deref().filter(|base| !base.trim().is_empty()).unwrap_or(info.base_url);
        if base.is_empty() {
            let message = format!("{} needs a base_url", config.provider);
            return Err(ModelError::new(ErrorKind::NotFound, message)
                .with_help("base_url is the server's address, for example http://127.0.0.1:8080/v1."));
        }
        let url = endpoint(base, info.version, tail)?;
        if config.key.is_some() || config.headers.keys().any(|name| is_secret(name)) {
            check_key_is_safe(&url)?;
        }
        if config.headers.len() > EXTRA_HEADERS_MAX {
            return Err(ModelError::new(
                ErrorKind::BadRequest,
                format!("more than {EXTRA_HEADERS_MAX} headers"),
            )
            .with_help("Remove some of the provider's `headers`."));
        }
        Ok(Server { url, key: config.key.clone(), key_header, headers: config.headers.clone() })
    }

    /// A request with this body.
    pub fn post(&self, body: &Body) -> Result<Call, ModelError> {
        self.post_to(self.url.clone(), body)
    }

    /// A request to another path of the same server.
    pub fn post_to(&self, url: Url, body: &Body) -> Result<Call, ModelError> {
        self.known_to(Call::post_text(url, body.to_json()))
    }

    /// A question beside the one that the address is for: `models` in the place of `tail`.
    pub fn get_beside(&self, tail: &str, path: &str) -> Result<Call, ModelError> {
        let mut url = self.url.clone();
        let base = url.path().strip_suffix(tail).unwrap_or("/").to_owned();
        url.set_path(&format!("{base}{path}"));
        self.known_to(Call::get(url))
    }

    /// With the headers by which the server knows us.
    fn known_to(&self, mut call: Call) -> Result<Call, ModelError> {
        for (name, value) in &self.headers {
            call = match is_secret(name) {
                true => call.with_key(name, "", &Key::new(value))?,
                false => call.with_header(name, value)?,
            };
        }
        match &self.key {
            Some(key) => call.with_key(self.key_header.0, self.key_header.1, key),
            None => Ok(call),
        }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }
}
