//! Hosts that this player has joined: an invite becomes a token, which is kept with the other keys.

pub mod account;

use meddah_inference::http::{Call, ERROR_BODY_BYTES_MAX, Http, check_key_is_safe};
use meddah_inference::providers::{Refusal, classify};
use meddah_inference::{ErrorKind, Key, ModelError};
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::keys::{KeyError, origin_of};

/// The name under which the token of a host is kept: the same for every address of one host.
///
/// # Errors
/// It is no address.
pub fn key_name(address: &str) -> Result<String, KeyError> {
    let hash = Sha256::digest(origin_of(address)?);
    // Letters only: names with many digits look like keys.
    let halves = hash.iter().take(10).flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(format!("host-{}", halves.map(|half| char::from(b'a' + half)).collect::<String>()))
}

/// An invite link: a host, and a code that it gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Where the host is, as a rung names it: `https://talk.example.org`.
    pub address: String,
    code: String,
}

/// What became of an invite.
pub struct Joined {
    /// Lets this player talk.
    pub token: Key,
    /// What the host calls the player.
    pub player: String,
    /// The player's tier.
    pub tier: String,
}

impl Invite {
    /// Reads `https://HOST/join/CODE`.
    ///
    /// # Errors
    /// It is no such link, or one without encryption to another computer.
    pub fn read(link: &str) -> Result<Invite, ModelError> {
        let wrong = |why: &str| {
            ModelError::new(ErrorKind::BadRequest, format!("this is no invite link: {why}"))
                .with_help("An invite link looks like https://talk.example.org/join/CODE.")
        };
        let url = Url::parse(link.trim()).map_err(|error| wrong(&error.to_string()))?;
        let Some((before, code)) = url.path().split_once("/join/") else {
            return Err(wrong("it has no /join/ in it"));
        };
        let is_code =
            !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_code || !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("its code or its beginning makes no sense"));
        }
        check_key_is_safe(&url)?;
        let origin = origin_of(link).map_err(|error| wrong(&error.to_string()))?;
        Ok(Invite { address: format!("{origin}{before}"), code: code.to_owned() })
    }

    /// Asks the host for a token.
    ///
    /// # Errors
    /// The host cannot be reached, or the invite is used up.
    pub async fn redeem(&self, name: &str, cancel: &CancellationToken) -> Result<Joined, ModelError> {
        #[derive(Deserialize)]
        struct Answer {
            token: String,
            player: String,
            tier: String,
        }
        let url = Url::parse(&format!("{}/v1/join", self.address))
            .map_err(|error| ModelError::new(ErrorKind::BadRequest, error.to_string()))?;
        let body = json!({"code": self.code, "name": name, "device": "sidecar"});
        let help = "Ask whoever sent you the link for a new one.";
        let answer: Answer = ask(Call::post_json(url, &body), &self.address, help, cancel).await?;
        Ok(Joined { token: Key::new(&answer.token), player: answer.player, tier: answer.tier })
    }
}

/// What a host answers; `help` is for refusals.
async fn ask<A: DeserializeOwned>(
    call: Call,
    who: &str,
    help: &str,
    cancel: &CancellationToken,
) -> Result<A, ModelError> {
    let mut reply = Http::new()?.send(call, cancel).await?;
    let bytes = reply.body_up_to(ERROR_BODY_BYTES_MAX, cancel).await?;
    if !reply.is_success() {
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let (status, headers, secrets) = (reply.status(), Some(reply.headers()), reply.secrets());
        return Err(classify(&Refusal { status, body: &body, headers, who, secrets }).with_help(help));
    }
    serde_json::from_slice(&bytes).map_err(|_| {
        ModelError::new(ErrorKind::Protocol, format!("{who} does not answer as a host does"))
            .with_help("Check the link: it has to lead to a `meddah host`.")
    })
}

/// There is no token for this host.
pub fn not_joined(address: &str) -> ModelError {
    ModelError::new(ErrorKind::Unauthorized, format!("you have not joined {address}"))
        .with_help("Ask its owner for an invite link, and use it: `meddah join LINK`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_for_every_address_of_a_host() {
        let name = key_name("https://talk.example.org").unwrap();
        assert_eq!(name, key_name("https://talk.example.org/v1").unwrap());
        assert_ne!(name, key_name("http://127.0.0.1:7843").unwrap());
        crate::keys::check_name(&name).unwrap();
        assert!(key_name("no address").is_err());
    }

    #[test]
    fn links_are_read_and_others_refused() {
        let read = |link: &str| Invite::read(link).map(|invite| (invite.address, invite.code));
        let own = ("http://127.0.0.1:7843".to_owned(), "aB-1".to_owned());
        assert_eq!(read("http://127.0.0.1:7843/join/aB-1").unwrap(), own);
        assert_eq!(read(" https://h.example/meddah/join/x\n").unwrap().0, "https://h.example/meddah");
        for wrong in ["", "https://h.example/x", "https://h.example/join/", "ftp://h.example/join/x"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let open = read("http://h.example/join/x").unwrap_err();
        assert_eq!(open.kind, ErrorKind::BadRequest, "a token must not go in the open: {open}");
    }
}
