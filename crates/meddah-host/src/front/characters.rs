//! Whole characters, for games that cannot run a sidecar: the routes of `PROTOCOL.md`, each player in a space of its
//! own. What a character thinks goes through the same door as every other request of its player.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use meddah_protocol::ErrorCode;

use super::Host;
use super::error::Refused;
use super::serve::Peer;
use crate::player::PlayerId;
use crate::storage::Player;

/// The player for whom a character of this host thinks. Only the host itself may send it.
pub const FOR_PLAYER: &str = "x-meddah-player";

/// Answers for players who are known.
#[async_trait]
pub trait Characters: Send + Sync {
    /// A request of `PROTOCOL.md`.
    async fn answer(&self, player: &Player, request: Request) -> Response;

    /// Deletes everything that characters know of a player.
    async fn forget(&self, player: &PlayerId);

    /// Ends what is under way.
    async fn shutdown(&self);
}

/// Every route that is not the host's own.
pub(super) async fn answer(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let Some(characters) = host.characters().filter(|_| request.uri().path().starts_with("/v1/")) else {
        return no_route(request.uri()).into_response();
    };
    match host.auth.know(request.headers(), peer.0, &host.settings).await {
        Ok(known) => characters.answer(&known.player, request).await,
        Err(refused) => refused.into_response(),
    }
}

fn no_route(uri: &Uri) -> Refused {
    let path: String = uri.path().chars().take(80).collect();
    Refused::new(ErrorCode::NotFound, format!("there is no route {path}"), "See /openapi.json.")
}
