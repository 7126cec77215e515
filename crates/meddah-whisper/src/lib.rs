//! Speech recognition on this PC: Whisper models through whisper.cpp, in a worker process.
//!
//! The sidecar holds a [`WhisperListener`]; it starts the worker when somebody first listens, ends it when nobody has
//! for a while, and starts it again when it dies. The worker ([`worker_main`]) owns the model and understands one
//! piece of sound at a time. Only the worker touches whisper.cpp, and only `ffi` is unsafe. [`ModelFile`] and
//! [`Conversion`] are about the files.

mod ffi;
mod hearing;
mod listener;
mod meant;
mod model_file;
mod names;
mod transcript;
mod wire;
mod worker;

pub use ffi::{WhisperError, check_ggml};
pub use listener::{WhisperConfig, WhisperListener};
pub use model_file::{Conversion, MAGIC, ModelFile, ModelFileError, ModelFileErrorKind, Weights};
pub use worker::worker_main;
