//! An answer: its status and headers, and its body piece by piece.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, Url};
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{STALL_MAX, cancelled, host_name, trouble};
use crate::{Key, ModelError};

/// Of an error's body so much is read.
pub const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
/// A longer pause than this is not believed.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// The answer to a [`Call`](super::Call). Dropping it closes the connection.
pub struct Reply {
    response: Response,
    url: Url,
    secrets: Vec<Key>,
}

impl Reply {
    pub(super) fn new(response: Response, url: Url, secrets: Vec<Key>) -> Reply {
        Reply { response, url, secrets }
    }

    /// As a number.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        self.response.status().is_success()
    }

    /// All of them.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The body's media type without parameters, in lower case; empty if it is not said.
    pub fn media_type(&self) -> String {
        let value = self.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = value.unwrap_or_default().split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    }

    /// Who answered.
    pub fn host(&self) -> String {
        host_name(&self.url)
    }

    /// What must not appear in any message.
    pub fn secrets(&self) -> &[Key] {
        &self.secrets
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// `Network` if the connection breaks, `Timeout` after [`STALL_MAX`], `Cancelled`.
    pub async fn next(&mut self, cancel: &CancellationToken) -> Result<Option<Bytes>, ModelError> {
        let chunk = tokio::time::timeout(STALL_MAX, self.response.chunk());
        match cancel.run_until_cancelled(chunk).await {
            None => Err(cancelled()),
            Some(Err(_)) => Err(trouble::silent(&self.url, STALL_MAX)),
            Some(Ok(Err(error))) => Err(trouble::of(&error, &self.url, &self.secrets)),
            Some(Ok(Ok(chunk))) => Ok(chunk),
        }
    }

    /// The connection itself, after the server agreed to speak another protocol on it.
    ///
    /// # Errors
    /// `Network` if it did not agree or hung up.
    pub async fn upgraded(self) -> Result<reqwest::Upgraded, ModelError> {
        let Reply { response, url, secrets } = self;
        response.upgrade().await.map_err(|error| trouble::of(&error, &url, &secrets))
    }

    /// The body up to this many bytes; what is longer or breaks off ends there.
    pub async fn body_up_to(
        &mut self,
        bytes_max: usize,
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, ModelError> {
        let mut body = Vec::new();
        while body.len() < bytes_max {
            match self.next(cancel).await {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(error) if error.kind == crate::ErrorKind::Cancelled => return Err(error),
                Err(_) => break,
            }
        }
        body.truncate(bytes_max);
        Ok(body)
    }
}

/// When to come back, by the headers `retry-after-ms` and `retry-after` (seconds or a date).
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok());
    if let Some(wait) = milliseconds.and_then(|wait| Duration::try_from_secs_f64(wait / 1000.0).ok()) {
        return Some(wait.min(RETRY_AFTER_MAX));
    }
    let text = text(RETRY_AFTER.as_str())?;
    let wait = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()?,
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &str) -> Option<Duration> {
        retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
    }

    #[test]
    fn pauses_are_read_in_every_form() {
        assert_eq!(wait("retry-after", "3"), Some(Duration::from_secs(3)));
        assert_eq!(wait("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(wait("retry-after", &date).is_some_and(|wait| wait.as_secs().abs_diff(99) <= 2));
        assert_eq!(wait("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), None);
        for nonsense in ["", "soon", "-3", "NaN", "inf"] {
            assert_eq!(wait("retry-after", nonsense), None, "{nonsense}");
        }
        assert_eq!(wait("retry-after", "1e15"), Some(RETRY_AFTER_MAX));
    }
}
