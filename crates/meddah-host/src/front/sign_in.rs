//! Signing in with an account that the player has already, by the device flow of OAuth (RFC 8628): the player opens a
//! page on any device and types a short code; no password and no browser window in the game.
//!
//! The host keeps nothing between the steps: the player's own client holds the provider's device code. So any of
//! several hosts can take the next step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use meddah_protocol::ErrorCode;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body::Sent;
use super::error::Refused;
use super::join::{Joined, cut, new_token, no_secret};
use super::serve::Peer;
use super::{Host, now_ms};
use crate::settings::{SettingsError, SignInEntry};
use crate::storage::{Identity, Player, PlayerToken};

/// How long a provider may take.
const PROVIDER_WAIT: Duration = Duration::from_secs(10);
/// The longest answer of a provider, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Providers of sign-in.
pub(super) struct SignIn {
    providers: BTreeMap<String, Provider>,
    client: reqwest::Client,
}

struct Provider {
    client_id: String,
    tier: String,
    scope: &'static str,
    /// Where the account's own name stands.
    subject: &'static str,
    place: Place,
}

/// Addresses of a provider.
enum Place {
    Known(Endpoints),
    /// Asked from the issuer (OpenID Connect Discovery 1.0) when they are needed.
    Issuer(Url),
}

#[derive(Clone, Deserialize)]
struct Endpoints {
    #[serde(rename = "device_authorization_endpoint")]
    device: String,
    #[serde(rename = "token_endpoint")]
    token: String,
    #[serde(rename = "userinfo_endpoint")]
    account: String,
}

impl SignIn {
    /// As the settings say. Nothing is asked yet.
    ///
    /// # Errors
    /// A kind that is not known, or an issuer that is no address.
    pub fn new(entries: &BTreeMap<String, SignInEntry>) -> Result<SignIn, SettingsError> {
        // Fails if another part of the program installed one, which does as well.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder()
            .timeout(PROVIDER_WAIT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("meddah-host/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                SettingsError::new(
                    format!("no secure connections: {error}"),
                    "Check the system's root certificates.",
                )
            })?;
        let providers = entries.iter().map(|(name, entry)| Ok((name.clone(), Provider::new(name, entry)?)));
        Ok(SignIn { providers: providers.collect::<Result<_, _>>()?, client })
    }

    fn provider(&self, name: &str) -> Result<&Provider, Refused> {
        self.providers.get(name).ok_or_else(|| {
            Refused::invalid("this server knows no such provider", "GET /v1/sign-in lists them.")
        })
    }

    async fn endpoints(&self, provider: &Provider) -> Result<Endpoints, Refused> {
        match &provider.place {
            Place::Known(endpoints) => Ok(endpoints.clone()),
            Place::Issuer(issuer) => {
                let path =
                    format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/'));
                let mut url = issuer.clone();
                url.set_path(&path);
                answer(self.client.get(url)).await.map(|(_, endpoints)| endpoints)
            }
        }
    }
}

impl Provider {
    fn new(name: &str, entry: &SignInEntry) -> Result<Provider, SettingsError> {
        let url = |text: &str| {
            Url::parse(text).map_err(|error| {
                SettingsError::new(
                    format!("sign_in.{name}: {text:?} is no address: {error}"),
                    "Correct the issuer.",
                )
            })
        };
        let known = |device: &str, token: &str, account: &str| {
            Place::Known(Endpoints { device: device.into(), token: token.into(), account: account.into() })
        };
        let (place, scope, subject) = match entry.kind.as_str() {
            "discord" => (
                known(
                    "https://discord.com/api/oauth2/device/authorize",
                    "https://discord.com/api/oauth2/token",
                    "https://discord.com/api/users/@me",
                ),
                "identify",
                "id",
            ),
            "github" => (
                known(
                    "https://github.com/login/device/code",
                    "https://github.com/login/oauth/access_token",
                    "https://api.github.com/user",
                ),
                "read:user",
                "id",
            ),
            "oidc" => (Place::Issuer(url(&entry.issuer)?), "openid profile", "sub"),
            other => {
                return Err(SettingsError::new(
                    format!("sign_in.{name}: the kind {other:?} is not known"),
                    "Kinds are discord, github and oidc.",
                ));
            }
        };
        Ok(Provider { client_id: entry.client_id.clone(), tier: entry.tier.clone(), scope, subject, place })
    }
}

/// Asks a provider; any status is an answer, because a refusal is JSON, too.
async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<(u16, T), Refused> {
    let failed = |why: String| {
        tracing::debug!(why, "a provider of sign-in");
        Refused::new(
            ErrorCode::Network,
            "the provider of the sign-in does not answer",
            "Try again in a moment, or use an invite.",
        )
    };
    let request = request.header(reqwest::header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
    let (status, mut bytes) = (response.status().as_u16(), Vec::new());
    while let Some(piece) = response.chunk().await.map_err(|error| failed(error.without_url().to_string()))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(failed("the answer is too long".into()));
        }
    }
    let answer = serde_json::from_slice(&bytes).map_err(|error| failed(format!("{status}: {error}")))?;
    Ok((status, answer))
}

