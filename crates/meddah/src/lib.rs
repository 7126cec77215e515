//! The program beside the game, as a library so that tests can drive it in process.
//!
//! Start reading at [`turn`]: one turn from what was said to the end of the answer. Around it: [`session`]
//! takes commands and keeps the event log, [`sidecar`] holds worlds, model, store and sessions,
//! [`transport`] speaks HTTP and WebSocket, [`cli`] is the command line.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod bench;
pub mod budget;
pub mod card_files;
pub mod check;
pub mod cli;
pub mod compat;
pub mod config;
pub mod day;
pub mod doctor;
pub mod embedder;
pub mod host;
pub mod hosts;
pub mod keys;
pub mod ladders;
pub mod listening;
pub mod memory;
pub mod models;
pub mod paths;
pub mod reflection;
pub mod request;
pub mod session;
pub mod settings_file;
pub mod sidecar;
pub mod suggestion;
pub mod tavern;
pub mod transport;
pub mod turn;
pub mod voice;
pub mod whole_file;
pub mod wire;
pub mod world_files;
pub mod worlds;
