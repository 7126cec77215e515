//! `POST /v1/chat/completions`: a raw model call of a player's sidecar.
//!
//! The straight line of a request: who asks → what they ask → a moderator → leave to spend → a slot, fairly → an
//! engine → its answer, piece by piece → what it did cost.

mod answer;
mod carried;
mod request;
mod socket;
mod whole;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Host;
use super::auth::Known;
use super::body::Sent;
use super::error::Refused;
use super::metrics;
use super::serve::Peer;
use crate::admission::{Asking, Place};
use crate::engines::{Expected, Meter};
use crate::player::Class;
use crate::quota::{Amounts, Purpose, QuotaError, Reservation};
use crate::storage::ServerState;
use answer::{Answer, Running};
pub(super) use carried::Carriers;
use carried::unless_closed;
use request::ChatRequest;
pub(super) use socket::open as socket;

/// How urgent a request is: `live`, `session` or `ambient`.
pub const CLASS: HeaderName = HeaderName::from_static("x-meddah-class");
/// What tells one conversation from another, so that the same engine reads its next prompt.
pub const CONVERSATION: HeaderName = HeaderName::from_static("x-meddah-conversation");
/// The longest that the player waits for a slot, in milliseconds.
pub const PATIENCE: HeaderName = HeaderName::from_static("x-meddah-patience-ms");
/// With `events`, a stream begins at once, and comments in it tell its place in the queue and whether little is left.
pub const QUEUE: HeaderName = HeaderName::from_static("x-meddah-queue");
/// A second request of the same key within a day is not carried out.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longer keys and names of conversations are refused, in bytes.
const HEADER_BYTES_MAX: usize = 256;
/// Proxies that gather an answer before they pass it on are asked not to.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// What answers usually have, in tokens; their most says little.
const OUTPUT_TOKENS_USUAL: u32 = 120;

/// Answers a chat.
pub(super) async fn completions(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    sent: Sent,
) -> Response {
    let class = class(&headers).unwrap_or_default();
    match ask(&host, peer, &headers, sent).await {
        Ok(response) => response,
        Err(refused) => {
            host.metrics.ended(class, metrics::word(refused.0.code));
            refused.into_response()
        }
    }
}

async fn ask(host: &Arc<Host>, peer: Peer, headers: &HeaderMap, sent: Sent) -> Result<Response, Refused> {
    let known = host.auth.know(headers, peer.0, &host.settings).await?;
    let terms = Terms::of_headers(headers)?;
    let body = sent.read(host.settings.limits.body_bytes).await?;
    let waiting = Waiting::begin(host, known, terms, &body).await?;
    match (waiting.request.stream, headers.get(QUEUE).is_some_and(|value| value == "events")) {
        (false, _) => {
            let model = waiting.request.model.clone();
            let answer = async { whole::collect(Answer::begun(waiting.enter(None).await?), model).await };
            Ok(Json(unless_closed(host, answer).await?).into_response())
        }
        (true, false) => Ok(stream(host, Answer::begun(unless_closed(host, waiting.enter(None)).await?))),
        (true, true) => Ok(stream(host, waiting.told())),
    }
}

/// What is said about a request beside its body.
#[derive(Debug)]
struct Terms {
    class: Class,
    conversation: Option<String>,
    patience: Duration,
    key: Option<String>,
}

impl Terms {
    fn of_headers(headers: &HeaderMap) -> Result<Terms, Refused> {
        Ok(Terms {
            class: class(headers)?,
            conversation: text_header(headers, &CONVERSATION)?.map(str::to_owned),
            patience: patience(headers)?,
            key: text_header(headers, &IDEMPOTENCY_KEY)?.map(str::to_owned),
        })
    }
}

/// A request that has leave to spend and no slot yet.
struct Waiting {
    host: Arc<Host>,
    known: Arc<Known>,
    class: Class,
    arrived: Instant,
    affinity: u64,
    patience: Duration,
    request: ChatRequest,
    meter: Arc<Meter>,
    reservation: Reservation,
}

