//! Measures quality. Each evaluation is a file of its own and prints what it found:
//!
//! - `actions MODEL.gguf` — how often a real model takes the right action;
//! - `emotion [MODEL.gguf]` — how often the expected feeling is found;
//! - `embedding MODEL.onnx` — what the embedder costs in time and memory;
//! - `fit-feelings MODEL.onnx [OUT.txt]` — makes the table of words that lean to a feeling;
//! - `fit-projection MODEL.onnx OUT.f32 [TEXT…]` — makes the matrix that shortens vectors of tokens;
//! - `locomo PATH` — how well memories are recalled, on a file in LoCoMo's form;
//! - `memory-scale` — how long recalling takes and what memories cost as they grow;
//! - `fit-memory` — fits the weights of recall to the worlds of `evals/memory/`;
//! - `prompts MODEL.gguf` — how well a model talks in character.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod actions;
mod embedding;
mod emotion;
mod fit_feelings;
mod fit_projection;
mod memory;
mod prompts;
mod rig;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo run --release -p evals -- NAME …
   actions MODEL.gguf [--split NAME] [--case TEXT]
   emotion [MODEL.gguf] [--split NAME] [--weights 0,1] [--show]
   embedding MODEL.onnx
   fit-feelings MODEL.onnx [OUT.txt]
   fit-projection MODEL.onnx OUT.f32 [TEXT…]
   locomo PATH [--one-world] [--model FILE.onnx] [--words-only] [--store FILE]
   memory-scale [MEMORIES]
   fit-memory [--model FILE.onnx] [--words-only]
   prompts MODEL.gguf [--seeds N] [--character ID] [--show]";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        // The sidecar starts this very program for its worker.
        Some("worker") => return Ok(meddah_llama::worker_main()),
        Some("actions") => actions::run(arguments)?,
        Some("emotion") => emotion::run(arguments)?,
        Some("embedding") => embedding::run(arguments)?,
        Some("fit-feelings") => fit_feelings::run(arguments)?,
        Some("fit-projection") => fit_projection::run(arguments)?,
        Some("locomo") => memory::locomo(arguments)?,
        Some("memory-scale") => memory::scale(arguments)?,
        Some("fit-memory") => memory::fit(arguments)?,
        Some("prompts") => prompts::run(arguments)?,
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
