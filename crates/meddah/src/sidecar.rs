//! The program beside the game: worlds, models, one store, and the sessions that share them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meddah_inference::ChatModel;
use meddah_protocol::{ErrorCode, Event, Hello, LadderState, Load, Player, TalkRequest, WireError};

use crate::config::Settings;
use crate::reflection::Reflection;
use crate::session::{Accepted, Session};
use crate::turn::Ports;
use crate::worlds::Worlds;

/// Sessions open at once; the longest unused idle one makes room.
pub const SESSIONS_MAX: usize = 256;
/// A session that nobody used for so long may be closed to make room.
const SESSION_IDLE: Duration = Duration::from_secs(15 * 60);
/// The same for sessions of the one-shot route; long enough to ask again with the same `req_id`.
const ONE_SHOT_IDLE: Duration = Duration::from_secs(1);
/// How long running turns may go on at shutdown.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Everything that transports need.
pub struct Sidecar {
    /// The worlds, changeable while games run.
    pub worlds: Arc<Worlds>,
    /// Models and store.
    pub ports: Ports,
    /// The settings.
    pub settings: Settings,
    /// What characters make of their talks.
    pub reflection: Reflection,
    sessions: Mutex<Sessions>,
    /// Held while a session of the one-shot route is opened: two first requests must find the same one,
    /// or the same `req_id` would talk twice.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Sessions {
    by_id: BTreeMap<String, Arc<Session>>,
    /// Sessions of the one-shot route: world and player to id.
    one_shot: HashMap<(String, String), String>,
}

impl Sidecar {
    /// A sidecar without sessions.
    pub fn new(worlds: Arc<Worlds>, ports: Ports, settings: Settings) -> Arc<Sidecar> {
        let reflection = Reflection::new(ports.clone(), worlds.clone(), settings.reflection.clone());
        Arc::new(Sidecar {
            reflection,
            worlds,
            ports,
            settings,
            sessions: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        })
    }

    /// Opens a session, and loads the save that `hello` names.
    pub async fn open_session(&self, hello: Hello) -> Result<Arc<Session>, WireError> {
        let world = self.worlds.find(&hello.world)?;
        let session = Arc::new(Session::open(
            format!("s{}", unguessable()?),
            &hello,
            self.worlds.clone(),
            self.ports.clone(),
            &self.settings,
            self.reflection.clone(),
        )?);
        // A timeline begins with its first session: what happens before the first words is remembered, too.
        self.ports.store.open(&session.timeline()).await?;
        session.follow_playback();
        if session.wants_sound() {
            self.ports.voices.list_voices().await;
            self.ports.voices.prepare_soon();
        }
        self.ports.memories.prepare(&session.timeline(), &world, &hello.player);
        if let Some(cursor) = hello.save.filter(|save| !save.is_empty()) {
            session.load_save(Load { cursor: Some(cursor), ..Load::default() }).await?;
        }
        self.add(session.clone()).await?;
        Ok(session)
    }

    /// An open session.
    pub fn session(&self, id: &str) -> Result<Arc<Session>, WireError> {
        self.sessions().by_id.get(id).cloned().ok_or_else(|| {
            WireError::new(ErrorCode::UnknownSession, "there is no such session")
                .with_help("Open one with `POST /v1/sessions`; it ends when the sidecar restarts.")
        })
    }

    /// Ends a session; its running turns are cut.
    pub async fn close_session(&self, id: &str) -> Result<(), WireError> {
        let session = self.session(id)?;
        self.remove(id);
        session.close(Duration::ZERO).await;
        Ok(())
    }

    /// The one-shot route: a session of its own per world and player, kept between requests.
    pub async fn talk(&self, request: TalkRequest) -> Result<(Arc<Session>, Accepted), WireError> {
        let session = self.one_shot_session(&request.world, &request.player).await?;
        let accepted = session.talk(request).await?;
        Ok((session, accepted))
    }

    /// The session of a world and player that is kept between requests; opened if there is none.
    pub async fn one_shot_session(&self, world: &str, player: &Player) -> Result<Arc<Session>, WireError> {
        let world = self.worlds.find(world)?.id.clone();
        let key = (world.clone(), player.id.clone());
        let known = || {
            let sessions = self.sessions();
            sessions.one_shot.get(&key).and_then(|id| sessions.by_id.get(id)).cloned()
        };
        if let Some(session) = known() {
            return Ok(session);
        }
        let _one_at_a_time = self.opening.lock().await;
        if let Some(session) = known() {
            return Ok(session);
        }
        let hello = Hello { world, player: player.clone(), ..Hello::default() };
        let session = self.open_session(hello).await?;
        self.sessions().one_shot.insert(key, session.id.clone());
        Ok(session)
    }

    /// The events of a turn once it has ended.
    pub async fn finished_turn(&self, session: &Session, turn: &str) -> Result<Vec<Event>, WireError> {
        session.ended(turn).await
    }

    /// What answers requests of mods that write their own prompts.
    pub fn model(&self) -> Arc<dyn ChatModel> {
        self.ports.ladders.as_model()
    }

    /// The rungs of the usual ladder.
    pub fn ladder(&self) -> Vec<LadderState> {
        self.ports.ladders.states()
    }

    /// Lets running turns finish for [`SHUTDOWN_GRACE`], then cuts them.
    pub async fn shutdown(&self) {
        let sessions: Vec<Arc<Session>> = self.sessions().by_id.values().cloned().collect();
        futures::future::join_all(sessions.iter().map(|session| session.close(SHUTDOWN_GRACE))).await;
        self.reflection.shutdown().await;
        self.ports.memories.shutdown().await;
        self.ports.voices.shutdown().await;
        if let Some(ears) = &self.ports.ears {
            ears.shutdown().await;
        }
    }

    async fn add(&self, session: Arc<Session>) -> Result<(), WireError> {
        let outlived = {
            let mut sessions = self.sessions();
            let full = sessions.by_id.len() >= SESSIONS_MAX;
            // Nobody holds on to a one-shot session: the next request opens it anew.
            let one_shot: HashSet<&String> = sessions.one_shot.values().collect();
            let after =
                |other: &Session| if one_shot.contains(&other.id) { ONE_SHOT_IDLE } else { SESSION_IDLE };
            let idle = sessions.by_id.values().find(|other| other.is_idle(after(other))).cloned();
            match (full, idle) {
                (true, None) => {
                    return Err(WireError::new(
                        ErrorCode::Busy,
                        format!("{SESSIONS_MAX} sessions are open already"),
                    )
                    .with_help("End sessions that are not needed with `DELETE /v1/sessions/{id}`."));
                }
                (true, Some(idle)) => {
                    sessions.by_id.remove(&idle.id);
                    sessions.one_shot.retain(|_, id| *id != idle.id);
                    sessions.by_id.insert(session.id.clone(), session);
                    Some(idle)
                }
                (false, _) => {
                    sessions.by_id.insert(session.id.clone(), session);
                    None
                }
            }
        };
        if let Some(outlived) = outlived {
            outlived.close(Duration::ZERO).await;
        }
        Ok(())
    }

    fn remove(&self, id: &str) {
        let mut sessions = self.sessions();
        sessions.by_id.remove(id);
        sessions.one_shot.retain(|_, session| session != id);
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 128 random bits in hexadecimal.
pub fn unguessable() -> Result<String, WireError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        WireError::new(ErrorCode::Internal, format!("the system gives no random numbers: {error}"))
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
