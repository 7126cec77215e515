//! The contract with games, version 1: what a game may say to Meddah and what it hears back.
//!
//! Only serde types live here, so that every transport, every client library and every test speaks of
//! the same things. Field names are fixed: they may be added to, never renamed. Keys are flat, absent
//! values are left out (never `null`), times are milliseconds unless the name says otherwise.

mod action;
mod command;
mod error;
mod event;
mod scene;
mod talk;
mod tidy;

pub use action::{ActionDeclaration, ActionResult};
pub use command::{
    COMMAND_TYPES, Capabilities, Command, Hello, Listen, Load, Player, Pressure, PressureLevel, Say,
    WorldEvent,
};
pub use error::{ErrorBody, ErrorCode, WireError};
pub use event::{
    Audio, BlendShapes, Event, EventKind, Finish, GoalProgress, LadderState, Timing, Usage, Viseme,
};
pub use scene::Scene;
pub use talk::{TalkAction, TalkEmotion, TalkLine, TalkReply, TalkRequest};
pub use tidy::tidy;

/// The version of this contract, as `hello` and `/v1/health` state it.
pub const PROTOCOL_VERSION: u32 = 1;
/// The port that `meddah serve` listens on when none is asked for.
pub const DEFAULT_PORT: u16 = 7842;
/// The longest id (world, character, player, request, call) in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// The longest text that a player may say in one go, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Checks an id from outside: 1 to [`ID_BYTES_MAX`] bytes, no control characters.
pub fn check_id(field: &str, id: &str) -> Result<(), WireError> {
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(WireError::new(
            ErrorCode::InvalidRequest,
            format!("`{field}` must be 1 to {ID_BYTES_MAX} bytes without control characters"),
        )
        .with_help(format!("Give `{field}` a short name such as \"mira\".")));
    }
    Ok(())
}