/// `GET /v1/sign-in`: names of providers.
pub(super) async fn providers(State(host): State<Arc<Host>>) -> Json<Value> {
    Json(json!({"providers": host.sign_in.providers.keys().collect::<Vec<_>>()}))
}

/// Which provider.
#[derive(Deserialize)]
pub(super) struct Begin {
    provider: String,
}

#[derive(Deserialize)]
struct DeviceAnswer {
    device_code: String,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: String,
    expires_in: u64,
    #[serde(default = "five")]
    interval: u64,
}

fn five() -> u64 {
    5 // RFC 8628, section 3.2
}

/// What the player is shown, and what its client sends to the next step.
#[derive(Serialize)]
pub(super) struct Begun {
    user_code: String,
    verification_uri: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
    device_code: String,
}

/// `POST /v1/sign-in`.
pub(super) async fn begin(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    sent: Sent,
) -> Result<Json<Begun>, Refused> {
    host.auth.joins(peer.0)?;
    let Begin { provider } = sent.json().await?;
    let provider = host.sign_in.provider(&provider)?;
    let endpoints = host.sign_in.endpoints(provider).await?;
    let form = [("client_id", provider.client_id.as_str()), ("scope", provider.scope)];
    let (status, begun): (u16, Value) =
        answer(host.sign_in.client.post(endpoints.device).form(&form)).await?;
    let begun: DeviceAnswer = serde_json::from_value(begun).map_err(|_| {
        tracing::warn!(status, "the provider of the sign-in does not give a code; check the client_id");
        Refused::new(ErrorCode::Network, "the provider of the sign-in refuses", "Use an invite.")
    })?;
    let DeviceAnswer {
        device_code,
        user_code,
        verification_uri,
        verification_uri_complete,
        expires_in,
        interval,
    } = begun;
    Ok(Json(Begun {
        user_code,
        verification_uri,
        verification_uri_complete,
        expires_in,
        interval,
        device_code,
    }))
}

/// The next step.
#[derive(Deserialize)]
pub(super) struct Poll {
    provider: String,
    device_code: String,
    #[serde(default)]
    device: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenAnswer {
    access_token: String,
    error: String,
}

/// `POST /v1/sign-in/poll`: `{"pending": true}`, or what an invite gives.
pub(super) async fn poll(
    State(host): State<Arc<Host>>,
    Extension(peer): Extension<Peer>,
    sent: Sent,
) -> Result<Json<Value>, Refused> {
    host.auth.polls(peer.0)?;
    let Poll { provider: name, device_code, device } = sent.json().await?;
    let provider = host.sign_in.provider(&name)?;
    let endpoints = host.sign_in.endpoints(provider).await?;
    let form =
        [("client_id", provider.client_id.as_str()), ("device_code", &device_code), ("grant_type", GRANT)];
    let (_, TokenAnswer { access_token, error }) =
        answer(host.sign_in.client.post(endpoints.token).form(&form)).await?;
    match (error.as_str(), access_token.is_empty()) {
        ("authorization_pending" | "slow_down", _) => {
            return Ok(Json(json!({"pending": true, "slower": error == "slow_down"})));
        }
        ("", false) => {}
        _ => {
            return Err(Refused::new(
                ErrorCode::Forbidden,
                "the sign-in was refused, or took too long",
                "Begin again with POST /v1/sign-in.",
            ));
        }
    }
    let (_, account): (u16, Value) =
        answer(host.sign_in.client.get(endpoints.account).bearer_auth(&access_token)).await?;
    let identity = Identity { subject: subject(&account, provider.subject)?, provider: name };
    let known = ["name", "global_name", "preferred_username", "login", "username"]
        .iter()
        .find_map(|field| account[*field].as_str())
        .unwrap_or_default();
    let tier = if provider.tier.is_empty() { &host.settings.default_tier } else { &provider.tier };
    let newcomer = Player::new(&cut(known), tier, now_ms());
    let player = host.store.sign_in(&identity, Some(&newcomer)).await?.unwrap_or(newcomer);
    if player.blocked {
        return Err(Refused::new(
            ErrorCode::Forbidden,
            "the server's owner has blocked this player",
            "Ask the owner why.",
        ));
    }
    let secret = PlayerToken::generate().map_err(no_secret)?;
    host.store.add_token(&new_token(&host, &secret, &player, &device)).await?;
    Ok(Json(serde_json::to_value(Joined::new(&secret, &player)).unwrap_or_default()))
}

/// Numbers and texts are both used for names of accounts.
fn subject(account: &Value, field: &str) -> Result<String, Refused> {
    let subject = match &account[field] {
        Value::String(text) => cut(text),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    if subject.is_empty() {
        return Err(Refused::new(
            ErrorCode::Network,
            "the provider does not say who signed in",
            "Use an invite.",
        ));
    }
    Ok(subject)
}
