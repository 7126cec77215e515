//! `meddah serve`: beside the game, until it is told to stop.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure};
use crate::compat::FaceSetting;
use crate::transport;

#[derive(clap::Args)]
pub struct ServeArguments {
    #[command(flatten)]
    common: Common,
    /// Where to listen; 0 takes a free port
    #[arg(long)]
    port: Option<u16>,
    /// Speak another protocol too, for mods that exist: openai, player2, ollama, koboldcpp, bannerlord-relay,
    /// skyrim-relay, baldursgate-relay; several may be given, each with a port of its own
    #[arg(long, value_name = "NAME[:PORT]")]
    face: Vec<FaceSetting>,
    /// Write port, process id and token here too
    #[arg(long, value_name = "FILE", hide = true)]
    runtime_file: Option<PathBuf>,
}

pub async fn run(arguments: ServeArguments) -> Result<u8, Failure> {
    let mut setup = Setup::open(&arguments.common)?;
    if let Some(port) = arguments.port {
        setup.settings.port = port;
    }
    if !arguments.face.is_empty() {
        setup.settings.faces = arguments.face.iter().map(ToString::to_string).collect();
    }
    let sidecar = setup.sidecar()?;
    let ladders = sidecar.ports.ladders.clone();
    let stop = CancellationToken::new();
    let runtime_file = arguments.runtime_file.unwrap_or_else(|| setup.paths.runtime());
    let serving = async {
        let result = transport::serve(sidecar, runtime_file, stop.clone()).await;
        stop.cancel();
        result
    };
    let stopping = async {
        tokio::select! {
            () = wait_for_signal() => stop.cancel(),
            () = stop.cancelled() => {}
        }
    };
    let warming = async {
        if setup.settings.local.preload {
            tokio::select! {
                () = ladders.preload() => {}
                () = stop.cancelled() => {}
            }
        }
    };
    let (result, (), ()) = tokio::join!(serving, stopping, warming);
    ladders.shutdown().await;
    result.map(|()| DONE).map_err(|error| Failure::new(BAD_INPUT, format!("{error:#}")))
}

/// Ctrl-C everywhere; on Unix also SIGTERM, which a service manager sends.
pub(super) async fn wait_for_signal() {
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    tokio::signal::ctrl_c().await.ok(); // without a handler the system ends the program
}
