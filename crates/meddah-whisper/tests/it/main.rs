//! Listening with a real model and a real voice. `scripts/get-whisper` and `scripts/get-voice` get both.

mod ggml;
mod support;
mod transcripts;
mod workers;
