//! Errors of the ports, in the words of the contract with games.

use std::time::{Duration, Instant};

use meddah_inference::{ErrorKind, ModelError, Notice};
use meddah_protocol::{ErrorCode, EventKind, WireError};
use meddah_speech::{SpeechError, SpeechErrorKind};

/// A model's error.
pub fn model_error(error: ModelError) -> WireError {
    let code = match error.kind {
        ErrorKind::Overloaded => ErrorCode::Busy,
        ErrorKind::RateLimited => ErrorCode::RateLimited,
        ErrorKind::Quota => ErrorCode::Quota,
        ErrorKind::OverBudget => ErrorCode::OverBudget,
        ErrorKind::Network => ErrorCode::Network,
        ErrorKind::BadRequest => ErrorCode::BadRequest,
        ErrorKind::Unauthorized => ErrorCode::Auth,
        ErrorKind::UnknownModel => ErrorCode::UnknownModel,
        ErrorKind::Protocol => ErrorCode::Protocol,
        ErrorKind::Refused => ErrorCode::Moderation,
        ErrorKind::Timeout => ErrorCode::Timeout,
        ErrorKind::ContextFull => ErrorCode::ContextFull,
        ErrorKind::NotFound | ErrorKind::BadModel => ErrorCode::NoModel,
        ErrorKind::OutOfMemory => ErrorCode::OutOfMemory,
        ErrorKind::Broken | ErrorKind::ToolsFailed | ErrorKind::Cancelled => ErrorCode::ModelFailed,
    };
    let fallback = match code {
        ErrorCode::NoModel => "Run `meddah doctor` to see what is missing.",
        ErrorCode::OutOfMemory => {
            "Choose a smaller model with `meddah models list`, or close other programs."
        }
        ErrorCode::ContextFull => "Say it in fewer words.",
        ErrorCode::Auth => "Set the right key with `meddah key set NAME`.",
        ErrorCode::Quota => "Look at your account with the provider: its credit or allowance is used up.",
        ErrorCode::OverBudget => "Raise the ceiling in the `[budget]` settings, or choose a local model.",
        ErrorCode::Network => "Check the internet connection and the address of the provider.",
        ErrorCode::BadRequest => "Check the model's name and its settings.",
        ErrorCode::UnknownModel => "Check the model's name and address in the settings.",
        ErrorCode::Moderation => "The provider's filter stopped it: say it in other words.",
        ErrorCode::RateLimited => "Wait a moment, then say it again.",
        _ => "Say it again; the model is being restarted if it had crashed.",
    };
    let help = if error.help.is_empty() { fallback.to_owned() } else { error.help };
    let mut wire = WireError::new(code, error.message).with_help(help);
    wire.retry_after_ms = error.retry_after.map(|wait| wait.as_millis() as u64);
    wire
}

/// An error of whoever speaks or listens.
pub fn speech_error(error: SpeechError) -> WireError {
    let code = match error.kind {
        SpeechErrorKind::BadRequest | SpeechErrorKind::Language => ErrorCode::BadRequest,
        SpeechErrorKind::UnknownVoice | SpeechErrorKind::BadVoice | SpeechErrorKind::BadModel => {
            ErrorCode::NoModel
        }
        SpeechErrorKind::Late => ErrorCode::Timeout,
        SpeechErrorKind::Unauthorized => ErrorCode::Auth,
        SpeechErrorKind::Quota => ErrorCode::Quota,
        SpeechErrorKind::OverBudget => ErrorCode::OverBudget,
        SpeechErrorKind::RateLimited => ErrorCode::RateLimited,
        SpeechErrorKind::Overloaded => ErrorCode::Busy,
        SpeechErrorKind::Refused => ErrorCode::Moderation,
        SpeechErrorKind::Network => ErrorCode::Network,
        SpeechErrorKind::Protocol => ErrorCode::Protocol,
        SpeechErrorKind::NotFound => ErrorCode::UnknownModel,
        SpeechErrorKind::Stalled | SpeechErrorKind::Broken => ErrorCode::ModelFailed,
    };
    let mut wire = WireError::new(code, error.message).with_help(error.help);
    wire.retry_after_ms = error.retry_after.map(|wait| wait.as_millis() as u64);
    wire
}

/// A request that cannot be understood.
pub fn invalid(message: impl Into<String>, help: impl Into<String>) -> WireError {
    WireError::new(ErrorCode::InvalidRequest, message).with_help(help)
}

/// Nobody understands speech.
pub fn no_ears() -> WireError {
    WireError::new(ErrorCode::Unsupported, "nothing here understands speech")
        .with_help("Install a recogniser with `meddah models pull whisper-base.en`, or send words as text.")
}

/// The turn took too long.
pub fn timed_out(timeout: Duration) -> WireError {
    WireError::new(ErrorCode::Timeout, format!("no complete answer within {} ms", timeout.as_millis()))
        .with_help("Try again, allow more time with `timeout_ms`, or choose a smaller model.")
}

/// Milliseconds since then, to the microsecond; as all of `timing` is told.
pub fn ms_since(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

/// What a port has to tell.
pub fn told(Notice { code, message, help }: Notice) -> EventKind {
    EventKind::Notice { code, message, help, percent: None }
}

/// A `notice` instead of an error: something is degraded, the talk goes on.
pub fn notice(code: &str, error: WireError) -> EventKind {
    EventKind::Notice { code: code.into(), message: error.message, help: error.help, percent: None }
}
