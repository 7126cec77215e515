//! What a game's characters answer, as one stream for all of them.
//!
//! Mods open the stream before or after they say something, and some open a new one for each sentence. So
//! what nobody has fetched yet is kept for a moment, and whoever comes back names the last one it saw.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::Refused;
use super::{Player2, game, plain_game};
use crate::compat::sent::{accepts, header};

/// Responses kept for a reader that comes back.
const RESPONSES_KEPT_MAX: usize = 256;
/// What nobody fetched for so long is old news to a new reader.
const NEWS_AGE_MAX: Duration = Duration::from_secs(30);
/// A stream of events is never silent for longer.
const PING_EVERY: Duration = Duration::from_secs(15);

/// One game's responses.
pub(super) struct Responses {
    inner: Mutex<Inner>,
    newest: watch::Sender<u64>,
}

struct Inner {
    kept: VecDeque<Kept>,
    /// Numbers begin behind it.
    base: u64,
    last: u64,
    fetched: u64,
}

#[derive(Clone)]
struct Kept {
    number: u64,
    at: Instant,
    json: String,
}

impl Default for Responses {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Responses::behind(u64::try_from(since.as_millis()).unwrap_or_default())
    }
}

impl Responses {
    /// Numbers begin behind this one. The time of the start is larger than any number of an earlier one, so that
    /// a reader that passes over what it has seen passes over nothing new.
    fn behind(base: u64) -> Responses {
        let inner = Inner { kept: VecDeque::new(), base, last: base, fetched: base };
        Responses { inner: Mutex::new(inner), newest: watch::Sender::new(base) }
    }

    /// Adds one.
    pub fn push(&self, response: &Value) {
        let number = {
            let mut inner = self.lock();
            inner.last += 1;
            if inner.kept.len() == RESPONSES_KEPT_MAX {
                inner.kept.pop_front();
            }
            let number = inner.last;
            inner.kept.push_back(Kept { number, at: Instant::now(), json: response.to_string() });
            number
        };
        self.newest.send_replace(number);
    }

    /// Where a reader begins: after what it saw last, else at what nobody has fetched and is younger than
    /// `age_max`. A number that nobody was given is of an earlier start.
    fn beginning(&self, seen: Option<u64>, age_max: Duration) -> u64 {
        let inner = self.lock();
        if let Some(seen) = seen.filter(|seen| (inner.base..=inner.fetched).contains(seen)) {
            return seen;
        }
        let old = inner.kept.iter().filter(|one| one.at.elapsed() >= age_max).map(|one| one.number).max();
        inner.fetched.max(old.unwrap_or(0))
    }

    fn after(&self, number: u64) -> Vec<Kept> {
        let mut inner = self.lock();
        let found: Vec<Kept> = inner.kept.iter().filter(|one| one.number > number).cloned().collect();
        inner.fetched = inner.fetched.max(found.last().map_or(0, |one| one.number));
        found
    }

    /// Waits for what comes after a number; nothing after [`PING_EVERY`].
    async fn wait_after(&self, number: u64) -> Vec<Kept> {
        let deadline = Instant::now() + PING_EVERY;
        let mut newest = self.newest.subscribe();
        loop {
            newest.borrow_and_update();
            let found = self.after(number);
            if !found.is_empty() || tokio::time::timeout_at(deadline, newest.changed()).await.is_err() {
                return found;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responses") // what characters say is nobody's log
    }
}

#[derive(Deserialize)]
pub(super) struct Token {
    token: Option<String>,
    auth: Option<String>,
}

pub(super) async fn stream(
    State(face): State<Arc<Player2>>,
    Query(Token { token, auth }): Query<Token>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let game = game(&headers, token.or(auth).as_deref());
    respond(&face, &game, &headers)
}

pub(super) async fn stream_local(
    State(face): State<Arc<Player2>>,
    Path(game): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    respond(&face, &plain_game(&game), &headers)
}

/// Server-sent events, or a JSON object a line for those who accept JSON of any kind.
fn respond(face: &Player2, game: &str, headers: &HeaderMap) -> Result<Response, Refused> {
    let responses = face.responses_of(game)?;
    let events = accepts(headers, "text/event-stream") || !accepts(headers, "json");
    let seen = header(headers, "last-event-id").and_then(|id| id.parse().ok());
    let begin = responses.beginning(seen, NEWS_AGE_MAX);
    let stop = face.app.stop.clone();
    let chunks = futures::stream::unfold(begin, move |number| {
        let (responses, stop) = (responses.clone(), stop.clone());
        async move { next(&responses, &stop, number, events).await }
    });
    let kind = if events { "text/event-stream" } else { "application/x-ndjson" };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], Body::from_stream(chunks)).into_response())
}

async fn next(
    responses: &Responses,
    stop: &CancellationToken,
    mut number: u64,
    events: bool,
) -> Option<(Result<Bytes, Infallible>, u64)> {
    loop {
        let found = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            found = responses.wait_after(number) => found,
        };
        let mut out = String::new();
        for one in &found {
            number = one.number;
            out += &match events {
                true => format!("id: {number}\nevent: npc_response\ndata: {}\n\n", one.json),
                false => format!("{}\n", one.json),
            };
        }
        if found.is_empty() && events {
            out += "event: ping\ndata: {\"type\":\"ping\"}\n\n";
        }
        if !out.is_empty() {
            return Some((Ok(out.into()), number));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_nobody_fetched_is_for_the_next_reader() {
        let responses = Responses::behind(0);
        responses.push(&json!({"message": "one"}));
        let first: Vec<u64> = responses
            .wait_after(responses.beginning(None, NEWS_AGE_MAX))
            .await
            .iter()
            .map(|one| one.number)
            .collect();
        assert_eq!(first, [1]);
        responses.push(&json!({"message": "two"}));
        assert_eq!(responses.beginning(None, NEWS_AGE_MAX), 1);
        assert_eq!(responses.wait_after(0).await.len(), 2, "whoever names an earlier one gets all since");
        assert_eq!(responses.beginning(None, NEWS_AGE_MAX), 2);
        responses.push(&json!({"message": "three"}));
        assert_eq!(responses.beginning(None, Duration::ZERO), 3, "old news is not for new readers");
    }

    #[test]
    fn a_number_of_an_earlier_start_counts_as_none() {
        let responses = Responses::behind(0);
        assert_eq!(responses.beginning(Some(3), NEWS_AGE_MAX), 0);
        for message in ["one", "two", "three", "four"] {
            responses.push(&json!({"message": message}));
        }
        assert_eq!(responses.beginning(Some(3), NEWS_AGE_MAX), 0, "nobody was given number 3 yet");
        assert_eq!(responses.after(0).len(), 4);
        assert_eq!(responses.beginning(Some(3), NEWS_AGE_MAX), 3);
        assert_eq!(responses.beginning(Some(5), NEWS_AGE_MAX), 4);
        let later = Responses::default();
        later.push(&json!({"message": "five"}));
        assert!(later.after(0)[0].number > responses.after(0)[3].number);
        assert_eq!(later.beginning(Some(4), NEWS_AGE_MAX), later.after(0)[0].number);
    }
}
