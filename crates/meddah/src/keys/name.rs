//! What names, keys and addresses may look like.

use meddah_inference::Key;
use reqwest::Url;

use super::{KEY_BYTES_MAX, KeyError};

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 32;
/// More digits than a name has; every key has more.
const NAME_DIGITS_MAX: usize = 4;
/// The longest address, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// Checks a key's name. What looks like a key itself is none, so that it is not shown or kept as one.
///
/// # Errors
/// [`KeyError::BadName`].
pub fn check_name(name: &str) -> Result<(), KeyError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let begins_well = name.bytes().next().is_some_and(is_plain);
    let all_well = name.bytes().all(|byte| is_plain(byte) || byte == b'-' || byte == b'_');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_short = name.len() <= NAME_BYTES_MAX && digits <= NAME_DIGITS_MAX;
    if begins_well && all_well && is_short { Ok(()) } else { Err(KeyError::BadName) }
}

/// Checks a key itself: it has to fit into a request's header.
///
/// # Errors
/// [`KeyError::BadKey`].
pub fn check_key(key: &Key) -> Result<(), KeyError> {
    let text = key.expose();
    match text {
        "" => Err(KeyError::BadKey("there is nothing in it")),
        _ if text.len() > KEY_BYTES_MAX => Err(KeyError::BadKey("it is too long")),
        _ if text.bytes().any(|byte| byte.is_ascii_whitespace()) => {
            Err(KeyError::BadKey("there is more than one word or line"))
        }
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(KeyError::BadKey("there are characters in it that no key has"))
        }
        _ => Ok(()),
    }
}

/// Scheme, host and port of an address; a WebSocket's is that of its host. This is what a key is bound to.
///
/// # Errors
/// [`KeyError::BadAddress`].
pub fn origin_of(url: &str) -> Result<String, KeyError> {
    if url.len() > URL_BYTES_MAX {
        return Err(KeyError::BadAddress("it is too long"));
    }
    let url = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => format!("https://{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => format!("http://{rest}"),
        _ => url.to_owned(),
    };
    let url = Url::parse(&url).map_err(|_| KeyError::BadAddress("it cannot be read"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(KeyError::BadAddress("it begins neither with https:// nor with http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(KeyError::BadAddress("there is a user name or password in it"));
    }
    Ok(url.origin().ascii_serialization())
}

/// Whether nobody on the way can listen.
pub(super) fn is_encrypted_or_here(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || host == "localhost" || is_loopback
}
