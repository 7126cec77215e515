//! Local models through llama.cpp, in a worker process.
//!
//! The sidecar holds a [`LocalModel`]; it starts the worker when somebody first needs it, and again when it
//! dies. The worker ([`worker_main`]) owns the model and answers requests one step at a time, many
//! conversations per step. Only the worker touches llama.cpp, and only `ffi` is unsafe.

pub mod bench;
pub mod checkpoint;
pub mod config;
mod ffi;
pub mod gguf;
pub mod hardware;
pub mod memory;
mod model;
pub mod process;
mod template;
pub mod tokens;
pub mod wire;
mod worker;

pub use config::{KvType, LocalConfig};
pub use model::LocalModel;
pub use worker::worker_main;
