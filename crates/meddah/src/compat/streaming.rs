//! A reply as one long answer, in the words of a face.
//!
//! The connection pulls: a slow mod fills no queue, and one that hangs up drops the stream, which ends the
//! thinking.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use meddah_protocol::WireError;

use super::reply::{Piece, Pieces, no_end};

/// An error within this time is an answer with a status; after it the stream has begun.
const FIRST_PIECE_WAIT: Duration = Duration::from_secs(10);
/// A stream is never silent for longer, if its protocol has a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How a face writes a reply.
pub(crate) trait Writer: Send + 'static {
    /// What comes before all pieces.
    fn begin(&mut self, _out: &mut Vec<u8>) {}
    /// A piece; the last one is the end.
    fn piece(&mut self, piece: Piece, out: &mut Vec<u8>);
    /// The reply broke off.
    fn failed(&mut self, error: &WireError, out: &mut Vec<u8>);
    /// A sign of life.
    fn heartbeat(&mut self, _out: &mut Vec<u8>) {}
}

/// The answer. An error that comes at once is returned, for an answer with its own status.
pub(crate) async fn respond<W: Writer>(
    mut pieces: Pieces,
    mut writer: W,
    content_type: &'static str,
) -> Result<Response, WireError> {
    let mut first = Vec::new();
    writer.begin(&mut first);
    match tokio::time::timeout(FIRST_PIECE_WAIT, pieces.next()).await {
        Ok(Some(Err(error))) => return Err(error),
        Ok(None) => return Err(no_end()),
        Ok(Some(Ok(piece))) => writer.piece(piece, &mut first),
        Err(_) => writer.heartbeat(&mut first),
    }
    let rest = futures::stream::unfold(Some((pieces, writer)), |state| async move {
        let (mut pieces, mut writer) = state?;
        let mut out = Vec::new();
        let next = match tokio::time::timeout(HEARTBEAT, pieces.next()).await {
            Err(_) => {
                writer.heartbeat(&mut out);
                Some((pieces, writer))
            }
            Ok(Some(Ok(piece))) => {
                writer.piece(piece, &mut out);
                Some((pieces, writer))
            }
            Ok(Some(Err(error))) => {
                writer.failed(&error, &mut out);
                None
            }
            Ok(None) => None,
        };
        Some((out, next))
    });
    let chunks = futures::stream::iter([first]).chain(rest).filter(|out| std::future::ready(!out.is_empty()));
    let chunks = chunks.map(|out| Ok::<Bytes, Infallible>(out.into()));
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(chunks)).into_response())
}
