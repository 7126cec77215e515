//! One turn, from what was said to a character to the end of its answer. Read this file first.
//!
//! [`run`] reads top to bottom: recall, compose, think, admit, emit, remember. Everything it decides is
//! decided by pure functions of `meddah-engine`; everything it waits for is behind a port (a model, a
//! store), so that a test can play both. A turn that is cut or fails keeps what was said until then.

mod explain;
mod heart;
pub(crate) mod mind;
mod question;
mod read_ahead;
mod record;
mod remember;
mod reply;
mod rules;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use meddah_engine::action::{ActionSet, Offer};
use meddah_engine::prompt::{self, Occasion};
use meddah_engine::reply::ReplyParser;
use meddah_engine::timeline::{Entry, EntryKind, TimelineKey};
use meddah_engine::world::{Character, World};
use meddah_inference::{ChatStream, Chunk, ModelError, StopReason};
use meddah_protocol::{ErrorCode, EventKind, Finish, Player, Scene, Timing, Usage, WireError};
use meddah_speech::SpeechToText;
use meddah_store::TimelineStore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::config::TurnSettings;
use crate::embedder::LateEmbedder;
use crate::ladders::Ladders;
use crate::memory::Memories;
use crate::session::events::{EventLog, EventOrigin};
use crate::voice::{AudioForm, HeardReport, Sounding, Voices};
use crate::wire::{self, model_error, ms_since, notice, timed_out};
use mind::Mind;
use question::TurnQuestion;
use reply::Reply;
use rules::{guard_rules, reply_rules};

pub use explain::{EXPLANATIONS_MAX, Explainer, Explanation};
pub(crate) use question::form_for;
pub(crate) use read_ahead::read_ahead;
pub(crate) use remember::read_back;

/// What a turn needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Think: models and services, in the order of each character.
    pub ladders: Ladders,
    /// Remembers.
    pub store: Arc<dyn TimelineStore>,
    /// Finds memories by what they mean, if it is there.
    pub embedder: LateEmbedder,
    /// Finds what is remembered.
    pub memories: Memories,
    /// Speaks.
    pub voices: Arc<Voices>,
    /// Understands what players say aloud, if it is there.
    pub ears: Option<Arc<dyn SpeechToText>>,
}

impl Ports {
    /// With the memories that are in this store, and without a voice.
    pub fn new(ladders: Ladders, store: Arc<dyn TimelineStore>, embedder: LateEmbedder) -> Ports {
        let memories = Memories::new(store.clone(), embedder.clone());
        Ports { ladders, store, embedder, memories, voices: Arc::default(), ears: None }
    }

    /// The same with a voice.
    pub fn with_voices(self, voices: Voices) -> Ports {
        Ports { voices: Arc::new(voices), ..self }
    }

    /// The same with ears.
    pub fn with_ears(self, ears: Arc<dyn SpeechToText>) -> Ports {
        Ports { ears: Some(ears), ..self }
    }
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
    /// The answer, if it is written already.
    pub written: Option<Written>,
    /// The moment.
    pub scene: Scene,
    /// What the game can carry out.
    pub actions: Arc<ActionSet>,
    /// The game shows text as it comes.
    pub deltas: bool,
    /// The game wants to hear it.
    pub audio: Option<AudioForm>,
    /// Its session, and where it is told what was heard of lines that this PC plays.
    pub playback: Option<(String, mpsc::Sender<HeardReport>)>,
    /// What the player's microphone may hear of it.
    pub(crate) sounding: Arc<Sounding>,
    /// When the command was decoded.
    pub accepted: Instant,
    /// How long it may take from then.
    pub timeout: Duration,
    /// How turns are run.
    pub settings: TurnSettings,
}

/// Words that were written for a character together with those of others.
#[derive(Clone, Debug)]
pub struct Written {
    /// The words.
    pub text: String,
    /// Who wrote them.
    pub model: String,
}

/// Where a turn's events go.
#[derive(Clone)]
pub struct TurnEvents {
    /// The session's log.
    pub log: Arc<EventLog>,
    /// Turn, request and character.
    pub origin: EventOrigin,
}

