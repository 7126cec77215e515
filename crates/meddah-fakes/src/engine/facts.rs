//! What the engine tells about itself, in llama-server's words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Fault, State};

/// `GET /health`.
pub(super) async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /props`.
pub(super) async fn props(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let shape = &state.shape;
    Json(json!({
        "default_generation_settings": {"n_ctx": shape.context_tokens},
        "total_slots": state.slots.count(),
        "model_path": format!("{}.gguf", shape.model),
    }))
}

/// `GET /slots`.
pub(super) async fn slots(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let running = state.slots.figures().running;
    let slot = |id: usize| json!({"id": id, "n_ctx": state.shape.context_tokens, "is_processing": (id as u64) < running});
    Json((0..state.slots.count()).map(slot).collect())
}

/// `GET /v1/models`.
pub(super) async fn models(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": state.shape.model, "object": "model"}]}))
}

/// `GET /metrics`.
pub(super) async fn metrics(Shared(state): Shared<Arc<State>>) -> String {
    let figures = state.slots.figures();
    format!(
        "# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing {}\n\
         # TYPE llamacpp:requests_deferred gauge\nllamacpp:requests_deferred {}\n",
        figures.running, figures.waiting
    )
}

/// `GET /figures`, which no real engine has.
pub(super) async fn figures(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let figures = state.slots.figures();
    Json(json!({
        "waiting": figures.waiting, "running": figures.running, "most_waiting": figures.most_waiting,
        "started": figures.started, "finished": figures.finished, "failed": figures.failed,
        "cancelled": figures.cancelled, "connections": figures.connections,
    }))
}

/// `POST /fault` with a fault's name and numbers, or `none`.
pub(super) async fn set_fault(Shared(state): Shared<Arc<State>>, text: String) -> StatusCode {
    match (text.trim(), Fault::parse(&text)) {
        ("none", _) => state.fault.set(None),
        (_, Some(fault)) => state.fault.set(Some(fault)),
        (_, None) => return StatusCode::BAD_REQUEST,
    }
    StatusCode::NO_CONTENT
}
