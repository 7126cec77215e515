//! The worker alone, for this crate's own tests; players get it inside `meddah`.

use std::process::ExitCode;

fn main() -> ExitCode {
    meddah_whisper::worker_main()
}
