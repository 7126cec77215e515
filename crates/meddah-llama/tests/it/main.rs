//! A real model in a real worker process.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what tests share fails and reports as tests do"
)]

mod cancel;
mod checkpoint;
mod decisions;
mod faults;
mod model_path;
mod read_ahead;
mod support;
mod talk;
