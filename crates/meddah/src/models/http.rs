//! One careful GET: follows redirects but never to a less safe place, and tells apart the answers that mean
//! "go on", "begin again", "try later" and "give up".
//!
//! Servers lie about ranges, serve login pages with status 200 and change files between two requests. So an
//! answer is believed only where it says, in agreement with what was asked, which bytes of which file follow.

use std::time::{Duration, SystemTime};

use meddah_inference::http::{bad_certificate, causes};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::part::Origin;
use super::pull::PullLimits;
use super::{ModelsError, ModelsErrorKind, Sha256Hash, source};

/// Model hubs need two.
const REDIRECTS_MAX: usize = 8;
/// A server that wants a longer pause is told to the player instead.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Hubs announce the SHA-256 of a large file beside the redirect to it.
const ANNOUNCED_SHA256: HeaderName = HeaderName::from_static("x-linked-etag");

/// Why an attempt ended.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection or the server failed; the same request may work.
    Retry { reason: String, after: Option<Duration> },
    /// What is on disk does not belong to what the server has now.
    StartOver(String),
    /// Trying again does not help.
    Fatal(ModelsError),
}

impl From<ModelsError> for Failure {
    fn from(error: ModelsError) -> Self {
        Failure::Fatal(error)
    }
}

/// What the server sends.
#[derive(Debug)]
pub(super) enum Reply {
    /// The file from its first byte.
    Whole(Body),
    /// The file from the byte that was asked for.
    Rest(Body),
    /// There are no more bytes than we have.
    Complete,
}

/// Bytes on their way.
#[derive(Debug)]
pub(super) struct Body {
    /// What they belong to.
    pub origin: Origin,
    /// It calls itself a web page.
    pub is_page: bool,
    response: Response,
}

/// Speaks HTTP within the limits.
pub(super) struct Client {
    http: reqwest::Client,
    limits: PullLimits,
}

impl Client {
    /// A client for this address.
    pub fn new(url: &Url, limits: PullLimits) -> Result<Client, ModelsError> {
        // Fails if another part of the program installed one, which does as well.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("meddah/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(limits.connect);
        if url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            ModelsError::new(
                ModelsErrorKind::Network,
                format!("cannot start a secure connection: {}", root_cause(&error)),
                "Download the file with a browser, then `meddah models import FILE`.",
            )
        })?;
        Ok(Client { http, limits })
    }

    /// Asks for the file from a byte on. With `from > 0`, `known` says what the bytes before it belong to.
    pub async fn get(
        &self,
        url: &Url,
        from: u64,
        known: &Origin,
        cancel: &CancellationToken,
    ) -> Result<Reply, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if from > 0 {
            headers.extend(range_headers(from, known));
        }
        let (response, announced) = self.follow_redirects(url.clone(), &headers, cancel).await?;
        let origin = Origin { announced, ..origin_of(&response, known) };
        match response.status() {
            StatusCode::OK => Ok(Reply::Whole(Body::new(response, origin)?)),
            StatusCode::PARTIAL_CONTENT if from > 0 => {
                check_rest(&response, from, known, &origin)?;
                Ok(Reply::Rest(Body::new(response, origin)?))
            }
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => match content_range(response.headers()) {
                Some((None, Some(total))) if total == from => Ok(Reply::Complete),
                _ => Err(Failure::StartOver("the server has another file now".into())),
            },
            status => Err(refusal(status, response.headers(), response.url())),
        }
    }

    async fn follow_redirects(
        &self,
        mut url: Url,
        headers: &HeaderMap,
        cancel: &CancellationToken,
    ) -> Result<(Response, Option<Sha256Hash>), Failure> {
        let mut announced = None;
        for _ in 0..=REDIRECTS_MAX {
            let request = self.http.get(url.clone()).headers(headers.clone()).send();
            let response = match wait(request, self.limits.answer, cancel).await? {
                Ok(response) => response,
                Err(error) => return Err(cut(&error)),
            };
            announced = announced.or_else(|| announced_sha256(response.headers()));
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok((response, announced));
            }
            url = redirect_target(&url, response.headers())?;
        }
        Err(unsafe_redirect("the server sends us in circles".into()))
    }
}