/// Runs one turn and returns its action calls, id and name. Exactly one `turn_ended` is emitted, after the
/// turn is safely in the store.
pub async fn run(
    turn: &Turn,
    ports: &Ports,
    events: &TurnEvents,
    cancel: &CancellationToken,
) -> Vec<(String, String)> {
    events.push(EventKind::TurnStarted);
    let mut reply = Reply::default();
    reply.speaker = ports.voices.speaker(turn, events);

    let deadline = deadline(turn);
    let (mut finish, mut error) = tokio::select! {
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
    if let (Finish::Failed, Some(why)) = (finish, &mut error) {
        finish = carry_on(turn, events, why, &mut reply);
    }
    if let Some(speaker) = reply.speaker.take() {
        reply.timing.first_audio_ms = speaker.finish(cancel, deadline).await;
    }
    if let Some(retracted) = events.log.seal(&turn.id) {
        reply.forget(&retracted);
        if finish == Finish::Complete {
            finish = Finish::Interrupted; // cut between its last word and here
        }
    }

    remember::write(turn, ports, events, &reply, finish).await;
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
    reply.actions.into_iter().map(|(call_id, action)| (call_id, action.name)).collect()
}

/// What `timing.model` says when the character's own file answered.
pub const CANNED: &str = "canned";

/// No model brought the turn to its end. What was heard or done stands; a turn in which nothing was ends with a
/// line from the character's own file, the last rung of every ladder. No such line follows an action: it was
/// written for somebody who has no answer, and the player has just seen one. Either way the game goes on, and
/// the error stays with the turn for whoever wants to know why.
fn carry_on(turn: &Turn, events: &TurnEvents, why: &WireError, reply: &mut Reply) -> Finish {
    if !reply.lines.is_empty() || !reply.actions.is_empty() {
        events.push(notice("cut_short", why.clone()));
        return Finish::Complete;
    }
    if !reply.fall_back(turn, events) {
        return Finish::Failed;
    }
    reply.timing.model = CANNED.to_owned();
    events.push(notice(CANNED, why.clone()));
    Finish::Complete
}

/// Thinks the answer up and emits it as it comes.
async fn answer(
    turn: &Turn,
    ports: &Ports,
    events: &TurnEvents,
    cancel: &CancellationToken,
    reply: &mut Reply,
) -> Result<(), WireError> {
    let ladder = ports.ladders.of(turn);
    let (witnessed, asked) = mind::read(turn, ports).await?;
    let mind = Mind::recall(turn, ports, &ladder, &witnessed, asked).await?;
    reply.timing.recall_ms = ms_since(turn.accepted);
    if let Some(told) = ports.embedder.notice_once().filter(|_| !mind.on_mind.memories.is_empty()) {
        events.push(wire::told(told));
    }
    reply.feelings = Some(mind.feelings.clone());

    let offer = offer(turn, &mind);
    reply.lore_timers = mind.lore_timers.clone();
    let conversation = conversation(&turn.key, &turn.character.id);
    let mut question = TurnQuestion::new(turn, Some(events), &offer, &mind, conversation);
    reply.told = question.told();
    if let Some(written) = &turn.written {
        return recite(turn, events, &question, written, reply).await;
    }
    let mut from = 0;
    loop {
        let answer = ladder.ask(&question, from, deadline(turn), cancel).await.map_err(model_error)?;
        from = answer.rung + 1;
        reply.timing.model = answer.label.0;
        reply.told = question.told();
        match speak(turn, events, &question, answer.stream, reply).await {
            // Nobody heard the words that do not belong to the game: others, once.
            Ok(()) if reply.is_unusable() && !question.again => {
                debug!(
                    turn = turn.id,
                    fault = reply.fault_name(),
                    "the first line cannot be used, asked once more"
                );
                question.again = true;
                from = answer.rung;
            }
            Ok(()) => break,
            // What was heard stands; the game is told that it is not all.
            Err(error) if reply.was_heard() || cancel.is_cancelled() => return Err(model_error(error)),
            Err(error) if ladder.asks_again(answer.rung, &error) => {
                from = answer.rung;
                reply.begin_again();
            }
            Err(error) if from >= ladder.rungs().len() => return Err(model_error(error)),
            Err(error) => {
                debug!(
                    turn = turn.id,
                    kind = error.kind.name(),
                    "a reply broke off unheard, the next rung answers"
                );
                reply.begin_again();
            }
        }
    }
    if reply.has_no_usable_line() {
        reply.say_something(turn, events);
    }
    Ok(())
}

/// The actions that come into question.
fn offer(turn: &Turn, mind: &Mind<'_>) -> Offer {
    let speaker = turn.cause.speaker();
    let mut offer =
        Offer::rank_between(&turn.actions, turn.cause.text(), &turn.scene, speaker, &turn.character.id);
    offer.lean(&turn.actions, mind.feelings.warmth());
    offer
}

/// The words are there: they are judged and said like those of a model. What may not be said is silence, because
/// what was written behind it answers nothing else.
async fn recite(
    turn: &Turn,
    events: &TurnEvents,
    question: &TurnQuestion<'_>,
    written: &Written,
    reply: &mut Reply,
) -> Result<(), WireError> {
    reply.timing.model = written.model.clone();
    let words = futures::stream::iter([Ok(Chunk::Text(written.text.clone()))]);
    speak(turn, events, question, Box::pin(words), reply).await.map_err(model_error)
}

/// Under which key models and services keep what they have read and heard of a conversation.
pub fn conversation(key: &TimelineKey, character: &str) -> String {
    format!("{}/{}/{character}", key.world, key.player)
}

/// Emits a reply as it comes.
async fn speak(
    turn: &Turn,
    events: &TurnEvents,
    question: &TurnQuestion<'_>,
    mut stream: ChatStream,
    reply: &mut Reply,
) -> Result<(), ModelError> {
    let mut parser = ReplyParser::new(reply_rules(turn, &question.form_asked()));
    reply.begin_words(guard_rules(turn, question.mind, question.unsaid()));
    let mut cut_off = false;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        reply.timing.first_token_ms.get_or_insert_with(|| ms_since(turn.accepted));
        match chunk {
            Chunk::Decided { decision, choice, .. } if decision == prompt::EMOTION_DECISION => {
                reply.feel(turn, events, &choice);
            }
            Chunk::Decided { choice, arguments, .. } => reply.act(turn, events, &choice, arguments),
            Chunk::Text(text) => {
                let said = parser.push(&text);
                reply.say(turn, events, said);
                if parser.is_over() || reply.is_over() {
                    break;
                }
            }
            Chunk::Usage(usage) => reply.usage = usage,
            Chunk::Notice(told) => {
                events.push(wire::told(told));
            }
            Chunk::Done { usage, stop } => {
                reply.usage = usage;
                cut_off = stop == StopReason::Length;
            }
        }
    }
    let over = parser.is_over();
    let rest = if cut_off { parser.finish_cut() } else { parser.finish() };
    reply.say(turn, events, rest);
    if over {
        reply.was_cut_short();
    }
    reply.end_words();
    Ok(())
}

