//! `meddah-llama-tokens MODEL`: JSON texts in, one a line; their tokens out, as llama.cpp makes them.
//!
//! A program of its own, because llama.cpp ends the process when a vocabulary contradicts itself.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(model) = std::env::args_os().nth(1).map(PathBuf::from) else {
        writeln!(std::io::stderr(), "usage: meddah-llama-tokens MODEL").ok(); // nobody reads it
        return ExitCode::FAILURE;
    };
    let output = BufWriter::new(std::io::stdout().lock());
    match meddah_llama::tokens::tokenize_lines(&model, std::io::stdin().lock(), output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "{error}").ok(); // nobody reads it
            ExitCode::FAILURE
        }
    }
}
