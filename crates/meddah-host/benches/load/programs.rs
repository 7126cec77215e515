//! The made-up engine and the host, built and started as processes of their own.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use super::client::{Client, Target, post};
use super::process::Process;

/// What an engine is like; its prompts cost no time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub slots: u32,
    /// From one token to the next, in microseconds.
    pub token_us: u64,
    /// For each token of a prompt, in microseconds.
    pub prefill_us: u64,
}

/// Builds the two programs, in the profile of the benches. Quick if they are there already.
///
/// # Errors
/// They do not compile.
pub async fn build() -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(cargo);
    // As the scripts do it: a part alone would have its dependencies with other features, which compiles them anew.
    command.args(["build", "--release", "--quiet", "--workspace", "--example", "host_process"]);
    command.args(["--bin", "fake_engine"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = command.stdin(Stdio::null()).status().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err("the host or the engine does not compile".into()) }
}

/// Beside this program: `TARGET/release/deps/gateway-…` knows where the others are.
fn program(path: &[&str]) -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut folder = here.ancestors().nth(2).ok_or("this program is nowhere")?.to_owned();
    folder.extend(path);
    Ok(folder.with_extension(std::env::consts::EXE_EXTENSION))
}

/// # Errors
/// It does not start.
pub async fn engine(pace: Pace) -> Result<(Process, String), String> {
    let mut command = Command::new(program(&["fake_engine"])?);
    let pairs = [
        ("--slots", u64::from(pace.slots)),
        ("--token-us", pace.token_us),
        ("--prefill-us", pace.prefill_us),
    ];
    for (flag, value) in pairs {
        command.args([flag, &value.to_string()]);
    }
    Process::start(&mut command).await
}

/// A host in front of an engine, with so many players, whose answers are counted against limits of turns and tokens.
///
/// # Errors
/// It does not start, or lets nobody in.
pub async fn host(
    engine: &str,
    folder: &std::path::Path,
    players: usize,
) -> Result<(Process, Target), String> {
    let mut command = Command::new(program(&["examples", "host_process"])?);
    command.arg(folder).arg(engine).args(["--tokens", "1000000000000"]);
    let (process, line) = Process::start(&mut command).await?;
    let ready: Value = serde_json::from_str(&line).map_err(|_| format!("the host says {line}"))?;
    let (url, code) = (ready["url"].as_str().unwrap_or_default(), ready["code"].as_str().unwrap_or_default());
    let (client, mut tokens) = (Client::new(), Vec::new());
    for number in 0..players {
        let join = json!({"code": code, "name": format!("player {number}"), "device": "load"}).to_string();
        let joined = post(&client, &format!("{url}/v1/join"), None, join).await?;
        let joined: Value = serde_json::from_slice(&joined).map_err(|error| error.to_string())?;
        tokens.push(
            joined["token"].as_str().ok_or_else(|| format!("no player was let in: {joined}"))?.to_owned(),
        );
    }
    // Until it knows its engine.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok((process, Target { name: "meddah host", url: url.to_owned(), tokens }))
}
