//! Carries an answer to a player who may not take it, until it ends, or the operator closes the server.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::Answer;
use crate::front::Host;
use crate::front::error::Refused;
use crate::quota::QuotaError;
use crate::storage::ServerState;

/// Pieces of an answer that wait for a slow reader.
const PIECES_MAX: usize = 32;

/// The body of a response.
pub(super) fn body(host: &Host, answer: Answer) -> Body {
    Body::from_stream(pieces(host, answer).map(Ok::<_, Infallible>))
}

/// The pieces of an answer. It is carried by a task of its own, which ends with the stream: nobody asks a body
/// for more while its reader takes nothing, and over HTTP/2 the connection itself looks alive then. So only a task
/// can see that an engine works for nobody.
pub(super) fn pieces(host: &Host, answer: Answer) -> impl Stream<Item = Bytes> + use<> {
    let (pieces, taken) = mpsc::channel(PIECES_MAX);
    let mut owned = JoinSet::new();
    let stall_max = host.settings.limits.stall_max();
    owned.spawn(pump(host.book.state(), answer, pieces, stall_max));
    futures::stream::unfold((taken, owned), |(mut taken, owned)| async move {
        Some((taken.recv().await?, (taken, owned)))
    })
}

async fn pump(
    mut state: watch::Receiver<ServerState>,
    mut answer: Answer,
    pieces: mpsc::Sender<Bytes>,
    stall_max: Duration,
) {
    let closed = closed(&mut state);
    tokio::pin!(closed);
    loop {
        let (piece, is_last) = tokio::select! {
            biased;
            refused = &mut closed => (answer.break_off(&refused).await, true),
            piece = answer.next() => (piece, false),
        };
        let Some(piece) = piece else { return };
        if let Err(mpsc::error::TrySendError::Full(piece)) = pieces.try_send(piece) {
            match timeout(stall_max, pieces.send(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return, // nobody is there, or takes anything
            }
        }
        if is_last {
            return;
        }
    }
}

/// Work that ends when the operator closes the server.
pub(super) async fn unless_closed<T>(
    host: &Host,
    work: impl Future<Output = Result<T, Refused>>,
) -> Result<T, Refused> {
    let mut state = host.book.state();
    tokio::select! {
        biased;
        refused = closed(&mut state) => Err(refused),
        done = work => done,
    }
}

/// Comes when the server is closed. Draining lets answers finish.
async fn closed(state: &mut watch::Receiver<ServerState>) -> Refused {
    if state.wait_for(|state| *state == ServerState::Closed).await.is_err() {
        std::future::pending::<()>().await; // the book is gone, and says nothing any more
    }
    QuotaError::Closed(ServerState::Closed).into()
}