impl Body {
    fn new(response: Response, origin: Origin) -> Result<Body, Failure> {
        let coded = response.headers().get(header::CONTENT_ENCODING);
        if coded.is_some_and(|coding| coding != "identity") {
            return Err(Failure::Fatal(nonsense("the server sends the file compressed, unasked")));
        }
        let is_page = text(response.headers(), &header::CONTENT_TYPE)
            .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
        Ok(Body { origin, is_page, response })
    }

    /// The next bytes; `None` at the end.
    pub async fn next(
        &mut self,
        stall: Duration,
        cancel: &CancellationToken,
    ) -> Result<Option<Bytes>, Failure> {
        wait(self.response.chunk(), stall, cancel).await?.map_err(|error| cut(&error))
    }
}

/// Waits for the network, but not for ever and not when cancelled.
async fn wait<T>(
    future: impl Future<Output = T>,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<T, Failure> {
    match cancel.run_until_cancelled(tokio::time::timeout(limit, future)).await {
        None => Err(Failure::Fatal(ModelsError::cancelled())),
        Some(Ok(output)) => Ok(output),
        Some(Err(_)) => {
            let reason = format!("nothing came for {} s", limit.as_secs_f32().ceil());
            Err(Failure::Retry { reason, after: None })
        }
    }
}

fn cut(error: &reqwest::Error) -> Failure {
    if let Some(why) = causes(error).find_map(bad_certificate) {
        return Failure::Fatal(ModelsError::new(
            ModelsErrorKind::Network,
            format!("the server cannot prove who it is ({why})"),
            "Check the date and time of this PC, and whether a virus scanner or company network looks into \
             secure connections; or download the file with a browser, then `meddah models import FILE`.",
        ));
    }
    let what = if error.is_connect() { "no connection" } else { "the connection was cut" };
    Failure::Retry { reason: format!("{what} ({})", root_cause(error)), after: None }
}

/// The innermost cause; the outer ones repeat the address, which may hold a secret.
fn root_cause(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| "no reason given".into(), ToString::to_string)
}

fn range_headers(from: u64, known: &Origin) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let range = HeaderValue::from_str(&format!("bytes={from}-")).ok();
    let condition = known.validator().and_then(|text| HeaderValue::from_str(text).ok());
    range.map(|range| (header::RANGE, range)).into_iter().chain(condition.map(|c| (header::IF_RANGE, c)))
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let target = text(headers, &header::LOCATION).and_then(|location| from.join(location).ok());
    let Some(target) = target else {
        return Err(unsafe_redirect("the server sends us on without a usable address".into()));
    };
    match (from.scheme(), target.scheme()) {
        (_, "https") | ("http", "http") => Ok(target),
        (from, to) => Err(unsafe_redirect(format!("the server sends us from {from}: to {to}:"))),
    }
}

fn check_rest(response: &Response, from: u64, known: &Origin, now: &Origin) -> Result<(), Failure> {
    let changed = |what: &str| Err(Failure::StartOver(what.to_owned()));
    let Some((Some(start), _)) = content_range(response.headers()) else {
        return changed("the server does not say which part it sends");
    };
    if start != from {
        return changed("the server sends another part than the one asked for");
    }
    if known.bytes.is_some() && now.bytes != known.bytes || now.bytes.is_some_and(|bytes| bytes < from) {
        return changed("the file has another size now");
    }
    let other_date = now.last_modified.is_some() && now.last_modified != known.last_modified;
    if now.etag != known.etag || known.last_modified.is_some() && other_date {
        return changed("the file has changed on the server");
    }
    Ok(())
}

fn origin_of(response: &Response, known: &Origin) -> Origin {
    let headers = response.headers();
    let owned = |name: &HeaderName| text(headers, name).map(str::to_owned);
    let bytes = match response.status() {
        StatusCode::PARTIAL_CONTENT => content_range(headers).and_then(|(_, total)| total).or(known.bytes),
        _ => response.content_length(),
    };
    Origin {
        url: known.url.clone(),
        etag: owned(&header::ETAG),
        last_modified: owned(&header::LAST_MODIFIED),
        bytes,
        announced: None,
    }
}

