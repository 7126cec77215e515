//! There is one ggml in the program, and it is the one that whisper.cpp was compiled for.

use std::process::Command;

#[test]
fn the_ggml_is_that_of_the_headers() {
    let version = meddah_whisper::check_ggml().unwrap();
    assert!(version.split('.').count() == 3, "{version}");
}

#[test]
fn the_program_has_one_ggml() {
    let worker = env!("CARGO_BIN_EXE_meddah-whisper-worker");
    // A program that lists symbols comes with the compiler on Unix; elsewhere the linker's own check has to do.
    let Ok(output) = Command::new("nm").arg(worker).output() else { return };
    let symbols = String::from_utf8_lossy(&output.stdout);
    for function in ["ggml_init", "ggml_version", "ggml_backend_sched_graph_compute"] {
        let found = symbols.lines().filter(|line| line.ends_with(&format!(" T {function}"))).count();
        assert!(found == 1 || symbols.is_empty(), "{function} is there {found} times");
    }
}
