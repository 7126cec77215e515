//! The HTTP routes. A handler reads its arguments, calls the sidecar and writes the answer; no more.

mod answer;
mod body;
mod sessions;
mod stream;
mod talk;
mod worlds;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use meddah_protocol::{ErrorCode, LadderState, PROTOCOL_VERSION, WireError};
use serde::Serialize;

use super::{App, guard, websocket};
use crate::compat::FaceState;

pub(super) use answer::Failed;
pub use body::BODY_BYTES_MAX;
pub(super) use body::parse_json;
pub(crate) use body::read as read_body;
use body::{FromPath, FromQuery};
pub(super) use stream::HEARTBEAT;

/// All routes, behind the guard.
pub(super) fn router(app: Arc<App>) -> Router {
    routes(app.clone()).layer(middleware::from_fn_with_state(app, guarded))
}

/// All routes, for whoever has looked at the request already.
pub(crate) fn routes(app: Arc<App>) -> Router {
    let character = get(worlds::get_character).put(worlds::put_character).delete(worlds::delete_character);
    let lore = get(worlds::get_lore).put(worlds::put_lore).delete(worlds::delete_lore);
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/talk", post(talk::talk))
        .route("/v1/sessions", post(sessions::open))
        .route("/v1/sessions/{session}", axum::routing::delete(sessions::close))
        .route("/v1/sessions/{session}/commands", post(sessions::commands))
        .route("/v1/sessions/{session}/events", get(sessions::events))
        .route("/v1/worlds/{world}/characters", get(worlds::characters))
        .route("/v1/worlds/{world}/characters/{id}", character)
        .route("/v1/worlds/{world}/lore/{id}", lore)
        .route("/v1/audio/{id}", get(audio))
        .route("/v1/ws", get(websocket::open))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

/// The guard comes before everything else, so that a refused request learns nothing.
async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let checked = |parts: &Parts| app.guard.check(parts);
    guard_with(&app, request, next, checked, refused).await
}

/// A refusal in our own shape.
pub(crate) fn refused(error: WireError) -> Response {
    Failed(error).into_response()
}

/// Lets a request through, or answers it with what `refuse` makes of the error.
pub(crate) async fn guard_with(
    app: &App,
    request: Request,
    next: Next,
    check: impl FnOnce(&Parts) -> Result<(), WireError>,
    refuse: fn(WireError) -> Response,
) -> Response {
    let (parts, body) = request.into_parts();
    let origin = app.guard.origin(&parts.headers);
    let mut response = match check(&parts) {
        Err(error) => refuse(error),
        Ok(()) if guard::is_preflight(&parts) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            guard::allow_methods(response.headers_mut(), &parts.headers);
            response
        }
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
    };
    if let Some(origin) = origin {
        guard::allow_origin(response.headers_mut(), origin);
    }
    response
}

#[derive(Serialize)]
struct Health {
    name: &'static str,
    version: &'static str,
    protocol: u32,
    ready: bool,
    ladder: Vec<LadderState>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faces: Vec<FaceState>,
}

async fn health(State(app): State<Arc<App>>) -> Json<Health> {
    Json(Health {
        name: "meddah",
        version: env!("CARGO_PKG_VERSION"),
        protocol: PROTOCOL_VERSION,
        ready: !app.stop.is_cancelled(),
        ladder: app.sidecar.ladder(),
        faces: app.faces.clone(),
    })
}

/// A spoken line, in the format of its extension and at the rate of `?rate=`.
async fn audio(
    State(app): State<Arc<App>>,
    FromPath(name): FromPath<String>,
    query: FromQuery,
) -> Result<Response, Failed> {
    let rate_hz: Option<u32> = query.get("rate", "a number of samples per second")?;
    let sidecar = app.sidecar.clone();
    // Some formats take tens of milliseconds of a core.
    let file = tokio::task::spawn_blocking(move || sidecar.ports.voices.file(&name, rate_hz)).await;
    let (format, file) = file.ok().flatten().ok_or_else(|| {
        WireError::new(ErrorCode::NotFound, "there is no such sound, or not any more").with_help(
            "Fetch a line's sound when its `audio` event comes; ends of names are .wav .pcm .ogg .opus .mp3.",
        )
    })?;
    let headers = [(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from(Bytes::from_owner(file))).into_response())
}

async fn no_route(uri: Uri) -> Failed {
    let path: String = uri.path().chars().take(80).collect();
    let error = WireError::new(ErrorCode::NotFound, format!("there is no route {path}"));
    Failed(error.with_help("Routes begin with /v1/, for example `POST /v1/talk` and `GET /v1/health`."))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(80).collect();
    let method: String = method.as_str().chars().take(20).collect();
    let error = WireError::new(ErrorCode::InvalidRequest, format!("{path} does not take {method}"));
    let error = error.with_help("The `Allow` header of this answer names the methods that it takes.");
    (StatusCode::METHOD_NOT_ALLOWED, Failed(error).body()).into_response()
}