/// Start and total of `Content-Range: bytes START-END/TOTAL`; either may be unknown (`*`).
fn content_range(headers: &HeaderMap) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) =
        text(headers, &header::CONTENT_RANGE)?.trim().strip_prefix("bytes ")?.split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    if range == "*" {
        return Some((None, total));
    }
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
    (start <= end && total.is_none_or(|total| end < total)).then_some((Some(start), total))
}

fn announced_sha256(headers: &HeaderMap) -> Option<Sha256Hash> {
    text(headers, &ANNOUNCED_SHA256)?.trim_matches('"').parse().ok()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn refusal(status: StatusCode, headers: &HeaderMap, url: &Url) -> Failure {
    let host = url.host_str().unwrap_or("the server");
    let fatal = |kind, message: String, help: &str| Failure::Fatal(ModelsError::new(kind, message, help));
    match status.as_u16() {
        401 | 402 | 403 | 407 | 451 => fatal(
            ModelsErrorKind::Denied,
            format!("{host} does not give out this file ({status})"),
            "Open the model's page in a browser, accept its licence, download the .gguf file there, then \
             `meddah models import FILE`.",
        ),
        404 | 410 => fatal(
            ModelsErrorKind::NotFound,
            format!("{host} has no such file ({status}): {}", source::public(url)),
            "Check the address; the file may have been renamed or taken back.",
        ),
        408 | 425 | 429 | 500..=599 => match retry_after(headers) {
            Some(delay) if delay > RETRY_AFTER_MAX => fatal(
                ModelsErrorKind::Network,
                format!("{host} is busy ({status}) and asks to come back in {} s", delay.as_secs()),
                "Run the same command again after that time; a download goes on where it stopped.",
            ),
            after => Failure::Retry { reason: format!("{host} is busy ({status})"), after },
        },
        _ => Failure::Fatal(nonsense(&format!("{host} answered {status}"))),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text(headers, &header::RETRY_AFTER)?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

fn nonsense(message: &str) -> ModelsError {
    ModelsError::new(
        ModelsErrorKind::Network,
        message,
        "Check that the address is the download link of a .gguf file, or download it with a browser, then \
         `meddah models import FILE`.",
    )
}

fn unsafe_redirect(message: String) -> Failure {
    Failure::Fatal(ModelsError::new(
        ModelsErrorKind::UnsafeRedirect,
        message,
        "Do not use this address; download the model from a site that you trust.",
    ))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn content_ranges_are_read_strictly() {
        let check = |value: &str| content_range(&headers(&[(header::CONTENT_RANGE, value)]));
        assert_eq!(check("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(check("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(check("bytes */10"), Some((None, Some(10))));
        for bad in
            ["", "bytes 5-9", "items 5-9/10", "bytes 9-5/10", "bytes 5-10/10", "bytes -9/10", "bytes a-b/c"]
        {
            assert_eq!(check(bad), None, "{bad}");
        }
    }

    #[test]
    fn redirects_never_lead_to_a_less_safe_place() {
        let check = |from: &str, to: &str| {
            let from = Url::parse(from).unwrap();
            redirect_target(&from, &headers(&[(header::LOCATION, to)])).map(String::from).ok()
        };
        assert_eq!(check("https://a/x", "/y").as_deref(), Some("https://a/y"));
        assert_eq!(check("http://a/x", "https://b/y").as_deref(), Some("https://b/y"));
        assert_eq!(check("https://a/x", "http://a/y"), None);
        assert_eq!(check("https://a/x", "file:///etc/passwd"), None);
        assert_eq!(check("http://a/x", "ftp://b/y"), None);
    }

    #[test]
    fn a_wrong_certificate_is_found_however_it_is_wrapped() {
        let tls = || rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        for error in [io::Error::other(tls()), io::Error::other(io::Error::other(tls()))] {
            assert!(bad_certificate(&error).is_some_and(|why| why.contains("certificate")));
        }
        assert_eq!(bad_certificate(&io::Error::other(rustls::Error::DecryptError)), None);
        assert_eq!(bad_certificate(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }
}
