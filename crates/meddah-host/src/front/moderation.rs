//! The operator's own judge of what players say, if there is one.

use std::time::Duration;

use meddah_protocol::ErrorCode;
use serde::Deserialize;
use serde_json::json;

use super::error::Refused;
use crate::player::PlayerId;
use crate::settings::{ModerationSettings, SettingsError, WhenDown};

/// The longest text that is shown to a moderator, in bytes; of longer ones it sees the end.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Asks a moderator over HTTP. Keeps nothing.
pub struct Moderator {
    asked: Option<(reqwest::Client, reqwest::Url)>,
    when_down: WhenDown,
}

#[derive(Deserialize)]
struct Verdict {
    allow: bool,
    #[serde(default)]
    reason: String,
}

impl Moderator {
    /// As the settings say.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(settings: &ModerationSettings) -> Result<Moderator, SettingsError> {
        if settings.url.is_empty() {
            return Ok(Moderator { asked: None, when_down: settings.when_down });
        }
        let wrong = |why: String| {
            SettingsError::new(
                format!("`moderation.url` cannot be used: {why}"),
                "Write where it is, as in \"http://127.0.0.1:9000/check\".",
            )
        };
        let url = settings.url.parse().map_err(|error| wrong(format!("{error}")))?;
        // Fails if another part of the program installed one, which does as well.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_millis(settings.wait_ms))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Moderator { asked: Some((client, url)), when_down: settings.when_down })
    }

    /// Whether a text may be answered.
    ///
    /// # Errors
    /// It may not, or nobody could say.
    pub async fn check(&self, player: &PlayerId, text: &str) -> Result<(), Refused> {
        let Some((client, url)) = &self.asked else { return Ok(()) };
        let end = &text[text.ceil_char_boundary(text.len().saturating_sub(TEXT_BYTES_MAX))..];
        let request = client.post(url.clone()).json(&json!({"player": player, "text": end}));
        let verdict = async { request.send().await?.error_for_status()?.json::<Verdict>().await };
        match verdict.await {
            Ok(Verdict { allow: true, .. }) => Ok(()),
            Ok(Verdict { reason, .. }) => Err(Refused::new(
                ErrorCode::Moderation,
                if reason.is_empty() { "the server does not answer this".to_owned() } else { reason },
                "Say it in other words.",
            )),
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "the moderator cannot be asked");
                match self.when_down {
                    WhenDown::Allow => Ok(()),
                    WhenDown::Refuse => Err(Refused::new(
                        ErrorCode::Busy,
                        "the server cannot check requests now",
                        "Try again in a moment.",
                    )),
                }
            }
        }
    }
}
