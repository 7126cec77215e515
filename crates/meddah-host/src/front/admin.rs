//! What the operator asks a running host, on the loopback address: state, metrics, drain, and the kill switch.
//!
//! There is no password: who can reach this address runs programs on the machine already. Requests of web pages are
//! refused by their `Origin`, and by a `Host` that is not this computer.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use meddah_protocol::ErrorCode;
use serde_json::{Value, json};

use super::Host;
use super::error::Refused;
use crate::player::Class;
use crate::storage::ServerState;

/// The operator's routes.
pub(super) fn router(host: Arc<Host>) -> Router {
    Router::new()
        // Characters of this host ask here, with the host's own token.
        .route("/v1/chat/completions", post(super::chat::completions))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/state/{state}", post(set_state))
        .route("/engines/{name}/drain", post(drain).delete(undrain))
        .layer(from_fn(no_web_pages))
        .with_state(host)
}

async fn no_web_pages(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    let is_here = name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if !is_here || headers.contains_key(ORIGIN) {
        return Refused::new(
            ErrorCode::Forbidden,
            "this is for programs of this computer",
            "Use curl or Prometheus.",
        )
        .into_response();
    }
    next.run(request).await
}

async fn metrics(State(host): State<Arc<Host>>) -> impl IntoResponse {
    let slots = *host.pool.slots().borrow();
    let text = host.metrics.text(&host.gate.figures(), slots, &host.pool.states());
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

async fn status(State(host): State<Arc<Host>>) -> Json<Value> {
    let figures = host.gate.figures();
    let classes = Class::ALL.map(|class| {
        let of = figures.of(class);
        json!({"class": class.name(), "waiting": of.waiting, "running": of.running, "players": of.players,
               "started": of.started})
    });
    let engines: Vec<Value> = host
        .pool
        .states()
        .into_iter()
        .map(|engine| {
            json!({"name": engine.name, "health": format!("{:?}", engine.health).to_lowercase(),
                   "draining": engine.is_draining, "slots": engine.slots,
                   "running": engine.running, "served": engine.served, "failed": engine.failed})
        })
        .collect();
    let (open, unwritten) = host.book.figures();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"), "url": host.public_url, "state": *host.book.state().borrow(),
        "slots": *host.pool.slots().borrow(), "classes": classes, "engines": engines,
        "ledger": {"open": open, "unwritten": unwritten},
    }))
}

async fn set_state(
    State(host): State<Arc<Host>>,
    Path(state): Path<ServerState>,
) -> Result<Json<Value>, Refused> {
    host.book.set_state(state).await?;
    Ok(Json(json!({"state": state})))
}

async fn drain(State(host): State<Arc<Host>>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    engine(host.pool.drain(&name), &name)
}

async fn undrain(State(host): State<Arc<Host>>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    engine(host.pool.undrain(&name), &name)
}

fn engine(is_known: bool, name: &str) -> Result<Json<Value>, Refused> {
    if is_known {
        return Ok(Json(json!({"engine": name})));
    }
    Err(Refused::new(ErrorCode::NotFound, "there is no such engine", "`meddah host status` lists them."))
}
