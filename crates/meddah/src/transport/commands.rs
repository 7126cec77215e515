//! Commands as they come over the wire: one object or a list, each answered on its own.

use std::sync::Arc;

use meddah_protocol::{Command, ErrorCode, EventKind, ID_BYTES_MAX, WireError};
use serde::Serialize;
use serde_json::Value;

use super::App;
use crate::session::events::EventOrigin;
use crate::session::{Accepted, Session};

/// Commands in one message.
pub const COMMANDS_MAX: usize = 64;
/// Characters of an unknown command type that are repeated.
const KIND_CHARS_SHOWN_MAX: usize = 40;

/// What became of one command.
#[derive(Debug, Serialize)]
pub(super) struct Answered {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WireError>,
}

/// Carries out a message in order. One that fails does not keep the rest from being tried: a game that
/// sends a scene and an interrupt wants the interrupt in any case.
pub(super) async fn run(
    app: &App,
    session: &Arc<Session>,
    message: Value,
) -> Result<Vec<Answered>, WireError> {
    let commands = match message {
        Value::Array(commands) if commands.len() > COMMANDS_MAX => {
            let message = format!("{} commands in one message, {COMMANDS_MAX} are allowed", commands.len());
            return Err(
                WireError::new(ErrorCode::TooLarge, message).with_help("Send them in several messages.")
            );
        }
        Value::Array(commands) => commands,
        command => vec![command],
    };
    let mut answers = Vec::with_capacity(commands.len());
    for command in commands {
        answers.push(run_one(app, session, command).await);
    }
    Ok(answers)
}

/// Whether a message has a command that silences turns.
pub(super) fn cuts(message: &Value) -> bool {
    let is_cut = |command: &Value| {
        matches!(command.get("type").and_then(Value::as_str), Some("interrupt" | "cancel" | "end"))
    };
    message.as_array().map_or_else(|| is_cut(message), |commands| commands.iter().any(is_cut))
}

/// Tells a reader who gets no answer but events that a request was made before.
pub(super) fn log_repeated(session: &Session, answered: &Answered) {
    let Some(turn) = answered.turn.clone().filter(|_| answered.repeated) else { return };
    let kind = EventKind::Notice {
        code: "repeated".into(),
        message: format!("this request was made before, {turn} answers it"),
        help: "To read that turn again, open the connection with an earlier `cursor`.".into(),
        percent: None,
    };
    let origin = EventOrigin { turn: Some(turn), req_id: answered.req_id.clone(), ..EventOrigin::default() };
    session.events.push(&origin, kind);
}

async fn run_one(app: &App, session: &Arc<Session>, command: Value) -> Answered {
    let text_of = |key: &str| command.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind: String = text_of("type").chars().take(KIND_CHARS_SHOWN_MAX).collect();
    let req_id = Some(text_of("req_id")).filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX);
    let mut answer =
        Answered { kind, req_id: req_id.map(str::to_owned), turn: None, repeated: false, error: None };
    match carry_out(app, session, command).await {
        Ok(Accepted { turn, repeated }) => {
            answer.turn = turn;
            answer.repeated = repeated;
        }
        Err(error) => {
            // Also as an event: who only reads the stream must hear of it.
            log_error(session, answer.req_id.clone(), error.clone());
            answer.error = Some(error);
        }
    }
    answer
}

async fn carry_out(app: &App, session: &Arc<Session>, command: Value) -> Result<Accepted, WireError> {
    let command = Command::from_value(command)?;
    if matches!(command, Command::Say(_) | Command::Event(_) | Command::Listen(_)) {
        app.check_running()?;
    }
    session.command(command).await
}

/// Adds an `error` event to the session's log.
pub(super) fn log_error(session: &Session, req_id: Option<String>, error: WireError) {
    session.events.push(&EventOrigin { req_id, ..EventOrigin::default() }, EventKind::Error(error));
}
