//! Carries answers to players who may not take them, until they end, or the operator closes the server.
//!
//! Nobody asks a body for more while its reader takes nothing, and over HTTP/2 the connection itself looks alive then:
//! a slot would be held for nobody. So [`Carriers`] looks over all answers now and then, and drops those of which
//! nothing was taken for too long: their engines stop, and their cost is settled.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::Answer;
use crate::front::Host;
use crate::front::error::Refused;
use crate::quota::QuotaError;
use crate::storage::ServerState;

/// Once the server is closed, an answer waits so long to tell its player so.
const LAST_WORD_WAIT_MAX: Duration = Duration::from_millis(500);

/// All answers on their way.
#[derive(Default)]
pub(in crate::front) struct Carriers(Mutex<Vec<Weak<Carried>>>);

/// An answer on its way.
struct Carried(Mutex<Carrying>);

struct Carrying {
    /// `None` once it is over, or nobody took it.
    pieces: Option<BoxStream<'static, Bytes>>,
    /// A piece was given out, and nobody has asked for the next since.
    given: Option<Instant>,
}

impl Carriers {
    fn carry(&self, pieces: BoxStream<'static, Bytes>) -> Arc<Carried> {
        // Nobody has asked for the first piece yet, either.
        let carrying = Carrying { pieces: Some(pieces), given: Some(Instant::now()) };
        let carried = Arc::new(Carried(Mutex::new(carrying)));
        self.all().push(Arc::downgrade(&carried));
        carried
    }

    /// Drops answers of which nothing was taken for so long; once the server is closed, all that nobody asks for at once.
    pub fn look_over(&self, stall_max: Duration, state: ServerState) {
        let most = if state == ServerState::Closed { LAST_WORD_WAIT_MAX.min(stall_max) } else { stall_max };
        let all = std::mem::take(&mut *self.all());
        let left: Vec<Weak<Carried>> = all.into_iter().filter(|one| may_go_on(one, most)).collect();
        self.all().extend(left);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Carried>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn may_go_on(carried: &Weak<Carried>, most: Duration) -> bool {
    let Some(carried) = carried.upgrade() else { return false };
    let mut carrying = carried.lock();
    if carrying.given.is_some_and(|given| given.elapsed() >= most) {
        carrying.pieces = None;
    }
    carrying.pieces.is_some()
}

impl Carried {
    fn lock(&self) -> MutexGuard<'_, Carrying> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a player takes.
struct Taken(Arc<Carried>);

impl Stream for Taken {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut carrying = self.0.lock();
        let Some(pieces) = &mut carrying.pieces else { return Poll::Ready(None) };
        let piece = pieces.poll_next_unpin(context);
        carrying.given = matches!(piece, Poll::Ready(Some(_))).then(Instant::now);
        if let Poll::Ready(None) = piece {
            carrying.pieces = None;
        }
        piece
    }
}

/// The body of a response.
pub(super) fn body(host: &Host, answer: Answer) -> Body {
    Body::from_stream(pieces(host, answer).map(Ok::<_, Infallible>))
}

/// The pieces of an answer.
pub(super) fn pieces(host: &Host, answer: Answer) -> impl Stream<Item = Bytes> + use<> {
    let closed = Box::pin(closed(host.book.state()));
    let pieces = futures::stream::unfold(Some((answer, closed)), |carried| async {
        let (mut answer, mut closed) = carried?;
        let refused = tokio::select! {
            biased;
            refused = closed.as_mut() => refused,
            piece = answer.next() => return Some((piece?, Some((answer, closed)))),
        };
        Some((answer.break_off(&refused).await?, None))
    });
    Taken(host.carriers.carry(pieces.boxed()))
}

/// Work that ends when the operator closes the server.
pub(super) async fn unless_closed<T>(
    host: &Host,
    work: impl Future<Output = Result<T, Refused>>,
) -> Result<T, Refused> {
    tokio::select! {
        biased;
        refused = closed(host.book.state()) => Err(refused),
        done = work => done,
    }
}

/// Comes when the server is closed. Draining lets answers finish.
async fn closed(mut state: watch::Receiver<ServerState>) -> Refused {
    if state.wait_for(|state| *state == ServerState::Closed).await.is_err() {
        std::future::pending::<()>().await; // the book is gone, and says nothing any more
    }
    QuotaError::Closed(ServerState::Closed).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    const STALL_MAX: Duration = Duration::from_secs(30);

    /// An answer of so many pieces that then waits for its engine; the other end tells when it is dropped.
    fn answer(carriers: &Carriers, pieces: usize) -> (Taken, Arc<()>) {
        let held = Arc::new(());
        let kept = held.clone();
        let given = futures::stream::iter(vec![Bytes::from_static(b"piece"); pieces]);
        let pieces = given.chain(futures::stream::pending()).map(move |piece| {
            let _kept = &kept;
            piece
        });
        (Taken(carriers.carry(pieces.boxed())), held)
    }

    fn is_dropped(held: &Arc<()>) -> bool {
        Arc::strong_count(held) == 1
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_is_dropped_and_one_that_waits_is_not() {
        let carriers = Carriers::default();
        let (mut taken, taken_held) = answer(&carriers, 1);
        let (mut left, left_held) = answer(&carriers, 2);
        assert!(taken.next().await.is_some() && left.next().await.is_some());
        assert!(taken.next().now_or_never().is_none(), "its engine thinks");
        tokio::time::advance(STALL_MAX - Duration::from_millis(1)).await;
        carriers.look_over(STALL_MAX, ServerState::Open);
        assert!(!is_dropped(&left_held));
        tokio::time::advance(Duration::from_millis(1)).await;
        carriers.look_over(STALL_MAX, ServerState::Open);
        assert!(is_dropped(&left_held) && !is_dropped(&taken_held));
        assert!(left.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn closing_the_server_drops_what_nobody_asks_for() {
        let carriers = Carriers::default();
        let (_unasked, held) = answer(&carriers, 1);
        tokio::time::advance(LAST_WORD_WAIT_MAX).await;
        carriers.look_over(STALL_MAX, ServerState::Draining);
        assert!(!is_dropped(&held));
        carriers.look_over(STALL_MAX, ServerState::Closed);
        assert!(is_dropped(&held));
    }

    #[test]
    fn answers_that_are_over_are_forgotten() {
        let carriers = Carriers::default();
        drop((0..100).map(|_| answer(&carriers, 1)).collect::<Vec<_>>());
        carriers.look_over(STALL_MAX, ServerState::Open);
        assert!(carriers.all().is_empty());
    }
}
