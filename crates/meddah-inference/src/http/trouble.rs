//! What went wrong below HTTP, in words for a player. No message holds an address with its path or a key.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION};

use super::host_name;
use crate::{ErrorKind, Key, ModelError};

/// Keys shorter than this are not looked for in messages: they could be any word.
const MASKED_BYTES_MIN: usize = 6;
/// Of a long key this much at its start gives it away as well.
const MASKED_PREFIX_BYTES: usize = 12;

/// The caller cancelled.
pub fn cancelled() -> ModelError {
    ModelError::new(ErrorKind::Cancelled, "cancelled")
}

pub(super) fn no_connection(url: &Url, reason: Option<&str>) -> ModelError {
    let host = host_name(url);
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    ModelError::new(ErrorKind::Network, format!("no connection to {host}{reason}")).with_help(format!(
        "Check the internet connection, or if {host} is a computer of yours, that the server on it runs."
    ))
}

pub(super) fn silent(url: &Url, wait: Duration) -> ModelError {
    let message = format!("{} was silent for {} s", host_name(url), wait.as_secs());
    ModelError::new(ErrorKind::Timeout, message).with_help("Try again, or choose another model.")
}

/// The connection ended before the reply did.
pub(crate) fn broke(host: &str) -> ModelError {
    ModelError::new(ErrorKind::Network, format!("the connection to {host} broke"))
        .with_help("Check the internet connection; the next line is tried anew.")
}

pub(super) fn redirected(url: &Url, headers: &HeaderMap) -> ModelError {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| url.join(location).ok());
    let help = match target.as_ref().and_then(Url::host_str) {
        Some(host) => format!(
            "Nothing was sent there. If you trust {host}, put its address into base_url of this provider."
        ),
        None => "Check base_url of this provider.".to_owned(),
    };
    ModelError::new(ErrorKind::BadRequest, format!("{} sends requests elsewhere", host_name(url)))
        .with_help(help)
}

/// A failed exchange.
pub(super) fn of(error: &reqwest::Error, url: &Url, secrets: &[Key]) -> ModelError {
    if let Some(why) = causes(error).find_map(bad_certificate) {
        let message = format!("{} cannot prove who it is ({why})", host_name(url));
        return ModelError::new(ErrorKind::Network, message).with_help(
            "Check the date and time of this PC, and whether a virus scanner or company network looks into \
             secure connections.",
        );
    }
    let reason = mask(&root_cause(error), secrets);
    if error.is_connect() || error.is_timeout() {
        return no_connection(url, Some(&reason));
    }
    let mut broken = broke(&host_name(url));
    broken.message.push_str(&format!(" ({reason})"));
    broken
}

/// What is wrong with a certificate, if that is the cause: asking again does not help then.
pub fn bad_certificate(mut cause: &(dyn Error + 'static)) -> Option<String> {
    // I/O errors show what they wrap, sometimes another of their kind, but do not name it as their source.
    while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause = inner;
    }
    match cause.downcast_ref::<rustls::Error>()? {
        error @ rustls::Error::InvalidCertificate(_) => Some(error.to_string()),
        _ => None,
    }
}

/// What lies behind an error, the outermost cause first.
pub fn causes<'e>(error: &'e reqwest::Error) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'e (dyn Error + 'static)| {
        let cause: &'e (dyn Error + 'static) = *cause;
        cause.source()
    })
}

/// The innermost cause; the outer ones repeat the address, which may hold a secret.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let cause = causes(error).last().map(ToString::to_string);
    cause.unwrap_or_else(|| if error.is_timeout() { "it took too long" } else { "no reason given" }.into())
}

/// The text without these keys, whole or shortened as some servers echo them.
pub fn mask(text: &str, secrets: &[Key]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().map(Key::expose).filter(|secret| secret.len() >= MASKED_BYTES_MIN) {
        text = text.replace(secret, "***");
        if let Some(prefix) = secret.get(..MASKED_PREFIX_BYTES) {
            text = text.replace(prefix, "***");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_a_server_repeats_are_masked() {
        let keys = [Key::new("sk-abcdefghijklmnop"), Key::new("x")];
        let text = "Incorrect API key provided: sk-abcdefghijklmnop, sk-abcdefghi****mnop. Fix x.";
        assert_eq!(mask(text, &keys), "Incorrect API key provided: ***, *******mnop. Fix x.");
    }

    #[test]
    fn a_redirect_names_where_it_leads_and_nothing_of_the_path() {
        let url = Url::parse("https://a.example/v1/secret").unwrap();
        let headers = HeaderMap::from_iter([(LOCATION, "https://b.example/v1?key=x".parse().unwrap())]);
        let error = redirected(&url, &headers);
        assert_eq!(error.message, "a.example sends requests elsewhere");
        assert!(error.help.contains("b.example") && !error.help.contains("key"));
    }
}
