//! What can go wrong with a model, by what the caller does about it.

use std::time::Duration;

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too much is waiting on the other side; later may work.
    Overloaded,
    /// This key or address asked too often; later works.
    RateLimited,
    /// The account has no money or no allowance left; only its owner can change that.
    Quota,
    /// The player's own ceiling is reached: nothing was sent.
    OverBudget,
    /// No token within the deadline.
    Timeout,
    /// The other side cannot be reached: no network, no such host, TLS, or a connection that broke.
    Network,
    /// The model declines, or a filter stopped the request or the reply.
    Refused,
    /// The prompt does not fit.
    ContextFull,
    /// The other side does not take the request as it is.
    BadRequest,
    /// The model's call of a tool could not be read by its server; asked without tools it may answer.
    ToolsFailed,
    /// The key is missing or wrong, or may not do this.
    Unauthorized,
    /// There is no such file, or nothing is set up.
    NotFound,
    /// The provider knows no such model, character or route.
    UnknownModel,
    /// What came back makes no sense.
    Protocol,
    /// The file is not a model, or not one that this build can run.
    BadModel,
    /// Not enough memory.
    OutOfMemory,
    /// It crashed, hung up or answered nonsense; it is being restarted.
    Broken,
    /// The caller cancelled.
    Cancelled,
}

impl ErrorKind {
    /// A stable word, for logs, notices and the ledger.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::RateLimited => "rate_limited",
            ErrorKind::Quota => "quota",
            ErrorKind::OverBudget => "over_budget",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Network => "network",
            ErrorKind::Refused => "moderation",
            ErrorKind::ContextFull => "context_full",
            ErrorKind::BadRequest => "bad_request",
            ErrorKind::ToolsFailed => "tools_failed",
            ErrorKind::Unauthorized => "auth",
            ErrorKind::NotFound => "no_model",
            ErrorKind::UnknownModel => "not_found",
            ErrorKind::Protocol => "protocol",
            ErrorKind::BadModel => "bad_model",
            ErrorKind::OutOfMemory => "out_of_memory",
            ErrorKind::Broken => "broken",
            ErrorKind::Cancelled => "cancelled",
        }
    }
}

/// A failed call to a model.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What to branch on.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// What a player can do about it; may be empty.
    pub help: String,
    /// When to try again, if the other side said so.
    pub retry_after: Option<Duration>,
}

impl ModelError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ModelError { kind, message: message.into(), help: String::new(), retry_after: None }
    }

    /// Adds the sentence of help.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}
