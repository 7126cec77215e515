//! One turn, from what was said to a character to the end of its answer. Read this file first.
//!
//! [`run`] reads top to bottom: recall, compose, think, admit, emit, remember. Everything it decides is
//! decided by pure functions of `meddah-engine`; everything it waits for is behind a port (a model, a
//! store), so that a test can play both. A turn that is cut or fails keeps what was said until then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use meddah_engine::action::{ActionSet, AdmittedAction, Offer};
use meddah_engine::emotion::{self, Emotion, EmotionLabel, Pad};
use meddah_engine::prompt::{self, Draft, Occasion, Past, PromptInput};
use meddah_engine::reply::{ReplyEvent, ReplyParser, ReplyRules};
use meddah_engine::timeline::{
    self, CalledAction, DecisionRecord, Entry, EntryKind, FeltEmotion, SpokenLine, TimelineKey, TurnRecord,
};
use meddah_engine::world::{Character, LoreQuery, World, reminder};
use meddah_inference::{ChatModel, Chunk, ModelState, Notice, StopReason, TokenUsage};
use meddah_protocol::{ErrorCode, EventKind, Finish, Player, Scene, Timing, Usage, WireError};
use meddah_store::{EntryFilter, StateOf, StoreErrorKind, TimelineStore};
use tokio_util::sync::CancellationToken;
use tracing::{debug, trace};

use crate::config::TurnSettings;
use crate::request::chat_request;
use crate::session::events::{EventLog, EventOrigin, Retracted};
use crate::wire::{model_error, notice, prompt_too_long, timed_out};

/// What a turn needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Thinks.
    pub model: Arc<dyn ChatModel>,
    /// Remembers.
    pub store: Arc<dyn TimelineStore>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Cause {
    /// Somebody said something.
    Said {
        /// Id of who said it.
        speaker: String,
        /// Name of who said it.
        speaker_name: String,
        /// The words.
        text: String,
    },
    /// Something happened, and a remark is wanted.
    Happened {
        /// What.
        text: String,
        /// Ids of those who saw it.
        witnesses: Vec<String>,
    },
}

/// Everything about a turn that is settled when it is accepted.
pub struct Turn {
    /// Its id within the session.
    pub id: String,
    /// Its id in the timeline, unique across sessions.
    pub record_id: String,
    /// The game's id of the request.
    pub req_id: Option<String>,
    /// Whose timeline.
    pub key: TimelineKey,
    /// How often that timeline had been loaded when the turn was accepted.
    pub loads: Option<u64>,
    /// The world.
    pub world: Arc<World>,
    /// Who answers.
    pub character: Arc<Character>,
    /// Who plays.
    pub player: Player,
    /// The language asked for.
    pub language: Option<String>,
    /// What is answered.
    pub cause: Cause,
    /// The moment.
    pub scene: Scene,
    /// What the game can carry out.
    pub actions: Arc<ActionSet>,
    /// The game shows text as it comes.
    pub deltas: bool,
    /// When the command was decoded.
    pub accepted: Instant,
    /// How long it may take from then.
    pub timeout: Duration,
    /// How turns are run.
    pub settings: TurnSettings,
}

/// Where a turn's events go.
pub struct TurnEvents {
    /// The session's log.
    pub log: Arc<EventLog>,
    /// Turn, request and character.
    pub origin: EventOrigin,
}

/// What has been said so far.
#[derive(Default)]
struct Reply {
    told: String,
    emotion: Option<Emotion>,
    decisions: Vec<DecisionRecord>,
    lines: Vec<(u32, SpokenLine)>,
    actions: Vec<(String, AdmittedAction)>,
    usage: TokenUsage,
    timing: Timing,
}

