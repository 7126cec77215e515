//! Logging a player in: by a code that is typed on another device, or through the app beside the game.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{CLOUD_URL, LOCAL_URL, SERVICE};
use crate::http::{Call, Http};
use crate::services::line::Line;
use crate::{ErrorKind, Key, ModelError};

/// RFC 8628, section 3.4.
const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Sensible pauses between two polls; 5 s if the server names none (RFC 8628, section 3.2).
const POLL_PAUSE_MIN: Duration = Duration::from_secs(1);
const POLL_PAUSE_MAX: Duration = Duration::from_secs(60);
const POLL_PAUSE_USUAL_SECONDS: u64 = 5;
/// A code is good for so long if the server does not say, and never for longer than a day.
const EXPIRES_USUAL_SECONDS: u64 = 900;
const EXPIRES_SECONDS_MAX: u64 = 24 * 3600;
/// The app answers at once or is not there.
const APP_WAIT_MAX: Duration = Duration::from_secs(3);

/// A login that waits for the player to type a code.
pub struct DeviceLogin {
    /// What the player types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code filled in, for a link; may be empty.
    pub verification_uri_complete: String,
    /// How long to wait between two polls; the server refuses faster ones.
    pub interval: Duration,
    expires: Instant,
    line: Line,
    client_id: String,
    device_code: Key,
}

impl fmt::Debug for DeviceLogin {
    /// Without the code that would let somebody else fetch the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLogin")
            .field("verification_uri", &self.verification_uri)
            .finish_non_exhaustive()
    }
}

/// How a login stands.
#[derive(Clone, Debug)]
pub enum LoginState {
    /// The player has not typed the code yet.
    Pending,
    /// The key to store.
    Done(Key),
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NewLogin {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: Option<u64>,
    interval: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyAnswer {
    #[serde(rename = "p2Key")]
    key: String,
}

/// Begins a login at Player2. `base` is its address if it is not the usual one, `client_id` the game's id
/// from Player2's dashboard.
///
/// # Errors
/// As any call: `Network`, `Timeout`, `BadRequest` for an unknown game, `Protocol`.
pub async fn device_login(
    http: Http,
    base: Option<&str>,
    client_id: &str,
) -> Result<DeviceLogin, ModelError> {
    let line = Line::new(SERVICE, http, base.unwrap_or(CLOUD_URL).to_owned(), None)?;
    let call = Call::post_json(line.url("v1", "login/device/new")?, &json!({"client_id": client_id}));
    let answer: NewLogin = serde_json::from_value(line.ask_json(call).await?).unwrap_or_default();
    if answer.device_code.is_empty() || answer.user_code.is_empty() || answer.verification_uri.is_empty() {
        return Err(line.nonsense("no code to type"));
    }
    let interval = Duration::from_secs(answer.interval.unwrap_or(POLL_PAUSE_USUAL_SECONDS));
    let expires_in = answer.expires_in.unwrap_or(EXPIRES_USUAL_SECONDS).min(EXPIRES_SECONDS_MAX);
    Ok(DeviceLogin {
        user_code: answer.user_code,
        verification_uri: answer.verification_uri,
        verification_uri_complete: answer.verification_uri_complete.unwrap_or_default(),
        interval: interval.clamp(POLL_PAUSE_MIN, POLL_PAUSE_MAX),
        expires: Instant::now() + Duration::from_secs(expires_in),
        line,
        client_id: client_id.to_owned(),
        device_code: Key::new(&answer.device_code),
    })
}

impl DeviceLogin {
    /// Asks once whether the player has typed the code.
    ///
    /// # Errors
    /// `Timeout` once the code has expired, `Unauthorized` if the player declined; else as any call.
    pub async fn poll(&self) -> Result<LoginState, ModelError> {
        if Instant::now() >= self.expires {
            return Err(expired());
        }
        let body = json!({
            "client_id": self.client_id,
            "device_code": self.device_code.expose(),
            "grant_type": DEVICE_CODE_GRANT,
        });
        let mut call = Call::post_json(self.line.url("v1", "login/device/token")?, &body);
        call.secrets.push(self.device_code.clone());
        match self.line.ask_json(call).await {
            Ok(answer) => Ok(LoginState::Done(key_of(&self.line, answer)?)),
            Err(error) => match error.message.to_lowercase() {
                said if said.contains("expired") => Err(expired()),
                said if said.contains("denied") => Err(declined()),
                // While nobody has typed the code, the answer is 400, whatever stands in it.
                _ if matches!(error.kind, ErrorKind::BadRequest | ErrorKind::RateLimited) => {
                    Ok(LoginState::Pending)
                }
                said if said.contains("pending") => Ok(LoginState::Pending),
                _ => Err(error),
            },
        }
    }

    /// Polls until the player has typed the code, the code has expired or `cancel` is called.
    ///
    /// # Errors
    /// As [`DeviceLogin::poll`], and `Cancelled`.
    pub async fn wait(&self, cancel: &CancellationToken) -> Result<Key, ModelError> {
        loop {
            let pause = tokio::time::sleep(self.interval);
            if cancel.run_until_cancelled(pause).await.is_none() {
                return Err(crate::http::cancelled());
            }
            match self.poll().await {
                Ok(LoginState::Done(key)) => return Ok(key),
                Ok(LoginState::Pending) => {}
                // The network may be away for a moment; the code's own end ends this.
                Err(error) if error.kind == ErrorKind::Network => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Fetches a key from the Player2 app on this computer, which logs its player in without a code.
///
/// # Errors
/// `Network` or `Timeout` if the app does not run, `Unauthorized` if nobody is logged in there.
pub async fn app_login(http: Http, base: Option<&str>, client_id: &str) -> Result<Key, ModelError> {
    let line = Line::new(SERVICE, http, base.unwrap_or(LOCAL_URL).to_owned(), None)?;
    let mut url = line.url("v1", "login/web")?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.push(client_id);
    }
    let asking = tokio::time::timeout(APP_WAIT_MAX, line.ask_json(Call::post_json(url, &json!({}))));
    let answer = asking.await.map_err(|_| line.silent())??;
    key_of(&line, answer)
}

fn key_of(line: &Line, answer: Value) -> Result<Key, ModelError> {
    let answer: KeyAnswer = serde_json::from_value(answer).unwrap_or_default();
    let key = Key::new(&answer.key);
    if key.expose().is_empty() { Err(line.nonsense("no key")) } else { Ok(key) }
}

fn expired() -> ModelError {
    ModelError::new(ErrorKind::Timeout, "the code has expired").with_help("Begin the login again.")
}

fn declined() -> ModelError {
    ModelError::new(ErrorKind::Unauthorized, "the login was declined")
        .with_help("Begin the login again and allow it on Player2's page.")
}
