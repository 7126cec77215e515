//! The only unsafe code: a thin safe wrapper over llama.cpp, and the few system calls that Rust lacks.
//!
//! Raw pointers stay in here. A model is shared by reference count, a context keeps its model alive, and
//! every index is checked on this side, because llama.cpp answers a wrong one by aborting the process.
#![allow(unsafe_code)]

mod context;
mod dry;
mod model;
mod platform;
mod quantize;

pub use context::{Batch, Context, ContextParams, DecodeError, Pulse};
pub use dry::{Candidate, Dry};
pub use model::{Model, Token};
pub use platform::{cpu_time, exit_now, step_back, step_forward, yield_to_others};
pub use quantize::quantize_rows;