/// Runs one turn and returns the ids of its action calls. Exactly one `turn_ended` is emitted, after the
/// turn is safely in the store.
pub async fn run(turn: &Turn, ports: &Ports, events: &TurnEvents, cancel: &CancellationToken) -> Vec<String> {
    events.push(EventKind::TurnStarted);
    let mut reply = Reply::default();
    reply.timing.model = ports.model.label().0;

    let deadline = tokio::time::Instant::from_std(turn.accepted + turn.timeout);
    let (mut finish, error) = tokio::select! {
        biased;
        () = cancel.cancelled() => (Finish::Interrupted, None),
        answered = tokio::time::timeout_at(deadline, answer(turn, ports, events, cancel, &mut reply)) => {
            match answered {
                Ok(Ok(())) => (Finish::Complete, None),
                Ok(Err(_)) if cancel.is_cancelled() => (Finish::Interrupted, None),
                Ok(Err(error)) => (Finish::Failed, Some(error)),
                Err(_) => (Finish::Failed, Some(timed_out(turn.timeout))),
            }
        }
    };
    if let Some(retracted) = events.log.seal(&turn.id) {
        reply.forget(&retracted);
        if finish == Finish::Complete {
            finish = Finish::Interrupted; // cut between its last word and here
        }
    }

    remember(turn, ports, events, &reply, finish).await;
    reply.timing.prompt_tokens = reply.usage.prompt_tokens;
    reply.timing.cached_tokens = reply.usage.cached_tokens;
    reply.timing.total_ms = ms_since(turn.accepted);
    events.push(EventKind::TurnEnded {
        finish,
        error,
        text: reply.text(),
        usage: Usage {
            prompt_tokens: reply.usage.prompt_tokens,
            cached_tokens: reply.usage.cached_tokens,
            completion_tokens: reply.usage.completion_tokens,
        },
        timing: reply.timing,
    });
    reply.actions.into_iter().map(|(call_id, _)| call_id).collect()
}

/// Thinks the answer up and emits it as it comes.
async fn answer(
    turn: &Turn,
    ports: &Ports,
    events: &TurnEvents,
    cancel: &CancellationToken,
    reply: &mut Reply,
) -> Result<(), WireError> {
    let past = recall(turn, ports).await?;
    let (before, elapsed) = felt_before(turn, ports).await?;
    reply.timing.recall_ms = ms_since(turn.accepted);

    let offer = Offer::rank_between(
        &turn.actions,
        turn.cause.text(),
        &turn.scene,
        turn.cause.speaker(),
        &turn.character.id,
    );
    let lore = lore(turn, &past);
    let draft = Draft::new(&PromptInput {
        world: &turn.world,
        character: &turn.character,
        player_name: turn.partner_name(),
        language: turn.language.as_deref(),
        actions: &turn.actions,
        past: &past,
        lore: &lore,
        occasion: turn.cause.occasion(),
    });
    reply.told = draft.now().to_owned();

    let info = load(ports, events).await?;
    let counts = ports.model.count_tokens(&draft.texts()).await.map_err(model_error)?;
    let room = info.context_tokens.saturating_sub(turn.settings.reply_tokens_max + HEAD_TOKENS_MAX);
    let messages = draft.fit(&counts, info.message_overhead_tokens, room).map_err(prompt_too_long)?;

    let request = chat_request(turn, messages, &offer);
    let mut stream = ports.model.stream(request, cancel.clone()).await.map_err(model_error)?;
    let mut parser = ReplyParser::new(reply_rules(turn));
    let mut cut_off = false;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(model_error)?;
        reply.timing.first_token_ms.get_or_insert_with(|| ms_since(turn.accepted));
        match chunk {
            Chunk::Decided { decision, choice, .. } if decision == prompt::EMOTION_DECISION => {
                reply.feel(turn, events, &before, elapsed, &choice);
            }
            Chunk::Decided { choice, arguments, .. } => reply.act(turn, events, &choice, arguments),
            Chunk::Text(text) => {
                let said = parser.push(&text);
                reply.say(turn, events, said);
                if parser.is_over() {
                    break;
                }
            }
            Chunk::Usage(usage) => reply.usage = usage,
            Chunk::Notice(Notice { code, message, help }) => {
                events.push(EventKind::Notice { code, message, help, percent: None });
            }
            Chunk::Done { usage, stop } => {
                reply.usage = usage;
                cut_off = stop == StopReason::Length;
            }
        }
    }
    let rest = if cut_off { parser.finish_cut() } else { parser.finish() };
    reply.say(turn, events, rest);
    reply.fall_back_if_silent(turn, events);
    Ok(())
}

/// How strongly a chosen feeling is felt; the label says what, code says how much.
const FELT_INTENSITY: f32 = 0.6;
/// Tokens kept free for mood, action and arguments.
const HEAD_TOKENS_MAX: u32 = 96;
/// Pieces of knowledge that one turn calls up, and their characters in sum: a small model gets lost in more.
const LORE_ENTRIES_MAX: usize = 2;
const LORE_CHARS_MAX: usize = 500;

