//! A host as a process of its own, in front of engines elsewhere: what load tests and tests of crashes run.
//!
//! `host_process DATA ENGINE_URL [--database URL] [--concurrent N] [--turns N] [--tokens N] [--live-wait-ms N]
//! [--pepper TEXT]` prints `{"ready":true,…}` with an invite for a million players, and ends at the end of its standard input.

#![expect(clippy::print_stdout, reason = "its first line says where it is")]

use std::path::PathBuf;
use std::sync::Arc;

use meddah_host::engines::{Engine, EngineSettings, HttpEngine, HttpEngineSettings};
use meddah_host::front::join::new_invite;
use meddah_host::quota::Allowance;
use meddah_host::server::{Opening, Server};
use meddah_host::settings::{DatabaseUrl, HostSettings, TierEntry};
use meddah_host::storage::Pepper;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USES: u32 = 1_000_000;

fn flag(arguments: &[String], name: &str) -> Option<String> {
    let place = arguments.iter().position(|argument| argument == name)?;
    arguments.get(place + 1).cloned()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, engine, ..] = &arguments[..] else { return Err("DATA and ENGINE_URL are missing".into()) };
    let number = |name: &str| flag(&arguments, name).map(|text| text.parse::<u64>()).transpose();
    let mut settings = HostSettings::defaults();
    settings.listen = ([127, 0, 0, 1], number("--port")?.unwrap_or(0).try_into()?).into();
    settings.admin_listen = ([127, 0, 0, 1], 0).into();
    settings.database_url = DatabaseUrl(flag(&arguments, "--database").unwrap_or_default());
    settings.limits.connections_per_address = 100_000;
    settings.limits.joins_per_hour = 100_000;
    settings.limits.wrong_tokens_per_minute = 100_000;
    if let Some(wait) = number("--live-wait-ms")? {
        settings.admission.live.patience_ms = wait;
    }
    settings.admission.live.waiting_of_player_max = 1_000;
    let turns = number("--turns")?.or(Some(1_000_000_000));
    let day = Allowance { turns, tokens: number("--tokens")?, ..Allowance::default() };
    let concurrent = number("--concurrent")?.unwrap_or(10_000).try_into()?;
    settings.tiers.insert("free".into(), TierEntry { concurrent, day, ..TierEntry::default() });
    let pepper = flag(&arguments, "--pepper").unwrap_or_else(|| "a pepper for load tests".into());
    let pepper = || Pepper::new(pepper.clone().into_bytes());
    rustls::crypto::ring::default_provider().install_default().ok();
    let http = HttpEngine::new(HttpEngineSettings::new("engine", engine))?;
    let opening = Opening {
        settings,
        data: PathBuf::from(data),
        pepper: pepper()?,
        engines: vec![(Arc::new(http) as Arc<dyn Engine>, EngineSettings::default())],
    };
    let stop = CancellationToken::new();
    let server = Server::open(opening, stop.clone()).await?;
    let (code, invite) = new_invite(&pepper()?, "free", USES, None, "load")?;
    server.host().store.add_invite(&invite).await?;
    let mut ready = serde_json::to_value(server.ready())?;
    ready["code"] = code.expose().as_str().into();
    println!("{ready}");
    let ending = async {
        let mut rest = Vec::new();
        tokio::io::stdin().read_to_end(&mut rest).await.ok(); // whatever it is, it is the end
        stop.cancel();
    };
    tokio::join!(server.run(), ending);
    Ok(())
}
