//! The host itself, until it is told to stop.

use std::sync::Arc;

use meddah_engine::world::World;
use meddah_host::front::join::new_invite;
use meddah_host::server::Server;
use meddah_inference::Key;
use tokio_util::sync::CancellationToken;

use crate::cli::serve::wait_for_signal;
use crate::cli::setup::{Setup, load_world};
use crate::cli::{BAD_INPUT, DONE, Failure, print};
use crate::host::{Door, Spaces, Timelines, opening, pepper};
use crate::voice::Voices;

/// The first invite lets so many players in.
const FIRST_INVITE_USES: u32 = 10;

pub fn run(setup: &Setup) -> Result<u8, Failure> {
    as_many_files_as_allowed();
    // A server uses all cores that it has.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(1, format!("cannot start: {error}")))?;
    runtime.block_on(serve(setup))
}

/// A connection is an open file, and many systems allow a program more of them only when it asks.
fn as_many_files_as_allowed() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok(); // then it keeps what it has
    }
}

async fn serve(setup: &Setup) -> Result<u8, Failure> {
    let stop = CancellationToken::new();
    let unusable = |error: &dyn std::fmt::Display| Failure::new(BAD_INPUT, error.to_string());
    let (opening, own) = opening(&setup.settings, &setup.paths, &stop).map_err(|error| unusable(&error))?;
    let server = Server::open(opening, stop.clone()).await.map_err(|error| unusable(&error))?;
    let ready = server.ready();
    if !setup.settings.host.worlds.is_empty() {
        serve_characters(setup, &server).await?;
    }
    print::line(&serde_json::to_string(&ready).unwrap_or_default());
    print::aside(&format!("Players reach this host at {}.", ready.url));
    if let Some(link) = first_invite(setup, &server).await? {
        print::aside(&format!("Let somebody in: meddah join {link}"));
        print::aside("More invites: meddah host invite");
    }
    let stopping = async {
        wait_for_signal().await;
        stop.cancel();
    };
    tokio::join!(server.run(), stopping);
    if let Some(ladders) = own {
        ladders.shutdown().await;
    }
    Ok(DONE)
}

/// Players talk with characters of these worlds without a sidecar of their own.
async fn serve_characters(setup: &Setup, server: &Server) -> Result<(), Failure> {
    let unusable = |message: &str, help: &str| Failure::new(BAD_INPUT, format!("{message}\n{help}"));
    let host = &setup.settings.host;
    let worlds = host.worlds.iter().map(|folder| load_world(folder).map(Arc::new));
    let worlds: Vec<Arc<World>> = worlds.collect::<Result<_, _>>()?;
    let timelines =
        Timelines::open(host, &setup.paths).await.map_err(|error| unusable(&error.message, &error.help))?;
    let voices =
        Voices::open(&setup.settings, &setup.paths).map_err(|error| unusable(&error.message, &error.help))?;
    let door = Door { admin: server.ready().admin, token: Key::new(&server.host().own_token()) };
    let spaces = Spaces::new(setup.settings.clone(), setup.paths.clone(), worlds, timelines, voices, door)
        .map_err(|error| unusable(&error.message, &error.help))?;
    server.host().serve_characters(Arc::new(spaces));
    Ok(())
}

/// A host that nobody was invited to yet begins with an invite.
async fn first_invite(setup: &Setup, server: &Server) -> Result<Option<String>, Failure> {
    let host = server.host();
    let is_new = host.store.invites(None, 1).await.map_err(super::failure)?.is_empty()
        && host.store.players(None, 1).await.map_err(super::failure)?.is_empty();
    if !is_new {
        return Ok(None);
    }
    let pepper = pepper(&setup.paths).map_err(|error| Failure::new(BAD_INPUT, error.to_string()))?;
    let tier = &setup.settings.host.default_tier;
    let (code, invite) = new_invite(&pepper, tier, FIRST_INVITE_USES, None, "the first one")
        .map_err(|error| Failure::new(1, error.to_string()))?;
    host.store.add_invite(&invite).await.map_err(super::failure)?;
    Ok(Some(format!("{}/join/{}", host.public_url(), code.expose().as_str())))
}
