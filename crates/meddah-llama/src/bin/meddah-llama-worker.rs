//! The worker alone, for this crate's own tests and measurements; players get it inside `meddah`.

use std::process::ExitCode;

fn main() -> ExitCode {
    meddah_llama::worker_main()
}
