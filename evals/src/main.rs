//! Measures quality. Each evaluation is a file of its own and prints what it found:
//!
//! - `actions MODEL.gguf` — how often a real model takes the right action;
//! - `embedding MODEL.onnx` — what the embedder costs in time and memory;
//! - `fit-projection MODEL.onnx OUT.f32 [TEXT…]` — makes the matrix that shortens vectors of tokens.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod actions;
mod memory;
mod embedding;
mod fit_projection;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo run --release -p evals -- actions MODEL.gguf [--split NAME] [--case TEXT]
       cargo run --release -p evals -- embedding MODEL.onnx
       cargo run --release -p evals -- fit-projection MODEL.onnx OUT.f32 [TEXT…]";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        // The sidecar starts this very program for its worker.
        Some("worker") => return Ok(meddah_llama::worker_main()),
        Some("actions") => actions::run(arguments)?,
        Some("locomo") => memory::locomo(arguments)?,
        Some("memory-scale") => memory::scale(arguments)?,
        Some("fit-memory") => memory::fit(arguments)?,
        Some("embedding") => embedding::run(arguments)?,
        Some("fit-projection") => fit_projection::run(arguments)?,
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
