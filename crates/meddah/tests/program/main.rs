//! The program as people start it: a process with a data folder of its own, killed, fed with rubbish, and
//! (in tests named `real_model`) with a real model in a real worker.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it has to be")]

mod bad_input;
mod budget;
mod cards;
mod chance;
mod check;
mod command_line;
mod faces;
mod host;
mod keys;
mod killed_sidecar;
#[cfg(target_os = "linux")]
mod killed_worker;
#[path = "../../../meddah-llama/tests/it/model_path.rs"]
mod model_path;
mod online;
mod process;
mod voice;
