//! Invites: a link that lets somebody in.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{Html, IntoResponse};
use axum::{Extension, Json};
use meddah_protocol::ErrorCode;
use serde::{Deserialize, Serialize};

use super::body::Sent;
use super::error::Refused;
use super::serve::Peer;
use super::{Host, now_ms};
use crate::storage::{
    Invite, InviteCode, Pepper, Player, PlayerToken, SecretError, StorageError, StorageErrorKind,
    TEXT_BYTES_MAX, Token,
};

/// Somebody wants in.
#[derive(Deserialize)]
pub(super) struct Join {
    #[serde(default)]
    code: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    device: String,
}

/// Somebody is in. The token is shown this once.
#[derive(Serialize)]
pub(super) struct Joined {
    token: String,
    player: String,
    tier: String,
}

impl Joined {
    pub fn new(token: &PlayerToken, player: &Player) -> Joined {
        Joined { token: token.expose().to_string(), player: player.id.to_string(), tier: player.tier.clone() }
    }
}

/// `POST /v1/join`.
pub(super) async fn join(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    sent: Sent,
) -> Result<Json<Joined>, Refused> {
    host.auth.joins(peer.0)?;
    let Join { code, name, device } = sent.json().await?;
    let player = Player::new(&cut(&name), &host.settings.default_tier, now_ms());
    let secret = PlayerToken::generate().map_err(no_secret)?;
    let token = new_token(&host, &secret, &player, &device);
    if code.is_empty() && host.settings.open {
        host.store.add_player(&player).await?;
        host.store.add_token(&token).await?;
        return Ok(Json(Joined::new(&secret, &player)));
    }
    let code = InviteCode::parse(&code).map_err(|_| no_invite())?;
    let player = host.store.redeem(code.hash(&host.auth.pepper), &player, &token).await.map_err(refused)?;
    Ok(Json(Joined::new(&secret, &player)))
}

/// What is kept of a new device.
pub(super) fn new_token(host: &Host, secret: &PlayerToken, player: &Player, device: &str) -> Token {
    Token {
        id: secret.id().to_owned(),
        player: player.id.clone(),
        hash: secret.hash(&host.auth.pepper),
        label: cut(device),
        created_ms: now_ms(),
        used_ms: None,
        revoked_ms: None,
    }
}

/// Names are kept up to a length, and without what no name has: databases refuse some of it.
pub(super) fn cut(text: &str) -> String {
    let mut text: String = text.chars().filter(|letter| !letter.is_control()).take(TEXT_BYTES_MAX).collect();
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

fn refused(error: StorageError) -> Refused {
    match error.kind {
        StorageErrorKind::NotFound => no_invite(),
        _ => error.into(),
    }
}

fn no_invite() -> Refused {
    Refused::new(
        ErrorCode::Forbidden,
        "this invite is not valid, or not any more",
        "Ask whoever sent you the link for a new one.",
    )
}

/// `GET /join/CODE`: what a person sees who opens the link.
pub(super) async fn page(
    State(host): State<Arc<Host>>,
    code: Result<Path<String>, PathRejection>,
) -> impl IntoResponse {
    let code = code.map(|Path(code)| code).unwrap_or_default();
    let code = InviteCode::parse(&code).map(|code| code.expose().to_string()).unwrap_or_default();
    let link = format!("{}/join/{code}", host.public_url);
    let page = include_str!("join.html").replace("{link}", &escaped(&link));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(CONTENT_SECURITY_POLICY, policy), (REFERRER_POLICY, "no-referrer")], Html(page))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A new invite for so many players: its code, which is shown once, and what is kept of it.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_invite(
    pepper: &Pepper,
    tier: &str,
    uses: u32,
    expires_ms: Option<u64>,
    note: &str,
) -> Result<(InviteCode, Invite), SecretError> {
    let code = InviteCode::generate()?;
    let invite = Invite {
        id: ulid::Ulid::new().to_string().to_lowercase(),
        hash: code.hash(pepper),
        tier: tier.to_owned(),
        uses_left: uses,
        expires_ms,
        created_ms: now_ms(),
        note: cut(note),
    };
    Ok((code, invite))
}

pub(super) fn no_secret(error: SecretError) -> Refused {
    Refused::new(ErrorCode::Internal, error.to_string(), "Tell the server's owner.")
}
