//! How worker processes are started, and what they say when something goes wrong. Other crates with workers use it, too.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, Command};

/// Variables with keys of online models begin with this. A worker has no use for them.
const KEY_VARIABLES: &str = "MEDDAH_KEY_";

/// The command of a worker: talked with through pipes, ended with us, without the keys of the environment.
pub fn worker_command(program: &OsString, arguments: &[OsString]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with(KEY_VARIABLES)) {
        command.env_remove(name);
    }
    #[cfg(windows)]
    {
        /// No console window flashes up beside the game.
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        command.creation_flags(CREATE_NO_WINDOW);
    }
    command
}

/// Keeps the end of what a worker says on standard error, at most `bytes_max`, to tell what it died of.
pub async fn keep_complaints(mut stderr: ChildStderr, into: Arc<Mutex<Vec<u8>>>, bytes_max: usize) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let Ok(mut kept) = into.lock() else { return };
        kept.extend_from_slice(&buffer[..read]);
        let excess = kept.len().saturating_sub(bytes_max);
        kept.drain(..excess);
    }
}
