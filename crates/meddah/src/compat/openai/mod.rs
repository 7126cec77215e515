//! The face that most mods know: `/v1/chat/completions` and its neighbours.

mod audio;
pub(super) mod embeddings;
pub(crate) mod error;
pub(crate) mod events;
mod models;
pub(crate) mod request;
mod stream;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};

use super::answer::{Reply, answer};
use super::asked::Asked;
use super::reply::collect;
use super::sent::{Fields as _, Sent, accepts, invalid};
use super::{aloud, character, instruct, streaming};
use crate::transport::App;
use embeddings::Embeddings;
use error::Refused;
pub(super) use models::names;
use request::Form;
use stream::{Chunks, Head, Kind};

/// Its routes with the usual beginning and without one, for mods that leave it away.
pub(super) fn routes() -> Router<Arc<App>> {
    let hearing = post(audio::transcriptions).layer(DefaultBodyLimit::max(aloud::SOUND_BYTES_MAX));
    let all = |start: &str| {
        Router::new()
            .route(&format!("{start}/chat/completions"), post(chat))
            .route(&format!("{start}/completions"), post(completions))
            .route(&format!("{start}/models"), get(models::list))
            .route(&format!("{start}/models/{{*id}}"), get(models::get))
            .route(&format!("{start}/embeddings"), post(embed))
            .route(&format!("{start}/audio/speech"), post(audio::speech))
            .route(&format!("{start}/audio/transcriptions"), hearing.clone())
            .route(&format!("{start}/audio/translations"), hearing.clone())
    };
    all("/v1").merge(all(""))
}

/// As many addresses as there are: some mods put `/api` before it.
fn routes_with_api() -> Router<Arc<App>> {
    routes().route("/api/v1/chat/completions", post(chat)).route("/api/v1/models", get(models::list))
}

/// The list of models alone, for faces with chats of their own.
pub(super) fn models_only() -> Router<Arc<App>> {
    Router::new().route("/v1/models", get(models::list)).route("/v1/models/{*id}", get(models::get))
}

/// The routes as a face of their own.
pub(super) fn face() -> Router<Arc<App>> {
    // Some mods send chats to the address itself that the player typed.
    let root = get(root).post(chat);
    routes_with_api()
        .route("/", root.clone())
        .route("/v1", root)
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
}

async fn root() -> Json<Value> {
    Json(json!({"name": "meddah", "version": env!("CARGO_PKG_VERSION"), "api": "/v1/chat/completions"}))
}

async fn chat(State(app): State<Arc<App>>, headers: HeaderMap, sent: Sent) -> Result<Response, Refused> {
    Ok(chat_answer(&app, &headers, sent).await?)
}

/// The answer, or an error that a face writes in its own shape.
pub(super) async fn chat_answer(app: &App, headers: &HeaderMap, sent: Sent) -> Result<Response, WireError> {
    let body = sent.0?;
    let asked = request::chat(&body)?;
    respond(app, headers, request::form(&body), asked, Kind::Chat).await
}

async fn completions(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Refused> {
    let body = sent.0?;
    let prompt = match body.get("prompt") {
        Some(Value::Array(prompts)) if prompts.len() > 1 => {
            return Err(Refused(invalid("`prompt` has several prompts", "Send them one by one.")));
        }
        _ => body.list("prompt").first().and_then(Value::as_str),
    };
    let prompt =
        prompt.ok_or_else(|| invalid("`prompt` is missing or no text", "Send the prompt as text."))?;
    let Asked { messages, begun, raw_prompt, .. } = instruct::asked(prompt);
    let asked = Asked { messages, begun, raw_prompt, ..request::common(&body)? };
    Ok(respond(&app, &headers, request::form(&body), asked, Kind::Text).await?)
}

async fn respond(
    app: &App,
    headers: &HeaderMap,
    form: Form,
    asked: Asked,
    kind: Kind,
) -> Result<Response, WireError> {
    let player = character::asker(app, asked.player.as_deref(), headers);
    let Reply { model, pieces } = answer(app, Asked { player, ..asked }).await?;
    let head = Head::new(kind, model);
    if !form.stream {
        let whole = collect(pieces).await?;
        return Ok(Json(head.whole(&whole)).into_response());
    }
    let lines = !accepts(headers, "text/event-stream")
        && (accepts(headers, "application/x-json-stream") || accepts(headers, "ndjson"));
    let content_type = if lines { "application/x-ndjson" } else { "text/event-stream" };
    streaming::respond(pieces, Chunks::new(head, form, lines), content_type).await
}

async fn embed(State(app): State<Arc<App>>, sent: Sent) -> Result<Json<Embeddings>, Refused> {
    Ok(Json(embeddings::answer(&app, sent).await?))
}

async fn no_route(uri: Uri) -> Refused {
    let path: String = uri.path().chars().take(80).collect();
    let error = WireError::new(ErrorCode::NotFound, format!("there is no route {path}"));
    Refused(error.with_help("Set the mod's address to end in /v1, or in /v1/chat/completions."))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(80).collect();
    let error =
        invalid(format!("{path} does not take {method}"), "Send chats with POST, and lists with GET.");
    (axum::http::StatusCode::METHOD_NOT_ALLOWED, Json(error::body(&error))).into_response()
}