/// What the character remembers of late: only what it witnessed.
async fn recall(turn: &Turn, ports: &Ports) -> Result<Past, WireError> {
    let id = &turn.character.id;
    let filter = EntryFilter::PerceivedBy(id.clone());
    let entries = ports.store.recent(&turn.key, filter, turn.settings.recent_turns_max, None).await?;
    let recalled = timeline::recall(entries.iter().map(|stored| &stored.entry), id);
    let name_of = |id: &str| turn.world.characters.get(id).map_or(id.to_owned(), |other| other.name.clone());
    Ok(Past::new(recalled, id, name_of))
}

/// How the character felt when it last spoke, and how long ago that was.
async fn felt_before(turn: &Turn, ports: &Ports) -> Result<(Emotion, Duration), WireError> {
    let filter = EntryFilter::State(StateOf::Emotion { character: turn.character.id.clone() });
    let newest = ports.store.recent(&turn.key, filter, 1, None).await?;
    let usual = (usual_emotion(turn), Duration::ZERO);
    Ok(newest.first().and_then(|stored| emotion_of(&stored.entry)).unwrap_or(usual))
}

fn usual_emotion(turn: &Turn) -> Emotion {
    Emotion::usual(turn.character.mood.parse().unwrap_or_default())
}

fn emotion_of(entry: &Entry) -> Option<(Emotion, Duration)> {
    let EntryKind::Emotion { label, intensity, pleasure, arousal, dominance } = &entry.kind else {
        return None;
    };
    let mood = Pad { pleasure: *pleasure, arousal: *arousal, dominance: *dominance };
    let emotion = Emotion { label: label.parse().ok()?, intensity: *intensity, mood };
    let elapsed_ms = u64::try_from(now_ms() - entry.wall_time_ms).unwrap_or(0);
    Some((emotion, Duration::from_millis(elapsed_ms)))
}

/// Writes the turn and the feeling to the timeline. A save that was loaded meanwhile makes the turn part of
/// a time that never was: it is dropped, and nobody misses it.
async fn remember(turn: &Turn, ports: &Ports, events: &TurnEvents, reply: &Reply, finish: Finish) {
    let mut entries = vec![entry(record(turn, reply, finish), Some(&turn.character.id), witnesses(turn))];
    if let Some(Emotion { label, intensity, mood }) = reply.emotion {
        let kind = EntryKind::Emotion {
            label: label.name().to_owned(),
            intensity,
            pleasure: mood.pleasure,
            arousal: mood.arousal,
            dominance: mood.dominance,
        };
        entries.push(entry(kind, Some(&turn.character.id), vec![turn.character.id.clone()]));
    }
    for entry in &mut entries {
        entry.game_time = turn.scene.game_time;
    }
    match ports.store.append_since(&turn.key, turn.loads, entries).await {
        Ok(_) => {}
        Err(error) if error.kind == StoreErrorKind::Superseded => {
            debug!(turn = turn.id, "a save was loaded while the turn ran");
        }
        Err(error) => {
            events.push(notice("not_remembered", error.into()));
        }
    }
}

/// What the character knows of what is said, knowledge that the words call up, and secrets whose condition
/// holds, unless told a moment ago.
fn lore(turn: &Turn, past: &Past) -> Vec<String> {
    let conditions_met = &turn.scene.facts;
    let query = LoreQuery {
        recent_text: turn.cause.text(),
        character: &turn.character.id,
        conditions_met,
        entries_max: LORE_ENTRIES_MAX,
        chars_max: LORE_CHARS_MAX,
    };
    let told_lately = |text: &str| past.turns.iter().rev().take(4).any(|turn| turn.told.contains(text));
    let open = turn.character.secrets.iter().filter(|secret| conditions_met.contains(&secret.condition));
    let found = turn.world.lore_for(&query).into_iter().map(|entry| entry.text.as_str());
    let known = reminder(&turn.character, turn.cause.text()).into_iter();
    let found = known.chain(open.map(|secret| secret.text.as_str())).chain(found);
    found.filter(|text| !told_lately(text)).map(str::to_owned).collect()
}

/// Waits for the model, telling the game how far it is.
async fn load(ports: &Ports, events: &TurnEvents) -> Result<meddah_inference::ModelInfo, WireError> {
    const NOTICE_EVERY: Duration = Duration::from_millis(500);
    let info = ports.model.info();
    tokio::pin!(info);
    let mut told = None;
    loop {
        tokio::select! {
            biased;
            info = &mut info => return info.map_err(model_error),
            () = tokio::time::sleep(NOTICE_EVERY) => {}
        }
        if let ModelState::Loading(percent) = ports.model.state()
            && told != Some(percent)
        {
            told = Some(percent);
            events.push(EventKind::Notice {
                code: "model_loading".into(),
                message: format!("the model is loading ({percent} %)"),
                help: "The first answer takes a little longer.".into(),
                percent: Some(percent),
            });
        }
    }
}

