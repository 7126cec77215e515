//! What the sidecar and its worker say to each other: one JSON object a line, over the worker's stdin and
//! stdout. Both ends are the same binary, so the format is private and has no versions.

use std::io::{self, BufRead};
use std::path::PathBuf;

use meddah_inference::{ChatRequest, Chunk, ErrorKind, ModelError, StopReason, TokenUsage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::KvType;

/// Longest line, bytes. A prompt that fills 100,000 tokens stays below it.
pub const LINE_BYTES_MAX: usize = 8 << 20;

/// To the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// The first request, once.
    Load(LoadRequest),
    /// Begin a reply.
    Chat {
        /// Comes back with every piece of it.
        id: u64,
        /// What to think about.
        request: Box<ChatRequest>,
    },
    /// Think up a reply that may be asked for soon. It ends when anything else is asked; who asks the same takes it up.
    ReadAhead {
        /// Comes back at its end.
        id: u64,
        /// What would be asked.
        request: Box<ChatRequest>,
    },
    /// Stop a reply, or reading ahead.
    Cancel {
        /// Of which request.
        id: u64,
    },
    /// Tokens of each text.
    Count {
        /// Comes back.
        id: u64,
        /// What to count.
        texts: Vec<String>,
    },
    /// Speed of the bare model, nothing else running.
    Measure {
        /// Comes back.
        id: u64,
        /// Tokens read per repetition.
        prompt_tokens: u32,
        /// Tokens decoded per repetition.
        decode_tokens: u32,
        /// How often.
        repetitions: u32,
    },
    /// What is kept for whom.
    Stats {
        /// Comes back.
        id: u64,
    },
    /// Save what is worth keeping and leave.
    Shutdown,
}

/// What to load, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadRequest {
    /// The GGUF file.
    pub model_path: PathBuf,
    /// Per conversation.
    pub context_tokens: u32,
    /// Replies at once.
    pub parallel: u32,
    /// Compute threads, at least 1.
    pub threads: u32,
    /// For parked states.
    pub state_memory_bytes: u64,
    /// For parked states beyond that.
    pub state_disk_bytes: u64,
    /// Where those go.
    pub state_dir: Option<PathBuf>,
    /// How keys and values are stored.
    pub kv_type: KvType,
    /// Yield to everything else.
    pub background: bool,
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "re", rename_all = "snake_case")]
pub enum Reply {
    /// How far the load is, percent.
    Loading {
        /// 0 to 100.
        percent: u8,
    },
    /// Loaded.
    Ready(Ready),
    /// It cannot be loaded; the worker leaves.
    LoadFailed {
        /// Why.
        error: WireError,
    },
    /// A decision was taken.
    Decided {
        /// Of which reply.
        id: u64,
        /// Its name.
        decision: String,
        /// The id of the choice.
        choice: String,
        /// What was filled in.
        arguments: Option<Value>,
    },
    /// Words.
    Text {
        /// Of which reply.
        id: u64,
        /// They.
        text: String,
    },
    /// What it cost so far.
    Usage {
        /// Which reply.
        id: u64,
        /// The cost.
        usage: TokenUsage,
    },
    /// The reply is complete.
    Done {
        /// Which one.
        id: u64,
        /// Why it ended.
        stop: StopReason,
        /// What it cost.
        usage: TokenUsage,
    },
    /// A request failed.
    Error {
        /// Which one.
        id: u64,
        /// Why.
        error: WireError,
    },
    /// Answer to [`Request::Count`].
    Counted {
        /// Which request.
        id: u64,
        /// One per text.
        tokens: Vec<u32>,
    },
    /// Answer to [`Request::Measure`].
    Measured {
        /// Which request.
        id: u64,
        /// The figures.
        speed: RawSpeed,
    },
    /// Answer to [`Request::Stats`].
    Stats {
        /// Which request.
        id: u64,
        /// The figures.
        stats: Stats,
    },
    /// The computation went on since the last beat.
    Beat,
    /// Other programs left nothing to a reply that somebody waits for; the worker asked for a larger share.
    Crowded,
}

