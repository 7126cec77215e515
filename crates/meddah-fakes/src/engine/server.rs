//! The server: connections that end when the engine does, in the middle of a word if need be.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Fault, State, chat, facts};

pub(super) async fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).await.expect("a free port")
}

pub(super) async fn serve(listener: TcpListener, state: Arc<State>, end: CancellationToken) {
    let asked = Router::new()
        .route("/health", get(facts::health))
        .route("/props", get(facts::props))
        .route("/slots", get(facts::slots))
        .route("/metrics", get(facts::metrics))
        .route("/v1/models", get(facts::models))
        .route("/v1/chat/completions", post(chat::chat))
        .layer(middleware::from_fn_with_state(state.clone(), freeze));
    let router = asked
        .route("/figures", get(facts::figures))
        .route("/fault", post(facts::set_fault))
        .with_state(state.clone());
    while let Some(Ok((stream, _))) = end.run_until_cancelled(listener.accept()).await {
        state.slots.connected();
        let (router, end) = (router.clone(), end.clone());
        state.tasks.spawn(async move { end.run_until_cancelled(connection(stream, router)).await });
    }
}

async fn connection(stream: TcpStream, router: Router) {
    stream.set_nodelay(true).ok();
    let service = TowerToHyperService::new(router);
    // Clients that leave are what this server is for.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

/// A frozen engine takes connections and requests, as the system does for it, and says nothing.
async fn freeze(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    if state.fault.get() == Some(Fault::Frozen) {
        return std::future::pending().await;
    }
    next.run(request).await
}
