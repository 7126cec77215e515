//! What can go wrong with an engine, by what the host does about it.

use std::time::Duration;

use meddah_inference::{ErrorKind, ModelError};

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineErrorKind {
    /// Too much is waiting there, or no engine has room; later may work.
    Overloaded,
    /// It was asked too often; later works.
    RateLimited,
    /// The account there has no money left.
    Quota,
    /// The engine wants another key.
    Unauthorized,
    /// The engine does not take this request, and no other would.
    BadRequest,
    /// The prompt does not fit.
    ContextFull,
    /// It knows no such model or route.
    NotFound,
    /// It cannot be reached, or the connection broke.
    Network,
    /// It was silent, or took, for too long.
    Timeout,
    /// It failed in the middle of an answer.
    Broken,
    /// What it sends makes no sense.
    Protocol,
    /// The caller cancelled.
    Cancelled,
}

impl EngineErrorKind {
    /// A stable word, for logs, metrics and the ledger.
    pub fn name(self) -> &'static str {
        self.as_model_error_kind().name()
    }

    /// Whether another engine may answer the same request.
    pub fn is_retryable(self) -> bool {
        use EngineErrorKind as K;
        !matches!(self, K::BadRequest | K::ContextFull | K::Cancelled)
    }

    fn as_model_error_kind(self) -> ErrorKind {
        match self {
            EngineErrorKind::Overloaded => ErrorKind::Overloaded,
            EngineErrorKind::RateLimited => ErrorKind::RateLimited,
            EngineErrorKind::Quota => ErrorKind::Quota,
            EngineErrorKind::Unauthorized => ErrorKind::Unauthorized,
            EngineErrorKind::BadRequest => ErrorKind::BadRequest,
            EngineErrorKind::ContextFull => ErrorKind::ContextFull,
            EngineErrorKind::NotFound => ErrorKind::UnknownModel,
            EngineErrorKind::Network => ErrorKind::Network,
            EngineErrorKind::Timeout => ErrorKind::Timeout,
            EngineErrorKind::Broken => ErrorKind::Broken,
            EngineErrorKind::Protocol => ErrorKind::Protocol,
            EngineErrorKind::Cancelled => ErrorKind::Cancelled,
        }
    }

    fn of(kind: ErrorKind) -> EngineErrorKind {
        match kind {
            ErrorKind::Overloaded => EngineErrorKind::Overloaded,
            ErrorKind::RateLimited => EngineErrorKind::RateLimited,
            ErrorKind::Quota | ErrorKind::OverBudget => EngineErrorKind::Quota,
            ErrorKind::Unauthorized => EngineErrorKind::Unauthorized,
            ErrorKind::ContextFull => EngineErrorKind::ContextFull,
            ErrorKind::NotFound | ErrorKind::UnknownModel => EngineErrorKind::NotFound,
            ErrorKind::Network => EngineErrorKind::Network,
            ErrorKind::Timeout => EngineErrorKind::Timeout,
            ErrorKind::Protocol => EngineErrorKind::Protocol,
            ErrorKind::Cancelled => EngineErrorKind::Cancelled,
            ErrorKind::Broken | ErrorKind::OutOfMemory | ErrorKind::BadModel => EngineErrorKind::Broken,
            // What the model made of it, or what a filter says of it, is the request's own fate.
            ErrorKind::Refused | ErrorKind::ToolsFailed | ErrorKind::BadRequest => {
                EngineErrorKind::BadRequest
            }
        }
    }

    /// What the operator, or for requests the caller, can do.
    fn help(self) -> &'static str {
        match self {
            EngineErrorKind::Overloaded => "Try again in a moment; add an engine if it happens often.",
            EngineErrorKind::RateLimited => "Wait as long as it says; add an engine if it happens often.",
            EngineErrorKind::Quota => "Add credit on the provider's page, or put another engine beside it.",
            EngineErrorKind::Unauthorized => "Set the right key for this engine.",
            EngineErrorKind::BadRequest => {
                "Change the request; the engine's words say what it does not take."
            }
            EngineErrorKind::ContextFull => {
                "Send fewer or shorter messages, or start the engine with more context."
            }
            EngineErrorKind::NotFound => "Check the engine's base_url and the model's name.",
            EngineErrorKind::Network => "Check that the engine runs and that its base_url is right.",
            EngineErrorKind::Timeout => "Check what the engine is busy with; restart it if it hangs.",
            EngineErrorKind::Broken => "Try again; the engine's own log says what happened.",
            EngineErrorKind::Protocol => "Check that base_url leads to an OpenAI-compatible server.",
            EngineErrorKind::Cancelled => "",
        }
    }
}

/// A failed call to an engine.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// What to branch on.
    pub kind: EngineErrorKind,
    /// What happened, with the engine's name, never with a key, and cut where the engine says much. An engine may
    /// repeat what a player said in it, so it is for the player and for no log.
    pub message: String,
    /// A sentence on what to do; may be empty.
    pub help: String,
    /// When to try again, if the engine said so.
    pub retry_after: Option<Duration>,
}

impl EngineError {
    /// An error of this kind, with the usual help.
    pub fn new(kind: EngineErrorKind, message: impl Into<String>) -> EngineError {
        EngineError { kind, message: message.into(), help: kind.help().to_owned(), retry_after: None }
    }

    /// With another sentence of help.
    pub fn with_help(mut self, help: impl Into<String>) -> EngineError {
        self.help = help.into();
        self
    }

    /// The caller cancelled.
    pub fn cancelled() -> EngineError {
        EngineError::new(EngineErrorKind::Cancelled, "cancelled")
    }
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> EngineError {
        let kind = EngineErrorKind::of(error.kind);
        EngineError { retry_after: error.retry_after, ..EngineError::new(kind, error.message) }
    }
}

impl From<&EngineError> for ModelError {
    /// For the breaker, which is the same as that of the ladder.
    fn from(error: &EngineError) -> ModelError {
        let kind = error.kind.as_model_error_kind();
        ModelError { retry_after: error.retry_after, ..ModelError::new(kind, error.message.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_engine_are_worth_another_engine() {
        let kind = |kind| EngineErrorKind::of(kind);
        assert!(kind(ErrorKind::UnknownModel).is_retryable() && kind(ErrorKind::Quota).is_retryable());
        assert!(!kind(ErrorKind::Refused).is_retryable() && !kind(ErrorKind::ContextFull).is_retryable());
        assert_eq!(EngineErrorKind::NotFound.name(), "not_found");
    }
}