impl Reply {
    /// The model chose a feeling.
    fn feel(&mut self, turn: &Turn, events: &TurnEvents, before: &Emotion, elapsed: Duration, label: &str) {
        let chosen: EmotionLabel = label.parse().unwrap_or_default();
        let felt = emotion::step(before, &usual_emotion(turn), chosen, FELT_INTENSITY, elapsed).rounded();
        events.push(EventKind::Emotion {
            label: felt.label.name().to_owned(),
            intensity: felt.intensity,
            pleasure: felt.mood.pleasure,
            arousal: felt.mood.arousal,
            dominance: felt.mood.dominance,
        });
        self.emotion = Some(felt);
        self.decide(prompt::EMOTION_DECISION, label, None);
    }

    /// The model chose an action; it reaches the game only if the gate admits it.
    fn act(&mut self, turn: &Turn, events: &TurnEvents, name: &str, arguments: Option<serde_json::Value>) {
        if name == prompt::NOTHING {
            return self.decide(prompt::ACTION_DECISION, prompt::NOTHING, None);
        }
        let action = match turn.actions.admit(name, arguments.clone()) {
            Ok(action) => action,
            Err(refusal) => {
                debug!(turn = turn.id, action = name, "action not admitted");
                trace!(turn = turn.id, %refusal, "why it was not"); // may quote what the player said
                return self.decide(prompt::ACTION_DECISION, prompt::NOTHING, None);
            }
        };
        self.decide(prompt::ACTION_DECISION, name, arguments);
        let call_id = format!("{}.c{}", turn.id, self.actions.len() + 1);
        events.push(EventKind::Action {
            call_id: call_id.clone(),
            name: action.name.clone(),
            arguments: action.arguments.clone(),
            target: action.target.clone(),
            needs_result: action.needs_result,
        });
        self.actions.push((call_id, action));
    }

    fn decide(&mut self, decision: &str, choice: &str, arguments: Option<serde_json::Value>) {
        let (decision, choice) = (decision.to_owned(), choice.to_owned());
        self.decisions.push(DecisionRecord { decision, choice, arguments });
    }

    /// Emits what the parser made of the model's text.
    fn say(&mut self, turn: &Turn, events: &TurnEvents, said: Vec<ReplyEvent>) {
        for event in said {
            match event {
                ReplyEvent::Line { text } => self.line(turn, events, text, false),
                ReplyEvent::Narration { text } => self.line(turn, events, text, true),
                ReplyEvent::Delta { text } if turn.deltas => {
                    events.push(EventKind::Delta { text });
                }
                ReplyEvent::Delta { .. } | ReplyEvent::Over => {}
            }
        }
    }

    fn line(&mut self, turn: &Turn, events: &TurnEvents, text: String, narration: bool) {
        let number = self.lines.len() as u32;
        let emotion = self.emotion.map(|felt| felt.label.name().to_owned());
        let event = EventKind::Line { line: number, text: text.clone(), emotion, narration };
        if events.push(event).is_some() {
            self.timing.first_line_ms.get_or_insert_with(|| ms_since(turn.accepted));
            self.lines.push((number, SpokenLine { narration, ..SpokenLine::spoken(text) }));
        }
    }

    /// A model that had nothing to say: the character file has a line for that.
    fn fall_back_if_silent(&mut self, turn: &Turn, events: &TurnEvents) {
        if !self.lines.is_empty() || !self.actions.is_empty() {
            return;
        }
        let lines = &turn.character.fallback_lines;
        let place = turn.id.bytes().map(usize::from).sum::<usize>() % lines.len().max(1);
        if let Some(text) = lines.get(place) {
            debug!(turn = turn.id, "the model said nothing, a fallback line is used");
            self.line(turn, events, text.clone(), false);
        }
    }

    /// Drops what a cut took back: nobody heard it.
    fn forget(&mut self, retracted: &Retracted) {
        if retracted.emotion {
            self.emotion = None;
            self.decisions.retain(|record| record.decision != prompt::EMOTION_DECISION);
        }
        if !retracted.calls.is_empty() {
            self.decisions.retain(|record| record.decision != prompt::ACTION_DECISION);
        }
        self.lines.retain(|(number, _)| !retracted.lines.contains(number));
        self.actions.retain(|(call_id, _)| !retracted.calls.contains(call_id));
    }