/// Kept free before a turn's end, for a line from the character's file and for writing the turn down; a tenth
/// of its time if that is less.
const CANNED_MARGIN_MAX: Duration = Duration::from_millis(200);

/// When whoever thinks must have come to an end.
fn deadline(turn: &Turn) -> tokio::time::Instant {
    let margin = CANNED_MARGIN_MAX.min(turn.timeout / 10);
    tokio::time::Instant::from_std(turn.accepted + turn.timeout - margin)
}

impl Turn {
    /// A number that follows from the turn alone (FNV-1a): asked again, it is the same. Sessions have random names, so
    /// nobody can foretell it.
    pub(crate) fn dice(&self) -> u64 {
        self.record_id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// One of these, by the turn: the same turn has the same, and turns take them by and by. None of none.
    pub(crate) fn pick<'l>(&self, lines: &'l [String]) -> Option<&'l String> {
        let place = self.record_id.bytes().map(usize::from).sum::<usize>();
        lines.get(place.checked_rem(lines.len())?)
    }

    /// The id of whom the character talks with.
    pub fn partner(&self) -> &str {
        match &self.cause {
            Cause::Said { speaker, .. } => speaker,
            Cause::Happened { .. } => &self.player.id,
        }
    }

    /// What the character calls whom it talks with.
    pub fn partner_name(&self) -> &str {
        match &self.cause {
            Cause::Said { speaker_name, .. } => speaker_name,
            Cause::Happened { .. } => &self.player.name,
        }
    }

    /// The language that is spoken.
    fn spoken_language(&self) -> &str {
        self.language.as_deref().unwrap_or(&self.world.language)
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
