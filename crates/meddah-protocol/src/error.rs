//! Errors as a game sees them: a stable code, a sentence about what happened, and a sentence of help.

use serde::{Deserialize, Serialize};

/// Stable words for what went wrong. Mods may branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request cannot be understood.
    InvalidRequest,
    /// No such command type.
    UnknownCommand,
    /// No such route.
    NotFound,
    /// No such world.
    UnknownWorld,
    /// No such character in this world.
    UnknownCharacter,
    /// No such session, or it ended.
    UnknownSession,
    /// No such turn, call or request.
    UnknownTurn,
    /// No such save, cursor or game time.
    UnknownSave,
    /// The cursor is older than the events still kept.
    CursorExpired,
    /// The body or frame is larger than allowed.
    TooLarge,
    /// A web page or foreign host asked without a token.
    Forbidden,
    /// The token is missing or wrong.
    Unauthorized,
    /// Too much is waiting already.
    Busy,
    /// No model is set up, or none could answer.
    NoModel,
    /// The model's process died or its output made no sense.
    ModelFailed,
    /// A provider does not take the key.
    Auth,
    /// The account with a provider has nothing left.
    Quota,
    /// A provider was asked too often.
    RateLimited,
    /// The player's own ceiling is reached; nothing was sent.
    OverBudget,
    /// A provider cannot be reached.
    Network,
    /// A provider does not take the request as it is.
    BadRequest,
    /// A provider knows no such model or character.
    UnknownModel,
    /// A provider's filter stopped the request or the reply.
    Moderation,
    /// A provider's answer makes no sense.
    Protocol,
    /// No answer within the deadline.
    Timeout,
    /// Not enough memory for the model.
    OutOfMemory,
    /// The prompt does not fit the model.
    ContextFull,
    /// The program is shutting down.
    ShuttingDown,
    /// This build or this step of the project cannot do it.
    Unsupported,
    /// A fault of ours.
    Internal,
}

/// `{code, message, retryable, retry_after_ms?, help}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct WireError {
    /// Stable word.
    pub code: ErrorCode,
    /// What happened, for a log.
    pub message: String,
    /// Whether the same request may work later.
    pub retryable: bool,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What a player or mod author can do about it.
    #[serde(default)]
    pub help: String,
}

impl WireError {
    /// An error with the retry rule that belongs to its code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let retryable = matches!(
            code,
            ErrorCode::Busy
                | ErrorCode::RateLimited
                | ErrorCode::Timeout
                | ErrorCode::Network
                | ErrorCode::Protocol
                | ErrorCode::ModelFailed
                | ErrorCode::ShuttingDown
        );
        WireError { code, message: message.into(), retryable, retry_after_ms: None, help: String::new() }
    }

    /// Adds the sentence of help.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// The HTTP status that carries it.
    pub fn http_status(&self) -> u16 {
        match self.code {
            ErrorCode::InvalidRequest
            | ErrorCode::UnknownCommand
            | ErrorCode::ContextFull
            | ErrorCode::BadRequest
            | ErrorCode::Moderation => 400,
            ErrorCode::Unauthorized | ErrorCode::Auth => 401,
            ErrorCode::Quota | ErrorCode::OverBudget => 402,
            ErrorCode::Forbidden => 403,
            ErrorCode::NotFound
            | ErrorCode::UnknownWorld
            | ErrorCode::UnknownCharacter
            | ErrorCode::UnknownSession
            | ErrorCode::UnknownTurn
            | ErrorCode::UnknownModel
            | ErrorCode::UnknownSave => 404,
            ErrorCode::CursorExpired => 410,
            ErrorCode::TooLarge => 413,
            ErrorCode::Busy | ErrorCode::RateLimited => 429,
            ErrorCode::Internal => 500,
            ErrorCode::Unsupported => 501,
            ErrorCode::ModelFailed | ErrorCode::Network | ErrorCode::Protocol => 502,
            ErrorCode::NoModel | ErrorCode::OutOfMemory | ErrorCode::ShuttingDown => 503,
            ErrorCode::Timeout => 504,
        }
    }
}

/// How an error stands in an HTTP body: `{"error": {…}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: WireError,
}
