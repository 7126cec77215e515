//! One answer on its way: its first event, on which everything depends, and the rest.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::stream::{self, StreamExt as _};
use futures::{FutureExt as _, Stream};
use meddah_inference::providers::{Refusal, classify};
use tokio_util::bytes::Bytes;

use super::seat::Seat;
use crate::engines::meter::Meter;
use crate::engines::reading::{self, Reading};
use crate::engines::{EngineError, EngineErrorKind, EngineRequest, EventStream, ReadStream};

/// Sends a request on this seat, and waits for the first event.
///
/// # Errors
/// Whatever came instead of it; the seat is given back then.
pub(super) async fn begin(
    mut seat: Seat,
    request: EngineRequest,
    meter: Arc<Meter>,
) -> Result<ReadStream, EngineError> {
    let engine = seat.send();
    let who = engine.name().to_owned();
    let mut down = seat.down();
    let first = async {
        let mut events = engine.chat(request).await?.events;
        meter.taken();
        match events.next().await {
            Some(first) => read(first?, &meter, &who).map(|first| (first, events)),
            None => Err(EngineError::new(EngineErrorKind::Protocol, format!("{who} sent no event at all"))),
        }
    };
    let first = tokio::select! {
        first = first => first,
        _ = down.wait_for(|is_down| *is_down) => {
            Err(EngineError::new(EngineErrorKind::Timeout, format!("{who} does not answer any more")))
        }
    };
    match first {
        Ok((first, events)) => {
            seat.first_event();
            let answer = Answer { who, events, seat: Some(seat), meter };
            Ok(stream::once(async { Ok(first) }.boxed()).chain(answer).boxed())
        }
        Err(error) => {
            seat.failed(&error);
            Err(error)
        }
    }
}

/// Looks into an event and lets it through, unless it is an error or makes no sense.
fn read(event: Bytes, meter: &Meter, who: &str) -> Result<(Bytes, Reading), EngineError> {
    let Some(reading) = reading::read(&event) else {
        return Err(EngineError::new(
            EngineErrorKind::Protocol,
            format!("{who} sent an event that is no JSON object"),
        ));
    };
    meter.add(&reading);
    if meter.is_overrun() {
        let message = format!("{who} goes on beyond what it was asked for");
        return Err(EngineError::new(EngineErrorKind::Protocol, message)
            .with_help("Check that it heeds `max_tokens`."));
    }
    match &reading.error {
        None => Ok((event, reading)),
        Some(body) => {
            let refusal = Refusal { status: 200, body, headers: None, who, secrets: &[] };
            Err(EngineError::from(classify(&refusal)))
        }
    }
}

/// What comes after the first event.
struct Answer {
    who: String,
    events: EventStream,
    /// `None` after the end.
    seat: Option<Seat>,
    meter: Arc<Meter>,
}

impl Stream for Answer {
    type Item = Result<(Bytes, Reading), EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.seat.is_none() {
            return Poll::Ready(None);
        }
        let event = match ready!(self.events.poll_next_unpin(context)) {
            Some(event) => event.and_then(|event| read(event, &self.meter, &self.who)),
            None if self.meter.is_finished() => {
                self.seat.take().into_iter().for_each(Seat::served);
                return Poll::Ready(None);
            }
            None => {
                Err(EngineError::new(EngineErrorKind::Broken, format!("{} broke off in an answer", self.who)))
            }
        };
        match &event {
            Ok(_) => self.seat.iter_mut().for_each(Seat::event),
            Err(error) => {
                // The connection goes before the slot does.
                self.events = stream::empty().boxed();
                self.seat.take().into_iter().for_each(|seat| seat.failed(error));
            }
        }
        Poll::Ready(Some(event))
    }
}
