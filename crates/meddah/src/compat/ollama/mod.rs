//! The face of Ollama on port 11434: its own routes, and the ones of OpenAI that it has too.

mod embed;
mod request;
mod write;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use meddah_inference::ModelState;
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};

use super::answer::{Reply, answer};
use super::asked::Asked;
use super::openai::error as openai_error;
use super::reply::collect;
use super::sent::{Fields as _, Sent, unsupported};
use super::{character, openai, streaming};
use crate::transport::App;
use crate::wire::model_error;
#[cfg(test)]
pub(super) use request::{chat as chat_of, generate as prompt_of};
use write::{Head, Lines, Route};

/// The version of Ollama's interface that is followed; some clients ask before they use tools.
const VERSION: &str = "0.12.0";

/// All routes.
pub(super) fn face() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(root))
        .route("/api/chat", post(chat))
        .route("/api/generate", post(generate))
        .route("/api/tags", get(tags))
        .route("/api/show", post(show))
        .route("/api/ps", get(running))
        .route("/api/version", get(version))
        .route("/api/embed", post(embed::many))
        .route("/api/embeddings", post(embed::single))
        .route("/api/pull", post(no_models).delete(no_models))
        .route("/api/push", post(no_models))
        .route("/api/create", post(no_models))
        .route("/api/copy", post(no_models))
        .route("/api/delete", post(no_models).delete(no_models))
        .merge(openai::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
}

/// A request that was not carried out: `{"error": "…"}`.
pub(super) struct Refused(pub WireError);

impl From<WireError> for Refused {
    fn from(error: WireError) -> Refused {
        Refused(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = openai_error::status(&self.0);
        let mut response = (status, Json(json!({"error": openai_error::sentence(&self.0)}))).into_response();
        if let Some(wait_ms) = self.0.retry_after_ms {
            response.headers_mut().insert(RETRY_AFTER, wait_ms.div_ceil(1000).into());
        }
        response
    }
}

async fn root() -> &'static str {
    "Ollama is running"
}

async fn version() -> Json<Value> {
    Json(json!({"version": VERSION}))
}

async fn chat(State(app): State<Arc<App>>, headers: HeaderMap, sent: Sent) -> Result<Response, Refused> {
    let body = sent.0?;
    respond(&app, &headers, &body, request::chat(&body)?, Route::Chat).await
}

async fn generate(State(app): State<Arc<App>>, headers: HeaderMap, sent: Sent) -> Result<Response, Refused> {
    let body = sent.0?;
    respond(&app, &headers, &body, request::generate(&body)?, Route::Generate).await
}

async fn respond(
    app: &App,
    headers: &HeaderMap,
    body: &Value,
    asked: Asked,
    route: Route,
) -> Result<Response, Refused> {
    // Mods look for the name that they asked for.
    let named = Some(asked.model.clone()).filter(|name| !name.is_empty());
    let head = Head::new(route, named.unwrap_or_else(|| app.sidecar.model().label().0));
    if asked.messages.is_empty() {
        // Without a prompt it is a request to load the model, or to free it. When it is freed is Meddah's
        // own business, so that is no more than heard.
        if body.float("keep_alive") == Some(0.0) {
            return Ok(Json(head.empty("stop")).into_response());
        }
        app.sidecar.model().info().await.map_err(model_error)?;
        return Ok(Json(head.empty("load")).into_response());
    }
    let player = character::asker(app, asked.player.as_deref(), headers);
    let Reply { pieces, .. } = answer(app, Asked { player, ..asked }).await?;
    if body.flag("stream") == Some(false) {
        let whole = collect(pieces).await?;
        return Ok(Json(head.whole(&whole)).into_response());
    }
    Ok(streaming::respond(pieces, Lines::new(head), "application/x-ndjson").await?)
}

/// What can be named, the model first.
async fn tags(State(app): State<Arc<App>>) -> Json<Value> {
    let models: Vec<Value> = openai::names(&app).iter().map(|name| entry(name)).collect();
    Json(json!({"models": models}))
}

async fn running(State(app): State<Arc<App>>) -> Json<Value> {
    let model = app.sidecar.model();
    let mut models = Vec::new();
    let name = model.label().0;
    if model.state() == ModelState::Ready && !name.is_empty() {
        models.push(entry(&name));
    }
    Json(json!({"models": models}))
}

fn entry(name: &str) -> Value {
    json!({"name": name, "model": name, "modified_at": write::timestamp(write::now()), "size": 0, "digest": "",
        "details": details()})
}

fn details() -> Value {
    json!({"parent_model": "", "format": "gguf", "family": "meddah", "families": ["meddah"],
        "parameter_size": "", "quantization_level": ""})
}

async fn show(State(app): State<Arc<App>>, sent: Sent) -> Result<Json<Value>, Refused> {
    sent.0?;
    let info = app.sidecar.model().info().await.map_err(model_error)?;
    Ok(Json(json!({
        "modelfile": "", "parameters": "", "template": "", "license": "",
        "modified_at": write::timestamp(write::now()),
        "details": details(),
        "model_info": {"general.architecture": "meddah", "general.basename": info.name,
            "meddah.context_length": info.context_tokens},
        "capabilities": ["completion", "tools"],
    })))
}

async fn no_models() -> Refused {
    Refused(unsupported(
        "models are not changed through this interface",
        "Install them with `meddah models pull NAME`.",
    ))
}

async fn no_route(uri: Uri) -> Refused {
    let path: String = uri.path().chars().take(80).collect();
    let error = WireError::new(ErrorCode::NotFound, format!("there is no route {path}"));
    Refused(error.with_help("Set the mod's address to http://127.0.0.1 with this port and no path."))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(80).collect();
    let error = format!("{path} does not take {method}.");
    (StatusCode::METHOD_NOT_ALLOWED, Json(json!({"error": error}))).into_response()
}