impl Waiting {
    /// Reads a request, lets a moderator see it, and reserves what it can cost.
    async fn begin(
        host: &Arc<Host>,
        known: Arc<Known>,
        terms: Terms,
        body: &[u8],
    ) -> Result<Waiting, Refused> {
        let arrived = Instant::now();
        host.used_now(&known.token);
        let request = ChatRequest::read(body, host.settings.limits.output_tokens)?;
        host.moderator.check(&known.player.id, &request.last_text).await?;
        let Terms { class, conversation, patience, key } = terms;
        Ok(Waiting {
            meter: Arc::new(Meter::new(Expected {
                body_bytes: u64::from(request.prompt_tokens_max),
                prompt_tokens: request.prompt_tokens,
                output_tokens: request.output_tokens_max,
            })),
            affinity: affinity(conversation.as_deref(), &known, &request),
            reservation: reserve(host, &known, &request, class, key).await?,
            host: host.clone(),
            patience,
            known,
            class,
            arrived,
            request,
        })
    }

    /// The answer as a stream that begins at once and tells the place in the queue.
    fn told(self) -> Answer {
        let (progress, place) = watch::channel(Place::default());
        let near_end = self.reservation.near_end();
        let (host, class) = (self.host.clone(), self.class);
        let entering = async move {
            let entered = self.enter(Some(progress)).await;
            entered.inspect_err(|refused| host.metrics.ended(class, metrics::word(refused.0.code)))
        };
        Answer::waiting(Box::pin(entering), place, near_end)
    }

    /// Waits for a slot, and for the first event of an engine.
    async fn enter(self, progress: Option<watch::Sender<Place>>) -> Result<Running, Refused> {
        let asking = Asking {
            player: self.known.player.id.clone(),
            class: self.class,
            weight: self.known.tier.weight,
            concurrent: self.known.tier.concurrent,
            prompt_tokens: self.request.prompt_tokens,
            output_tokens: self.request.output_tokens_max.min(OUTPUT_TOKENS_USUAL),
            patience: self.patience,
        };
        let slot = self.host.gate.enter(asking, progress).await?;
        // Perhaps of an answer that the closing broke off, which not everybody has heard of at the same moment.
        let state = *self.host.book.state().borrow();
        if state == ServerState::Closed {
            return Err(QuotaError::Closed(state).into());
        }
        self.host.metrics.entered(self.class, slot.waited());
        Running::begin(self, slot).await
    }
}

fn stream(host: &Host, answer: Answer) -> Response {
    let mut response = carried::body(host, answer).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(NO_BUFFERING, HeaderValue::from_static("no"));
    response
}

async fn reserve(
    host: &Arc<Host>,
    known: &Known,
    request: &ChatRequest,
    class: Class,
    key: Option<String>,
) -> Result<Reservation, Refused> {
    let tokens = u64::from(request.prompt_tokens_max) + u64::from(request.output_tokens_max);
    let most = Amounts {
        // What characters make of a talk belongs to the talk.
        turns: u64::from(class != Class::Session),
        tokens,
        speech_ms: 0,
        micro: host.prices.most(request.prompt_tokens_max, request.output_tokens_max),
    };
    let purpose = Purpose { class, model: request.model.clone(), key };
    Ok(host.book.reserve(&known.player.id, &known.tier, most, &purpose).await?)
}

fn class(headers: &HeaderMap) -> Result<Class, Refused> {
    let Some(value) = headers.get(CLASS) else { return Ok(Class::Live) };
    Class::ALL
        .into_iter()
        .find(|class| value == class.name())
        .ok_or_else(|| Refused::invalid(format!("`{CLASS}` is not known"), "Send live, session or ambient."))
}

fn patience(headers: &HeaderMap) -> Result<Duration, Refused> {
    let Some(value) = headers.get(PATIENCE) else { return Ok(Duration::MAX) };
    let ms = value.to_str().ok().and_then(|text| text.parse().ok());
    ms.map(Duration::from_millis).ok_or_else(|| {
        Refused::invalid(format!("`{PATIENCE}` is no number of milliseconds"), "Send, for example, 8000.")
    })
}

/// Requests of one conversation have one, and no player can meet another's.
fn affinity(conversation: Option<&str>, known: &Known, request: &ChatRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    known.player.id.hash(&mut hasher);
    match conversation {
        Some(conversation) => conversation.hash(&mut hasher),
        None => request.beginning.hash(&mut hasher),
    }
    hasher.finish()
}

fn text_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refused> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= HEADER_BYTES_MAX);
    text.map(Some).ok_or_else(|| {
        Refused::invalid(
            format!("`{name}` is empty, too long, or no plain text"),
            format!("Send at most {HEADER_BYTES_MAX} letters and digits."),
        )
    })
}
