//! An answer on its way from an engine to a player.
//!
//! Events are passed on as they come, byte for byte. The one that says why the answer ends is held back until the
//! ledger has what it cost: then it carries what the player has left, and whatever was answered is in the ledger.
//! However it ends, also when the player leaves in the middle, the best that is known of its cost is settled once and
//! the slot is free at once: dropping an [`Answer`] does all of that.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use meddah_inference::TokenUsage;
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Waiting;
use crate::admission::{Place, Slot};
use crate::alarm::Alarm;
use crate::engines::{EngineError, EngineRequest, Meter, ReadStream, Reading};
use crate::front::Host;
use crate::front::error::Refused;
use crate::player::Class;
use crate::quota::{Amounts, Left, NearEnd, Reservation};
use crate::storage::Ended;

/// A comment is sent when nothing else was for so long, so that no proxy takes the answer for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const WAIT: Bytes = Bytes::from_static(b": wait\n\n");
const DONE: &[u8] = b"data: [DONE]\n\n";

/// An engine at work for a player.
pub(super) struct Running {
    host: Arc<Host>,
    class: Class,
    arrived: Instant,
    turns: u64,
    /// An engine may say what it likes of its price: no more than this is charged.
    micro_most: u64,
    engine: Arc<str>,
    events: ReadStream,
    meter: Arc<Meter>,
    slot: Slot,
    /// `None` once it is settled.
    reservation: Option<Reservation>,
    wants_usage: bool,
    first_token_sent: bool,
    _cancel_when_dropped: DropGuard,
}

impl Running {
    pub async fn begin(waiting: Waiting, slot: Slot) -> Result<Running, Refused> {
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        let Waiting { host, class, arrived, affinity, request, meter, reservation, .. } = waiting;
        let body = request.body.with_model(&request.model);
        let asked = EngineRequest { body, model: None, affinity, cancel };
        let mut running = Running {
            turns: reservation.most().turns,
            micro_most: reservation.most().micro,
            reservation: Some(reservation),
            wants_usage: request.wants_usage,
            first_token_sent: false,
            _cancel_when_dropped: guard,
            engine: "".into(),
            events: futures::stream::empty().boxed(),
            host,
            class,
            arrived,
            meter,
            slot,
        };
        match running.host.pool.chat(asked, &running.meter).await {
            Ok(reply) => {
                running.engine = reply.engine;
                running.events = reply.events;
                Ok(running)
            }
            Err(error) => {
                running.slot.used(0, 0, 0); // no fault of the player
                if let Some(reservation) = running.reservation.take() {
                    reservation.settle(Amounts::default(), Ended::Failed).await.ok(); // it is kept and written later
                }
                Err(refused(&error))
            }
        }
    }

    /// What the answer has cost by all that is known.
    fn amounts(&self) -> (TokenUsage, Amounts) {
        let usage = self.meter.best_known();
        let tokens = u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens);
        let cost = self.host.prices.of(&self.engine, &usage);
        if cost > self.micro_most {
            let (engine, most) = (&*self.engine, self.micro_most);
            tracing::warn!(
                engine,
                cost,
                most,
                "an engine says that it charges more than its prices allow, and what is beyond them is in no ledger: \
                 check `input_price` and `output_price`"
            );
        }
        let micro = cost.min(self.micro_most);
        // An answer of which nothing was heard is no turn.
        let turns = if self.meter.has_begun() { self.turns } else { 0 };
        (usage, Amounts { turns, tokens, speech_ms: 0, micro })
    }

    /// Once: what it cost goes to the ledger. What the player has left comes back unless the ledger is away.
    async fn settle(&mut self, ended: Ended) -> Option<Left> {
        let reservation = self.reservation.take()?;
        let amounts = self.count(ended);
        reservation.settle(amounts, ended).await.ok()
    }

    fn count(&self, ended: Ended) -> Amounts {
        let (usage, amounts) = self.amounts();
        self.slot.used(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens);
        let metrics = &self.host.metrics;
        metrics.used(u64::from(usage.prompt_tokens), u64::from(usage.completion_tokens), amounts.micro);
        metrics.ended(self.class, ended.name());
        amounts
    }
}

impl Drop for Running {
    /// The player left.
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            // An engine was at work on the prompt, whether it has said so or not: leaving early is not for free.
            self.meter.taken();
            let amounts = self.count(Ended::Cut);
            reservation.settle_soon(amounts, Ended::Cut);
        }
    }
}

