//! Addresses of servers, in the forms in which people paste them.

use std::net::IpAddr;

use reqwest::Url;

use crate::{ErrorKind, ModelError};

/// Ends of paths that people paste along with the base, longest first.
const PASTED_TAILS: [&str; 10] = [
    "/api/extra/generate/stream",
    "/audio/transcriptions",
    "/chat/completions",
    "/api/v1/generate",
    "/audio/speech",
    "/api/generate",
    "/api/chat",
    "/responses",
    "/messages",
    "/models",
];
/// Ends of names on home and company networks.
const NEAR_NAMES: [&str; 5] = [".localhost", ".local", ".lan", ".home.arpa", ".internal"];

/// The address of a call. `base` may be a root, end in a version, in a slash or in the path of a call;
/// `version` (as in `v1` or `openai/v1`) is added where the base has none.
///
/// # Errors
/// `BadRequest` for what is no address, is not http(s), or has a password in it.
pub fn endpoint(base: &str, version: &str, tail: &str) -> Result<Url, ModelError> {
    let wrong = |message: String| {
        ModelError::new(ErrorKind::BadRequest, message)
            .with_help("base_url is the server's address, for example http://127.0.0.1:8080/v1.")
    };
    let Ok(mut url) = Url::parse(base.trim()) else {
        return Err(wrong("base_url is not an address".into()));
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong(format!("base_url begins with {}: instead of http: or https:", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("base_url has a name or password in it".into())
            .with_help("Take it out of the address; a key belongs into the key file."));
    }
    let mut path = url.path().trim_end_matches('/').to_owned();
    let lower = path.to_ascii_lowercase();
    if let Some(pasted) = PASTED_TAILS.iter().find(|tail| lower.ends_with(*tail)) {
        path.truncate(path.len() - pasted.len());
    }
    let path = path.trim_end_matches('/');
    let first = version.split('/').next().unwrap_or_default();
    let versioned = path.split('/').any(is_version);
    let joined = match path {
        _ if version.is_empty() || versioned => path.to_owned(),
        // `https://host/openai` is as far as `openai/v1` has come.
        _ if !first.is_empty() && !is_version(first) && path.ends_with(&format!("/{first}")) => {
            format!("{path}{}", &version[first.len()..])
        }
        "" => format!("/{version}"),
        // Behind somebody's gateway the last part of the version still stands in the path.
        _ => format!("{path}/{}", version.rsplit('/').next().unwrap_or_default()),
    };
    url.set_path(&format!("{joined}/{tail}"));
    url.set_fragment(None);
    Ok(url)
}

/// `v1`, `v1beta`.
fn is_version(segment: &str) -> bool {
    let mut chars = segment.chars();
    chars.next() == Some('v') && chars.next().is_some_and(|c| c.is_ascii_digit())
}

/// Host, and the port if it is not the usual one.
pub fn host_name(url: &Url) -> String {
    let host = url.host_str().unwrap_or("the server");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether this address is on this computer or its own network.
pub fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            None => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        },
        Err(_) => !host.contains('.') || NEAR_NAMES.iter().any(|end| host.ends_with(end)),
    }
}

/// A key goes over http only where nobody else listens.
///
/// # Errors
/// `BadRequest` for http to a host elsewhere.
pub fn check_key_is_safe(url: &Url) -> Result<(), ModelError> {
    if url.scheme() == "https" || is_near(url) {
        return Ok(());
    }
    let message = format!("a key would go to {} in the open", host_name(url));
    Err(ModelError::new(ErrorKind::BadRequest, message)
        .with_help("Use https:// in base_url, or leave the key out if this server needs none."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, version: &str, tail: &str, expected: &str) {
        let url = endpoint(base, version, tail).map(String::from).unwrap_or_default();
        assert_eq!(url, expected, "{base}");
    }

    #[test]
    fn addresses_are_understood_as_people_paste_them() {
        let expected = "http://h:8080/v1/chat/completions";
        for base in [
            "http://h:8080",
            "http://h:8080/",
            " http://h:8080/v1\n",
            "http://h:8080/v1/",
            "http://h:8080/v1/chat/completions",
            "http://h:8080/v1/chat/completions/",
        ] {
            check(base, "v1", "chat/completions", expected);
        }
        let groq = "https://api.groq.com/openai/v1/chat/completions";
        for base in ["https://api.groq.com", "https://api.groq.com/openai", "https://api.groq.com/openai/v1"]
        {
            check(base, "openai/v1", "chat/completions", groq);
        }
        check("https://h/gate", "openai/v1", "chat/completions", "https://h/gate/v1/chat/completions");
        check(
            "https://h/v1beta/openai/",
            "v1",
            "chat/completions",
            "https://h/v1beta/openai/chat/completions",
        );
        check("http://h:11434/api/chat", "", "api/chat", "http://h:11434/api/chat");
        check("https://h/a?api-version=1", "v1", "responses", "https://h/a/v1/responses?api-version=1");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for base in ["", "localhost:8080", "file:///etc/passwd", "ftp://h", "https://me:pw@h/v1", "http://"] {
            assert!(endpoint(base, "v1", "x").is_err(), "{base}");
        }
    }

    #[test]
    fn keys_go_over_http_only_nearby() {
        let safe = |url: &str| check_key_is_safe(&Url::parse(url).unwrap()).is_ok();
        for near in [
            "http://localhost:1",
            "http://127.0.0.1",
            "http://[::1]:2",
            "http://192.168.1.5",
            "http://10.0.0.1",
            "http://[fd00::1]",
            "http://gaming-pc:5001",
            "http://nas.local",
            "https://api.example.com",
        ] {
            assert!(safe(near), "{near}");
        }
        for far in ["http://api.example.com", "http://8.8.8.8", "http://[2001:db8::1]", "http://172.32.0.1"] {
            assert!(!safe(far), "{far}");
        }
    }
}
