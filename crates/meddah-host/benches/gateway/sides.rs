//! The sides of a comparison: what stands between a client and the engine.

use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::litellm;
use crate::load::client::Target;
use crate::load::process::Process;
use crate::load::programs::{self, Pace};

/// Enough that the host asks its database for most of them, as it does when many play.
const PLAYERS: usize = 1_000;
const END_WAIT: Duration = Duration::from_secs(40);

/// One of them.
pub struct Side {
    pub target: Target,
    /// `None` for the engine itself.
    pub process: Option<Process>,
    /// One answer costs tens of milliseconds of a processor.
    pub slow: bool,
}

/// All of them, in front of one engine.
pub struct Sides {
    pub sides: Vec<Side>,
    engine: Process,
    _folder: TempDir,
}

impl Sides {
    /// # Errors
    /// One of ours does not start. LiteLLM is left out loudly.
    pub async fn start(pace: Pace, with_litellm: bool) -> Result<Sides, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (engine, url) = programs::engine(pace).await?;
        let direct = Target { name: "direct", url: url.clone(), tokens: Vec::new() };
        let mut sides = vec![Side { target: direct, process: None, slow: false }];
        let (process, target) = pass_through(&url).await?;
        sides.push(Side { target, process: Some(process), slow: false });
        let (process, target) = programs::host(&url, folder.path(), PLAYERS).await?;
        sides.push(Side { target, process: Some(process), slow: false });
        if with_litellm {
            match litellm::start(&url, folder.path()).await {
                Ok((process, target)) => sides.push(Side { target, process: Some(process), slow: true }),
                Err(why) => println!("\n**LiteLLM is left out:** {why}\n"),
            }
        }
        Ok(Sides { sides, engine, _folder: folder })
    }

    pub async fn end(self) {
        for side in self.sides {
            if let Some(process) = side.process {
                process.end(if side.slow { Duration::ZERO } else { END_WAIT }).await;
            }
        }
        self.engine.end(Duration::ZERO).await;
    }
}

/// # Errors
/// It does not start.
pub async fn pass_through(engine: &str) -> Result<(Process, Target), String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let (process, url) = Process::start(Command::new(here).args(["--pass-through", engine])).await?;
    Ok((process, Target { name: "axum pass-through", url, tokens: Vec::new() }))
}