/// What the player gets, in the order in which it is said.
enum Stage {
    Queued(BoxFuture<'static, Result<Running, Refused>>, watch::Receiver<Place>),
    Running(Box<Running>, Held),
    /// The rest, and then nothing.
    Last(Vec<u8>),
    Over,
}

/// Events that wait for the end.
#[derive(Default)]
struct Held {
    finish: Option<Bytes>,
    usage: Option<Bytes>,
}

/// A stream of server-sent events.
pub(super) struct Answer {
    /// Said before all else.
    remark: Option<Bytes>,
    stage: Stage,
    silence: Silence,
}

/// Comes when nothing was said for so long that a comment is due.
struct Silence {
    since: Instant,
    alarm: Alarm,
}

impl Silence {
    fn begin() -> Silence {
        let now = Instant::now();
        Silence { since: now, alarm: Alarm::new(now + KEEP_ALIVE) }
    }

    async fn is_long(&mut self) {
        self.alarm.at(self.since + KEEP_ALIVE).await;
    }
}

impl Answer {
    pub fn begun(running: Running) -> Answer {
        Answer::at(Stage::Running(Box::new(running), Held::default()))
    }

    pub fn waiting(
        running: BoxFuture<'static, Result<Running, Refused>>,
        place: watch::Receiver<Place>,
        near_end: Option<NearEnd>,
    ) -> Answer {
        Answer { remark: near_end.and_then(warned), ..Answer::at(Stage::Queued(running, place)) }
    }

    fn at(stage: Stage) -> Answer {
        Answer { remark: None, stage, silence: Silence::begin() }
    }

    /// The next piece of the body.
    pub async fn next(&mut self) -> Option<Bytes> {
        let piece = self.next_piece().await;
        self.silence.since = Instant::now();
        piece
    }

    async fn next_piece(&mut self) -> Option<Bytes> {
        if let Some(remark) = self.remark.take() {
            return Some(remark);
        }
        loop {
            match &mut self.stage {
                Stage::Queued(entering, place) => {
                    tokio::select! {
                        biased;
                        entered = entering => self.stage = match entered {
                            Ok(running) => Stage::Running(Box::new(running), Held::default()),
                            Err(refused) => Stage::Last(failed(&refused)),
                        },
                        Ok(()) = place.changed() => {
                            let place = *place.borrow_and_update();
                            // Whoever goes in at once has nothing to hear of it.
                            if !place.wait.is_zero() {
                                return Some(told(place));
                            }
                        }
                        () = self.silence.is_long() => return Some(WAIT),
                    }
                }
                Stage::Running(running, held) => match next_of(running, held, &mut self.silence).await {
                    Next::Piece(piece) => return Some(piece),
                    Next::Last(last) => self.stage = Stage::Last(last),
                    Next::Nothing => {}
                },
                Stage::Last(last) => {
                    let last = std::mem::take(last);
                    self.stage = Stage::Over;
                    return Some(last.into());
                }
                Stage::Over => return None,
            }
        }
    }

    /// Ends it now, and says why, unless all is said already.
    pub async fn break_off(&mut self, refused: &Refused) -> Option<Bytes> {
        if !matches!(self.stage, Stage::Last(_) | Stage::Over) {
            self.stage = Stage::Last(failed(refused));
        }
        self.next().await
    }

    /// The next event of the engine, for an answer that is collected; `None` at the end.
    pub async fn next_event(&mut self) -> Option<Result<(Bytes, Reading), Refused>> {
        let Stage::Running(running, _) = &mut self.stage else { return None };
        match running.events.next().await {
            Some(Ok(event)) => Some(Ok(event)),
            Some(Err(error)) => {
                let refused = refused(&error);
                running.settle(Ended::Failed).await;
                self.stage = Stage::Over;
                Some(Err(refused))
            }
            None => None,
        }
    }

