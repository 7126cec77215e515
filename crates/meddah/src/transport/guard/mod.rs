//! Who may ask: programs on this computer, and web pages that the player allowed.
//!
//! Every page the player visits can send requests to the loopback address, and with a trick of name
//! service also under a name of its own. What a page cannot do is hide: browsers add `Host`, `Origin` and
//! `Sec-Fetch-Site` by themselves. So a game needs no key, and a page does.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION,
    HOST, ORIGIN, VARY,
};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use meddah_protocol::{ErrorCode, WireError};
use subtle::ConstantTimeEq as _;

/// Open to everybody on this computer, even with `require_token`.
const HEALTH: &str = "/v1/health";
/// The only route that takes the token in its address: a page cannot give a WebSocket any headers.
const WEBSOCKET: &str = "/v1/ws";
/// How long a browser may remember what it was allowed, in seconds.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, accept, last-event-id");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const ASKS_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOWS_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The rules of one running sidecar.
#[derive(Debug)]
pub struct Guard {
    token: String,
    require_token: bool,
    allowed_origins: Vec<String>,
}

/// What a request says of the token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Right,
    Wrong,
    Nothing,
}

impl Guard {
    /// Rules with this token.
    pub fn new(token: String, require_token: bool, allowed_origins: Vec<String>) -> Guard {
        Guard { token, require_token, allowed_origins }
    }

    /// The token, for the file that only the user can read.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether somebody showed the token.
    pub fn is_token(&self, shown: &str) -> bool {
        shown.trim().as_bytes().ct_eq(self.token.as_bytes()).into()
    }

    /// Lets a request through or says why not.
    pub fn check(&self, request: &Parts) -> Result<(), WireError> {
        self.check_with(request, self.require_token)
    }

    /// The same on a face. Mods that exist have no place for a token that is new at every start, so the player
    /// may let them in without one; pages are kept out all the same.
    pub fn check_face(&self, request: &Parts, face_token: bool) -> Result<(), WireError> {
        self.check_with(request, self.require_token && face_token)
    }

    fn check_with(&self, request: &Parts, require_token: bool) -> Result<(), WireError> {
        if !names_loopback(request) {
            return Err(WireError::new(
                ErrorCode::Forbidden,
                "the `Host` of the request is not this computer",
            )
            .with_help("Use the address 127.0.0.1 or localhost."));
        }
        let allowed = self.origin(&request.headers).is_some();
        if is_preflight(request) {
            return if allowed { Ok(()) } else { Err(foreign(request)) };
        }
        let token = self.shown(request);
        if token == Shown::Right {
            return Ok(());
        }
        if require_token && request.uri.path() != HEALTH {
            return Err(unauthorized(token));
        }
        match (comes_from_page(&request.headers), allowed, token) {
            (false, ..) | (true, true, _) => Ok(()),
            (true, false, Shown::Wrong) => Err(unauthorized(token)),
            (true, false, _) => Err(foreign(request)),
        }
    }

    /// The origin of the request, if it is an allowed one.
    pub fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (origin, None) = (origins.next()?, origins.next()) else { return None };
        // "null" is any sandboxed page or local file, so it can never be allowed.
        let known = self
            .allowed_origins
            .iter()
            .any(|allowed| allowed != "null" && allowed.as_bytes() == origin.as_bytes());
        known.then(|| origin.clone())
    }

    fn shown(&self, request: &Parts) -> Shown {
        let header = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let header = header.and_then(|value| value.split_once(' '));
        let header =
            header.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token);
        let query = || {
            let pairs = request.uri.query().filter(|_| request.uri.path() == WEBSOCKET)?.split('&');
            pairs
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == "token")
                .map(|(_, token)| token)
        };
        match header.or_else(query) {
            None => Shown::Nothing,
            Some(shown) if self.is_token(shown) => Shown::Right,
            Some(_) => Shown::Wrong,
        }
    }
}

/// A browser asking whether a page may send what it wants to send.
pub fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What an answer to an allowed origin carries.
pub fn allow_origin(answer: &mut HeaderMap, origin: HeaderValue) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answer.append(VARY, HeaderValue::from_static("origin"));
}

/// What the answer to a preflight request carries beside it.
pub fn allow_methods(answer: &mut HeaderMap, asked: &HeaderMap) {
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // The page is trusted, so it may send what it names: libraries of other protocols have headers of their own.
    let headers = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(HEADERS);
    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers);
    answer.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    if asked.contains_key(ASKS_PRIVATE_NETWORK) {
        answer.insert(ALLOWS_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
}

fn comes_from_page(headers: &HeaderMap) -> bool {
    let foreign = |site: &HeaderValue| !matches!(site.as_bytes(), b"none" | b"same-origin");
    headers.contains_key(ORIGIN) || headers.get_all(FETCH_SITE).iter().any(foreign)
}

/// The address line and `Host` both have to be ours; HTTP/1.0 may leave both out.
fn names_loopback(request: &Parts) -> bool {
    let address = request.uri.authority().map(Authority::as_str);
    let hosts: Vec<Option<&str>> =
        request.headers.get_all(HOST).iter().map(|host| host.to_str().ok()).collect();
    let hosts_fit = match hosts.as_slice() {
        [] => address.is_some() || request.version <= Version::HTTP_10,
        [host] => host.is_some_and(is_loopback),
        _ => false,
    };
    hosts_fit && address.is_none_or(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    // A name before an `@` is no part of the host, and nobody of ours sends one.
    let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else {
        return false;
    };
    let port_fits = authority.host().len() == host.len() || authority.port_u16().is_some();
    port_fits
        && ["localhost", "127.0.0.1", "[::1]"].iter().any(|ours| authority.host().eq_ignore_ascii_case(ours))
}

fn foreign(request: &Parts) -> WireError {
    let origin = request.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let message = match origin {
        Some(origin) => format!("the page {:?} is not allowed", origin.chars().take(80).collect::<String>()),
        None => "a web page asked without a token".to_owned(),
    };
    WireError::new(ErrorCode::Forbidden, message).with_help(
        "Send `Authorization: Bearer` with the token of runtime.json, or add the page's origin to \
         `allowed_origins`.",
    )
}

fn unauthorized(shown: Shown) -> WireError {
    let message = if shown == Shown::Wrong { "the token is wrong" } else { "a token is needed" };
    WireError::new(ErrorCode::Unauthorized, message)
        .with_help("Send `Authorization: Bearer` with the token of runtime.json; it changes at every start.")
}

#[cfg(test)]
mod tests;
