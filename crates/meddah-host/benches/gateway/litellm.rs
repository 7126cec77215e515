//! LiteLLM's proxy, in a virtual environment of Python within the user's cache folder.
//!
//! One worker, as it comes, with the engine as its only model and without a database: so it compares one key, and
//! knows no players, quotas and ledger, which the host does.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::load::client::{Ask, Client, Target, chat};
use crate::load::process::Process;

/// Others were not measured here; two of them (1.82.7 and 1.82.8) were malicious.
const PACKAGE: &str = "litellm[proxy]==1.106.2";
const INSTALL_WAIT: Duration = Duration::from_secs(900);
const START_WAIT: Duration = Duration::from_secs(120);

fn folder() -> Option<PathBuf> {
    let cache =
        std::env::var_os("XDG_CACHE_HOME").or_else(|| std::env::var_os("LOCALAPPDATA")).map(PathBuf::from);
    Some(cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?.join("meddah-bench").join("litellm"))
}

fn program(name: &str) -> Result<PathBuf, String> {
    let folder = folder().ok_or("there is no cache folder")?;
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    Ok(programs.join(name).with_extension(std::env::consts::EXE_EXTENSION))
}

/// Once; the first time it takes minutes. What goes wrong is told when it does not start.
pub async fn install() {
    let Ok(python) = program("python") else { return };
    if program("litellm").is_ok_and(|litellm| litellm.exists()) {
        return;
    }
    println!("installing {PACKAGE} into {}", python.display());
    let first = if cfg!(windows) { "python" } else { "python3" };
    let folder = folder().unwrap_or_default();
    for command in [
        Command::new(first).args(["-m", "venv"]).arg(folder),
        Command::new(python).args(["-m", "pip", "install", "--quiet", PACKAGE]),
    ] {
        let done = tokio::time::timeout(INSTALL_WAIT, command.kill_on_drop(true).status()).await;
        if !done.is_ok_and(|status| status.is_ok_and(|status| status.success())) {
            println!("{:?} failed", command.as_std());
        }
    }
}

/// # Errors
/// It is not there, or gives no answer.
pub async fn start(engine: &str, data: &Path) -> Result<(Process, Target), String> {
    let litellm = program("litellm")?;
    if !litellm.exists() {
        return Err(format!("{} was not installed", litellm.display()));
    }
    let config = data.join("litellm.yaml");
    let text = format!(
        "model_list:\n  - model_name: fake\n    litellm_params:\n      model: openai/fake\n      api_base: {engine}/v1\n\
         \x20     api_key: none\nlitellm_settings:\n  telemetry: false\n"
    );
    std::fs::write(&config, text).map_err(|error| error.to_string())?;
    let port = free_port().await?;
    let mut command = Command::new(litellm);
    command.arg("--config").arg(config).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    let key = format!("sk-{}", ulid::Ulid::new());
    command.env("LITELLM_MASTER_KEY", &key); // without one it does not start
    // Its list of prices is part of the package: nothing is fetched.
    command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_LOG", "ERROR");
    let process = Process::silent(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    let target = Target { name: "LiteLLM", url: format!("http://127.0.0.1:{port}"), tokens: vec![key] };
    let up = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(START_WAIT, up).await.map_err(|_| "it does not listen")?;
    let first = chat(&Client::new(), &target, 0, Ask::streamed(1)).await;
    first.map_err(|why| format!("it gives no answer: {why:?}"))?;
    Ok((process, target))
}

async fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}
