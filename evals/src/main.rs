//! Measures quality. Each evaluation is a file of its own and prints what it found:
//!
//! - `actions MODEL.gguf` — how often a real model takes the right action.
//! - `prompts MODEL.gguf` — how well it talks in character.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod actions;
mod prompts;
mod rig;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo run --release -p evals -- actions MODEL.gguf [--split NAME] [--case TEXT]
       cargo run --release -p evals -- prompts MODEL.gguf [--seeds N] [--character ID] [--show]";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        // The sidecar starts this very program for its worker.
        Some("worker") => return Ok(meddah_llama::worker_main()),
        Some("actions") => actions::run(arguments)?,
        Some("prompts") => prompts::run(arguments)?,
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
