//! A chat as the events of its answer, for whoever sends them in a frame of its own.

use axum::body::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use meddah_protocol::WireError;
use serde_json::Value;

use super::request::{self, Form};
use super::stream::{Chunks, Head, Kind};
use crate::compat::passthrough::{self, Thinking};
use crate::compat::reply::Piece;
use crate::compat::streaming::Writer as _;

/// Answers OpenAI's chat request with the JSON of its chunks, the usage at the end. `conversation` is what a model
/// on this machine keeps its state under.
pub(crate) async fn answer(
    thinking: &Thinking,
    body: &Value,
    conversation: String,
) -> Result<BoxStream<'static, Result<Bytes, WireError>>, WireError> {
    let asked = super::Asked { conversation, ..request::chat(body)? };
    asked.check()?;
    let name = if asked.model.is_empty() { thinking.model.label().0 } else { asked.model.clone() };
    let pieces = passthrough::reply(thinking, asked).await?;
    let form = Form { stream: true, include_usage: true };
    let mut chunks = Chunks::new(Head::new(Kind::Chat, name), form, true);
    let write = move |piece: Result<Piece, WireError>| {
        let mut lines = Vec::new();
        let piece = piece.map(|piece| chunks.piece(piece, &mut lines));
        let events = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut events: Vec<Result<Bytes, WireError>> =
            events.map(|line| Ok(Bytes::copy_from_slice(line))).collect();
        events.extend(piece.err().map(Err));
        stream::iter(events)
    };
    Ok(pieces.flat_map(write).boxed())
}
