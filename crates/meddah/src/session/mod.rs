//! One game's conversation with Meddah: takes commands, runs turns, keeps the event log.
//!
//! A session outlives connections: whoever has its id and a cursor goes on where it was. Turns of one
//! character run one after another, in the order in which they were accepted; different characters think
//! side by side.

mod among;
pub mod commands;
pub mod events;
mod goals;
mod listening;
mod open_microphone;
mod reading_ahead;
mod reports;
mod requests;
mod scene;
mod short_scene;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use meddah_engine::action::ActionSet;
use meddah_engine::timeline::{EntryKind, TimelineKey};
use meddah_engine::world::{Character, World};
use meddah_protocol::{
    ActionDeclaration, Capabilities, ErrorCode, EventKind, Hello, PROTOCOL_VERSION, Player, Scene, WireError,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{SceneSettings, Settings, TurnSettings};
use crate::reflection::Reflection;
use crate::turn::{self, Cause, Ports, Turn, TurnEvents};
use crate::voice::{AudioForm, HeardReport, Sounding};
use among::Moment;
use events::{EventLog, EventOrigin};
use goals::Encounters;
use requests::Requests;

/// Turns that may run or wait in one session.
pub const TURNS_MAX: usize = 32;
/// Of the tokens of a talk only the size counts.
const BYTES_PER_TOKEN: usize = 4;
/// Action calls that may still be answered with a result.
const CALLS_MAX: usize = 256;

/// One session.
pub struct Session {
    /// Its id; unguessable, because it is all that a reader needs.
    pub id: String,
    /// What was and is said.
    pub events: Arc<EventLog>,
    /// The world it plays in.
    pub world_id: String,
    /// Who plays.
    pub player: Player,
    worlds: Arc<crate::worlds::Worlds>,
    ports: Ports,
    settings: TurnSettings,
    reflection: Reflection,
    scenes: SceneSettings,
    capabilities: Capabilities,
    audio: Option<AudioForm>,
    /// Where it is told what was heard of lines that this PC plays.
    playback: OnceLock<mpsc::Sender<HeardReport>>,
    /// What of its lines sounds at the moment.
    sounding: Arc<Sounding>,
    /// Nothing more of it is taken note of.
    playback_ends: CancellationToken,
    /// The device that is listened to where the game cannot record.
    #[cfg_attr(not(any(windows, target_os = "macos", feature = "devices")), expect(dead_code))]
    microphone: String,
    language: Option<String>,
    state: Mutex<State>,
    /// Held while a command changes what the next one builds on: a request that is repeated at once must find
    /// the first one. Cutting in waits for nobody.
    taking: tokio::sync::Mutex<()>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

struct State {
    scene: Scene,
    actions: Arc<ActionSet>,
    /// What the game declared; `None` while the world's own list is in force.
    declared: Option<Vec<ActionDeclaration>>,
    requests: Requests,
    running: BTreeMap<String, Running>,
    lanes: BTreeMap<String, Arc<tokio::sync::Mutex<()>>>,
    turns_started: u64,
    /// Action calls that a result may still come for.
    calls: std::collections::VecDeque<Call>,
    /// What the player is saying aloud.
    listening: Option<listening::Listening>,
    last_spoken_to: Option<String>,
    encounters: Encounters,
    /// Turns that follow one another without the player.
    chains: Vec<among::Chain>,
    /// When who last talked among themselves.
    last_among: BTreeMap<String, Instant>,
    last_used: Instant,
}

/// What a turn is begun with.
#[derive(Clone, Copy)]
struct Terms {
    /// When the command was decoded.
    accepted: Instant,
    /// How long it may take; none: as in the settings.
    timeout: Option<Duration>,
    /// The game shows text as it comes.
    deltas: bool,
    /// In what form the game hears it.
    audio: Option<AudioForm>,
}

/// An action that was called.
#[derive(Clone)]
struct Call {
    id: String,
    character: String,
    action: String,
}

struct Running {
    character: String,
    req_id: Option<String>,
    cancel: CancellationToken,
    /// Reports on this turn that came before its end (what was heard, how an action went): they amend the
    /// turn's entry, so they are written after it.
    reports: Vec<EntryKind>,
}

/// What the caller learns when a request is taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The turn that answers it, if it has one.
    pub turn: Option<String>,
    /// The same `req_id` was there before; nothing new was begun.
    pub repeated: bool,
}

impl Session {
    /// Opens a session in a loaded world.
    pub fn open(
        id: String,
        hello: &Hello,
        worlds: Arc<crate::worlds::Worlds>,
        ports: Ports,
        settings: &Settings,
        reflection: Reflection,
    ) -> Result<Session, WireError> {
        meddah_protocol::check_id("player.id", &hello.player.id)?;
        let world = worlds.find(&hello.world)?;
        let session = Session {
            id: id.clone(),
            events: Arc::new(EventLog::new(ports.voices.clone())),
            world_id: world.id.clone(),
            player: hello.player.clone(),
            worlds,
            ports,
            settings: settings.turn.clone(),
            reflection,
            scenes: settings.scenes.clone(),
            audio: AudioForm::of(&hello.capabilities)?,
            playback: OnceLock::new(),
            sounding: Arc::default(),
            playback_ends: CancellationToken::new(),
            microphone: settings.speech.microphone.clone(),
            capabilities: hello.capabilities.clone(),
            language: hello.language.clone(),
            state: Mutex::new(State {
                scene: Scene::default(),
                actions: scene::action_set(
                    &world,
                    None,
                    &Scene::default(),
                    &hello.player.id,
                    &Arc::default(),
                )?,
                declared: None,
                requests: Requests::default(),
                running: BTreeMap::new(),
                lanes: BTreeMap::new(),
                turns_started: 0,
                calls: Default::default(),
                listening: None,
                last_spoken_to: None,
                encounters: Encounters::default(),
                chains: Vec::new(),
                last_among: BTreeMap::new(),
                last_used: Instant::now(),
            }),
            taking: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        };
        session.emit(EventKind::Ready { session: id, protocol: PROTOCOL_VERSION });
        Ok(session)
    }

    /// A turn as the game wanted them when it opened the session.
    fn terms(&self, accepted: Instant) -> Terms {
        Terms { accepted, timeout: None, deltas: self.capabilities.deltas, audio: self.audio }
    }

    /// Whether the game wants to hear what is said.
    pub fn wants_sound(&self) -> bool {
        self.audio.is_some()
    }

    /// The timeline that this session lives in.
    pub fn timeline(&self) -> TimelineKey {
        TimelineKey { world: self.world_id.clone(), player: self.player.id.clone() }
    }

    /// The world as it is now; characters may be changed while the game runs.
    fn world(&self) -> Result<Arc<World>, WireError> {
        self.worlds.find(&self.world_id)
    }

    /// Whether the world as it is now has this character.
    fn check_character(&self, id: &str) -> Result<(), WireError> {
        character_of(&*self.world()?, id).map(|_| ())
    }

    /// Takes on a turn of `character`. It runs as soon as that character is free.
    async fn begin_turn(
        self: &Arc<Self>,
        character_id: &str,
        cause: Cause,
        req_id: &str,
        terms: Terms,
        moment: Option<Moment>,
    ) -> Result<Accepted, WireError> {
        let world = self.world()?;
        let character = character_of(&world, character_id)?.clone();
        let loads = self.ports.store.loads(&self.timeline()).await?;
        let mut state = self.state();
        if let Some(turn) = state.requests.turn_of(req_id) {
            return Ok(Accepted { turn: Some(turn.to_owned()), repeated: true });
        }
        if self.closing.is_cancelled() {
            return Err(WireError::new(ErrorCode::ShuttingDown, "the session is ending")
                .with_help("Open a new session."));
        }
        if state.running.len() >= TURNS_MAX {
            return Err(WireError::new(ErrorCode::Busy, format!("{TURNS_MAX} turns are waiting already"))
                .with_help("Wait for a `turn_ended` before you send more."));
        }
        let turn_id = state.next_turn();
        state.turns_started += 1;
        let req_id = (!req_id.is_empty()).then(|| req_id.to_owned());
        if let Some(req_id) = &req_id {
            state.requests.remember(req_id, &turn_id);
        }
        let cancel = self.closing.child_token();
        let running = Running {
            character: character_id.to_owned(),
            req_id: req_id.clone(),
            cancel: cancel.clone(),
            reports: Vec::new(),
        };
        state.running.insert(turn_id.clone(), running);
        // What characters say among themselves does not turn the player to them.
        if moment.is_none() {
            state.last_spoken_to = Some(character_id.to_owned());
        }
        let moment = moment.unwrap_or_else(|| state.moment());
        let lane = state.lanes.entry(character_id.to_owned()).or_default().clone();
        // The place in the queue is taken here: tasks begin in any order.
        let mut place = Box::pin(lane.lock_owned());
        let free = (&mut place).now_or_never();
        drop(state);
        let turn = self.turn(&turn_id, (world, character), cause, moment, terms);
        let turn = Turn { req_id: req_id.clone(), loads: Some(loads), ..turn };
        let events = TurnEvents {
            log: self.events.clone(),
            origin: EventOrigin {
                turn: Some(turn_id.clone()),
                req_id,
                character: Some(character_id.to_owned()),
            },
        };
        let session = self.clone();
        let turn_runs = self.reflection.turn_begins();
        self.tasks.spawn(async move {
            // A turn that is cut or too late while it waits ends at once: `turn::run` sees the cancelled token
            // and the deadline.
            let deadline = tokio::time::Instant::from_std(turn.accepted + turn.timeout);
            let lane = match free {
                Some(guard) => Some(guard),
                None => tokio::select! {
                    biased;
                    guard = place => Some(guard),
                    () = cancel.cancelled() => None,
                    () = tokio::time::sleep_until(deadline) => None,
                },
            };
            // A fault of ours ends the turn, not the sidecar, and the game still hears that it ended.
            let run = AssertUnwindSafe(turn::run(&turn, &session.ports, &events, &cancel));
            let calls = run.catch_unwind().await.unwrap_or_else(|_| {
                events.failed_inside();
                Vec::new()
            });
            session.turn_is_over(&turn, calls).await;
            let place = turn.scene.place.as_deref();
            session.reflection.talked(&turn.key, &turn.character.id, place, session.tokens_of(&turn));
            drop((lane, turn_runs));
            turn::read_back(&turn, &session.ports).await;
        });
        Ok(Accepted { turn: Some(turn_id), repeated: false })
    }

    /// A turn as it is settled when it is accepted.
    fn turn(
        &self,
        id: &str,
        (world, character): (Arc<World>, Character),
        cause: Cause,
        moment: Moment,
        Terms { accepted, timeout, deltas, audio }: Terms,
    ) -> Turn {
        Turn {
            id: id.to_owned(),
            record_id: format!("{}/{id}", self.id),
            req_id: None,
            key: self.timeline(),
            loads: None,
            world,
            character: Arc::new(character),
            player: self.player.clone(),
            language: self.language.clone(),
            cause,
            written: moment.written,
            scene: moment.scene,
            actions: moment.actions,
            deltas,
            audio,
            playback: self.playback.get().map(|reports| (self.id.clone(), reports.clone())),
            sounding: self.sounding.clone(),
            accepted,
            timeout: timeout.unwrap_or(Duration::from_millis(self.settings.timeout_ms)),
            settings: self.settings.clone(),
        }
    }

    /// About how many tokens a turn added to the talk.
    fn tokens_of(&self, turn: &Turn) -> u32 {
        let said = match &turn.cause {
            Cause::Said { text, .. } | Cause::Happened { text, .. } => text.len(),
        };
        let answered = std::cell::Cell::new(0);
        self.events.any_of_turn(&turn.id, |kind| {
            if let EventKind::TurnEnded { text, .. } = kind {
                answered.set(text.len());
            }
            false
        });
        u32::try_from((said + answered.get()) / BYTES_PER_TOKEN).unwrap_or(u32::MAX)
    }

    /// Cuts one turn: no line, sound or action of it is emitted from now on.
    fn cut(&self, turn_id: &str, running: &Running) {
        self.events.cut(turn_id);
        self.sounding.stops(turn_id);
        running.cancel.cancel();
    }

    /// Cuts the turns that `wanted` picks; returns their ids.
    fn cut_where(&self, wanted: impl Fn(&str, &Running) -> bool) -> Vec<String> {
        let state = self.state();
        let turns: Vec<(&String, &Running)> =
            state.running.iter().filter(|(id, running)| wanted(id, running)).collect();
        for (id, running) in &turns {
            self.cut(id, running);
        }
        turns.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// Waits until a turn has ended. The caller sets the deadline; one who leaves has fetched nothing.
    pub async fn ended(&self, turn: &str) -> Result<Vec<meddah_protocol::Event>, WireError> {
        const LOOK_AGAIN: Duration = Duration::from_secs(1);
        loop {
            self.check_kept(turn)?;
            if self.events.wait_for_end(turn, LOOK_AGAIN).await {
                return Ok(self.events.of_turn(turn));
            }
        }
    }

    /// Whether a turn runs, or has ended with its end still in the log.
    pub fn check_kept(&self, turn: &str) -> Result<(), WireError> {
        // Looked at first: a turn leaves the list of running ones after its end is in the log.
        let runs = self.state().running.contains_key(turn);
        let is_end = |kind: &EventKind| matches!(kind, EventKind::TurnEnded { .. });
        if runs || self.events.any_of_turn(turn, is_end) {
            return Ok(());
        }
        Err(WireError::new(ErrorCode::UnknownTurn, format!("turn {turn:?} is not kept any more"))
            .with_help("Say it again with a new `req_id`."))
    }

    /// Cuts a turn that nobody waits for any more.
    pub fn withdraw(&self, turn: &str) {
        self.cut_where(|id, _| id == turn);
    }

    /// Ends the session: running turns get `grace` to finish, then they are cut.
    pub async fn close(&self, grace: Duration) {
        self.stop_listening(None);
        self.ports.voices.stop_playing(&self.id);
        self.playback_ends.cancel(); // it has no end of its own, and nobody is to wait for it
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.cut_where(|_, _| true);
            self.closing.cancel();
            self.tasks.wait().await;
        }
        self.closing.cancel();
        self.events.close();
    }

    /// Whether nothing runs and nobody used it for `idle`.
    pub fn is_idle(&self, idle: Duration) -> bool {
        // Looking is no use of it.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.is_empty() && state.last_used.elapsed() >= idle
    }

    fn emit(&self, kind: EventKind) -> Option<u64> {
        self.events.push(&EventOrigin::default(), kind)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_used = Instant::now();
        state
    }
}

/// A character of this world.
fn character_of<'w>(world: &'w World, id: &str) -> Result<&'w Character, WireError> {
    world.characters.get(id).ok_or_else(|| {
        let known: Vec<&str> = world.characters.keys().map(String::as_str).collect();
        let message = format!("there is no character {id:?} in world {:?}", world.id);
        WireError::new(ErrorCode::UnknownCharacter, message)
            .with_help(format!("Characters of this world: {}.", known.join(", ")))
    })
}

impl State {
    /// The moment that a turn which begins now belongs to.
    fn moment(&self) -> Moment {
        Moment { scene: self.scene.clone(), actions: self.actions.clone(), written: None }
    }

    /// What the next turn will be called.
    fn next_turn(&self) -> String {
        format!("t{}", self.turns_started + 1)
    }

    /// Characters talk among themselves, if only between two of their turns.
    fn chain_runs(&self) -> bool {
        self.chains.iter().any(among::Chain::runs)
    }

    fn expect_result(&mut self, call: Call) {
        if self.calls.len() == CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }
}
