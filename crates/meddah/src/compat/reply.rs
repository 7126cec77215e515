//! A reply as faces pass it on, whoever made it: the model itself or a whole character.

use std::pin::Pin;
use std::time::Instant;

use futures::{Stream, StreamExt as _};
use meddah_inference::{TokenUsage, ToolCall};
use meddah_protocol::{ErrorCode, Finish, TalkEmotion, WireError};
use serde_json::{Value, json};

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// How the character feels; a model alone feels nothing.
    Feeling(TalkEmotion),
    /// Words.
    Text(String),
    /// A tool is called, or the character acts.
    Call(ToolCall),
    /// What was said stands, and is not what a model would have said to its end.
    Trouble(Trouble),
    /// The end; nothing follows.
    End {
        /// Why.
        why: Why,
        /// What it cost.
        usage: TokenUsage,
    },
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// All is said.
    Stop,
    /// As many tokens as were allowed.
    Length,
    /// A tool was called.
    Calls,
}

/// Why a character said a line of its own file instead, or broke off.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trouble {
    /// How its turn ended.
    pub finish: Finish,
    /// What went wrong.
    pub error: WireError,
}

impl Trouble {
    /// Adds it to what a face tells beside its protocol.
    pub fn tell(&self, extra: &mut Value) {
        extra["finish"] = json!(self.finish);
        extra["error"] = json!({"code": self.error.code, "message": self.error.message});
    }
}

/// Pieces as they come. Ends with [`Piece::End`] or one error. Dropping it ends the thinking.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = Result<Piece, WireError>> + Send>>;

/// A reply from its first piece to its last.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// All words.
    pub text: String,
    /// All calls.
    pub calls: Vec<ToolCall>,
    /// The feeling.
    pub feeling: Option<TalkEmotion>,
    /// What went wrong with it all the same.
    pub trouble: Option<Trouble>,
    /// Why it ended.
    pub why: Why,
    /// What it cost.
    pub usage: TokenUsage,
    /// When its first word came.
    pub first_word: Option<Instant>,
}

/// `0.3` and not `0.30000001192092896`.
pub(crate) fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}

/// Waits for the whole reply.
pub(crate) async fn collect(mut pieces: Pieces) -> Result<Whole, WireError> {
    let mut whole = Whole {
        text: String::new(),
        calls: Vec::new(),
        feeling: None,
        trouble: None,
        why: Why::Stop,
        usage: TokenUsage::default(),
        first_word: None,
    };
    while let Some(piece) = pieces.next().await {
        match piece? {
            Piece::Feeling(feeling) => whole.feeling = Some(feeling),
            Piece::Text(text) => {
                whole.first_word.get_or_insert_with(Instant::now);
                whole.text.push_str(&text);
            }
            Piece::Call(call) => whole.calls.push(call),
            Piece::Trouble(trouble) => whole.trouble = Some(trouble),
            Piece::End { why, usage } => return Ok(Whole { why, usage, ..whole }),
        }
    }
    Err(no_end())
}

/// A reply that broke off without saying why.
pub(crate) fn no_end() -> WireError {
    WireError::new(ErrorCode::Protocol, "the reply broke off").with_help("Ask again.")
}
