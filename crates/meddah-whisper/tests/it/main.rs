//! Listening with a real model and a real voice. `scripts/get-whisper` and `scripts/get-voice` get both.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it has to be")]

mod ggml;
mod support;
mod transcripts;
mod workers;