/// What is known of a loaded model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Its name in the file.
    pub name: String,
    /// Per conversation, after the model's own limit.
    pub context_tokens: u32,
    /// What the template adds to a message, at most, measured.
    pub message_overhead_tokens: u32,
    /// How many weights it has; 0 if that is not known.
    #[serde(default)]
    pub parameters: u64,
    /// Time to load, milliseconds.
    pub load_ms: u64,
    /// In use.
    pub threads: u32,
}

/// Speed of the bare model, one entry per repetition.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RawSpeed {
    /// Reading, tokens per second.
    pub prompt_tokens_per_s: Vec<f64>,
    /// Writing, tokens per second.
    pub decode_tokens_per_s: Vec<f64>,
}

/// What is kept for whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Conversations ready in the model's context.
    pub live: u32,
    /// Conversations parked in memory.
    pub parked_in_memory: u32,
    /// Bytes of those.
    pub memory_bytes: u64,
    /// Conversations parked on disk only.
    pub parked_on_disk: u32,
    /// Bytes of those.
    pub disk_bytes: u64,
    /// Steps of the model so far.
    pub steps: u64,
    /// Steps that were aborted by a cancel.
    pub aborted_steps: u64,
}

/// A [`ModelError`] on the line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WireError {
    /// What to branch on.
    pub kind: WireErrorKind,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// The kinds that a worker reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are those of ErrorKind")]
pub enum WireErrorKind {
    Overloaded,
    Refused,
    ContextFull,
    NotFound,
    BadModel,
    OutOfMemory,
    Broken,
    Cancelled,
}

impl WireError {
    /// An error without help.
    pub fn new(kind: WireErrorKind, message: impl Into<String>) -> Self {
        WireError { kind, message: message.into(), help: String::new() }
    }

    /// Adds the sentence of help.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl From<WireError> for ModelError {
    fn from(error: WireError) -> Self {
        let kind = match error.kind {
            WireErrorKind::Overloaded => ErrorKind::Overloaded,
            WireErrorKind::Refused => ErrorKind::Refused,
            WireErrorKind::ContextFull => ErrorKind::ContextFull,
            WireErrorKind::NotFound => ErrorKind::NotFound,
            WireErrorKind::BadModel => ErrorKind::BadModel,
            WireErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
            WireErrorKind::Broken => ErrorKind::Broken,
            WireErrorKind::Cancelled => ErrorKind::Cancelled,
        };
        ModelError::new(kind, error.message).with_help(error.help)
    }
}

impl Reply {
    /// Whose reply this is a piece of, and the piece.
    pub fn into_chunk(self) -> Option<(u64, Result<Chunk, ModelError>)> {
        Some(match self {
            Reply::Decided { id, decision, choice, arguments } => {
                (id, Ok(Chunk::Decided { decision, choice, arguments }))
            }
            Reply::Text { id, text } => (id, Ok(Chunk::Text(text))),
            Reply::Usage { id, usage } => (id, Ok(Chunk::Usage(usage))),
            Reply::Done { id, stop, usage } => (id, Ok(Chunk::Done { stop, usage })),
            Reply::Error { id, error } => (id, Err(error.into())),
            _ => return None,
        })
    }
}

/// A line, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its line break.
    Text(Vec<u8>),
    /// Longer than allowed; skipped up to its end.
    TooLong,
    /// The other side has gone.
    End,
}

/// Reads one line of at most `bytes_max` bytes.
pub fn read_line(input: &mut impl BufRead, bytes_max: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(Line::End);
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let piece = &available[..end.unwrap_or(available.len())];
        too_long |= line.len() + piece.len() > bytes_max;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(if too_long { Line::TooLong } else { Line::Text(line) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_read() {
        let mut input = io::BufReader::with_capacity(4, &b"short\naaaaaaaaaaaaaaaaaaaaaa\nnext\ncut"[..]);
        assert_eq!(read_line(&mut input, 8).unwrap(), Line::Text(b"short".to_vec()));
        assert_eq!(read_line(&mut input, 8).unwrap(), Line::TooLong);
        assert_eq!(read_line(&mut input, 8).unwrap(), Line::Text(b"next".to_vec()));
        assert_eq!(read_line(&mut input, 8).unwrap(), Line::End);
    }
}
