//! Whole characters for many players: each has a space of its own, with its own worlds, memories and sessions. They
//! share the model (through the host's own door, so that quotas and fairness hold for them, too), the embedder and the
//! voices.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use meddah_engine::world::World;
use meddah_host::front::characters::{Characters, FOR_PLAYER};
use meddah_host::player::PlayerId;
use meddah_host::storage::Player;
use meddah_inference::http::Http;
use meddah_inference::model_table::ModelTable;
use meddah_inference::providers::{self, ProviderConfig};
use meddah_inference::{ChatModel, Key, ModelError};
use meddah_protocol::{ErrorCode, WireError};
use tower_service::Service as _;

use super::timelines::Timelines;
use crate::config::Settings;
use crate::embedder::LateEmbedder;
use crate::ladders::Ladders;
use crate::paths::Paths;
use crate::sidecar::Sidecar;
use crate::transport::{self, App};
use crate::turn::Ports;
use crate::voice::Voices;
use crate::worlds::Worlds;

/// Spaces that are open at once; the longest unused idle one makes room.
const SPACES_MAX: usize = 1024;
/// A space that nobody used for so long may be closed.
const SPACE_IDLE: Duration = Duration::from_secs(15 * 60);

/// The door through which characters think.
pub struct Door {
    /// The operator's port.
    pub admin: SocketAddr,
    /// The host's own token.
    pub token: Key,
}

/// The spaces of all players.
pub struct Spaces {
    settings: Settings,
    paths: Paths,
    worlds: Vec<Arc<World>>,
    timelines: Timelines,
    embedder: LateEmbedder,
    voices: Arc<Voices>,
    http: Http,
    table: ModelTable,
    door: Door,
    open: Mutex<HashMap<PlayerId, Arc<Space>>>,
    /// Held while a space is opened or deleted: a player has one.
    changing: tokio::sync::Mutex<()>,
}

struct Space {
    app: Arc<App>,
    router: Router,
    used: Mutex<Instant>,
}

impl Spaces {
    /// Nothing is open yet.
    ///
    /// # Errors
    /// The system cannot make secure connections, or the table of models cannot be read.
    pub fn new(
        settings: Settings,
        paths: Paths,
        worlds: Vec<Arc<World>>,
        timelines: Timelines,
        voices: Voices,
        door: Door,
    ) -> Result<Spaces, ModelError> {
        Ok(Spaces {
            embedder: LateEmbedder::from_setting(&settings.embedder, &paths),
            http: Http::new()?,
            table: crate::ladders::model_table(&paths)?,
            voices: Arc::new(voices),
            settings,
            paths,
            worlds,
            timelines,
            door,
            open: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        })
    }

    async fn space(&self, player: &PlayerId) -> Result<Arc<Space>, WireError> {
        if let Some(space) = self.known(player) {
            return Ok(space);
        }
        let _one_at_a_time = self.changing.lock().await;
        if let Some(space) = self.known(player) {
            return Ok(space);
        }
        self.make_room().await?;
        let space = Arc::new(self.open(player).await?);
        self.spaces().insert(player.clone(), space.clone());
        Ok(space)
    }

    fn known(&self, player: &PlayerId) -> Option<Arc<Space>> {
        let space = self.spaces().get(player).cloned()?;
        *space.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Some(space)
    }

    async fn open(&self, player: &PlayerId) -> Result<Space, WireError> {
        let worlds = Worlds::shared(self.worlds.iter().cloned())
            .with_overlay(folder(&self.paths, player).join("worlds"))
            .map_err(|error| internal(&error))?;
        let ladders =
            Ladders::by_urgency(|class| self.model(player, class)).map_err(|error| internal(&error))?;
        let store = self.timelines.of(player).await?;
        let ports =
            Ports { voices: self.voices.clone(), ..Ports::new(ladders, store, self.embedder.clone()) };
        let app = App::behind_another_door(Sidecar::new(Arc::new(worlds), ports, self.settings.clone()))?;
        Ok(Space { router: transport::routes(app.clone()), app, used: Mutex::new(Instant::now()) })
    }

    /// What a player's characters think with: a request of the player, at the host's own door.
    fn model(&self, player: &PlayerId, class: &'static str) -> Result<Arc<dyn ChatModel>, ModelError> {
        let headers =
            [(FOR_PLAYER.to_owned(), player.to_string()), ("x-meddah-class".to_owned(), class.to_owned())];
        let config = ProviderConfig {
            name: "host".into(),
            provider: crate::ladders::HOST.into(),
            base_url: Some(format!("http://{}/v1", self.door.admin)),
            key: Some(self.door.token.clone()),
            headers: headers.into(),
            ..ProviderConfig::default()
        };
        providers::open(config, self.http.clone(), &self.table)
    }

    async fn make_room(&self) -> Result<(), WireError> {
        let outlived = {
            let mut spaces = self.spaces();
            if spaces.len() < SPACES_MAX {
                return Ok(());
            }
            let used = |space: &Space| *space.used.lock().unwrap_or_else(PoisonError::into_inner);
            let oldest = spaces.iter().min_by_key(|(_, space)| used(space));
            let idle = oldest.filter(|(_, space)| used(space).elapsed() > SPACE_IDLE);
            let id = idle.map(|(id, _)| id.clone()).ok_or_else(|| {
                WireError::new(ErrorCode::Busy, format!("{SPACES_MAX} players have characters here already"))
                    .with_help("Try again in a while.")
            })?;
            spaces.remove(&id)
        };
        if let Some(space) = outlived {
            space.app.end().await;
        }
        Ok(())
    }

    fn spaces(&self) -> MutexGuard<'_, HashMap<PlayerId, Arc<Space>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept of a player beside the database.
pub fn folder(paths: &Paths, player: &PlayerId) -> PathBuf {
    paths.data.join("players").join(crate::worlds::file_stem(&player.0.to_lowercase()))
}

fn internal(error: &dyn std::fmt::Display) -> WireError {
    tracing::warn!(%error, "a player's characters cannot be opened");
    WireError::new(ErrorCode::Internal, "the characters cannot be opened")
        .with_help("Tell the server's owner.")
}

#[async_trait]
impl Characters for Spaces {
    async fn answer(&self, player: &Player, request: Request) -> Response {
        match self.space(&player.id).await {
            Ok(space) => {
                let Ok(response) = space.router.clone().call(request).await;
                response
            }
            Err(error) => transport::refused(error),
        }
    }

    async fn forget(&self, player: &PlayerId) {
        let _one_at_a_time = self.changing.lock().await;
        let open = self.spaces().remove(player);
        if let Some(space) = open {
            space.app.end().await;
        }
        if let Err(error) = self.timelines.forget(player).await {
            tracing::warn!(%error, "memories of a deleted player are left");
        }
        let folder = folder(&self.paths, player);
        if let Err(error) = tokio::fs::remove_dir_all(&folder).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %folder.display(), "a deleted player's folder is left");
        }
    }

    async fn shutdown(&self) {
        let open: Vec<Arc<Space>> = self.spaces().drain().map(|(_, space)| space).collect();
        futures::future::join_all(open.iter().map(|space| space.app.end())).await;
    }
}