    /// Settles an answer that was collected, and gives its usage and what is left.
    pub async fn settle(&mut self) -> (TokenUsage, Option<Left>) {
        let Stage::Running(running, _) = &mut self.stage else { return Default::default() };
        let usage = running.meter.best_known();
        (usage, running.settle(Ended::Answered).await)
    }
}

enum Next {
    Piece(Bytes),
    /// The engine has said all.
    Last(Vec<u8>),
    Nothing,
}

async fn next_of(running: &mut Running, held: &mut Held, silence: &mut Silence) -> Next {
    let next = tokio::select! {
        biased;
        next = running.events.next() => next,
        () = silence.is_long() => return Next::Piece(WAIT),
    };
    match next {
        Some(Ok((event, reading))) => {
            if reading.is_finish {
                held.finish = Some(event);
                return Next::Nothing;
            }
            if reading.usage.is_some() && reading.text_bytes == 0 {
                held.usage = Some(event);
                return Next::Nothing;
            }
            if reading.text_bytes > 0 && !running.first_token_sent {
                running.first_token_sent = true;
                running.host.metrics.first_token(running.class, running.arrived.elapsed());
            }
            Next::Piece(framed(&event))
        }
        Some(Err(error)) => {
            running.settle(Ended::Failed).await;
            Next::Last(failed(&refused(&error)))
        }
        None => {
            let left = running.settle(Ended::Answered).await;
            Next::Last(last(held, running.wants_usage, left))
        }
    }
}

/// What was held back, with what the player has left.
fn last(held: &mut Held, wants_usage: bool, left: Option<Left>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    if let Some(finish) = held.finish.take() {
        bytes.extend_from_slice(&framed(&with_left(&finish, left)));
    }
    if let Some(usage) = held.usage.take().filter(|_| wants_usage) {
        bytes.extend_from_slice(&framed(&usage));
    }
    bytes.extend_from_slice(DONE);
    bytes
}

fn with_left(event: &Bytes, left: Option<Left>) -> Bytes {
    let Some(left) = left else { return event.clone() };
    // The event is an object of JSON that was read before: its last byte but white space is the brace.
    match (event.trim_ascii_end().strip_suffix(b"}"), serde_json::to_vec(&left)) {
        (Some(open), Ok(left)) => [open, br#","meddah":{"left":"#, &left, b"}}"].concat().into(),
        _ => event.clone(),
    }
}

fn framed(event: &Bytes) -> Bytes {
    let mut bytes = Vec::with_capacity(event.len() + 8);
    bytes.extend_from_slice(b"data: ");
    // An engine that writes its JSON in lines must not end our line: outside of texts they are white space, and
    // inside JSON has none.
    bytes.extend(event.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}

fn told(place: Place) -> Bytes {
    let wait_ms = u64::try_from(place.wait.as_millis()).unwrap_or(u64::MAX);
    let place: Value = json!({"position": place.position, "wait_ms": wait_ms});
    format!(": queue {place}\n\n").into()
}

fn warned(near_end: NearEnd) -> Option<Bytes> {
    let near_end = serde_json::to_string(&near_end).ok()?;
    Some(format!(": near-end {near_end}\n\n").into())
}

/// A stream that ends with an error.
pub(super) fn failed(refused: &Refused) -> Vec<u8> {
    format!("data: {}\n\ndata: [DONE]\n\n", refused.body()).into_bytes()
}

/// What a player is told of an engine's failure: nothing about the operator's machines.
pub(super) fn refused(error: &EngineError) -> Refused {
    use crate::engines::EngineErrorKind as Kind;
    let (code, message) = match error.kind {
        Kind::BadRequest => (ErrorCode::BadRequest, "the model does not take this request"),
        Kind::ContextFull => (ErrorCode::ContextFull, "the prompt is too long for the model"),
        Kind::Overloaded | Kind::RateLimited => (ErrorCode::Busy, "the model is busy"),
        Kind::Timeout => (ErrorCode::Timeout, "the model does not answer"),
        Kind::Cancelled => (ErrorCode::ShuttingDown, "the request was cancelled"),
        Kind::Quota | Kind::Unauthorized | Kind::NotFound => (ErrorCode::NoModel, "no model can answer"),
        Kind::Network | Kind::Broken | Kind::Protocol => (ErrorCode::ModelFailed, "the model failed"),
    };
    tracing::debug!(%error, "an engine failed");
    let help = match code {
        ErrorCode::BadRequest | ErrorCode::ContextFull => "Shorten or correct the request.",
        _ => "Try again in a moment; tell the server's owner if it lasts.",
    };
    let mut refused = WireError::new(code, message).with_help(help);
    refused.retry_after_ms = error.retry_after.map(|wait| wait.as_millis() as u64);
    Refused(refused)
}