    fn text(&self) -> String {
        self.lines.iter().map(|(_, line)| line.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl Turn {
    /// What the character calls whom it talks with.
    pub fn partner_name(&self) -> &str {
        match &self.cause {
            Cause::Said { speaker_name, .. } => speaker_name,
            Cause::Happened { .. } => &self.player.name,
        }
    }
}

impl Cause {
    fn text(&self) -> &str {
        match self {
            Cause::Said { text, .. } | Cause::Happened { text, .. } => text,
        }
    }

    fn speaker(&self) -> &str {
        match self {
            Cause::Said { speaker, .. } => speaker,
            Cause::Happened { .. } => "",
        }
    }

    fn occasion(&self) -> Occasion<'_> {
        match self {
            Cause::Said { speaker_name, text, .. } => Occasion::Said { speaker: speaker_name, text },
            Cause::Happened { text, .. } => Occasion::Happened(text),
        }
    }
}

impl TurnEvents {
    /// Ends a turn that a fault of ours broke off.
    pub fn failed_inside(&self) {
        let error = WireError::new(ErrorCode::Internal, "the turn broke off by a fault of this program")
            .with_help("Say it again; if it happens again, report it with the log.");
        self.push(EventKind::TurnEnded {
            finish: Finish::Failed,
            error: Some(error),
            text: String::new(),
            usage: Usage::default(),
            timing: Timing::default(),
        });
    }

    fn push(&self, kind: EventKind) -> Option<u64> {
        self.log.push(&self.origin, kind)
    }
}

/// The turn as the timeline keeps it.
fn record(turn: &Turn, reply: &Reply, finish: Finish) -> EntryKind {
    let (speaker, speaker_name, text) = match &turn.cause {
        Cause::Said { speaker, speaker_name, text } => (speaker.clone(), speaker_name.clone(), text.clone()),
        Cause::Happened { text, .. } => (String::new(), String::new(), text.clone()),
    };
    let calls = reply.actions.iter().map(|(call_id, action)| CalledAction {
        call_id: format!("{}.{}", turn.record_id, call_id.rsplit('.').next().unwrap_or_default()),
        name: action.name.clone(),
        arguments: action.arguments.clone(),
        target: action.target.clone(),
    });
    EntryKind::Turn(TurnRecord {
        turn: turn.record_id.clone(),
        req_id: turn.req_id.clone().unwrap_or_default(),
        speaker,
        speaker_name,
        text,
        told: reply.told.clone(),
        lines: reply.lines.iter().map(|(_, line)| line.clone()).collect(),
        emotion: reply.emotion.map(felt_emotion),
        decisions: reply.decisions.clone(),
        actions: calls.collect(),
        finish,
    })
}

fn felt_emotion(felt: Emotion) -> FeltEmotion {
    FeltEmotion { label: felt.label.name().to_owned(), intensity: felt.intensity }
}

/// Who perceived the turn: the two who talk, and whoever the game said can hear.
fn witnesses(turn: &Turn) -> Vec<String> {
    let scene = &turn.scene;
    let near = if scene.hearing.is_empty() { &scene.present } else { &scene.hearing };
    let mut all: BTreeSet<String> = near.iter().cloned().collect();
    all.insert(turn.character.id.clone());
    match &turn.cause {
        Cause::Said { speaker, .. } => {
            all.insert(speaker.clone());
        }
        Cause::Happened { witnesses, .. } => all.extend(witnesses.iter().cloned()),
    }
    all.into_iter().collect()
}

fn reply_rules(turn: &Turn) -> ReplyRules {
    let names = turn.scene.present.iter().filter_map(|id| turn.world.characters.get(id));
    let others = names.map(|other| other.name.clone()).chain([turn.player.name.clone()]);
    let mut rules =
        ReplyRules::new(&turn.character.name, turn.partner_name(), turn.settings.lines_max as usize);
    rules.other_names.extend(others.filter(|name| *name != turn.character.name));
    rules
}

fn ms_since(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

/// An entry for the timeline, stamped with a new id and the time.
pub fn entry(kind: EntryKind, character: Option<&str>, witnesses: Vec<String>) -> Entry {
    Entry {
        id: ulid::Ulid::new().to_string(),
        kind,
        character: character.map(str::to_owned),
        witnesses,
        game_time: None,
        wall_time_ms: now_ms(),
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
