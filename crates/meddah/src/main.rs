//! `meddah`: one binary, beside the game or on a server.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The model's own process: no runtime, no settings, only what its parent tells it.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "worker") {
        return match std::env::args_os().nth(2) {
            Some(what) if what == meddah::listening::LISTEN_FLAG => meddah_whisper::worker_main(),
            _ => meddah_llama::worker_main(),
        };
    }
    meddah::cli::main()
}
