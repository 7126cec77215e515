//! What a player sees and does about itself, and what everybody may see.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use meddah_protocol::{ErrorCode, PROTOCOL_VERSION};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Known;
use super::body::Sent;
use super::error::Refused;
use super::join::{Joined, new_token, no_secret};
use super::serve::Peer;
use super::{Host, now_ms};
use crate::storage::{self, Device, PlayerToken, ServerState, StorageErrorKind};

/// Devices of one player.
const DEVICES_MAX: usize = 32;
/// Lines of the ledger in an export; the newest come last.
const EXPORT_LINES_MAX: usize = 100_000;

async fn known(host: &Host, headers: &HeaderMap, peer: Peer) -> Result<Arc<Known>, Refused> {
    host.auth.know(headers, peer.0, &host.settings).await
}

/// A player who asks about itself: each such question goes to the database.
async fn itself(host: &Host, headers: &HeaderMap, peer: Peer) -> Result<Arc<Known>, Refused> {
    let known = known(host, headers, peer).await?;
    host.auth.asks_about_itself(&known.player.id)?;
    Ok(known)
}

/// `GET /v1/health`: nothing that only the operator should know.
pub(super) async fn health(State(host): State<Arc<Host>>) -> Json<Value> {
    let ready = *host.pool.slots().borrow() > 0 && *host.book.state().borrow() == ServerState::Open;
    Json(json!({
        "name": "meddah host", "version": env!("CARGO_PKG_VERSION"), "protocol": PROTOCOL_VERSION, "ready": ready,
    }))
}

/// `GET /v1/models`.
pub(super) async fn models(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    known(&host, &headers, peer).await?;
    let models: Vec<Value> = host
        .models()
        .into_iter()
        .map(|(name, size)| {
            let mut model = json!({"id": name, "object": "model", "created": 0, "owned_by": "host"});
            // The names of llama-server: a sidecar chooses its prompt by them.
            let known = [("n_ctx", size.context_tokens.map(u64::from)), ("n_params", size.parameters)];
            for (key, value) in known.into_iter().filter_map(|(key, value)| Some((key, value?))) {
                model["meta"][key] = value.into();
            }
            model
        })
        .collect();
    Ok(Json(json!({"object": "list", "data": models})))
}

/// `GET /v1/me`: who the player is and what is left.
pub(super) async fn me(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    let known = itself(&host, &headers, peer).await?;
    let left = host.book.left(&known.player.id, &known.tier).await?;
    let player = &known.player;
    Ok(Json(json!({
        "player": player.id, "name": player.name, "tier": known.tier.name, "left": left,
        "limits": {"day": known.tier.day, "month": known.tier.month},
    })))
}

/// `DELETE /v1/me`: the player and everything that is kept of them.
pub(super) async fn delete_me(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let known = itself(&host, &headers, peer).await?;
    if let Some(characters) = host.characters() {
        characters.forget(&known.player.id).await;
    }
    host.store.delete_player(&known.player.id).await?;
    host.auth.forget(&known.token);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/me/export`: everything that is kept of the player.
pub(super) async fn export(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<storage::Export>, Refused> {
    let known = itself(&host, &headers, peer).await?;
    Ok(Json(storage::export(&*host.store, &known.player.id, EXPORT_LINES_MAX).await?))
}

/// `GET /v1/me/devices`.
pub(super) async fn devices(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    let known = itself(&host, &headers, peer).await?;
    let devices: Vec<Device> =
        host.store.tokens_of(&known.player.id).await?.into_iter().map(Device::from).collect();
    Ok(Json(json!({"devices": devices, "this": known.token})))
}

/// What a new device is called.
#[derive(Deserialize)]
pub(super) struct NewDevice {
    #[serde(default)]
    device: String,
}

/// `POST /v1/me/devices`: a token for one more device of the same player.
pub(super) async fn add_device(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<Joined>, Refused> {
    let known = itself(&host, &headers, peer).await?;
    // Revoked devices are kept, so adding and revoking in turns would never end.
    host.auth.joins(peer.0)?;
    let NewDevice { device } = sent.json().await?;
    let in_use = host.store.tokens_of(&known.player.id).await?;
    if in_use.iter().filter(|token| token.revoked_ms.is_none()).count() >= DEVICES_MAX {
        return Err(Refused::new(
            ErrorCode::Quota,
            format!("there are {DEVICES_MAX} devices already"),
            "Revoke one that is not used any more.",
        ));
    }
    let secret = PlayerToken::generate().map_err(no_secret)?;
    host.store.add_token(&new_token(&host, &secret, &known.player, &device)).await?;
    Ok(Json(Joined::new(&secret, &known.player)))
}

/// `DELETE /v1/me/devices/{id}`: a device of one's own; another player's is as good as none.
pub(super) async fn revoke_device(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let known = itself(&host, &headers, peer).await?;
    let Path(id) = id.map_err(|_| no_such_device())?;
    let own = host.store.tokens_of(&known.player.id).await?;
    if !own.iter().any(|token| token.id == id) {
        return Err(no_such_device());
    }
    match host.store.revoke_token(&id, now_ms()).await {
        Err(error) if error.kind != StorageErrorKind::NotFound => return Err(error.into()),
        _ => host.auth.forget(&id),
    }
    Ok(StatusCode::NO_CONTENT)
}

fn no_such_device() -> Refused {
    Refused::new(ErrorCode::NotFound, "there is no such device", "See GET /v1/me/devices.")
}

/// `GET /openapi.json`: the contract of all of this.
pub(super) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}
