//! A reply as the caller sees it.

use meddah_inference::{ChatStream, Chunk, ErrorKind, ModelError};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Pieces of one reply that wait for its reader. A reply has as many as it has tokens, so a reader that is
/// this far behind has stopped reading.
pub const PIECES_MAX: usize = 4096;

/// What comes out of a reply.
pub type Piece = Result<Chunk, ModelError>;

/// The reply was cancelled by its caller.
pub fn cancelled() -> ModelError {
    ModelError::new(ErrorKind::Cancelled, "cancelled")
}

struct State {
    pieces: mpsc::Receiver<Piece>,
    cancel: CancellationToken,
    over: bool,
    _guard: DropGuard,
}

/// Dropping it cancels the reply.
pub fn chat_stream(pieces: mpsc::Receiver<Piece>, cancel: CancellationToken, guard: DropGuard) -> ChatStream {
    let state = State { pieces, cancel, over: false, _guard: guard };
    Box::pin(futures::stream::unfold(state, |mut state| async move {
        if state.over {
            return None;
        }
        let piece = tokio::select! {
            biased;
            () = state.cancel.cancelled() => Err(cancelled()),
            piece = state.pieces.recv() => piece.unwrap_or_else(|| {
                Err(ModelError::new(ErrorKind::Broken, "the local model ended in the middle of a reply"))
            }),
        };
        state.over = matches!(piece, Err(_) | Ok(Chunk::Done { .. }));
        Some((piece, state))
    }))
}
